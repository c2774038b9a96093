//! core
pub mod dialect;
mod faults;
mod http;
mod ledger;
pub mod node;
pub mod peer;
mod random;
mod secret;
mod time;
mod timers;
pub mod websocket;
mod work;

pub use node::Node;
pub use peer::Peer;
pub use secret::Secret;
pub use time::{Now, Timestamp};
pub use work::{Answer, Failure, JobId, Outcome, Task, Update, Work, WorkId, WorkflowSource};
