//! Work: from its admission through its handler to its answer.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use async_channel::Sender;
use clawnode_protocol::node::{Input, Phase};
use clawnode_protocol::{Answer, Outcome, Task, Work, WorkId};
use futures_core::Stream;
use tracing::{debug, info};

use super::{Driver, Reply};
use crate::context::{Context, Inner, Workflow};
use crate::job::{self, FromJob, Job};
use crate::request::{Request, RequestEvent, RequestOutcome, RequestState, decide};
use crate::runtime::Runtime;

/// A request whose handler was not started yet.
pub(super) struct Unstarted {
    request: Arc<Request>,
    /// While its authorisation is being decided. Dropping this ends the asking.
    deciding: Option<Sender<()>>,
}

impl<R: Runtime> Driver<R> {
    /// Asks whether the work may be taken, if there is somebody to ask. It is also where a journal would keep the work, and answer when
    /// it has; without one, memory is all the keeping there is.
    pub(super) fn admit(&mut self, work: &Work) {
        debug!(?work, "admitted");
        let (id, request) = (work.id, Arc::new(Request::new(work)));
        let Some(authorize) = &self.authorize else {
            self.wait(id, Unstarted { request, deciding: None });
            self.replies.push_back(Reply::Admitted(id));
            return;
        };
        let (deciding, unwanted) = async_channel::bounded(1);
        let (runtime, authorize) = (self.runtime.clone(), Arc::clone(authorize));
        let (timeout, inbox) = (self.authorization_timeout, self.to_inbox.clone());
        let asked = Arc::clone(&request);
        self.runtime.spawn(async move {
            if let Some(decided) = decide(&runtime, authorize, asked, timeout, unwanted).await {
                let _ = inbox.send(FromJob::Authorized(id, decided)).await;
            }
        });
        self.wait(id, Unstarted { request, deciding: Some(deciding) });
        // So that no more is decided than is owed, however fast the gateway asks and cancels. An admission is the last that a message
        // gives rise to, so nothing that has just begun is taken for withdrawn.
        self.forget_withdrawn();
    }

    fn wait(&mut self, work: WorkId, unstarted: Unstarted) {
        let state = match unstarted.deciding {
            Some(_) => RequestState::Authorizing,
            None => RequestState::Waiting,
        };
        self.shared.0.advance(work, Arc::clone(&unstarted.request), state);
        self.unstarted.insert(work, unstarted);
    }

    fn authorized(&mut self, work: WorkId, decided: Result<(), String>) {
        let Some(Unstarted { request, .. }) = self.unstarted.remove(&work) else { return };
        match decided {
            Ok(()) => {
                self.wait(work, Unstarted { request, deciding: None });
                self.feed(Input::Admitted(work));
            }
            Err(reason) => {
                self.shared.0.finish(work);
                self.refused(request, &reason);
                self.feed(Input::NotAdmitted(work, &reason));
            }
        }
    }

    fn refused(&mut self, request: Arc<Request>, reason: &str) {
        let Request { request_id, command, user_id, .. } = &*request;
        info!(?request_id, command, user = user_id, reason, "refused");
        if let Some(observer) = &mut self.observer {
            observer.tell(RequestEvent::Refused { request, reason: reason.to_owned() });
        }
    }

    /// Gives up what was cancelled before it began. The core says nothing of it, and needs not: it just does not wait any more.
    pub(super) fn forget_withdrawn(&mut self) {
        if self.unstarted.len() <= self.core.tally().waiting {
            return;
        }
        let Self { unstarted, core, shared, observer, .. } = self;
        unstarted.retain(|work, Unstarted { request, .. }| {
            let waits = core.is_waiting(*work);
            if !waits {
                debug!(request_id = ?request.request_id, "withdrawn");
                shared.0.finish(*work);
                if let Some(observer) = observer {
                    observer.tell(RequestEvent::Withdrawn(Arc::clone(request)));
                }
            }
            waits
        });
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
            Poll::Ready(Some(FromJob::Authorized(work, decided))) => {
                self.authorized(work, decided);
                true
            }
            Poll::Ready(Some(FromJob::Progress(work, update))) => {
                if let Some(job) = self.jobs.get(&work) {
                    debug!(request_id = ?job.context.request_id(), ?update, "update");
                    if let Some(observer) = &mut self.observer {
                        observer.tell(RequestEvent::Progress {
                            request: Arc::clone(&job.context.inner().request),
                            kind: update.kind.clone(),
                            bytes: update.data.get().len(),
                        });
                    }
                    self.feed(Input::Progress(work, update));
                }
                true
            }
            Poll::Ready(Some(FromJob::Ended(work, outcome))) => {
                // Without a job it was cancelled, and the core has answered.
                if let Some(job) = self.jobs.remove(&work) {
                    let result = match outcome {
                        Outcome::Completed(_) => RequestOutcome::Completed,
                        Outcome::Failed(_) => RequestOutcome::Failed,
                    };
                    self.end_job(work, &job, result);
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
        let request = match self.unstarted.remove(&id) {
            Some(Unstarted { request, .. }) => request,
            None => Arc::new(Request::new(&work)),
        };
        let Request { request_id, job_id, command, .. } = &*request;
        info!(?request_id, %job_id, ?command, "request");
        let (cancel, ended) = async_channel::bounded(1);
        let context = Context::new(Inner {
            work: id,
            span: request.span(),
            request: Arc::clone(&request),
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
                self.shared.0.advance(id, Arc::clone(&request), RequestState::Running);
                self.jobs.insert(id, job);
                if let Some(observer) = &mut self.observer {
                    observer.tell(RequestEvent::Started(request));
                }
            }
            Some(refusal) => {
                self.shared.0.finish(id);
                self.log_end(&job, "refused");
                if let Some(observer) = &mut self.observer {
                    observer.tell(RequestEvent::Refused { request, reason: refusal.clone() });
                }
                self.replies.push_back(Reply::Answer(id, Outcome::failed(refusal)));
            }
        }
    }

    pub(super) fn cancel_job(&mut self, work: WorkId) {
        if let Some(job) = self.jobs.remove(&work) {
            self.end_job(work, &job, RequestOutcome::Cancelled);
        }
    }

    fn end_job(&mut self, work: WorkId, job: &Job, outcome: RequestOutcome) {
        self.shared.0.finish(work);
        self.log_end(
            job,
            match outcome {
                RequestOutcome::Completed => "completed",
                RequestOutcome::Failed => "failed",
                RequestOutcome::Cancelled => "cancelled",
            },
        );
        if let Some(observer) = &mut self.observer {
            let request = Arc::clone(&job.context.inner().request);
            let duration = self.runtime.now().monotonic.saturating_sub(job.started);
            observer.tell(RequestEvent::Ended { request, outcome, duration });
        }
    }

    fn log_end(&self, job: &Job, outcome: &str) {
        let duration_ms = self.runtime.now().monotonic.saturating_sub(job.started).as_millis();
        let (request_id, command) = (job.context.request_id(), job.context.command());
        info!(?request_id, command, outcome, duration_ms, "answered");
    }
}
