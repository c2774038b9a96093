use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Not {
    value: bool,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("nodetool.boolean.Not", "Not", "Turns true into false and false into true.")
        .property(Property::bool("value", false).describe("What is turned around."))
        .output("output", TypeDescriptor::bool())
        .compute(|p: Not| Ok(!p.value))
}
