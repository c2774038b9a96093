use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Combine {
    dict_a: Map<String, Value>,
    dict_b: Map<String, Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    let dict = |name: &str| Property::new(name, TypeDescriptor::dict(), Map::new());
    NodeType::new(
        "nodetool.dictionary.Combine",
        "Combine",
        "Puts two dictionaries together. Of a key that both have, the second gives the value.",
    )
    .property(dict("dict_a").describe("The first dictionary."))
    .property(dict("dict_b").describe("The second dictionary, whose values go first."))
    .output("output", TypeDescriptor::dict())
    .compute(|mut p: Combine| {
        p.dict_a.extend(p.dict_b);
        bounds::built(Value::Object(p.dict_a))
    })
}
