//! Work that blocks, on threads of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
pub(crate) async fn unblock<T: Send + 'static>(
    work: impl FnOnce(Cancelled) -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    let waiting = Waiting(Cancelled::default());
    let cancelled = waiting.0.clone();
    blocking::unblock(move || work(cancelled)).await
}

struct Waiting(Cancelled);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
