use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct ToString {
    value: Value,
    mode: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.ToString",
        "To String",
        "Prints any value as text, as Python does: True, None, 1.0, ['a'].",
    )
    .property(Property::any("value").describe("What is printed."))
    .property(
        Property::one_of("mode", &["str", "repr"])
            .describe("str keeps text as it is; repr puts it in quotes."),
    )
    .output("output", TypeDescriptor::str())
    .compute(|p: ToString| {
        let text = if p.mode == "repr" { python::repr(&p.value) } else { python::text(&p.value) };
        bounds::check_text(text.len())?;
        Ok(text)
    })
}
