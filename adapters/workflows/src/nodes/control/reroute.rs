use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Reroute {
    input_value: Value,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Reroute",
        "Reroute",
        "Passes its value on unchanged; tidies the edges of a drawing.",
    )
    .alias("nodetool.workflows.base_node.Reroute")
    .property(Property::any("input_value").describe("What is passed on."))
    .output("output", TypeDescriptor::any())
    .compute(|p: Reroute| Ok(p.input_value))
}
