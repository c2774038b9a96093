use crate::nodes::{json, prelude::*};

#[derive(Deserialize)]
struct ToJson {
    dictionary: Value,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.dictionary.ToJSON",
        "To JSON",
        "Writes a dictionary as JSON text in one line.",
    )
    .property(
        Property::new("dictionary", TypeDescriptor::dict(), Map::new())
            .describe("The dictionary that is written."),
    )
    .output("output", TypeDescriptor::str())
    .compute(|p: ToJson| json::write(&p.dictionary, 0))
}
