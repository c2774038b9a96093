//! Reference models of both roles, and stages on which the real ones are compared with them.
//!
//! A model says in as few words as possible what is promised: which actions the application must be given, and what the other
//! end must hear, after each thing that can happen. It shares no code with what it judges and never looks inside. A play,
//! [`NodePlay`] or [`PeerPlay`], does each step on the model and on the real thing and panics where they differ, so a failure
//! found by random search is a test to paste: a play, and one line a step.
//!
//! What the models leave open, because no promise is made: the exact delay before an attempt within its bounds, and the wording
//! of messages for people.

mod node;
mod node_play;
mod peer;
mod peer_play;

pub use node::{NodeModel, NodeStep, Variant};
pub use node_play::{NodePlay, NodeUnderTest, node_config};
pub use peer::{PeerModel, PeerStep};
pub use peer_play::PeerPlay;

/// A script as the body of a test.
pub fn script(first: &str, steps: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    steps.into_iter().fold(format!("    {first}\n"), |text, step| text + &format!("    {step}\n"))
}
