//! What the benchmark of clawnode works with: requests of a given size, a gateway's end of the wire that costs next to nothing,
//! and a node in memory.
//!
//! `cargo bench -p clawnode-bench` prints the tables, of a node and of workflows. The program `clawnode-allocations` counts what the node allocates.

mod node;
mod requests;
mod wire;
pub mod workflows;

pub use node::{BenchNode, Handler, echo, echo_value};
pub use requests::{Requests, Shape};
pub use wire::GatewayEnd;
