//! A clawnode node on tokio.
//!
//! This crate is [`clawnode_runtime`] with tokio's sockets, timers and threads, and everything needed to use it:
//!
//! ```no_run
//! use clawnode_tokio::{Context, Failed, Node};
//!
//! #[derive(serde::Deserialize)]
//! struct Greet {
//!     name: String,
//! }
//!
//! async fn greet(_: Context, args: Greet) -> Result<serde_json::Value, Failed> {
//!     Ok(serde_json::json!({ "text": format!("Hello, {}!", args.name) }))
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let node = Node::builder("ws://127.0.0.1:8080")?.token("s3cret").command("greet", greet).build()?;
//!     let reason = node.run().await;
//!     println!("{reason}");
//!     Ok(())
//! }
//! ```
//!
//! A node takes part in the tokio runtime it is run in, which needs time and IO enabled; one thread is enough. Blocking
//! handlers use tokio's blocking threads: when a runtime with a blocking handler that never ends is dropped, it waits
//! for it, unless it is shut down with `shutdown_background` or `shutdown_timeout`.
//!
//! # From here
//!
//! - The `cookbook` beside this page: a typed command, progress, cancellation, messages of your own, the connection in a user interface,
//!   your own transport, both dialects, simulation, recording.
//! - [`NodeBuilder`]: all that can be said of a node. [`Handle`]: stopping it, looking at it. [`Context`]: what a handler knows.
//! - [Coming from the Python client](https://github.com/clawnode/clawnode/blob/main/docs/migrating-from-python.md).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

pub use clawnode_runtime::{
    Approval, BuildError, ByteStream, CallError, CallFailed, Connection, Context, Event, Events,
    Failed, GatewayUrl, Handle, HostStats, InFlight, InvalidObject, InvalidProxy,
    InvalidTraceParent, InvalidUrl, JobId, Limits, LostReason, NoArgs, Now, ProgressError, Proxy,
    Publication, Request, RequestEvent, RequestOutcome, RequestState, Runtime, Secret, SendError,
    Status, StopReason, Tally, Timestamp, Timing, TokenIn, TraceParent, Unconnected, Update,
    Workflow, WorkflowSource, openclaw, tls, to_object, wall_clock,
};

#[cfg(doc)]
#[doc = include_str!("../docs/cookbook.md")]
pub mod cookbook {}

/// A node on tokio.
pub type Node = clawnode_runtime::Node<Tokio>;

/// Describes a node on tokio; see [`Node::builder`].
pub type NodeBuilder = clawnode_runtime::NodeBuilder<Tokio>;

/// The tokio runtime that the calling task runs in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokio;

impl Runtime for Tokio {
    type Stream = TcpStream;

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        // Messages are small and should not wait for company.
        stream.set_nodelay(true)?;
        Ok(TcpStream(stream))
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        tokio::task::spawn_blocking(work);
    }

    /// Tokio's clock, which tests can pause.
    fn now(&self) -> Now {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        Now::new(Instant::now().saturating_duration_since(start), wall_clock())
    }
}

/// A TCP connection of tokio.
#[derive(Debug)]
pub struct TcpStream(tokio::net::TcpStream);

impl From<tokio::net::TcpStream> for TcpStream {
    fn from(stream: tokio::net::TcpStream) -> Self {
        Self(stream)
    }
}

impl ByteStream for TcpStream {
    fn poll_read(
        &mut self,
        cx: &mut TaskContext<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.0).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
    }

    fn poll_write(&mut self, cx: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
