use std::time::Duration;

use serde_json::value::RawValue;
use thiserror::Error;

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
    /// Tell the node that its answer to this request is kept here.
    Acknowledge(&'a str),
    /// Send a message of the application's own: a JSON object whose `type` the dialect does not use.
    Custom(&'a str),
    /// Start the closing handshake.
    Close(CloseCode, &'a str),
}

/// Whether a node may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It may: 101.
    Accept,
    /// It may not: this HTTP status (400 to 599) and text.
    Reject {
        /// 401 for a missing or wrong token, 403, 429, 503 ...
        status: u16,
        /// What the operator of the node should know.
        message: &'a str,
        /// The `Retry-After` header, in seconds.
        retry_after: Option<u32>,
    },
}

/// Work for a node.
#[derive(Debug, Clone)]
pub struct Request {
    /// The gateway's name for it. Repeating one repeats the answer, not the work.
    pub request_id: String,
    /// On whose behalf; `None` leaves it to the node.
    pub user_id: Option<String>,
    /// What is to be done.
    pub task: Task,
}

impl Request {
    /// Bytes of its message at most.
    pub(super) fn size(&self) -> usize {
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
        task + json_len(&self.request_id) + user_id + ENVELOPE
    }
}

/// Bytes of a message around what the request says: its type, the time and the names of the fields.
const ENVELOPE: usize = 256;

/// What the driver or the application must do or may like to know. Taken by [`Peer::poll_action`](super::Peer::poll_action).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Action {
    /// Decide whether this node may connect and answer with [`Input::Authorize`].
    Authorize(UpgradeRequest),
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
        /// What kind of news.
        kind: String,
        /// The news, a JSON object.
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
    /// Its name, unique among the gateway's nodes.
    pub node_id: String,
    /// Whether it runs workflows.
    pub workflows: bool,
    /// The commands it serves.
    pub commands: Vec<String>,
    /// Anything else, a JSON object.
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
    /// How long the node may take to register after that. Default 15 s.
    pub register: Duration,
    /// A node silent for this long is pinged, and silent for twice as long it is lost. Default 30 s, at least 10 ms.
    pub liveness: Duration,
    /// How long the closing handshake may take. Default 5 s.
    pub close: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(15),
            register: Duration::from_secs(15),
            liveness: Duration::from_secs(30),
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
    /// Too many bytes wait for this node. Try again when some are sent.
    #[error("too much waits for this node; try again later")]
    Full,
    /// The message would be larger than [`websocket::Limits::max_message`](crate::websocket::Limits::max_message), which stands for
    /// what a node reads as well, or names a request whose id is longer than 1 KiB. Trying again would not help.
    #[error("the message is larger than a node reads")]
    TooLarge,
    /// A custom message must be a JSON object with a `type` of its own.
    #[error(
        "a custom message must be a JSON object with a string `type` that the dialect does not use"
    )]
    NotACustomMessage,
}
