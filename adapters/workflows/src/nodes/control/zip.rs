use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Zip {}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Zip",
        "Zip",
        "Pairs the items of two streams by their place, and ends with the shorter one. Set \
         sync_mode zip_all on a node that takes both sides.",
    )
    .property(Property::any("left").describe("The one stream."))
    .property(Property::any("right").describe("The other stream."))
    .output("left", TypeDescriptor::any())
    .output("right", TypeDescriptor::any())
    .output("index", TypeDescriptor::int())
    .stream(
        &["left", "right"],
        |_: Zip, mut inputs: Inputs, context: NodeContext| async move {
            let mut index = 0_u64;
            while let Some(left) = inputs.next("left").await? {
                let Some(right) = inputs.next("right").await? else { break };
                context.emit("left", left).await;
                context.emit("right", right).await;
                context.emit("index", Value::from(index)).await;
                index += 1;
            }
            Ok(())
        },
    )
}
