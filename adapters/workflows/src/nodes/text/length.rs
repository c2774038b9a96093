use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Length {
    text: String,
    measure: String,
    trim_whitespace: bool,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Length",
        "Measure Length",
        "Counts the characters, words or lines of a text.",
    )
    .property(Property::str("text", "").describe("The text that is measured."))
    .property(
        Property::one_of("measure", &["characters", "words", "lines"]).describe("What is counted."),
    )
    .property(
        Property::bool("trim_whitespace", false)
            .describe("Whether space at the start and the end is left out."),
    )
    .output("output", TypeDescriptor::int())
    .compute(|p: Length| {
        let text = match p.trim_whitespace {
            true => python::trimmed(&p.text),
            false => &p.text,
        };
        Ok(Value::from(match p.measure.as_str() {
            "words" => text.split(python::is_space).filter(|word| !word.is_empty()).count(),
            "lines" => python::count_lines(text),
            _ => text.chars().count(),
        }))
    })
}
