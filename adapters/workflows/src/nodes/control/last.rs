use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Last {}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Last",
        "Last",
        "Gives the last item of a stream when it has ended; nothing if there was none.",
    )
    .property(Property::any("input_item").describe("The stream of items."))
    .output("output", TypeDescriptor::any())
    .stream(&["input_item"], |_: Last, mut inputs: Inputs, context: NodeContext| async move {
        let mut last = None;
        while let Some(item) = inputs.next("input_item").await? {
            last = Some(item);
        }
        if let Some(last) = last {
            context.emit("output", last).await;
        }
        Ok(())
    })
    .gathers()
}
