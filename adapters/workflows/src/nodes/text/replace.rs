use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Replace {
    text: String,
    old: String,
    new: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Replace",
        "Replace Text",
        "Replaces every occurrence of a text by another. An empty `old` occurs between all \
         characters.",
    )
    .property(Property::str("text", "").describe("The text that is changed."))
    .property(Property::str("old", "").describe("What is replaced."))
    .property(Property::str("new", "").describe("What it is replaced by."))
    .output("output", TypeDescriptor::str())
    .compute(|p: Replace| {
        let count = p.text.matches(&p.old).count();
        let removed = count * p.old.len();
        bounds::check_text(
            (p.text.len() - removed).saturating_add(p.new.len().saturating_mul(count)),
        )?;
        Ok(p.text.replace(&p.old, &p.new))
    })
}
