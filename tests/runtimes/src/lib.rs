//! One suite of tests for a node on every runtime.
//!
//! The suite is `tests/suite`; `tests/tokio.rs`, `tests/async_std.rs` and `tests/smol.rs` run it. What its nodes speak to is here: a
//! [`Gateway`] that lives on a thread of its own, so that the runtime under test has the node to itself, and time that does not
//! come from that runtime either.

mod gateway;
mod proxy;

use std::future::{Future, poll_fn};
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

pub use gateway::{Answered, Connection, Gateway, Said};
pub use proxy::Proxy;

/// Runs a task on the gateways' thread, whether or not its end is awaited.
///
/// # Panics
///
/// The future panics when the task does.
pub fn beside<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send {
    let task = gateways().spawn(task);
    async move { task.await.expect("the gateway's side does not panic") }
}

/// Waits by the gateways' clock.
pub async fn sleep(duration: Duration) {
    let sleep = {
        let _clock = gateways().enter();
        tokio::time::sleep(duration)
    };
    sleep.await;
}

/// The same for a future that may take longer; it is dropped then.
pub async fn within<T>(duration: Duration, future: impl Future<Output = T>) -> Option<T> {
    let timeout = {
        let _clock = gateways().enter();
        tokio::time::timeout(duration, future)
    };
    timeout.await.ok()
}

/// Whatever a test waits for should be there well before this.
///
/// # Panics
///
/// When it takes longer.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    within(Duration::from_secs(20), future).await.expect("it should not take so long")
}

/// Lets others run once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn gateways() -> &'static Runtime {
    static GATEWAYS: OnceLock<Runtime> = OnceLock::new();
    GATEWAYS.get_or_init(|| {
        let one_thread = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        one_thread.expect("a thread can be started")
    })
}
