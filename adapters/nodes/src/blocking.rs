//! Work that blocks, on threads of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use blocking::Task;
use clawnode_workflows::NodeError;

/// Whether anybody still waits for the work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs `work` on a thread. Dropping the future tells it to end.
#[cfg(feature = "__folders")]
pub(crate) async fn unblock<T: Send + 'static>(
    work: impl FnOnce(Cancelled) -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    spawn(work).await
}

/// The same, already started.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce(Cancelled) -> Result<T, NodeError> + Send + 'static,
) -> Blocking<T> {
    let waiting = Waiting(Cancelled::default());
    let cancelled = waiting.0.clone();
    Blocking { task: blocking::unblock(move || work(cancelled)), _waiting: waiting }
}

/// Work on a thread.
pub(crate) struct Blocking<T> {
    task: Task<Result<T, NodeError>>,
    _waiting: Waiting,
}

impl<T> Future for Blocking<T> {
    type Output = Result<T, NodeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

struct Waiting(Cancelled);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
