use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use crate::dialect::TaskKind;
use crate::state::state;
use crate::work::{Answer, JobId, Task, Update, Work, WorkflowSource};

/// One request, from its arrival until it is forgotten.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) request_id: Arc<str>,
    pub(super) job_id: JobId,
    pub(super) kind: TaskKind,
    /// Tells the same request from another under the same id.
    pub(super) digest: u128,
    pub(super) stage: Stage,
    pub(super) accept: Accept,
    /// News that waits to be sent, oldest first.
    pub(super) updates: VecDeque<Update>,
    pub(super) update_bytes: usize,
    pub(super) dropped: u64,
    /// Whether the entry stands in the queue of those with something to send.
    pub(super) queued: bool,
    /// How many messages of progress were sent.
    pub(super) progress_sent: u64,
    /// When the gateway stops waiting.
    pub(super) deadline: Option<Duration>,
    /// Whether the gateway has asked for the answer again.
    pub(super) replay: bool,
    /// Whether the answer stands among those whose arrival nothing proves yet.
    pub(super) awaited: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    Admitting(Arc<Work>),
    Waiting(Arc<Work>),
    Running,
    Recording(Arc<Answer>),
    Undelivered(Arc<Answer>),
    Written(Arc<Answer>),
    /// Without its answer once the byte budget needed the room.
    Delivered(Option<Arc<Answer>>),
}

impl Stage {
    pub(super) fn is_unfinished(&self) -> bool {
        matches!(self, Self::Admitting(_) | Self::Waiting(_) | Self::Running)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accept {
    NotDue,
    Due { repeated: bool },
    Sent,
}

impl Entry {
    pub(super) fn new(
        request_id: Arc<str>,
        job_id: JobId,
        kind: TaskKind,
        digest: u128,
        work: Arc<Work>,
    ) -> Self {
        let deadline = work.deadline;
        Self {
            request_id,
            job_id,
            kind,
            digest,
            stage: Stage::Admitting(work),
            accept: Accept::NotDue,
            updates: VecDeque::new(),
            update_bytes: 0,
            dropped: 0,
            queued: false,
            progress_sent: 0,
            deadline,
            replay: false,
            awaited: false,
        }
    }

    /// Takes out the update that `newer` replaces.
    pub(super) fn replace_older(&mut self, newer: &Update) {
        if newer.key.is_none() {
            return;
        }
        let same = |older: &Update| older.kind == newer.kind && older.key == newer.key;
        if let Some(index) = self.updates.iter().position(same) {
            let older = self.updates.remove(index).expect("position() found it");
            self.update_bytes -= older.size();
        }
    }

    pub(super) fn push(&mut self, update: Update) {
        self.update_bytes += update.size();
        self.updates.push_back(update);
    }

    /// Whether there was one to drop.
    pub(super) fn drop_oldest(&mut self) -> bool {
        let oldest = self.updates.pop_front();
        self.update_bytes -= oldest.as_ref().map_or(0, Update::size);
        oldest.is_some()
    }
}

state!(struct Entry {
    request_id, job_id, kind, digest, stage, accept, updates, update_bytes, dropped, queued, progress_sent, deadline, replay,
    awaited,
});
state!(enum Accept { 0 = NotDue, 1 = Due { repeated }, 2 = Sent });

/// A digest of everything that makes a request what it is, apart from its id.
///
/// Not a cryptographic one: a gateway that went to the trouble of a collision would only confuse two requests of its own.
pub(crate) fn digest(user_id: &str, task: &Task) -> u128 {
    let mut hash = Xxh3::new();
    let mut part = |text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    part(user_id);
    let parts = match task {
        Task::Workflow { source: WorkflowSource::Id(id), params } => ["workflow", id, params.get()],
        Task::Workflow { source: WorkflowSource::Graph(graph), params } => {
            ["graph", graph.get(), params.get()]
        }
        Task::Command { name, args } => ["command", name, args.get()],
    };
    parts.into_iter().for_each(&mut part);
    hash.digest128()
}
