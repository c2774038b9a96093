use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Count {}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Count",
        "Count",
        "Counts the items of a stream and gives their number when it has ended.",
    )
    .property(Property::any("input_item").describe("The stream of items."))
    .output("output", TypeDescriptor::int())
    .stream(&["input_item"], |_: Count, mut inputs: Inputs, context: NodeContext| async move {
        let mut count = 0_u64;
        while inputs.next("input_item").await?.is_some() {
            count += 1;
        }
        context.emit("output", Value::from(count)).await;
        Ok(())
    })
    .gathers()
}
