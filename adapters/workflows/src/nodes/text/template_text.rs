use crate::nodes::{prelude::*, text::template};

#[derive(Deserialize)]
struct Template {
    string: String,
    values: Value,
    #[serde(flatten)]
    variables: Map<String, Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Template",
        "Template",
        "Fills a text with the entries of a dictionary and the inputs added to the node, which \
         go first: `{{ name }}` with any Jinja filter, or `{name}`.",
    )
    .property(Property::str("string", "").describe("The text with its variables."))
    .property(
        Property::new("values", TypeDescriptor::any(), Map::new())
            .describe("A dictionary of variables."),
    )
    .dynamic()
    .output("output", TypeDescriptor::str())
    .compute(|p: Template| {
        let mut variables = match p.values {
            Value::Object(values) => values,
            Value::Null => Map::new(),
            other => {
                let kind = python::type_name(&other);
                return Err(format!(
                    "values is a {kind}; give a dictionary of the variables by name"
                )
                .into());
            }
        };
        variables.extend(p.variables);
        template::render_braces(&p.string, &variables)
    })
}
