//! A clawnode node on async-std.
//!
//! **async-std is discontinued** ([RUSTSEC-2025-0052](https://rustsec.org/advisories/RUSTSEC-2025-0052)): nobody maintains it, and
//! its authors name smol in its place. This crate is for programs that run on it today. New ones take `clawnode-smol`, which is
//! the same in all but name, or `clawnode-tokio`.
//!
//! This crate is [`clawnode_runtime`] with async-std's sockets, timers and threads, and everything needed to use it:
//!
//! ```no_run
//! use clawnode_async_std::{Context, Failed, Node};
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
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let node = Node::builder("ws://127.0.0.1:8080")?.token("s3cret").command("greet", greet).build()?;
//!     let reason = async_std::task::block_on(node.run());
//!     println!("{reason}");
//!     Ok(())
//! }
//! ```
//!
//! ```text
//!   your handlers  <- Context --  Node::run  -- Handle, Events ->  the rest of your program
//!                                     |
//!          clawnode_runtime: driver loop, TLS, proxies  (any runtime)
//!          clawnode_protocol: the state machine         (no IO at all)
//!                                     |
//!                    this crate: async-std's TCP, timers, tasks
//! ```
//!
//! A node does nothing until it is run, and everything while that future is polled; each request is started once and answered once. How
//! it reconnects, stops and logs, what TLS verifies, and what is where for OpenClaw gateways is on the page of `clawnode-tokio`, and holds
//! here word for word.
//!
//! A node runs on any thread, inside `async_std::task::block_on` or a task; async handlers run on async-std's own executor.
//! Blocking handlers use the threads of the `blocking` crate, 500 at most unless the environment variable
//! `BLOCKING_MAX_THREADS` says otherwise; [`Limits::running`] is 64 unless it was changed. A process that ends does not wait for
//! them.
//!
//! Recipes are in [the cookbook](https://github.com/clawnode/clawnode/blob/main/adapters/tokio/docs/cookbook.md) of `clawnode-tokio`, which hold here too.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};

pub use clawnode_runtime::{
    Approval, BuildError, ByteStream, CallError, CallFailed, Connection, Context, Event, Events,
    Failed, GatewayUrl, Handle, HostStats, InFlight, InvalidObject, InvalidProxy,
    InvalidTraceParent, InvalidUrl, JobId, Limits, LostReason, NoArgs, Now, ProgressError, Proxy,
    Publication, Request, RequestEvent, RequestOutcome, RequestState, Runtime, Secret, SendError,
    Status, StopReason, Tally, Timestamp, Timing, TokenIn, TraceParent, Unconnected, Update,
    Workflow, WorkflowSource, openclaw, tls, to_object, wall_clock,
};

/// A node on async-std.
pub type Node = clawnode_runtime::Node<AsyncStd>;

/// Describes a node on async-std; see [`Node::builder`].
pub type NodeBuilder = clawnode_runtime::NodeBuilder<AsyncStd>;

/// async-std, of which a process has one.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    type Stream = TcpStream;

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = async_std::net::TcpStream::connect(address).await?;
        // Messages are small and should not wait for company.
        stream.set_nodelay(true)?;
        Ok(TcpStream(stream))
    }

    async fn sleep(&self, duration: Duration) {
        async_std::task::sleep(duration).await
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        async_std::task::spawn(task);
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        async_std::task::spawn_blocking(work);
    }
}

/// A TCP connection of async-std.
#[derive(Debug)]
pub struct TcpStream(async_std::net::TcpStream);

impl ByteStream for TcpStream {
    fn poll_read(
        &mut self,
        cx: &mut TaskContext<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
