use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct MakeDictionary {
    #[serde(flatten)]
    entries: Map<String, Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.dictionary.MakeDictionary",
        "Make Dictionary",
        "Makes a dictionary of the inputs added to the node, each under its name.",
    )
    .dynamic()
    .output("output", TypeDescriptor::dict())
    .compute(|p: MakeDictionary| bounds::built(Value::Object(p.entries)))
}
