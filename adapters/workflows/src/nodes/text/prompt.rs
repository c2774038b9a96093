use crate::nodes::{prelude::*, text::template};

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
    #[serde(flatten)]
    variables: Map<String, Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Prompt",
        "Prompt",
        "Fills a text with the inputs added to the node: `{{ name }}` with any Jinja filter, or \
         `{name}`. Each input also leaves by an output of its name.",
    )
    .property(Property::str("prompt", "").describe("The text with its variables."))
    .pass_inputs_on()
    .output("output", TypeDescriptor::str())
    .compute(|p: Prompt| {
        let text = template::render_braces(&p.prompt, &p.variables)?;
        let mut outputs = Outputs::new();
        for (name, value) in p.variables.into_iter().filter(|(name, _)| name != "output") {
            outputs = outputs.with(name, value);
        }
        Ok(outputs.with("output", text))
    })
}
