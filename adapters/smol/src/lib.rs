//! A clawnode node on smol.
//!
//! This crate is [`clawnode_runtime`] with smol's sockets, timers and threads, and everything needed to use it:
//!
//! ```no_run
//! use clawnode_smol::{Context, Failed, Node};
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
//!     let reason = smol::block_on(node.run());
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
//!                    this crate: smol's TCP, timers, tasks
//! ```
//!
//! A node does nothing until it is run, and everything while that future is polled; each request is started once and answered once. How
//! it reconnects, stops and logs, what TLS verifies, and what is where for OpenClaw gateways is on the page of `clawnode-tokio`, and holds
//! here word for word.
//!
//! A node runs on any thread, inside `smol::block_on` or a task of any executor; async handlers run on smol's global executor, which
//! has one thread unless the environment variable `SMOL_THREADS` says otherwise.
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

/// A node on smol.
pub type Node = clawnode_runtime::Node<Smol>;

/// Describes a node on smol; see [`Node::builder`].
pub type NodeBuilder = clawnode_runtime::NodeBuilder<Smol>;

/// smol's global executor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Smol;

impl Runtime for Smol {
    type Stream = TcpStream;

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = smol::net::TcpStream::connect(address).await?;
        // Messages are small and should not wait for company.
        stream.set_nodelay(true)?;
        Ok(TcpStream(stream))
    }

    async fn sleep(&self, duration: Duration) {
        smol::Timer::after(duration).await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        smol::unblock(work).detach();
    }
}

/// A TCP connection of smol.
#[derive(Debug)]
pub struct TcpStream(smol::net::TcpStream);

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
