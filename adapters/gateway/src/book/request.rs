use std::sync::Arc;

use clawnode_protocol::peer::Request;
use clawnode_protocol::{Outcome, Task, Timestamp, WorkflowSource};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tokio::sync::watch;
use xxhash_rust::xxh3::Xxh3;

use super::log::EventLog;
use crate::status::Status;

/// One request id and all that is known of it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place in the order of creation.
    pub(super) number: u64,
    /// Its place in the order of settling: answered or lost. `None` while it is in flight.
    pub(super) settled: Option<u64>,
    /// Of what was asked; `None` for one this process never sent.
    pub(super) digest: Option<u128>,
    pub(super) kind: Option<&'static str>,
    pub(super) name: Option<String>,
    pub(super) node_id: Arc<str>,
    pub(super) status: Status,
    /// Kept until the node accepts it, to be sent again should its connection end before.
    pub(super) unaccepted: Option<Arc<Request>>,
    pub(super) sends: u32,
    pub(super) job_id: Option<String>,
    pub(super) lost_reason: Option<String>,
    pub(super) answer: Option<Arc<Answered>>,
    pub(super) log: EventLog,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// Readers wait on it; that it is gone tells them that the request is forgotten.
    pub(super) changed: watch::Sender<()>,
}

impl Entry {
    pub(super) fn new(number: u64, node_id: Arc<str>, now: Timestamp) -> Self {
        Self {
            number,
            settled: None,
            digest: None,
            kind: None,
            name: None,
            node_id,
            status: Status::Sent,
            unaccepted: None,
            sends: 0,
            job_id: None,
            lost_reason: None,
            answer: None,
            log: EventLog::default(),
            created_at: now,
            updated_at: now,
            changed: watch::Sender::new(()),
        }
    }

    pub(super) fn of(
        request: Arc<Request>,
        number: u64,
        node_id: Arc<str>,
        now: Timestamp,
    ) -> Self {
        let (kind, name) = describe(&request.task);
        Self {
            digest: Some(digest(&request)),
            kind: Some(kind),
            name: name.map(str::to_owned),
            unaccepted: Some(request),
            ..Self::new(number, node_id, now)
        }
    }

    /// Whether the node has taken it, so that it is not sent again.
    pub(super) fn was_accepted(&self) -> bool {
        self.unaccepted.is_none()
    }

    /// Bytes of its answer and events.
    pub(super) fn kept_bytes(&self) -> usize {
        self.log.bytes() + self.answer.as_ref().map_or(0, |answer| answer.size())
    }

    pub(super) fn unaccepted_bytes(&self) -> usize {
        self.unaccepted.as_ref().map_or(0, |request| request.task.size())
    }

    pub(super) fn view(&self, request_id: &str, with_result: bool) -> RequestView {
        let error = match &self.answer {
            Some(answer) => answer.error.clone(),
            None => self.lost_reason.clone(),
        };
        RequestView {
            request_id: request_id.to_owned(),
            node_id: self.node_id.to_string(),
            kind: self.kind,
            name: self.name.clone(),
            status: self.status,
            job_id: self.job_id.clone(),
            result: with_result.then(|| self.answer.clone().map(ResultOf)),
            error,
            created_at: self.created_at,
            updated_at: self.updated_at,
            finished_at: self.status.is_final().then_some(self.updated_at),
            last_event_id: self.log.last_id(),
            events_dropped: self.log.dropped(),
        }
    }
}

/// An answer, as its event shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    status: Status,
    job_id: Option<String>,
    result: Option<Box<RawValue>>,
    error: Option<String>,
}

impl Answered {
    pub(super) fn new(job_id: Option<String>, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Completed(result) => {
                Self { status: Status::Completed, job_id, result: Some(result), error: None }
            }
            Outcome::Failed(failure) => Self {
                status: Status::Failed,
                job_id,
                result: failure.partial,
                error: Some(failure.message),
            },
        }
    }

    pub(super) fn status(&self) -> Status {
        self.status
    }

    pub(super) fn job_id(&self) -> Option<&str> {
        self.job_id.as_deref()
    }

    fn size(&self) -> usize {
        let result = self.result.as_ref().map_or(0, |result| result.get().len());
        result + self.error.as_ref().map_or(0, String::len)
    }
}

/// A request as the HTTP API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct RequestView {
    pub(crate) request_id: String,
    pub(crate) node_id: String,
    kind: Option<&'static str>,
    name: Option<String>,
    pub(crate) status: Status,
    job_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Option<ResultOf>>,
    error: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    finished_at: Option<Timestamp>,
    last_event_id: u64,
    events_dropped: u64,
}

/// The result in an answer, which may be large and is therefore not copied.
#[derive(Debug)]
struct ResultOf(Arc<Answered>);

impl Serialize for ResultOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.result.serialize(serializer)
    }
}

/// Tells requests with other content under the same id apart. The node a request goes to is no part of it.
pub(super) fn digest(request: &Request) -> u128 {
    let mut hash = Xxh3::new();
    let mut part = |kind: u8, text: &str| {
        hash.update(&[kind]);
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    if let Some(user_id) = &request.user_id {
        part(0, user_id);
    }
    match &request.task {
        Task::Workflow { source, params } => {
            match source {
                WorkflowSource::Id(id) => part(1, id),
                WorkflowSource::Graph(graph) => part(2, graph.get()),
            }
            part(3, params.get());
        }
        Task::Command { name, args } => {
            part(4, name);
            part(5, args.get());
        }
        other => part(6, &format!("{other:?}")),
    }
    hash.digest128()
}

pub(super) fn describe(task: &Task) -> (&'static str, Option<&str>) {
    match task {
        Task::Workflow { source: WorkflowSource::Id(id), .. } => ("workflow", Some(id)),
        Task::Workflow { .. } => ("workflow", None),
        Task::Command { name, .. } => ("command", Some(name)),
        _ => ("other", None),
    }
}
