use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Split {
    text: String,
    delimiter: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Split",
        "Split Text",
        "Takes a text apart wherever a delimiter occurs, and gives the parts as a list.",
    )
    .property(Property::str("text", "").describe("The text that is taken apart."))
    .property(Property::str("delimiter", ",").describe("What stands between two parts."))
    .output("output", TypeDescriptor::list(TypeDescriptor::str()))
    .compute(|p: Split| {
        if p.delimiter.is_empty() {
            return Err("delimiter is empty; set it to what stands between two parts".into());
        }
        bounds::check_list(p.text.matches(&p.delimiter).count() + 1)?;
        Ok(p.text.split(&p.delimiter).map(Value::from).collect::<Vec<_>>())
    })
}
