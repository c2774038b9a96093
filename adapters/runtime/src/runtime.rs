use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clawnode_protocol::{Now, Timestamp};

/// What a node needs of an async runtime: byte streams, timers, tasks and threads.
///
/// An implementation is a hundred lines, as those of `clawnode-tokio`, `clawnode-async-std` and `clawnode-smol` are. Clones share whatever the runtime's handle is.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected byte stream.
    type Stream: ByteStream;

    /// Opens a TCP connection to one address. Dropping the future gives the attempt up.
    fn connect(&self, address: SocketAddr)
    -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// The addresses of a host name, best first. The node tries at most 16 of them, the families in turn, a quarter of a second
    /// apart, and keeps the first connection (RFC 8305). Not asked for IP addresses. The default asks the operating system, on a
    /// thread of its own.
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        let (found, answer) = async_channel::bounded(1);
        let host = host.to_owned();
        self.spawn_blocking(move || {
            let addresses = (host.as_str(), port).to_socket_addrs();
            let _ = found.try_send(addresses.map(Iterator::collect));
        });
        async move {
            let addresses = answer.recv().await;
            addresses.unwrap_or_else(|_| Err(io::Error::other("nobody looked it up")))
        }
    }

    /// Waits this long, or a little longer.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// Runs a task beside the node. Async handlers run so.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Runs work that blocks on a thread where it stops nobody. Blocking handlers run so: there must be a thread for
    /// each of them, as many as [`Limits::running`](crate::Limits::running) says.
    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static);

    /// The clocks. The default reads those of the standard library.
    fn now(&self) -> Now {
        static START: OnceLock<Instant> = OnceLock::new();
        Now::new(START.get_or_init(Instant::now).elapsed(), wall_clock())
    }

    /// Random bytes of the operating system, from which a node derives everything random in its life.
    ///
    /// # Panics
    ///
    /// The default panics when the operating system has none to give: nothing could be secure then.
    fn seed(&self) -> [u8; 32] {
        random_bytes()
    }
}

/// Of the operating system.
pub(crate) fn random_bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the operating system provides random bytes");
    bytes
}

/// The wall clock of the standard library, for implementations of [`Runtime::now`].
pub fn wall_clock() -> Timestamp {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)
        }
    };
    Timestamp::from_micros(micros)
}

/// A byte stream that reads and writes independently of each other.
///
/// The methods follow the usual rules of polling: [`Poll::Pending`] means that `cx` is woken when it is worth another
/// try.
pub trait ByteStream: Send + Unpin + 'static {
    /// Reads into `buffer` and says how many bytes; zero is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes from `bytes`, which is not empty, and says how many were taken.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Passes on what was taken but is still held back.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the writing side.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
