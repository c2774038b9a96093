//! The one thread on which everything runs that needs tokio, started when it is first needed.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::thread;

use clawnode_workflows::NodeError;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

/// Runs `work` there. Dropping the future drops the work.
#[cfg(feature = "__web")]
pub(crate) async fn run<F, T>(work: F) -> Result<T, NodeError>
where
    F: Future<Output = Result<T, NodeError>> + Send + 'static,
    T: Send + 'static,
{
    spawn(work)?.await
}

/// The same, already started.
pub(crate) fn spawn<F, T>(work: F) -> Result<Working<T>, NodeError>
where
    F: Future<Output = Result<T, NodeError>> + Send + 'static,
    T: Send + 'static,
{
    Ok(Working(handle()?.spawn(work)))
}

/// Work on the thread.
pub(crate) struct Working<T>(JoinHandle<Result<T, NodeError>>);

impl<T> Future for Working<T> {
    type Output = Result<T, NodeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|joined| match joined {
            Ok(result) => result,
            Err(_) => Err("the node failed unexpectedly".into()),
        })
    }
}

impl<T> Drop for Working<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn handle() -> Result<&'static Handle, NodeError> {
    static HANDLE: OnceLock<Result<Handle, String>> = OnceLock::new();
    let started = HANDLE.get_or_init(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name("clawnode-nodes".to_owned());
        thread
            .spawn(move || runtime.block_on(pending::<()>()))
            .map_err(|error| error.to_string())?;
        Ok(handle)
    });
    started.as_ref().map_err(|error| {
        format!("the thread for requests and commands does not start: {error}").into()
    })
}
