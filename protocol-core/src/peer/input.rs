use std::time::Duration;

use serde_json::value::RawValue;
use thiserror::Error;

use crate::dialect::openclaw;
use crate::text::json_len;
use crate::websocket::{CloseCode, Closed, UpgradeRequest};
use crate::work::{Outcome, Task, WorkflowSource};

/// Everything that can happen to a peer. One entry takes them all: [`Peer::handle`](super::Peer::handle).
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes from the node.
    Received(&'a [u8]),
    /// The node will send no more bytes.
    ReceivedEof,
    /// The byte stream broke.
    Disconnected,
    /// The socket took this many bytes of [`Peer::transmit`](super::Peer::transmit).
    Sent(usize),
    /// Time has passed. Any time is right; at [`Peer::deadline`](super::Peer::deadline) at the latest.
    Timeout,
    /// The answer to [`Action::Authorize`].
    Authorize(Decision<'a>),
    /// Hand work to the node. Only once it is registered.
    Request(&'a Request),
    /// Tell the node to stop the work of this request, and take no more answer to it: its time is over, or nobody waits for it any
    /// more. Deadlines are the application's to keep. The openclaw dialect alone has words for it.
    Cancel(&'a str),
    /// Tell the node that its answer to this request is kept here. The nodetool dialect alone has words for it: in the openclaw
    /// dialect each answer is replied to as it comes.
    Acknowledge(&'a str),
    /// Whether what the node says it can do is approved has changed. The openclaw dialect alone knows such approvals.
    Surface(Surface<'a>),
    /// Tell the node that the gateway stops, and when it will be back. [`Close`](Self::Close) is to follow. The openclaw dialect
    /// alone has words for it.
    GoingAway {
        /// Why, such as `gateway restarting`.
        reason: &'a str,
        /// After this time; `None` if it will not.
        back_in: Option<Duration>,
    },
    /// Send a message of the application's own: a JSON object whose `type` the dialect does not use; in the openclaw dialect an event
    /// that is none of its own, as a whole frame.
    Custom(&'a str),
    /// Start the closing handshake.
    Close(CloseCode, &'a str),
}

/// Who asks to be let in.
///
/// In the nodetool dialect a node asks once, with the HTTP request that carries its credential. In the openclaw dialect it asks twice:
/// with an HTTP request, which shows nothing, and with its `connect`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Applicant {
    /// Whoever sends this HTTP upgrade request. Decide with [`Decision::Accept`] or [`Decision::Reject`].
    Upgrade(UpgradeRequest),
    /// Whoever sends this `connect`. Decide with [`Decision::Welcome`] or [`Decision::Refuse`].
    Connect(Box<openclaw::ConnectRequest>),
}

/// Whether a node may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision<'a> {
    /// It may be upgraded: 101.
    Accept,
    /// It is let in, and greeted so. [`FromNode::Registered`] follows.
    Welcome(&'a openclaw::Hello),
    /// It is not let in, and told why. The close code and reason that follow are those of the refusal (openclaw page 8).
    Refuse(&'a openclaw::Refusal),
    /// It may not be upgraded: this HTTP status (400 to 599) and text.
    Reject {
        /// 401 for a missing or wrong token, 403, 429, 503 ...
        status: u16,
        /// What the operator of the node should know.
        message: &'a str,
        /// The `Retry-After` header, in seconds.
        retry_after: Option<u32>,
    },
}

/// Whether what a node says it can do may be used (openclaw page 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Surface<'a> {
    /// It may not, not yet or not any more: what the node has to say is answered with `PAIRING_CHANGED`.
    Unapproved,
    /// It may.
    Approved {
        /// The request for it that was granted. With it the node is told that it was; without it, it is not.
        request_id: Option<&'a str>,
    },
}

/// Work for a node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The gateway's name for it. In the nodetool dialect repeating one repeats the answer, not the work; in the openclaw dialect it
    /// replaces the work.
    pub request_id: String,
    /// On whose behalf; `None` leaves it to the node. The openclaw dialect has no place for it.
    pub user_id: Option<String>,
    /// What is to be done. The openclaw dialect has only commands, and a command whose arguments are `null` has none.
    pub task: Task,
    /// How long somebody waits for the answer, in whole milliseconds; `None`: for as long as it takes. The nodetool dialect has no
    /// place for it.
    pub time: Option<Duration>,
    /// Whoever asks may name what they ask for; requests that are not the same may have the same name. The nodetool dialect has no
    /// place for it.
    pub idempotency_key: Option<String>,
}

impl Request {
    /// Work under this name, on nobody's behalf, for which somebody waits as long as it takes.
    pub fn new(request_id: impl Into<String>, task: Task) -> Self {
        Self {
            request_id: request_id.into(),
            user_id: None,
            task,
            time: None,
            idempotency_key: None,
        }
    }

    /// The same on somebody's behalf.
    pub fn for_user(mut self, user_id: impl Into<Option<String>>) -> Self {
        self.user_id = user_id.into();
        self
    }

    /// Bytes of its message at most.
    pub(crate) fn size(&self) -> usize {
        let task = match &self.task {
            Task::Workflow { source: WorkflowSource::Id(id), params } => {
                json_len(id) + params.get().len()
            }
            Task::Workflow { source: WorkflowSource::Graph(graph), params } => {
                graph.get().len() + params.get().len()
            }
            Task::Command { name, args } => json_len(name) + args.get().len(),
        };
        let user_id = self.user_id.as_deref().map_or(0, json_len);
        let key = self.idempotency_key.as_deref().map_or(0, json_len);
        task + json_len(&self.request_id) + user_id + key + ENVELOPE
    }
}

/// Bytes of a message around what the request says: its type, the time and the names of the fields.
const ENVELOPE: usize = 256;

/// What the driver or the application must do or may like to know. Taken by [`Peer::poll_action`](super::Peer::poll_action).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Action {
    /// Decide whether this node may connect and answer with [`Input::Authorize`].
    Authorize(Applicant),
    /// The node says something.
    Message(FromNode),
    /// Close the byte stream at once. No input about it is due any more.
    Disconnect,
    /// The connection is over. The last action.
    Closed(LostReason),
}

/// What a node says to a gateway.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FromNode {
    /// It registers. Given once for each connection; a repeated registration replaces the former.
    Registered(Registration),
    /// It is alive.
    Alive {
        /// Its own word for how it is, such as `active`.
        status: String,
    },
    /// It has taken a request.
    Accepted {
        /// Which.
        request_id: String,
        /// A sentence for people.
        message: Option<String>,
    },
    /// News of running work.
    Progress {
        /// Which request it belongs to.
        request_id: String,
        /// The run's id.
        job_id: Option<String>,
        /// What kind of news; empty in the openclaw dialect, which has but one.
        kind: String,
        /// The news: a JSON object; in the openclaw dialect a JSON string, the next piece of text.
        data: Box<RawValue>,
    },
    /// The terminal answer.
    Answered {
        /// Which request it belongs to.
        request_id: String,
        /// The run's id.
        job_id: Option<String>,
        /// How it ended.
        outcome: Outcome,
    },
    /// An answer to, or news of, a request that it was not asked, that was answered before, or that was cancelled. The node is told
    /// that it is ignored. In the nodetool dialect the application has to see that for itself.
    Ignored {
        /// Which request it says it belongs to.
        request_id: String,
    },
    /// It calls something of the gateway's, and is answered. Only in the openclaw dialect.
    Called {
        /// What, such as `node.event`.
        method: String,
        /// With these, a JSON object.
        params: Box<RawValue>,
    },
    /// It called something of the gateway's that it may not before its [`Surface`] is approved, and was told so. Only in the openclaw
    /// dialect.
    Unapproved {
        /// What, such as `node.event`.
        method: String,
    },
    /// It could not make sense of something, or reports an error of its own. Never answered.
    Error {
        /// A sentence for people.
        error: String,
        /// JSON, if there is more.
        details: Option<Box<RawValue>>,
    },
    /// A message of a type the dialect does not know, as it came.
    Custom {
        /// Its `type`; empty if it has none that is a string.
        kind: String,
        /// The whole message, one JSON object.
        text: String,
    },
    /// The node sent something that is not a valid message. It has been told, unless it sends too many.
    Faulty {
        /// What is wrong with it.
        problem: String,
    },
}

/// How a node introduces itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Registration {
    /// Its name, unique among the gateway's nodes. In the openclaw dialect the id of its device, which it has proved.
    pub node_id: String,
    /// Whether it runs workflows.
    pub workflows: bool,
    /// The commands it serves.
    pub commands: Vec<String>,
    /// Anything else, a JSON object. In the openclaw dialect its `client` and `caps`.
    pub metadata: Box<RawValue>,
}

/// Why a connection with a node ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LostReason {
    /// The WebSocket ended, or never began.
    #[error("{0}")]
    Closed(Closed),
    /// It was not let in, with this status.
    #[error("rejected with HTTP status {0}")]
    Rejected(u16),
    /// It was not let in, or did what ends a connection, and was told so by a close frame. Only in the openclaw dialect.
    #[error("refused with {code} {why:?}")]
    Refused {
        /// The code of the close frame.
        code: CloseCode,
        /// Its reason.
        why: String,
    },
    /// The byte stream broke.
    #[error("the connection broke")]
    Disconnected,
    /// A deadline passed.
    #[error("{0}")]
    TimedOut(Deadline),
}

/// What a peer waits for; the reason of a [`Peer::deadline`](super::Peer::deadline).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
#[non_exhaustive]
pub enum Deadline {
    /// The upgrade request must be complete, and answered.
    #[error("no WebSocket handshake in time")]
    Open,
    /// The node must have registered.
    #[error("the node did not register in time")]
    Register,
    /// The gateway is to say something by itself.
    #[error("a tick is due")]
    Tick,
    /// A sign of life, or a ping to ask for one, is due.
    #[error("the node is silent")]
    Liveness,
    /// The closing handshake must be done.
    #[error("the node did not close in time")]
    Close,
}

/// Periods and deadlines of a [`Peer`](super::Peer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How long the opening handshake, authorisation included, may take. Default 15 s.
    pub open: Duration,
    /// How long the node may take to register after that; in the openclaw dialect with the application's decision. Default 15 s.
    pub register: Duration,
    /// A node silent for this long is pinged, and silent for twice as long it is lost. Default 30 s, at least 10 ms. In the openclaw
    /// dialect a node is pinged this often whatever it says, and lost without a pong to the ping before; default 25 s.
    pub liveness: Duration,
    /// How often the gateway says something by itself, if the dialect has it so: a node that hears nothing for twice as long gives
    /// it up. Default 30 s, at least 10 ms.
    pub tick: Duration,
    /// How long the closing handshake may take. Default 5 s.
    pub close: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(15),
            register: Duration::from_secs(15),
            liveness: Duration::from_secs(30),
            tick: Duration::from_secs(30),
            close: Duration::from_secs(5),
        }
    }
}

/// The caller did something the peer cannot make sense of. The peer is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The input does not fit the state, such as a decision nobody asked for.
    #[error("this input does not fit the state of the connection")]
    WrongState,
    /// More bytes reported as sent than were lent.
    #[error("more bytes were reported as sent than transmit() had lent")]
    SentTooMuch,
    /// The node is not registered yet, or its connection is closing.
    #[error("the node is not registered or its connection is closing")]
    NotReady,
    /// Too many bytes, or requests without an answer, wait for this node. Try again when there are fewer.
    #[error("too much waits for this node; try again later")]
    Full,
    /// The dialect has no words for it.
    #[error("this dialect has no words for it")]
    Unsayable,
    /// There is no such request without an answer.
    #[error("no such request waits for an answer")]
    NotOpen,
    /// The message would be larger than [`websocket::Limits::max_message`](crate::websocket::Limits::max_message), which stands for
    /// what a node reads as well, or names a request whose id is longer than 1 KiB. Trying again would not help.
    #[error("the message is larger than a node reads")]
    TooLarge,
    /// A custom message must be of a kind of its own, as [`Input::Custom`] says.
    #[error(
        "a custom message must be a JSON object of a kind that the dialect does not use itself"
    )]
    NotACustomMessage,
}
