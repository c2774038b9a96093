use crate::{
    engine::{check_collected, collected_list},
    nodes::prelude::*,
};

#[derive(Deserialize)]
struct Collect {}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Collect",
        "Collect",
        "Gathers a stream and gives all of its items as one list, when it has ended.",
    )
    .property(Property::any("input_item").describe("The stream of items."))
    .output("output", TypeDescriptor::list(TypeDescriptor::any()))
    .stream(&["input_item"], |_: Collect, mut inputs: Inputs, context: NodeContext| async move {
        let mut items = Vec::new();
        while let Some(item) = inputs.next("input_item").await? {
            items.push(Arc::unwrap_or_clone(item));
            check_collected(items.len())?;
        }
        context.emit("output", collected_list(items)?).await;
        Ok(())
    })
    .gathers()
}
