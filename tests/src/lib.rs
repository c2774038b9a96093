//! Scenario transcripts, property tests and end-to-end tests of clawnode.
//!
//! [`Scene`] is a stage for one node: virtual time, a gateway that is a bare WebSocket which says what the test tells it to,
//! and an application that finishes work when the test says so. Everything that happens becomes one line of a transcript.
//! [`Meeting`] is one for a node and a gateway that both are real.

mod meeting;
pub mod model;
mod scene;
mod world;

/// Compiles and runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The same of the page for those who come from the Python client.
#[cfg(doctest)]
#[doc = include_str!("../../docs/migrating-from-python.md")]
struct MigratingFromPython;

pub use meeting::{Answer, Meeting};
pub use scene::{Answering, Scene};
pub use world::world;

use serde_json::value::RawValue;

/// A JSON value as the protocol carries it.
pub fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("the test gives valid JSON")
}
