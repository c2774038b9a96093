use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Concat {
    a: String,
    b: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Concat",
        "Concatenate Text",
        "Joins texts without anything between them: a, b, then any inputs added to the node, in \
         the order of their names. Of a list among those all elements are joined.",
    )
    .property(Property::str("a", "").describe("The first text."))
    .property(Property::str("b", "").describe("The second text."))
    .dynamic()
    .output("output", TypeDescriptor::str())
    .compute(|p: Concat| {
        let mut more: Vec<_> = p.more.iter().filter(|(_, value)| !value.is_null()).collect();
        more.sort_by_key(|(name, _)| *name);
        let mut text = BoundedText::default();
        text.push(&p.a)?;
        text.push(&p.b)?;
        for (_, value) in more {
            match value {
                Value::Array(items) => {
                    items.iter().try_for_each(|item| text.push(&python::text(item)))?;
                }
                value => text.push(&python::text(value))?,
            }
        }
        Ok(text.into_string())
    })
}
