//! `nodetool.constant`: a fixed value each.

pub(super) mod bool;
pub(super) mod date;
pub(super) mod date_time;
pub(super) mod dict;
pub(super) mod float;
pub(super) mod integer;
pub(super) mod list;
pub(super) mod select;
pub(super) mod string;

use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Constant {
    value: Value,
}

/// A type that gives its property `value`.
fn constant(name: &str, what: &str, value: Property) -> NodeType {
    let kind = value.kind.clone();
    NodeType::new(&format!("nodetool.constant.{name}"), name, &format!("Gives a fixed {what}."))
        .property(value.describe("What the node gives."))
        .output("output", kind)
        .compute(|p: Constant| Ok(p.value))
}
