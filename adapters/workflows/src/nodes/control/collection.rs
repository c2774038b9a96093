use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Collection {
    items: Vec<Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Collection",
        "Collection",
        "Gives the items of a list one after the other, as a stream.",
    )
    .property(Property::list("items").describe("The items."))
    .output("output", TypeDescriptor::any())
    .generate(|p: Collection, context: NodeContext| async move {
        for item in p.items {
            context.emit("output", item).await;
        }
        Ok(())
    })
}
