use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct TrimWhitespace {
    text: String,
    trim_start: bool,
    trim_end: bool,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.TrimWhitespace",
        "Trim Whitespace",
        "Takes spaces, tabs and line ends off the start and the end of a text.",
    )
    .property(Property::str("text", "").describe("The text that is trimmed."))
    .property(Property::bool("trim_start", true).describe("Whether its start is trimmed."))
    .property(Property::bool("trim_end", true).describe("Whether its end is trimmed."))
    .output("output", TypeDescriptor::str())
    .compute(|p: TrimWhitespace| {
        let mut text = p.text.as_str();
        if p.trim_start {
            text = text.trim_start_matches(python::is_space);
        }
        if p.trim_end {
            text = text.trim_end_matches(python::is_space);
        }
        Ok(text.to_owned())
    })
}
