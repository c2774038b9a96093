use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct ForEach {
    input_list: Vec<Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.ForEach",
        "For Each",
        "Gives the elements of a list one after the other, each with its place.",
    )
    .property(Property::list("input_list").describe("The elements."))
    .output("output", TypeDescriptor::any())
    .output("index", TypeDescriptor::int())
    .generate(|p: ForEach, context: NodeContext| async move {
        for (index, element) in p.input_list.into_iter().enumerate() {
            context.emit("output", element).await;
            context.emit("index", Value::from(index)).await;
        }
        Ok(())
    })
}
