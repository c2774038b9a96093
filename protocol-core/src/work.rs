use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::state::{Cursor, Malformed, Saver, State, state};
use crate::text::json_len;

/// One admitted request as this node knows it: unique within a [`Node`](crate::Node), even when a gateway uses a request id again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId(pub(crate) u64);

impl fmt::Display for WorkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "work-{}", self.0)
    }
}

/// The id of one run, a UUID made from the node's seed. It appears as `job_id` on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(crate) u128);

impl JobId {
    /// A version 4 UUID (RFC 9562 section 5.4) out of random bytes.
    pub(crate) fn from_random(bytes: [u8; 16]) -> Self {
        let bits = u128::from_be_bytes(bytes);
        Self(bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            (id >> 80) & 0xffff,
            (id >> 64) & 0xffff,
            (id >> 48) & 0xffff,
            id & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a gateway asks a node to do. Its JSON stays as it came.
#[derive(Clone)]
#[non_exhaustive]
pub struct Work {
    /// The node's own name for it, used in every input and action about it.
    pub id: WorkId,
    /// The gateway's name for it.
    pub request_id: String,
    /// The run's id in updates and answers.
    pub job_id: JobId,
    /// On whose behalf it runs, after the node's rules about users.
    pub user_id: String,
    /// What is to be done.
    pub task: Task,
    /// When the gateway stops waiting for the answer, in the time of [`Now::monotonic`](crate::Now::monotonic). The node cancels
    /// the work then. `None`: it waits for as long as it takes.
    pub deadline: Option<Duration>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("id", &self.id)
            .field("request_id", &self.request_id)
            .field("user_id", &self.user_id)
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

/// The two kinds of work. Debug output shows sizes in place of parameters, which may be large or private.
#[derive(Clone)]
#[non_exhaustive]
pub enum Task {
    /// Run a workflow.
    Workflow {
        /// Which one.
        source: WorkflowSource,
        /// Values for its input nodes: a JSON object.
        params: Box<RawValue>,
    },
    /// Run a command.
    Command {
        /// The command's name.
        name: String,
        /// Its arguments: a JSON object.
        args: Box<RawValue>,
    },
}

impl Task {
    /// Bytes of JSON and names it holds, the measure of the byte budgets.
    pub fn size(&self) -> usize {
        match self {
            Self::Workflow { source: WorkflowSource::Id(id), params } => {
                id.len() + params.get().len()
            }
            Self::Workflow { source: WorkflowSource::Graph(graph), params } => {
                graph.get().len() + params.get().len()
            }
            Self::Command { name, args } => name.len() + args.get().len(),
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workflow { source: WorkflowSource::Id(id), params } => {
                write!(f, "Workflow({id:?}, {} bytes of params)", params.get().len())
            }
            Self::Workflow { source: WorkflowSource::Graph(graph), params } => {
                let (graph, params) = (graph.get().len(), params.get().len());
                write!(f, "Workflow({graph} bytes of graph, {params} bytes of params)")
            }
            Self::Command { name, args } => {
                write!(f, "Command({name:?}, {} bytes of args)", args.get().len())
            }
        }
    }
}

/// Where a workflow comes from.
#[derive(Debug, Clone)]
pub enum WorkflowSource {
    /// One that the node knows, by its id.
    Id(String),
    /// One that the request carries: a JSON object with `nodes` and `edges`.
    Graph(Box<RawValue>),
}

/// News about running work, on its way to the gateway.
#[derive(Clone)]
pub struct Update {
    /// What kind of news, `update_type` on the wire.
    pub kind: String,
    /// The news: a JSON object.
    pub data: Box<RawValue>,
    /// News with the same key replaces older news still waiting to be sent. `None`: it replaces nothing.
    pub key: Option<String>,
}

impl Update {
    /// News that replaces nothing.
    pub fn new(kind: impl Into<String>, data: Box<RawValue>) -> Self {
        Self { kind: kind.into(), data, key: None }
    }

    /// Bytes it takes in a message, and its key.
    pub(crate) fn size(&self) -> usize {
        json_len(&self.kind) + self.data.get().len() + self.key.as_ref().map_or(0, String::len)
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Update({:?}, {} bytes)", self.kind, self.data.get().len())
    }
}

/// How work ended.
#[derive(Clone)]
pub enum Outcome {
    /// It was done; the result is a JSON object.
    Completed(Box<RawValue>),
    /// It was not done, or not wholly.
    Failed(Failure),
}

impl Outcome {
    /// A failure that leaves no result.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(message))
    }

    /// Bytes of its JSON, and of its text as JSON: what it takes in a message, and the measure of the byte budgets.
    pub fn size(&self) -> usize {
        match self {
            Self::Completed(result) => result.get().len(),
            Self::Failed(failure) => {
                failure.code.as_ref().map_or(0, |code| code.len())
                    + json_len(&failure.message)
                    + failure.partial.as_ref().map_or(0, |part| part.get().len())
            }
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed(result) => write!(f, "Completed({} bytes)", result.get().len()),
            Self::Failed(failure) => write!(f, "Failed({:?})", failure.message),
        }
    }
}

/// Why work failed, and what there is of its result.
#[derive(Debug, Clone)]
pub struct Failure {
    /// A word for programs, such as `INVALID_REQUEST`. The openclaw dialect sends it, `UNAVAILABLE` where there is none; the
    /// nodetool dialect has no place for it.
    pub code: Option<Cow<'static, str>>,
    /// A sentence for the person who asked.
    pub message: String,
    /// The part of the result that exists: a JSON object. The openclaw dialect has no place for it.
    pub partial: Option<Box<RawValue>>,
}

impl Failure {
    /// A failure without a code that leaves no result.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into(), partial: None }
    }

    /// The same failure under a code.
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }
}

/// The terminal answer to one request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The work it answers.
    pub work: WorkId,
    /// The gateway's name for the request.
    pub request_id: String,
    /// How it ended.
    pub outcome: Outcome,
}

// What a checkpoint holds.

impl State for WorkId {
    fn save(&self, to: &mut Saver<'_>) {
        self.0.save(to);
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        u64::load(from).map(Self)
    }
}

impl State for JobId {
    fn save(&self, to: &mut Saver<'_>) {
        self.0.save(to);
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        u128::load(from).map(Self)
    }
}

state!(struct Work { id, request_id, job_id, user_id, task, deadline });
state!(enum Task { 0 = Workflow { source, params }, 1 = Command { name, args } });
state!(enum WorkflowSource { 0 = Id(id), 1 = Graph(graph) });
state!(struct Update { kind, data, key });
state!(enum Outcome { 0 = Completed(result), 1 = Failed(failure) });
state!(struct Failure { code, message, partial });
state!(struct Answer { work, request_id, outcome });
