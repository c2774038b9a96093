//! Black-box checks of nodes and gateways that speak the gateway protocol of NodeTool, whatever they are written in.
//!
//! [`check_node`] plays the gateway against a program that it starts; [`check_gateway`] plays nodes against a gateway that runs.
//! Each check is [data](Check): an id, the rule and where it comes from, and what is expected. The [`Report`] says for each what came.
//! The program `clawnode conformance` does the same from a command line; the README of this crate shows how.
//!
//! ```text
//!   check_node       suite: a gateway that breaks rules on purpose  <== ws:// ==  your node, started anew for each check
//!   check_gateway    suite: nodes that break rules on purpose       == ws:// ==>  your gateway, which runs
//! ```
//!
//! ```no_run
//! use clawnode_conformance::{Call, NodeUnderTest, Selection, check_node};
//!
//! # async fn example() {
//! let mut node = NodeUnderTest::new("python my_node.py --url {url} --heartbeat 1");
//! node.heartbeat_interval = Some(std::time::Duration::from_secs(1));
//! node.quick = Some(Call::new("echo", serde_json::json!({"text": "hello"})));
//! let report = check_node(node, &Selection::all()).await;
//! println!("{report}");
//! assert!(report.passed);
//! # }
//! ```
//!
//! # Contract
//!
//! [`check_node`] starts the program as often as there are checks, at most [`Pace::jobs`] at a time, with a URL of its own each time, and ends
//! it afterwards. [`check_gateway`] connects nodes with names of their own and leaves nothing behind but what the gateway remembers of
//! them. Neither panics over what the other end does: all of it is in the [`Report`], whose `passed` says whether every required check
//! that was tried did.
//!
//! # What is honest about it
//!
//! The suite reads and writes frames by itself, so that it can break rules on purpose and can describe who breaks them. A check that needs
//! something it was not told, such as a command that succeeds, is skipped and says what it needs: a report without failures is worth as much
//! as its list of skipped checks is short. Deadlines are generous, and what must *not* happen is only looked for during
//! [`Pace::settle`]; so a pass is evidence, not proof.
//!
//! Checks are [`Required`](Level::Required) when breaking the rule breaks other programs or loses work, else
//! [`Recommended`](Level::Recommended).
//!
//! A node that passes is ten lines of `clawnode-tokio`; its
//! [cookbook](https://github.com/clawnode/clawnode/blob/main/adapters/tokio/docs/cookbook.md) has the rest.

mod check;
mod gateway;
mod node;
mod process;
mod report;
mod runner;
mod settings;
mod talk;
mod wire;

pub use check::{Check, Level};
pub use gateway::{InvalidUrl, check_gateway, gateway_checks};
pub use node::{check_node, node_checks};
pub use report::{CheckResult, Report, Status};
pub use runner::{Selection, UnknownCheck};
pub use settings::{Call, GatewayUnderTest, NodeUnderTest, Pace, Submit};
