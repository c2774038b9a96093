use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct ConditionalSwitch {
    condition: bool,
    if_true: Value,
    if_false: Value,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.boolean.ConditionalSwitch",
        "Conditional Switch",
        "Gives one of two values, depending on a condition.",
    )
    .property(Property::bool("condition", false).describe("What decides."))
    .property(Property::any("if_true").describe("The value if the condition is true."))
    .property(Property::any("if_false").describe("The value if it is false."))
    .output("output", TypeDescriptor::any())
    .compute(|p: ConditionalSwitch| Ok(if p.condition { p.if_true } else { p.if_false }))
}
