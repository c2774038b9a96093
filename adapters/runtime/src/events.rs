use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::connection::Connection;
use crate::request::Request;

/// What happens to a node. A user interface needs [`Connection`](Self::Connection) alone; the rest is for logs and applications.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// Where the node is with its gateway from here on. The first event, which tells where it was at the beginning, and the last,
    /// [`Connection::Refused`] or [`Connection::Stopped`].
    Connection(Connection),
    /// The gateway has taken what this node publishes, or says so: what the node may do is approved. Once on each connection, and
    /// only in the openclaw dialect.
    Approved,
    /// A message of a type that the protocol does not know, as it came: one JSON object. [`message`](Self::message) reads it.
    Custom {
        /// Its `type`, or an openclaw gateway's `event`; empty if it has none that is a string.
        kind: String,
        /// The whole message.
        text: String,
    },
    /// The gateway says that it is going to close the connection.
    GoingAway {
        /// Why, for people.
        reason: String,
        /// When it expects to be back.
        back_in: Option<Duration>,
    },
    /// The gateway reports an error. It is never answered.
    GatewayError {
        /// The gateway's text, cut to 64 KiB.
        error: String,
        /// The gateway's details, JSON; left out when larger than 64 KiB.
        details: Option<String>,
    },
    /// The gateway sent something that is not a valid message. It has been told, unless it sends too many.
    Faulty {
        /// What is wrong with it.
        problem: String,
    },
    /// The device token that the gateway gave could not be kept; the text says why. The node shows it for as long as it lives; the
    /// next start of this node needs another credential.
    DeviceTokenLost(String),
    /// Updates of a request were dropped, because the connection is slower than its handler. Told at 1, 2, 4, 8 and so on.
    UpdatesDropped {
        /// The request.
        request: Arc<Request>,
        /// How many, in all, for this request.
        dropped: u64,
    },
    /// The reader was too slow: this many events, the oldest, were dropped here. [`Handle::connection`](crate::Handle::connection)
    /// tells where the node is now.
    Missed(u64),
}

impl Event {
    /// The message of the application's own that this is, if it is one, read as a `T`. An error says what is not as `T` wants it, a `type`
    /// that it does not know among that.
    ///
    /// ```
    /// # use clawnode_runtime::Events;
    /// #[derive(serde::Deserialize)]
    /// #[serde(tag = "type", rename_all = "snake_case")]
    /// enum FromGateway {
    ///     Question { text: String },
    /// }
    ///
    /// # async fn example(mut events: Events) {
    /// while let Some(event) = events.next().await {
    ///     match event.message() {
    ///         Some(Ok(FromGateway::Question { text })) => println!("{text}?"),
    ///         Some(Err(error)) => println!("not understood: {error}"),
    ///         None => {}
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// An openclaw gateway's events, such as `voicewake.changed`, are read with `#[serde(tag = "event", content = "payload")]`.
    pub fn message<T: DeserializeOwned>(&self) -> Option<Result<T, serde_json::Error>> {
        match self {
            Self::Custom { text, .. } => Some(serde_json::from_str(text)),
            _ => None,
        }
    }
}

/// The events of a node from the moment of [`Handle::events`](crate::Handle::events) on. The first is the state of the connection at
/// that moment.
///
/// It holds at most 256 events and 16 MiB of text. A slower reader loses the oldest, and is told how many.
#[derive(Debug)]
pub struct Events {
    queue: Arc<Queue>,
}

impl Events {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// The next event; `None` once the node has stopped, or was dropped, and all was read.
    ///
    /// Cancel safe: dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| {
            let mut ring = self.queue.lock();
            if ring.missed > 0 {
                return Poll::Ready(Some(Event::Missed(std::mem::take(&mut ring.missed))));
            }
            match ring.events.pop_front() {
                Some(event) => {
                    ring.bytes -= size(&event);
                    Poll::Ready(Some(event))
                }
                None if ring.ended => Poll::Ready(None),
                None => {
                    ring.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// One reader's events.
#[derive(Default)]
pub(crate) struct Queue {
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
    missed: u64,
    ended: bool,
    reader: Option<Waker>,
}

impl Queue {
    pub(crate) fn push(&self, event: Event) {
        let mut ring = self.lock();
        ring.bytes += size(&event);
        ring.events.push_back(event);
        while ring.events.len() > MOST_EVENTS || (ring.bytes > MOST_BYTES && ring.events.len() > 1)
        {
            if let Some(oldest) = ring.events.pop_front() {
                ring.bytes -= size(&oldest);
                ring.missed += 1;
            }
        }
        Self::wake(ring);
    }

    pub(crate) fn end(&self) {
        let mut ring = self.lock();
        ring.ended = true;
        Self::wake(ring);
    }

    fn wake(mut ring: MutexGuard<'_, Ring>) {
        if let Some(reader) = ring.reader.take() {
            drop(ring);
            reader.wake();
        }
    }

    /// Nothing under this lock can panic halfway, so a poisoned lock is as good as a sound one.
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.lock();
        f.debug_struct("Queue")
            .field("waiting", &ring.events.len())
            .field("missed", &ring.missed)
            .field("ended", &ring.ended)
            .finish()
    }
}

/// Bytes of text in an event; only these can be large.
fn size(event: &Event) -> usize {
    match event {
        Event::Custom { kind, text } => kind.len() + text.len(),
        Event::GatewayError { error, details } => {
            error.len() + details.as_ref().map_or(0, String::len)
        }
        Event::Faulty { problem } => problem.len(),
        _ => 0,
    }
}

/// Enough for a reader that is busy for a moment.
const MOST_EVENTS: usize = 256;

/// A gateway may send messages of 25 MiB, 256 of which should not be kept; one always is.
const MOST_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    fn next(events: &mut Events) -> Poll<Option<Event>> {
        pin!(events.next()).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn custom(bytes: usize) -> Event {
        Event::Custom { kind: String::new(), text: "x".repeat(bytes) }
    }

    #[test]
    fn a_slow_reader_loses_the_oldest_and_is_told_how_many() {
        let queue = Arc::new(Queue::default());
        let mut events = Events::new(Arc::clone(&queue));
        assert!(next(&mut events).is_pending());
        for bytes in 0..300 {
            queue.push(custom(bytes));
        }
        queue.end();
        assert!(matches!(next(&mut events), Poll::Ready(Some(Event::Missed(44)))));
        for expected in 44..300 {
            let Poll::Ready(Some(event)) = next(&mut events) else { panic!("{expected}") };
            assert_eq!(size(&event), expected);
        }
        assert!(matches!(next(&mut events), Poll::Ready(None)));
        assert_eq!(queue.lock().bytes, 0);
    }

    #[test]
    fn large_events_push_out_older_ones_but_the_newest_stays() {
        let queue = Arc::new(Queue::default());
        let mut events = Events::new(Arc::clone(&queue));
        for _ in 0..3 {
            queue.push(custom(MOST_BYTES + 1));
        }
        assert!(matches!(next(&mut events), Poll::Ready(Some(Event::Missed(2)))));
        assert!(matches!(next(&mut events), Poll::Ready(Some(Event::Custom { .. }))));
        assert!(next(&mut events).is_pending());
    }

    #[test]
    fn as_many_events_as_the_bound_wait_and_one_more_makes_the_oldest_go() {
        for (pushed, missed) in [(MOST_EVENTS, 0), (MOST_EVENTS + 1, 1)] {
            let queue = Queue::default();
            (0..pushed).for_each(|_| queue.push(custom(1)));
            assert_eq!(queue.lock().missed, missed);
        }
    }

    #[test]
    fn events_of_as_many_bytes_as_the_bound_wait_and_one_byte_more_makes_the_oldest_go() {
        for (last, missed) in [(MOST_BYTES / 2, 0), (MOST_BYTES / 2 + 1, 1)] {
            let queue = Queue::default();
            queue.push(custom(MOST_BYTES / 2));
            queue.push(custom(last));
            assert_eq!(queue.lock().missed, missed);
        }
    }
}
