use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Join {
    strings: Vec<Value>,
    separator: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Join",
        "Join",
        "Joins the elements of a list into one text, with a separator between them.",
    )
    .property(Property::list("strings").describe("What is joined; anything but text is printed."))
    .property(Property::str("separator", "").describe("What stands between two elements."))
    .output("output", TypeDescriptor::str())
    .compute(|p: Join| bounds::joined(p.strings.iter().map(python::text), &p.separator))
}
