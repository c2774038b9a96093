use crate::{
    limits::MAX_INDENT,
    nodes::{json::write, prelude::*},
};

#[derive(Deserialize)]
struct StringifyJson {
    data: Value,
    indent: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("lib.json.StringifyJSON", "Stringify JSON", "Writes any value as JSON text.")
        .property(
            Property::new("data", TypeDescriptor::any(), Map::new())
                .describe("The value that is written."),
        )
        .property(
            Property::int("indent", 2)
                .describe("Spaces by which each level is indented; 0 writes one line.")
                .range(0.0, MAX_INDENT as f64),
        )
        .output("output", TypeDescriptor::str())
        .compute(|p: StringifyJson| {
            let indent = usize::try_from(p.indent).ok().filter(|indent| *indent <= MAX_INDENT);
            let indent =
                indent.ok_or_else(|| format!("indent is {}; use 0 to {MAX_INDENT}", p.indent))?;
            write(&p.data, indent)
        })
}
