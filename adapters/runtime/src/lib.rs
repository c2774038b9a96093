//! The driver loop, TLS and command handlers of a clawnode node, for any async runtime.
//!
//! The protocol is in `clawnode-protocol`, which does no IO. This crate is everything between it and the world that
//! does not depend on a runtime: it connects, speaks TLS, moves bytes, keeps time, and runs the application's handlers.
//! What it needs of a runtime is the [`Runtime`] trait, which `clawnode-tokio`, `clawnode-smol` and `clawnode-async-std` implement;
//! most users want one of those, which re-export this one.
//!
//! - [`NodeBuilder`] describes a node: the gateway, who it is, the commands it serves.
//! - [`Node::run`] runs it until it stops for good. Lost connections are made again.
//! - [`Handle`] stops it, looks at it, and sends messages of the application's own. [`Connection`] is where the node is with its
//!   gateway, and [`Events`] tells how that changes.
//! - [`NodeBuilder::authorize`] and [`NodeBuilder::observe`] watch over its requests.
//! - [`Context`] is what a handler knows of its request, with [`Context::progress`] for news on the way.
//!
//! ```text
//!     handlers          Handle, Events
//!        ^ Context            |
//!        |                    v
//!   +------------------------------------+        +--------------------------+
//!   | driver loop: Node::run             | <----> | clawnode_protocol::Node  |
//!   +------------------------------------+        +--------------------------+
//!   | TLS, proxy, happy eyeballs         |
//!   +------------------------------------+
//!   | Runtime: streams, timers, tasks    |   <- yours, or that of one of the three
//!   +------------------------------------+
//! ```
//!
//! # Ten lines
//!
//! On any runtime that has the trait; `R` is the `Tokio` of `clawnode-tokio`, or yours:
//!
//! ```
//! use clawnode_runtime::{Context, Failed, Node, Runtime, StopReason};
//! use serde_json::{Value, json};
//!
//! async fn greet(_: Context, args: Value) -> Result<Value, Failed> {
//!     Ok(json!({ "text": format!("Hello, {}!", args["name"]) }))
//! }
//!
//! async fn serve<R: Runtime + Default>() -> Result<StopReason, Box<dyn std::error::Error>> {
//!     let node = Node::<R>::builder("ws://127.0.0.1:8080")?.command("greet", greet).build()?;
//!     Ok(node.run().await)
//! }
//! ```
//!
//! Recipes are in [the cookbook](https://github.com/clawnode/clawnode/blob/main/adapters/tokio/docs/cookbook.md) of `clawnode-tokio`.
//!
//! # Contract
//!
//! A node does nothing until it is run, and everything while [`Node::run`] is polled; dropping that future closes the connection and
//! cancels the handlers. Each request is started once and answered once, whatever a handler does: an error, a panic and a result that
//! is no object are failed answers. What holds on the wire is said in [`clawnode_protocol`].
//!
//! # Logs
//!
//! Through `tracing`: connections and requests at info, messages and decisions at debug, lost connections at warn,
//! failures of handlers at error. Never a token, an argument or a result. The text of a handler's error is logged as
//! the handler made it. What a handler logs itself is in the span of its request, see [`Context`].

mod build_error;
mod builder;
mod connect;
mod connection;
mod context;
mod credentials;
mod driver;
mod events;
mod failed;
mod finite;
mod handle;
mod handler;
mod job;
mod json;
mod node;
pub mod openclaw;
mod proxy;
mod recording;
mod request;
mod runtime;
mod shared;
pub mod tls;
mod transport;
mod url;

pub use build_error::BuildError;
pub use builder::NodeBuilder;
pub use connection::{Approval, Connection};
pub use context::{Context, ProgressError, Workflow};
pub use events::{Event, Events};
pub use failed::Failed;
pub use handle::{CallFailed, Handle, SendError, Status};
pub use handler::NoArgs;
pub use json::{InvalidObject, to_object};
pub use node::Node;
pub use proxy::{InvalidProxy, Proxy, Unconnected};
pub use request::{InFlight, Request, RequestEvent, RequestOutcome, RequestState};
pub use runtime::{ByteStream, Runtime, wall_clock};
pub use url::{GatewayUrl, InvalidUrl};

pub use clawnode_protocol::dialect::nodetool::TokenIn;
pub use clawnode_protocol::node::{
    HostStats, Limits, LostReason, Publication, StopReason, Tally, Timing,
};
pub use clawnode_protocol::{
    CallError, InvalidTraceParent, JobId, Now, Secret, Timestamp, TraceParent, Update,
    WorkflowSource,
};
