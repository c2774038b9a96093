use crate::nodes::{prelude::*, text::template};

#[derive(Deserialize)]
struct FormatText {
    template: String,
    #[serde(flatten)]
    variables: Map<String, Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.FormatText",
        "Format Text",
        "Fills a Jinja template, such as `Hello {{ name|upper }}`, with the inputs added to the \
         node. Values print as in Python: True, None, 1.0.",
    )
    .property(Property::str("template", "").describe("The template."))
    .dynamic()
    .output("output", TypeDescriptor::str())
    .compute(|p: FormatText| template::render(&p.template, &p.variables))
}
