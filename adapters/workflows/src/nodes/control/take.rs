use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Take {
    n: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Take",
        "Take",
        "Passes on the first items of a stream, and ends.",
    )
    .property(Property::any("input_item").describe("The stream of items."))
    .property(Property::int("n", 1).describe("How many items; less than 1 means none."))
    .output("output", TypeDescriptor::any())
    .output("index", TypeDescriptor::int())
    .stream(&["input_item"], |p: Take, mut inputs: Inputs, context: NodeContext| async move {
        for index in 0..p.n {
            let Some(item) = inputs.next("input_item").await? else { break };
            context.emit("output", item).await;
            context.emit("index", Value::from(index)).await;
        }
        Ok(())
    })
    .forwards()
}
