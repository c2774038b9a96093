use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct GetValue {
    dictionary: Map<String, Value>,
    key: String,
    default: Value,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.dictionary.GetValue",
        "Get Value",
        "Gives the value of one key of a dictionary.",
    )
    .property(
        Property::new("dictionary", TypeDescriptor::dict(), Map::new()).describe("The dictionary."),
    )
    .property(Property::str("key", "").describe("The key of the value."))
    .property(Property::any("default").describe("The value if there is no such key."))
    .output("output", TypeDescriptor::any())
    .compute(|mut p: GetValue| Ok(p.dictionary.remove(&p.key).unwrap_or(p.default)))
}
