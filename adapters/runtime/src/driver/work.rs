//! Work: from its admission through its handler to its answer.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use clawnode_protocol::node::{Input, Phase};
use clawnode_protocol::{Answer, Outcome, Task, Work, WorkId};
use futures_core::Stream;
use tracing::{debug, info};

use super::{Driver, Reply};
use crate::context::{Context, Inner, Workflow};
use crate::job::{self, FromJob, Job};
use crate::runtime::Runtime;

impl<R: Runtime> Driver<R> {
    /// Where a journal would keep the work, and answer when it has. Without one, memory is all the keeping there is.
    pub(super) fn admit(&mut self, work: &Work) {
        debug!(?work, "admitted");
        self.replies.push_back(Reply::Admitted(work.id));
    }

    /// Where a journal would keep the answer, and reply when it has.
    pub(super) fn record(&mut self, answer: &Answer) {
        debug!(request_id = ?answer.request_id, bytes = answer.outcome.size(), "answer");
        self.replies.push_back(Reply::Recorded(answer.work));
    }

    pub(super) fn hear_handlers(&mut self, cx: &mut TaskContext<'_>) -> bool {
        // A gateway that reads slowly makes handlers wait, rather than lose updates. Without a connection they go on.
        let most = self.core.config().limits.transmit_bytes.max(1);
        if self.core.phase() == Phase::Ready && self.core.transmit().len() >= most {
            return false;
        }
        match self.inbox.as_mut().poll_next(cx) {
            Poll::Ready(Some(FromJob::Progress(work, update))) => {
                if let Some(job) = self.jobs.get(&work) {
                    debug!(request_id = ?job.context.request_id(), ?update, "update");
                    self.feed(Input::Progress(work, update));
                }
                true
            }
            Poll::Ready(Some(FromJob::Ended(work, outcome))) => {
                // Without a job it was cancelled, and the core has answered.
                if let Some(job) = self.jobs.remove(&work) {
                    let result = match outcome {
                        Outcome::Completed(_) => "completed",
                        Outcome::Failed(_) => "failed",
                    };
                    self.log_end(&job, result);
                    self.feed(Input::Answer(work, outcome));
                }
                true
            }
            Poll::Ready(None) | Poll::Pending => false,
        }
    }

    pub(super) fn start_job(&mut self, work: Arc<Work>) {
        let work = Arc::unwrap_or_clone(work);
        let id = work.id;
        let command = match &work.task {
            Task::Command { name, .. } => Some(name.clone()),
            _ => None,
        };
        info!(request_id = ?work.request_id, job_id = %work.job_id, ?command, "request");
        let (cancel, ended) = async_channel::bounded(1);
        let context = Context::new(Inner {
            work: id,
            request_id: work.request_id,
            job_id: work.job_id,
            user_id: work.user_id,
            command,
            deadline: work
                .deadline
                .map(|at| Instant::now() + at.saturating_sub(self.runtime.now().monotonic)),
            inbox: self.to_inbox.clone(),
            ended,
            shared: Arc::clone(&self.shared.0),
        });
        let started = self.runtime.now().monotonic;
        let job = Job { context: context.clone(), started, _cancel: cancel };
        let refusal = match work.task {
            Task::Command { name, args } => match self.served.commands.get(&name) {
                Some(handler) => {
                    job::start(&self.runtime, handler, context, args);
                    None
                }
                None => Some(self.served.unknown(&name)),
            },
            Task::Workflow { source, params } => match &self.served.workflows {
                Some(handler) => {
                    let workflow = Workflow::new(source, params);
                    job::start(&self.runtime, handler, context, workflow);
                    None
                }
                None => Some("this node runs no workflows".to_owned()),
            },
            _ => Some("this node does not know this kind of work".to_owned()),
        };
        match refusal {
            None => {
                self.jobs.insert(id, job);
            }
            Some(refusal) => {
                self.log_end(&job, "refused");
                self.replies.push_back(Reply::Answer(id, Outcome::failed(refusal)));
            }
        }
    }

    pub(super) fn cancel_job(&mut self, work: WorkId) {
        if let Some(job) = self.jobs.remove(&work) {
            self.log_end(&job, "cancelled");
        }
    }

    fn log_end(&self, job: &Job, outcome: &str) {
        let duration_ms = self.runtime.now().monotonic.saturating_sub(job.started).as_millis();
        let (request_id, command) = (job.context.request_id(), job.context.command());
        info!(?request_id, command, outcome, duration_ms, "answered");
    }
}
