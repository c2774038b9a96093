use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use clawnode_protocol::{Now, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::book::Book;
use crate::config::Config;

/// What all tasks of a gateway share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    /// Cancelled when the gateway is to stop.
    pub(crate) stopping: CancellationToken,
    /// The tasks of nodes' connections.
    pub(crate) links: TaskTracker,
    book: Mutex<Book>,
    next_link: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            clock: Clock { start: Instant::now() },
            stopping: CancellationToken::new(),
            links: TaskTracker::new(),
            book: Mutex::new(Book::new(config.limits)),
            next_link: AtomicU64::new(1),
            config,
        }
    }

    /// Locked for short work only, never across an await.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_link(&self) -> u64 {
        self.next_link.fetch_add(1, Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn now(&self) -> Now {
        Now::new(self.start.elapsed(), Self::utc())
    }

    /// When a monotonic time of [`now`](Self::now) is, for a timer.
    pub(crate) fn at(&self, monotonic: std::time::Duration) -> Instant {
        self.start + monotonic
    }

    pub(crate) fn utc() -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
