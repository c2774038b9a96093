use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::status::Status;

/// Work to submit.
#[derive(Clone, Serialize)]
pub struct Submission {
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    graph: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Submission {
    /// A workflow that the node knows.
    pub fn workflow(id: impl Into<String>) -> Self {
        Self { workflow_id: Some(id.into()), ..Self::EMPTY }
    }

    /// A workflow that goes with the request: a JSON object with `nodes` and `edges`.
    pub fn graph(graph: Box<RawValue>) -> Self {
        Self { graph: Some(graph), ..Self::EMPTY }
    }

    /// A command.
    pub fn command(name: impl Into<String>) -> Self {
        Self { command: Some(name.into()), ..Self::EMPTY }
    }

    /// The params of a workflow or the args of a command, a JSON object. Without it, `{}`.
    #[must_use]
    pub fn input(mut self, json: Box<RawValue>) -> Self {
        *(if self.command.is_some() { &mut self.args } else { &mut self.params }) = Some(json);
        self
    }

    /// Only this node may do it.
    #[must_use]
    pub fn node_id(mut self, id: impl Into<String>) -> Self {
        self.node_id = Some(id.into());
        self
    }

    /// On whose behalf.
    #[must_use]
    pub fn user_id(mut self, id: impl Into<String>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// A name for the request, which makes submitting it safe to repeat.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings and JSON is JSON")
    }

    const EMPTY: Self = Self {
        workflow_id: None,
        graph: None,
        command: None,
        params: None,
        args: None,
        node_id: None,
        user_id: None,
        request_id: None,
    };
}

/// Graphs, params and args may be large or private, so they are not shown.
impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("workflow_id", &self.workflow_id)
            .field("command", &self.command)
            .field("node_id", &self.node_id)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

/// The gateway has taken work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Submitted {
    /// The request's name, given or made.
    pub request_id: String,
    /// The node that does it.
    pub node_id: String,
    /// Where it is.
    pub status: Status,
}

/// What the gateway knows of a request.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RequestInfo {
    /// Its name.
    pub request_id: String,
    /// The node that does it.
    pub node_id: String,
    /// `workflow` or `command`; `None` when this gateway process did not send it.
    pub kind: Option<String>,
    /// The workflow's id, if it has one, or the command's name.
    pub name: Option<String>,
    /// Where it is.
    pub status: Status,
    /// The run's id, once the node has said it.
    pub job_id: Option<String>,
    /// The result, a JSON object; of failed work perhaps a part.
    #[serde(default)]
    pub result: Option<Box<RawValue>>,
    /// Why it failed, or how its node was lost.
    pub error: Option<String>,
    /// When the gateway first heard of it, as all times ISO 8601 in UTC.
    pub created_at: String,
    /// When anything last changed.
    pub updated_at: String,
    /// When the answer came.
    pub finished_at: Option<String>,
    /// The id of its latest event, 0 if there is none.
    pub last_event_id: u64,
    /// How many of its events are not kept any more.
    pub events_dropped: u64,
}

/// One event of a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// Its id, to go on from later: see [`Client::events`](super::Client::events).
    pub id: u64,
    /// What happened.
    pub news: News,
}

/// What happened to a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum News {
    /// The node has taken it.
    Accepted {
        /// A sentence of the node's.
        message: Option<String>,
    },
    /// It makes progress.
    Update {
        /// The run's id.
        job_id: Option<String>,
        /// What kind of news.
        update_type: String,
        /// The news, a JSON object.
        data: Box<RawValue>,
    },
    /// The answer. The last event.
    Answer {
        /// [`Completed`](Status::Completed) or [`Failed`](Status::Failed).
        status: Status,
        /// The run's id.
        job_id: Option<String>,
        /// The result, a JSON object; of failed work perhaps a part.
        result: Option<Box<RawValue>>,
        /// Why it failed.
        error: Option<String>,
    },
    /// The connection to its node ended. The answer comes when the node is back.
    Lost {
        /// How.
        reason: String,
    },
    /// The node is back, had not accepted the request before, and was sent it again.
    Resent,
    /// Events before this one are not kept any more.
    Dropped {
        /// How many.
        dropped: u64,
    },
    /// An event of a newer gateway.
    Other {
        /// Its name.
        event: String,
        /// Its data.
        data: String,
    },
}

/// A node as the gateway sees it.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its name.
    pub node_id: String,
    /// `connected` or `lost`.
    pub status: String,
    /// The status in its last heartbeat.
    pub says: Option<String>,
    /// Whether it runs workflows.
    pub workflows: bool,
    /// The commands it serves.
    pub commands: Vec<String>,
    /// Anything else it says of itself, a JSON object.
    pub metadata: Box<RawValue>,
    /// Requests sent to it that have no answer yet.
    pub in_flight: usize,
    /// Its address and port.
    pub address: String,
    /// When it connected, as all times ISO 8601 in UTC.
    pub connected_at: String,
    /// When it last said anything.
    pub last_seen_at: String,
    /// When its last heartbeat came.
    pub last_heartbeat_at: Option<String>,
    /// When its connection ended.
    pub lost_at: Option<String>,
    /// How its connection ended.
    pub lost_reason: Option<String>,
}
