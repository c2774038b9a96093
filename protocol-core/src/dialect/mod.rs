//! The languages a node and a gateway may speak.
//!
//! A dialect turns WebSocket messages into one small vocabulary and back; nothing outside this module knows a message's name.
//! It also states the [`Rules`] of delivery, which the dialects disagree about.

pub mod nodetool;

use std::fmt;

use crate::node::Endpoint;
use crate::peer::{FromNode, Request};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::websocket::{ClientRequest, Connection, InvalidRequest};
use crate::work::{JobId, Outcome, Task, Update};

/// The language a node speaks, with what it needs to know to speak it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Dialect {
    /// The gateway protocol of NodeTool.
    Nodetool(nodetool::Config),
}

impl From<nodetool::Config> for Dialect {
    fn from(config: nodetool::Config) -> Self {
        Self::Nodetool(config)
    }
}

impl Dialect {
    /// What this dialect promises about delivery.
    pub fn rules(&self) -> Rules {
        match self {
            Self::Nodetool(_) => nodetool::RULES,
        }
    }

    pub(crate) fn node_session(&self) -> Box<dyn NodeSession> {
        match self {
            Self::Nodetool(config) => Box::new(nodetool::Node::new(config.clone())),
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
    /// What the gateway hears of cancelled work.
    pub cancelled: OnCancel,
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

/// What the gateway hears of cancelled work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// A failed answer.
    Answer,
    /// Nothing.
    Silence,
}

/// A WebSocket message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// What a gateway says to a node, as the node hears it.
#[derive(Debug)]
pub(crate) enum FromGateway {
    /// Do this.
    Work { request_id: String, user_id: String, task: Task },
    /// The answer to this request has arrived.
    Settled { request_id: String },
    /// Something failed on its side.
    Error { error: String, details: Option<String> },
    /// A message the dialect does not know.
    Custom { kind: String, text: String },
    /// Not a valid message.
    Fault { problem: String, reply: FaultReply },
}

/// How the sender of an invalid message hears of it.
#[derive(Debug)]
pub(crate) enum FaultReply {
    /// It was a request with a readable id: it fails.
    Answer { request_id: String, kind: TaskKind },
    /// Something else: one error, naming the request if its id is readable.
    Error { request_id: Option<String> },
    /// It must not be answered.
    Silence,
}

/// What a node says to a gateway.
#[derive(Debug)]
pub(crate) enum ToGateway<'a> {
    /// Here I am, and this is what I can do. Another `instance` under the same name knows nothing of earlier work.
    Register { workflows: bool, commands: &'a [String], instance: JobId },
    /// I am well.
    Alive,
    /// I have taken this request, or taken it before (`repeated`).
    Accept { request_id: &'a str, kind: &'a TaskKind, repeated: bool },
    /// News of running work.
    Progress { request_id: &'a str, job_id: JobId, update: &'a Update },
    /// The terminal answer.
    Answer { request_id: &'a str, kind: &'a TaskKind, job_id: Option<JobId>, outcome: &'a Outcome },
    /// You sent something I cannot make sense of.
    Error { error: &'a str, request_id: Option<&'a str> },
    /// A message of the application's own.
    Custom(&'a str),
}

/// What a gateway says to a node.
#[derive(Debug)]
pub(crate) enum ToNode<'a> {
    /// Do this.
    Request(&'a Request),
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

/// A node's side of the conversation on one connection.
pub(crate) trait NodeSession: fmt::Debug + Send {
    /// The HTTP upgrade request, with the credential where this dialect puts it.
    fn upgrade_request(
        &self,
        endpoint: &Endpoint,
        credential: Option<&Secret>,
    ) -> Result<ClientRequest, InvalidRequest>;

    /// What a message of the gateway means.
    fn read(&mut self, message: Message<'_>) -> FromGateway;

    /// Says something to the gateway, on an open connection.
    fn write(&mut self, utc: Timestamp, words: ToGateway<'_>, out: &mut Connection);

    /// Whether `kind` is a message type of the dialect's own.
    fn reserves(&self, kind: &str) -> bool;
}

/// A gateway's side of the conversation on one connection.
pub(crate) trait GatewaySession: fmt::Debug + Send {
    /// What a message of the node means, and for a faulty one the request it was about.
    fn read(&mut self, message: Message<'_>) -> Heard;

    /// Says something to the node, on an open connection.
    fn write(&mut self, utc: Timestamp, words: ToNode<'_>, out: &mut Connection);

    /// Whether `kind` is a message type of the dialect's own.
    fn reserves(&self, kind: &str) -> bool;
}

/// What a gateway heard.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(FromNode),
    Fault { problem: String, reply: FaultReply },
}
