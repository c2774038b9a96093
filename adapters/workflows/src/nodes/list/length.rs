use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Length {
    values: Vec<Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("nodetool.list.Length", "Length", "Counts the elements of a list.")
        .property(Property::list("values").describe("The list that is counted."))
        .output("output", TypeDescriptor::int())
        .compute(|p: Length| Ok(Value::from(p.values.len())))
}
