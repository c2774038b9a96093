use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Contains {
    text: String,
    substring: String,
    search_values: Vec<Value>,
    case_sensitive: bool,
    match_mode: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Contains",
        "Contains Text",
        "Tells whether a text contains another one, or any, all or none of several.",
    )
    .property(Property::str("text", "").describe("The text that is searched."))
    .property(
        Property::str("substring", "")
            .describe("What is looked for; not used when there are search values."),
    )
    .property(
        Property::new("search_values", TypeDescriptor::list(TypeDescriptor::str()), json!([]))
            .describe("Several texts that are looked for."),
    )
    .property(
        Property::bool("case_sensitive", true)
            .describe("Whether capital and small letters are different."),
    )
    .property(
        Property::one_of("match_mode", &["any", "all", "none"])
            .describe("Whether one of them is enough, all are needed, or none may occur."),
    )
    .output("output", TypeDescriptor::bool())
    .compute(|p: Contains| {
        let fold = |text: String| if p.case_sensitive { text } else { text.to_lowercase() };
        let needles = match p.search_values.is_empty() {
            true => vec![fold(p.substring)],
            false => p.search_values.iter().map(|value| fold(python::text(value))).collect(),
        };
        let haystack = fold(p.text);
        let mut found = needles.iter().map(|needle| haystack.contains(needle.as_str()));
        Ok(match p.match_mode.as_str() {
            "all" => found.all(|found| found),
            "none" => !found.any(|found| found),
            _ => found.any(|found| found),
        })
    })
}
