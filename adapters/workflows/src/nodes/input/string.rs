use crate::nodes::{input::input, prelude::*};

#[derive(Deserialize)]
struct StringInput {
    value: String,
    max_length: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    input("StringInput", "String Input", "text", Property::str("value", ""))
        .property(
            Property::int("max_length", 0)
                .describe("Characters kept of the value; 0 keeps all of them."),
        )
        .property(
            Property::one_of("line_mode", &["single_line", "multiline"])
                .describe("How an editor shows the value."),
        )
        .compute(|p: StringInput| {
            Ok(match usize::try_from(p.max_length) {
                Ok(length) if length > 0 => p.value.chars().take(length).collect(),
                _ => p.value,
            })
        })
}
