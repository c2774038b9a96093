//! The languages a node and a gateway may speak.
//!
//! A dialect turns WebSocket messages into one small vocabulary and back; nothing outside this module knows a message's name.
//! It also states the [`Rules`] of delivery, which the dialects disagree about.

pub mod either;
mod json;
pub mod nodetool;
pub mod openclaw;

use std::fmt;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::call::CallError;
use crate::node::{Endpoint, Timing};
use crate::peer::{FromNode, Misuse, Request, Surface};
use crate::secret::{Credentials, Secret};
use crate::state::{Cursor, Malformed, Saver, state};
use crate::time::Timestamp;
use crate::trace::TraceParent;
use crate::websocket::{ClientRequest, CloseCode, Closed, Connection, InvalidRequest};
use crate::work::{JobId, Outcome, Task, Update};

/// The language a node speaks, with what it needs to know to speak it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Dialect {
    /// The gateway protocol of NodeTool.
    Nodetool(nodetool::Config),
    /// The protocol of the OpenClaw Gateway, versions 4 and 3.
    Openclaw(Box<openclaw::Config>),
    /// One of the two: the gateway's first word decides.
    Either(Box<either::Config>),
}

/// The name of a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Name {
    /// That of NodeTool.
    Nodetool,
    /// That of OpenClaw.
    Openclaw,
}

impl From<either::Config> for Dialect {
    fn from(config: either::Config) -> Self {
        Self::Either(Box::new(config))
    }
}

impl From<openclaw::Config> for Dialect {
    fn from(config: openclaw::Config) -> Self {
        Self::Openclaw(Box::new(config))
    }
}

impl From<nodetool::Config> for Dialect {
    fn from(config: nodetool::Config) -> Self {
        Self::Nodetool(config)
    }
}

impl Dialect {
    /// What this dialect promises about delivery. While it is not known which it is, what nodetool promises.
    pub fn rules(&self) -> Rules {
        match self {
            Self::Nodetool(_) | Self::Either(_) => nodetool::RULES,
            Self::Openclaw(_) => openclaw::RULES,
        }
    }

    /// The periods and deadlines that this dialect is used to: [`Timing::default`] for nodetool, and where it may be that; for openclaw delays of 1 to
    /// 30 s between attempts (openclaw page 9).
    pub fn timing(&self) -> Timing {
        match self {
            Self::Nodetool(_) | Self::Either(_) => Timing::default(),
            Self::Openclaw(_) => Timing {
                reconnect_delay: Duration::from_secs(1),
                max_reconnect_delay: Duration::from_secs(30),
                ..Timing::default()
            },
        }
    }

    pub(crate) fn node_session(&self) -> Box<dyn NodeSession> {
        match self {
            Self::Nodetool(config) => Box::new(nodetool::Node::new(config.clone())),
            Self::Openclaw(config) => Box::new(openclaw::Node::new((**config).clone())),
            Self::Either(config) => Box::new(either::Node::new((**config).clone())),
        }
    }
}

/// Bytes of a request id or a command's name, in every dialect. They are kept for as long as a request is remembered, outside the
/// byte budgets of tasks and results, so they must be small; ids are UUIDs or counters in practice.
pub(crate) const MOST_NAME_BYTES: usize = 1024;

/// What a dialect promises about delivery. Dialects contradict each other here, so it is data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// A request is acknowledged once it is admitted.
    pub acknowledge: bool,
    /// What a request means whose id was seen before.
    pub repeated_id: RepeatedId,
    /// What becomes of work when the connection ends.
    pub disconnect: OnDisconnect,
    /// What the gateway hears of work that it has cancelled, or whose time is over. Of work that the application ends it hears that
    /// it failed.
    pub cancelled: OnCancel,
    /// When an answer counts as delivered.
    pub delivered: Delivered,
    /// How a silent gateway is noticed.
    pub liveness: Liveness,
}

/// When an answer counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// Once a pong or a message of the gateway proves that it arrived. Until then it is sent again on the next connection.
    WhenConfirmed,
    /// Once it is handed to the connection: the gateway takes no answer on another one.
    WhenWritten,
}

/// How a silent gateway is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// The node sends heartbeats and pings, and expects something in return within two periods.
    Heartbeats,
    /// The gateway sends something by itself within two periods that it names.
    Ticks,
}

/// What a request means whose id was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedId {
    /// The same request again: running work is joined, a known answer is sent again, and other content under the id is refused.
    Replay,
    /// A new request: the older work is stopped without an answer.
    Supersede,
}

/// What becomes of work when the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It goes on, and its answer is kept for the next connection.
    Keep,
    /// It is stopped, and forgotten with everything that was to be sent.
    Abort,
}

/// What the gateway hears of work that it wants no answer to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// A failed answer.
    Answer,
    /// Nothing.
    Silence,
}

state!(enum Dialect { 0 = Nodetool(config), 1 = Openclaw(config), 2 = Either(config) });
state!(struct Rules { acknowledge, repeated_id, disconnect, cancelled, delivered, liveness });
state!(enum RepeatedId { 0 = Replay, 1 = Supersede });
state!(enum OnDisconnect { 0 = Keep, 1 = Abort });
state!(enum OnCancel { 0 = Answer, 1 = Silence });
state!(enum Delivered { 0 = WhenConfirmed, 1 = WhenWritten });
state!(enum Liveness { 0 = Heartbeats, 1 = Ticks });
state!(enum Name { 0 = Nodetool, 1 = Openclaw });
state!(enum TaskKind { 0 = Workflow, 1 = Command(name) });

/// A WebSocket message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// What a gateway says to a node, as the node hears it.
#[derive(Debug)]
pub(crate) enum FromGateway {
    /// Who are you? The text is to be signed by the device's key.
    Challenge { sign: Option<Secret> },
    /// You are registered.
    Welcome(Welcome),
    /// You are not let in.
    Denied { refusal: Box<openclaw::Refusal>, next: AfterDenial, forget_device_token: bool },
    /// This connection must make way for another, at once; the gateway is told why.
    Leave { code: CloseCode, why: &'static str },
    /// What you may do has been approved.
    Approved,
    /// I am going to close the connection.
    GoingAway { reason: String, back_in: Option<Duration> },
    /// Do this, within the time if there is one.
    Work { request_id: String, user_id: String, task: Task, time: Option<Duration> },
    /// Stop doing this.
    Cancel { request_id: String },
    /// The answer to this request has arrived.
    Settled { request_id: String },
    /// The reply to a call.
    Reply { call: CallName, result: Result<Box<RawValue>, CallError> },
    /// A sign of life.
    Nothing,
    /// Something failed on its side.
    Error { error: String, details: Option<String> },
    /// A message the dialect does not know.
    Custom { kind: String, text: String },
    /// Not a valid message.
    Fault { problem: String, reply: FaultReply },
}

/// What a node does that was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterDenial {
    /// It tries again at once, in another way.
    RetryDifferently,
    Retry,
    RetryAfter(Duration),
    /// Somebody has to approve of it; until then it asks now and then.
    AwaitApproval,
    /// It will not be let in, however often it tries.
    Stop,
}

/// What a gateway says when it lets a node in.
#[derive(Debug, Default)]
pub(crate) struct Welcome {
    /// Given to this device, to be shown at the next connection.
    pub(crate) device_token: Option<openclaw::DeviceToken>,
    /// How often the gateway says something at least.
    pub(crate) tick: Option<Duration>,
}

/// Which call a reply is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CallName {
    /// The application's.
    Application(u64),
    /// A publication of the node's own.
    Publication(u64),
}

/// How the sender of an invalid message hears of it.
#[derive(Debug)]
pub(crate) enum FaultReply {
    /// It was a request with a readable id: it fails.
    Answer { request_id: String, kind: TaskKind, code: Option<&'static str> },
    /// Something else: one error, naming the request if its id is readable.
    Error { request_id: Option<String> },
    /// It must not be answered.
    Silence,
}

/// What a node says to a gateway.
#[derive(Debug)]
pub(crate) enum ToGateway<'a> {
    /// Here I am, and this is what I can do. Another `instance` under the same name knows nothing of earlier work.
    Register {
        workflows: bool,
        commands: &'a [String],
        instance: JobId,
        /// Of what the challenge asked for.
        signature: Option<&'a str>,
    },
    /// I am well.
    Alive,
    /// I have taken this request, or taken it before (`repeated`).
    Accept { request_id: &'a str, kind: &'a TaskKind, repeated: bool },
    /// News of running work. `sequence` counts what was sent of it.
    Progress { request_id: &'a str, job_id: JobId, update: &'a Update, sequence: &'a mut u64 },
    /// The terminal answer.
    Answer { request_id: &'a str, kind: &'a TaskKind, job_id: Option<JobId>, outcome: &'a Outcome },
    /// You sent something I cannot make sense of.
    Error { error: &'a str, request_id: Option<&'a str> },
    /// Do this for me, and reply.
    Call { call: CallName, method: &'a str, params: &'a RawValue, traceparent: Option<TraceParent> },
    /// A message of the application's own.
    Custom(&'a str),
}

/// What a gateway says to a node.
#[derive(Debug)]
pub(crate) enum ToNode<'a> {
    /// You are let in.
    Welcome(&'a openclaw::Hello),
    /// You are not let in.
    Refuse(&'a openclaw::Refusal),
    /// Do this.
    Request(&'a Request),
    /// Stop doing this.
    Cancel { request_id: &'a str },
    /// This holds of what you say you can do.
    Surface(Surface<'a>),
    /// I am alive.
    Tick,
    /// I am going to close the connection.
    GoingAway { reason: &'a str, back_in: Option<Duration> },
    /// Your answer to this request has arrived.
    Acknowledge { request_id: &'a str },
    /// You sent something I cannot make sense of.
    Error { error: &'a str, request_id: Option<&'a str> },
    /// A message of the application's own.
    Custom(&'a str),
}

/// Which kind of work a request asked for: what is left of a [`Task`] once it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TaskKind {
    Workflow,
    Command(Box<str>),
}

impl From<&Task> for TaskKind {
    fn from(task: &Task) -> Self {
        match task {
            Task::Workflow { .. } => Self::Workflow,
            Task::Command { name, .. } => Self::Command(name.as_str().into()),
        }
    }
}

/// A node's side of the conversation, from one connection to the next.
pub(crate) trait NodeSession: fmt::Debug + Send {
    /// Which dialect it is, once that is known.
    fn name(&self) -> Option<Name>;

    /// What the dialect promises.
    fn rules(&self) -> Rules;

    /// The HTTP upgrade request of the next connection, with the credentials where this dialect puts them.
    fn request(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
    ) -> Result<ClientRequest, InvalidRequest>;

    /// A new connection begins, for which [`request`](Self::request) gave the request.
    fn begin(&mut self, _credentials: &Credentials) {}

    /// Whether the node says first who it is. If not, a [`FromGateway::Challenge`] asks for it.
    fn registers_unasked(&self) -> bool;

    /// How long to wait for the gateway to speak first, if that is another time than any registration has.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// That time is over. Whether the node speaks first now.
    fn patience_ended(&mut self) -> bool {
        false
    }

    /// Whether this end of the connection says that the node spoke the wrong dialect, and will speak another.
    fn misunderstood(&mut self, _closed: &Closed) -> bool {
        false
    }

    /// Whether the gateway confirms a registration with a [`FromGateway::Welcome`].
    fn awaits_welcome(&self) -> bool;

    /// What a message of the gateway means.
    fn read(&mut self, message: Message<'_>) -> FromGateway;

    /// Says something to the gateway, on an open connection. An error says why it cannot be said, not even another time.
    fn write(
        &mut self,
        utc: Timestamp,
        words: ToGateway<'_>,
        out: &mut Connection,
    ) -> Result<(), Unsayable>;

    /// Whether an application may send this text as a message of its own.
    fn takes_custom(&self, text: &str) -> bool;

    /// Whether there are calls in this dialect.
    fn has_calls(&self) -> bool;

    /// Secrets that the gateway has said on this connection, and how often in all.
    fn secrets_heard(&self) -> (&[Secret], usize) {
        (&[], 0)
    }

    /// The text to be signed, as it was with these credentials.
    fn sign_text_with(&self, _credentials: &Credentials) -> Option<Secret> {
        None
    }

    /// The registration, as it was with these credentials and this signature.
    fn connect_with(
        &self,
        _commands: &[String],
        _credentials: &Credentials,
        _signature: Option<&str>,
    ) -> Option<Vec<u8>> {
        None
    }

    /// Saves everything but the configuration.
    fn save(&self, to: &mut Saver<'_>);

    /// Makes of a new session the one that was saved.
    fn load(&mut self, from: &mut Cursor<'_>) -> Result<(), Malformed>;
}

/// Why something cannot be said in this dialect.
#[derive(Debug)]
pub(crate) struct Unsayable(pub(crate) String);

/// A gateway's side of the conversation on one connection.
pub(crate) trait GatewaySession: fmt::Debug + Send {
    /// How the node notices a gateway that is silent, and with it who pings.
    fn liveness(&self) -> Liveness;

    /// Bytes of the largest message of a node that is not registered, if it is another than later.
    fn most_before_registration(&self) -> Option<usize> {
        None
    }

    /// How the connection of a node is closed that did not register in time.
    fn unregistered(&self) -> (CloseCode, &'static str) {
        (CloseCode::POLICY_VIOLATION, "no registration in time")
    }

    /// The connection is open: what the gateway says first.
    fn begin(&mut self, _utc: Timestamp, _out: &mut Connection) {}

    /// What a message of the node means, and for a faulty one the request it was about.
    fn read(&mut self, utc: Timestamp, message: Message<'_>) -> Heard;

    /// What was left to be heard until the application had decided.
    fn resume(&mut self) -> Option<Heard> {
        None
    }

    /// The message that answers what was read last.
    fn take_reply(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Bytes of a request's message at most.
    fn size(&self, request: &Request) -> usize {
        request.size()
    }

    /// Says something to the node, on an open connection. Upon a misuse nothing is said.
    fn write(
        &mut self,
        utc: Timestamp,
        words: ToNode<'_>,
        out: &mut Connection,
    ) -> Result<(), Misuse>;

    /// Whether an application may send this text as a message of its own.
    fn takes_custom(&self, text: &str) -> bool;
}

/// What a gateway heard.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(FromNode),
    Fault {
        problem: String,
        reply: FaultReply,
    },
    /// Somebody asks to be let in.
    Applicant(Box<openclaw::ConnectRequest>),
    /// Something that ends the connection.
    Offence {
        problem: String,
        code: CloseCode,
        why: String,
    },
    /// Nothing that is worth telling now.
    Nothing,
}
