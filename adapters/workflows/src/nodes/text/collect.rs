use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Collect {
    separator: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Collect",
        "Collect Text",
        "Gathers a stream of texts and gives them as one text, when the stream has ended.",
    )
    .property(Property::str("input_item", "").describe("The stream of texts."))
    .property(Property::str("separator", "").describe("What stands between two of them."))
    .output("output", TypeDescriptor::str())
    .stream(&["input_item"], |p: Collect, mut inputs: Inputs, context: NodeContext| async move {
        let mut text = BoundedText::default();
        let mut first = true;
        while let Some(item) = inputs.next("input_item").await? {
            if !std::mem::take(&mut first) {
                text.push(&p.separator)?;
            }
            text.push(&python::text(&item))?;
        }
        context.emit("output", Value::String(text.into_string())).await;
        Ok(())
    })
    .gathers()
}
