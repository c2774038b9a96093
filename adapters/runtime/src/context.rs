use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_channel::{Receiver, Sender, TrySendError};
use clawnode_protocol::{JobId, Update, WorkId, WorkflowSource};
use serde_json::value::RawValue;
use thiserror::Error;
use tracing::Span;

use crate::job::FromJob;
use crate::request::Request;
use crate::shared::Shared;

/// What a handler knows of the request it serves, and its line to the gateway. Clones are the same.
///
/// A handler runs in a `tracing` span of its own, `request`, with the fields `request_id`, `job_id`, `command` and `user`, so that all
/// it logs can be told apart. A task that it starts beside itself goes on in it with `tracing::Instrument::in_current_span`.
///
/// No request carries a W3C trace context (`traceparent`): nodetool has no field for it, and openclaw has it in what a client asks of
/// the gateway, but not in `node.invoke.request` (openclaw page 11.1). What joins traces is the request's id.
/// Calls that the handler makes itself can say which trace they belong to: [`Handle::with_traceparent`](crate::Handle::with_traceparent).
#[derive(Clone)]
pub struct Context(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) work: WorkId,
    pub(crate) request: Arc<Request>,
    /// What the handler logs in.
    pub(crate) span: Span,
    /// When the gateway stops waiting.
    pub(crate) deadline: Option<Instant>,
    pub(crate) inbox: Sender<FromJob>,
    /// Never carries anything: it is closed when the work is cancelled or has ended.
    pub(crate) ended: Receiver<()>,
    pub(crate) shared: Arc<Shared>,
}

/// The workflow a gateway wants to be run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Workflow {
    /// Which one: an id, or a graph that came along.
    pub source: WorkflowSource,
    /// Values for its input nodes: a JSON object.
    pub params: Box<RawValue>,
}

impl Workflow {
    pub(crate) fn new(source: WorkflowSource, params: Box<RawValue>) -> Self {
        Self { source, params }
    }
}

/// An update was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProgressError {
    /// Nobody waits for it any more. A good moment for the handler to end.
    #[error("the work was cancelled or has ended")]
    Ended,
    /// The protocol allows only JSON objects.
    #[error("the data of an update must be a JSON object")]
    NotAnObject,
    /// Too much waits already. Only from [`Context::try_progress`].
    #[error("too much waits to be sent; try again later")]
    Full,
}

impl Context {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The request: who asks for what.
    pub fn request(&self) -> &Request {
        &self.0.request
    }

    /// The gateway's name for the request.
    pub fn request_id(&self) -> &str {
        &self.0.request.request_id
    }

    /// The id of this run, the `job_id` of updates and answers.
    pub fn job_id(&self) -> JobId {
        self.0.request.job_id
    }

    /// On whose behalf this runs.
    pub fn user_id(&self) -> &str {
        &self.0.request.user_id
    }

    /// The command's name; `None` for a workflow.
    pub fn command(&self) -> Option<&str> {
        self.0.request.command.as_deref()
    }

    /// When the work is cancelled if it has not ended by then: since the gateway stops waiting (only openclaw gateways do), or
    /// since the node was told to stop. `None` while there is no such time.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline.into_iter().chain(self.0.shared.stop_by()).min()
    }

    /// Whether the work was cancelled (or has ended). An async handler is simply dropped then; a blocking one must look
    /// from time to time, and its answer is of no interest any more.
    pub fn is_cancelled(&self) -> bool {
        self.0.ended.is_closed()
    }

    /// Resolves once [`is_cancelled`](Self::is_cancelled). For tasks that a handler started beside itself.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn cancelled(&self) {
        // Nothing is ever sent, so this only ends by the channel's end.
        let _ = self.0.ended.recv().await;
    }

    /// Sends news to the gateway, waiting while too much waits already: while connected, a handler cannot be faster
    /// than the gateway reads. Without a connection the newest updates are kept, within
    /// [`Limits::updates`](crate::Limits::updates), and sent later. Updates of one handler keep their order, and none
    /// follows the answer.
    ///
    /// Cancel safe: a dropped future has either sent the whole update or nothing.
    ///
    /// # Errors
    ///
    /// [`ProgressError`], when it was not sent.
    pub async fn progress(&self, update: Update) -> Result<(), ProgressError> {
        self.check(&update)?;
        let message = FromJob::Progress(self.0.work, update);
        self.0.inbox.send(message).await.map_err(|_| ProgressError::Ended)
    }

    /// The same for blocking handlers: waits by blocking the thread. Never call it in async code.
    ///
    /// # Errors
    ///
    /// [`ProgressError`], when it was not sent.
    pub fn progress_blocking(&self, update: Update) -> Result<(), ProgressError> {
        self.check(&update)?;
        let message = FromJob::Progress(self.0.work, update);
        self.0.inbox.send_blocking(message).map_err(|_| ProgressError::Ended)
    }

    /// The same without waiting.
    ///
    /// # Errors
    ///
    /// [`ProgressError::Full`] where the others wait; otherwise the same.
    pub fn try_progress(&self, update: Update) -> Result<(), ProgressError> {
        self.check(&update)?;
        let message = FromJob::Progress(self.0.work, update);
        self.0.inbox.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => ProgressError::Full,
            TrySendError::Closed(_) => ProgressError::Ended,
        })
    }

    fn check(&self, update: &Update) -> Result<(), ProgressError> {
        if self.is_cancelled() {
            Err(ProgressError::Ended)
        } else if !crate::json::is_object(&update.data) {
            Err(ProgressError::NotAnObject)
        } else {
            Ok(())
        }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("request", &self.0.request)
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
