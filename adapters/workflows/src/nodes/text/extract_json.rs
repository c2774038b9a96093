use crate::nodes::{json::parse, prelude::*, text::json_path};

#[derive(Deserialize)]
struct ExtractJson {
    text: String,
    json_path: String,
    find_all: bool,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.ExtractJSON",
        "Extract JSON",
        "Reads a JSON text and gives the value that a JSONPath expression (RFC 9535) leads to, \
         such as `$.items[0].name`.",
    )
    .property(Property::str("text", "").describe("The JSON text."))
    .property(
        Property::str("json_path", "$.*")
            .describe("The JSONPath expression; one without $ starts at the root, too."),
    )
    .property(
        Property::bool("find_all", false)
            .describe("Whether all values it leads to are given, as a list, or the first."),
    )
    .output("output", TypeDescriptor::any())
    .compute(|p: ExtractJson| {
        let data = parse(&p.text, "text")?;
        let found = json_path::query(&p.json_path, &data)?;
        if p.find_all {
            bounds::check_list(found.len())?;
            return bounds::built(found.into_iter().cloned().collect());
        }
        found.first().map(|first| Value::clone(first)).ok_or_else(|| {
            format!("json_path {} leads to nothing in this text", p.json_path).into()
        })
    })
}
