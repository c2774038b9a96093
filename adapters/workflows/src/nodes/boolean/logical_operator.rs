use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct LogicalOperator {
    a: bool,
    b: bool,
    operation: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.boolean.LogicalOperator",
        "Logical Operator",
        "Combines two conditions into one.",
    )
    .property(Property::bool("a", false).describe("The first condition."))
    .property(Property::bool("b", false).describe("The second condition."))
    .property(
        Property::one_of("operation", &["and", "or", "xor", "nand", "nor"])
            .describe("How they are combined."),
    )
    .output("output", TypeDescriptor::bool())
    .compute(|p: LogicalOperator| {
        Ok(match p.operation.as_str() {
            "or" => p.a || p.b,
            "xor" => p.a != p.b,
            "nand" => !(p.a && p.b),
            "nor" => !(p.a || p.b),
            _ => p.a && p.b,
        })
    })
}
