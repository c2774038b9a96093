//! Requests as hooks and handles see them: who asks for what, never with which arguments.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use clawnode_protocol::{JobId, Task, Work, WorkflowSource};
use tracing::{Span, error, error_span, warn};

use crate::handler::BoxFuture;
use crate::job::text_of;
use crate::runtime::Runtime;

/// A request of the gateway: who asks for what. Its arguments are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The gateway's name for it.
    pub request_id: String,
    /// The id of the run, the `job_id` of updates and answers.
    pub job_id: JobId,
    /// On whose behalf it runs. Openclaw gateways name no user.
    pub user_id: String,
    /// The command's name; `None` for a workflow.
    pub command: Option<String>,
    /// The workflow's id; `None` for a command, and for a graph that came along.
    pub workflow_id: Option<String>,
}

/// A request that is not answered yet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InFlight {
    /// Who asks for what.
    pub request: Arc<Request>,
    /// How far it has come.
    pub state: RequestState,
    /// Since when it is so far.
    pub since: Instant,
}

/// How far a request has come that is not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RequestState {
    /// [`NodeBuilder::authorize`](crate::NodeBuilder::authorize) decides about it.
    Authorizing,
    /// It waits for a free place: [`Limits::running`](crate::Limits::running) handlers run already.
    Waiting,
    /// Its handler runs.
    Running,
}

/// What becomes of a request, for [`NodeBuilder::observe`](crate::NodeBuilder::observe).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RequestEvent {
    /// Its handler was started.
    Started(Arc<Request>),
    /// It was refused: by [`NodeBuilder::authorize`](crate::NodeBuilder::authorize), or since there is no such command.
    Refused {
        /// Who asked for what.
        request: Arc<Request>,
        /// What the gateway is told.
        reason: String,
    },
    /// It was cancelled before its handler was started: by the gateway, by its deadline, by the end of the connection (openclaw), or by
    /// the node's stop.
    Withdrawn(Arc<Request>),
    /// Its handler has news for the gateway. What they are is between the two.
    Progress {
        /// Who asked for what.
        request: Arc<Request>,
        /// What kind of news, [`Update::kind`](crate::Update::kind).
        kind: String,
        /// Bytes of the news, JSON.
        bytes: usize,
    },
    /// Its handler has ended.
    Ended {
        /// Who asked for what.
        request: Arc<Request>,
        /// How it ended.
        outcome: RequestOutcome,
        /// How long the handler ran.
        duration: Duration,
    },
    /// The observer was too slow: this many events, which happened here, were dropped.
    Missed(u64),
}

/// How a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// It has a result.
    Completed,
    /// It failed, panicked, did not understand its arguments, or its result cannot be sent.
    Failed,
    /// It was cancelled: by the gateway, by its deadline, by the end of the connection (openclaw), or by the node's stop.
    Cancelled,
}

impl Request {
    pub(crate) fn new(work: &Work) -> Self {
        let (command, workflow_id) = match &work.task {
            Task::Command { name, .. } => (Some(name.clone()), None),
            Task::Workflow { source: WorkflowSource::Id(id), .. } => (None, Some(id.clone())),
            _ => (None, None),
        };
        Self {
            request_id: work.request_id.clone(),
            job_id: work.job_id,
            user_id: work.user_id.clone(),
            command,
            workflow_id,
        }
    }

    /// What its handler and its authorisation log in. Of the highest level, so that no filter of levels takes it from a line.
    pub(crate) fn span(&self) -> Span {
        let Self { request_id, job_id, user_id, command, .. } = self;
        let command = command.as_deref();
        error_span!("request", ?request_id, %job_id, command, user = user_id)
    }
}

/// What watches over requests.
pub(crate) struct Hooks {
    pub(crate) authorize: Option<Authorize>,
    /// How long a decision may take.
    pub(crate) authorization_timeout: Duration,
    pub(crate) observe: Option<Observe>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { authorize: None, authorization_timeout: AUTHORIZATION_TIMEOUT, observe: None }
    }
}

// Authorisation.

/// Decides about a request: an error is the reason that the gateway is told.
pub(crate) type Authorize =
    Arc<dyn Fn(Arc<Request>) -> BoxFuture<Result<(), String>> + Send + Sync>;

pub(crate) fn authorize_with<E, F, Fut>(decide: F) -> Authorize
where
    E: fmt::Display,
    F: Fn(Arc<Request>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
{
    let decide = Arc::new(decide);
    Arc::new(move |request| {
        let decide = Arc::clone(&decide);
        Box::pin(async move { decide(request).await.map_err(|reason| reason.to_string()) })
    })
}

/// The decision, within its time. `None`: nobody waits for it any more.
pub(crate) async fn decide<R: Runtime>(
    runtime: &R,
    authorize: Authorize,
    request: Arc<Request>,
    timeout: Duration,
    unwanted: Receiver<()>,
) -> Option<Result<(), String>> {
    let span = request.span();
    let mut deciding = Some(authorize(request));
    let mut patience = pin!(runtime.sleep(timeout));
    // Nothing is ever sent, so this only ends by the channel's end.
    let mut unwanted = pin!(unwanted.recv());
    let decided = poll_fn(|cx| {
        if unwanted.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _span = span.enter();
            deciding.as_mut().map_or(Poll::Pending, |deciding| deciding.as_mut().poll(cx))
        }));
        match polled {
            Ok(Poll::Ready(decided)) => return Poll::Ready(Some(decided)),
            Ok(Poll::Pending) => {}
            Err(panic) => {
                let _span = span.enter();
                error!(panic = text_of(&*panic), "the authorization panicked");
                return Poll::Ready(Some(Err("the authorization failed".to_owned())));
            }
        }
        patience.as_mut().poll(cx).map(|()| Some(Err("the authorization took too long".to_owned())))
    })
    .await;
    // What it drops may panic too.
    if catch_unwind(AssertUnwindSafe(|| drop(deciding.take()))).is_err() {
        let _span = span.enter();
        error!("the authorization panicked while it was dropped");
    }
    decided
}

// Observation.

pub(crate) type Observe = Box<dyn FnMut(RequestEvent) + Send>;

/// The way to an observer, which has a thread of its own. Dropping this ends it once it has heard everything.
pub(crate) struct Observer {
    events: Sender<RequestEvent>,
    missed: u64,
    /// Closed when the observer is done.
    done: Receiver<()>,
}

impl Observer {
    pub(crate) fn start<R: Runtime>(runtime: &R, mut observe: Observe) -> Self {
        let (events, heard) = async_channel::bounded(MOST_UNOBSERVED);
        let (observing, done) = async_channel::bounded(1);
        runtime.spawn_blocking(move || {
            while let Ok(event) = heard.recv_blocking() {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| observe(event))) {
                    error!(panic = text_of(&*panic), "the observer of requests panicked");
                }
            }
            drop(observing);
        });
        Self { events, missed: 0, done }
    }

    pub(crate) fn tell(&mut self, event: RequestEvent) {
        // A handler with much to say leaves room for what becomes of requests.
        let is_progress = matches!(event, RequestEvent::Progress { .. });
        if is_progress && self.events.len() >= MOST_UNOBSERVED_PROGRESS {
            self.missed += 1;
            return;
        }
        if self.missed > 0 && self.events.try_send(RequestEvent::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        if self.missed > 0 || self.events.try_send(event).is_err() {
            self.missed += 1;
        }
    }

    /// Waits until everything is heard, for a few seconds at most.
    pub(crate) async fn finish<R: Runtime>(self, runtime: &R) {
        let Self { events, missed, done } = self;
        let mut rest = pin!(async move {
            if missed > 0 {
                let _ = events.send(RequestEvent::Missed(missed)).await;
            }
            drop(events);
            let _ = done.recv().await;
        });
        let mut patience = pin!(runtime.sleep(PATIENCE));
        poll_fn(|cx| match rest.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => patience.as_mut().poll(cx).map(|()| {
                warn!("the observer of requests is too slow: the node does not wait for it");
            }),
        })
        .await;
    }
}

/// How long an authorisation may take: well below the 30 s that an openclaw gateway waits for an answer (openclaw page 11.1).
const AUTHORIZATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Events that wait for an observer: what a thousand requests give rise to while it is busy for a moment.
const MOST_UNOBSERVED: usize = 2048;

/// Events that may wait when one more of progress comes: half of them all.
const MOST_UNOBSERVED_PROGRESS: usize = MOST_UNOBSERVED / 2;

/// How long a stopped node waits for its observer.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn observer() -> (Observer, Receiver<RequestEvent>) {
        let (events, heard) = async_channel::bounded(MOST_UNOBSERVED);
        let (_, done) = async_channel::bounded(1);
        (Observer { events, missed: 0, done }, heard)
    }

    #[test]
    fn as_many_events_as_the_bound_wait_and_one_more_is_missed_where_it_happened() {
        let (mut observer, heard) = observer();
        let event = RequestEvent::Missed(0);
        (0..MOST_UNOBSERVED).for_each(|_| observer.tell(event.clone()));
        assert_eq!(observer.missed, 0);
        observer.tell(event.clone());
        assert_eq!(observer.missed, 1);
        for _ in 0..2 {
            heard.try_recv().unwrap();
        }
        observer.tell(event);
        assert_eq!(observer.missed, 0);
        let told = std::iter::from_fn(|| heard.try_recv().ok()).collect::<Vec<_>>();
        assert_eq!(told.len(), MOST_UNOBSERVED);
        assert!(matches!(told[MOST_UNOBSERVED - 2], RequestEvent::Missed(1)));
    }
}
