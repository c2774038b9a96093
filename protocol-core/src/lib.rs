//! A node of an agent gateway as a pure state machine.
//!
//! A *gateway* is the server that agents and automations talk to. It hands work to *nodes* over one WebSocket each, and the nodes
//! stream progress and answers back. This crate is the node, [`Node`], and the gateway's side of one connection, [`Peer`],
//! without a socket, clock, thread or source of randomness: bytes, time and answers go in; bytes and actions come out.
//!
//! ```text
//!        Input::Received, Sent,           Action::Connect, Disconnect,
//!        Connected, Timeout ...           Admit, Start, Notify ...
//!                 |                                ^
//!                 v                                |
//!   +-----------------------------------------------------------------+
//!   | Node: life across reconnects, timers, backoff, credentials      |
//!   |   ledger: what was asked, what runs, what the gateway is owed   |
//!   |   dialect: nodetool, openclaw <-> one small vocabulary          |
//!   |   websocket::Connection: bytes <-> messages (RFC 6455)          |
//!   +-----------------------------------------------------------------+
//!                 |                                |
//!             transmit()                       deadline()
//! ```
//!
//! Time and a 32-byte seed come from outside, so every run can be replayed to the byte: in a simulation, in a fuzzer, or from
//! a recording.
//!
//! # The loop
//!
//! Whoever owns the socket and the clock drives a node like this, under
//! [one contract](Node#the-drain-contract): take actions until there are none, then write, then wait.
//!
//! ```
//! use std::collections::VecDeque;
//! use std::time::Duration;
//!
//! use clawnode_protocol::dialect::nodetool;
//! use clawnode_protocol::node::{Action, Config, Endpoint, Input};
//! use clawnode_protocol::peer::{self, Applicant, Decision, FromNode, Peer, Request};
//! use clawnode_protocol::{Credentials, Node, Now, Outcome, Secret, Task, Timestamp};
//! use serde_json::value::RawValue;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("my-node"));
//! config.commands = vec!["greet".into()];
//! let mut node = Node::new(config, [7; 32]);
//!
//! // Here the gateway lives in the same process and time stands still; elsewhere there is a socket and a clock.
//! let now = Now::new(Duration::ZERO, Timestamp::from_micros(0));
//! let mut gateway = Peer::new(peer::Config::new(peer::Dialect::Nodetool), now, [1; 32]);
//! let task = Task::Command { name: "greet".into(), args: RawValue::from_string("{}".into())? };
//! let greet = Request::new("r1", task);
//!
//! node.handle(now, Input::Start)?;
//! let answer = 'done: loop {
//!     // 1. Do what the node says.
//!     while let Some(action) = node.poll_action() {
//!         match action {
//!             Action::Authenticate => node.handle(now, Input::Credentials(Credentials::token(Secret::new("s3cret"))))?,
//!             Action::Connect => node.handle(now, Input::Connected)?,
//!             // No journal here, so admissions and answers count as kept at once.
//!             Action::Admit(work) => node.handle(now, Input::Admitted(work.id))?,
//!             Action::Record(answer) => node.handle(now, Input::Recorded(answer.work))?,
//!             Action::Start(work) => {
//!                 let hello = RawValue::from_string(r#"{"hello":"world"}"#.into())?;
//!                 node.handle(now, Input::Answer(work.id, Outcome::Completed(hello)))?;
//!             }
//!             _ => {}
//!         }
//!     }
//!     // 2. Write what it lends, and say how much of it went out.
//!     let bytes = node.transmit().to_vec();
//!     node.handle(now, Input::Sent(bytes.len()))?;
//!     // 3. Wait for bytes, for node.deadline(), for answers; here, for the other end.
//!     gateway.handle(now, peer::Input::Received(&bytes))?;
//!     while let Some(action) = gateway.poll_action() {
//!         match action {
//!             peer::Action::Authorize(Applicant::Upgrade(request)) => {
//!                 assert_eq!(request.bearer_token(), Some("s3cret"));
//!                 gateway.handle(now, peer::Input::Authorize(Decision::Accept))?;
//!             }
//!             peer::Action::Message(FromNode::Registered(_)) => {
//!                 gateway.handle(now, peer::Input::Request(&greet))?;
//!             }
//!             peer::Action::Message(FromNode::Answered { outcome, .. }) => break 'done outcome,
//!             _ => {}
//!         }
//!     }
//!     let bytes = gateway.transmit().to_vec();
//!     gateway.handle(now, peer::Input::Sent(bytes.len()))?;
//!     node.handle(now, Input::Received(&bytes))?;
//! };
//! assert!(matches!(answer, Outcome::Completed(result) if result.get() == r#"{"hello":"world"}"#));
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised about delivery
//!
//! The rules are data, [`dialect::Rules`], because dialects contradict each other. In the nodetool dialect:
//!
//! - A request is acknowledged after it is admitted, then come its updates in order, then exactly one terminal answer.
//! - The same id and content again joins the running work or repeats the known answer; it is never run twice. The same id with
//!   other content is a failure that says so.
//! - Work goes on while the connection is down. Its answer is kept until a pong or an acknowledgement proves that it arrived; if
//!   the connection ends before that, it is sent again. So a gateway may see an answer twice, and never miss one. (From a gateway
//!   that has never sent a pong, a minute of other signs of life has to do as proof.)
//! - Updates may be dropped, oldest first, when the connection is slower than the work. Answers are not.
//! - What is too much is refused at admission with a reason, never dropped later. Only of the refusals themselves no more than
//!   [`Limits::owed`](node::Limits::owed) wait to be sent; further ones are counted in [`Tally`](node::Tally) and not told.
//!
//! In the openclaw dialect nobody waits for an answer longer than the connection lasts:
//!
//! - Each request is new work, whatever its idempotency key says. The same id again stops the older work, which is not heard of again.
//! - What the gateway cancels, or whose time is over, is stopped, and nothing more is said of it.
//! - A disconnect stops all work and drops its answers: the gateway has told whoever asked that the node is gone.
//! - An answer counts as delivered once it is handed to the connection. What is too much is answered with `NODE_NOT_READY`, which
//!   makes the gateway try again.
//!
//! # Errors
//!
//! What the peer does wrong is an outcome: an event or an ending with a typed reason, after the right close frame. What the
//! caller does wrong is a small `Misuse` error that changes nothing. Nothing here panics on any input.
//!
//! # From here
//!
//! - [`Node`], with [its contract](Node#the-drain-contract), and [`node::Config`]: all that can be said of a node.
//! - [`Peer`]: the gateway's side of one connection. [`websocket::Connection`]: RFC 6455 alone, in both roles.
//! - [`dialect`]: nodetool and openclaw. [`recording`]: a node's life in a file. [`proxy`]: HTTP CONNECT.
//! - [The cookbook](https://github.com/clawnode/clawnode/blob/main/adapters/tokio/docs/cookbook.md) has this loop over a transport of your
//!   own, and recipes for what is built on it; [three programs](https://github.com/clawnode/clawnode/tree/main/examples/bare) drive
//!   it in memory, on a blocking socket and on mio.

mod call;
pub mod dialect;
mod faults;
#[cfg(feature = "__fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod ledger;
pub mod node;
pub mod peer;
pub mod proxy;
mod random;
pub mod recording;
mod secret;
mod state;
mod text;
mod time;
mod timers;
mod trace;
pub mod websocket;
mod work;

pub use call::{Call, CallError, CallId};
pub use node::Node;
pub use peer::Peer;
pub use secret::{Credentials, Secret};
pub use time::{Now, Timestamp};
pub use trace::{InvalidTraceParent, TraceParent};
pub use work::{Answer, Failure, JobId, Outcome, Task, Update, Work, WorkId, WorkflowSource};
