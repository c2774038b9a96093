use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Drop {
    n: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Drop",
        "Drop",
        "Leaves out the first items of a stream and passes on the rest, counted from 0.",
    )
    .property(Property::any("input_item").describe("The stream of items."))
    .property(Property::int("n", 1).describe("How many items to leave out."))
    .output("output", TypeDescriptor::any())
    .output("index", TypeDescriptor::int())
    .stream(&["input_item"], |p: Drop, mut inputs: Inputs, context: NodeContext| async move {
        let mut left_out = 0;
        let mut index = 0_u64;
        while let Some(item) = inputs.next("input_item").await? {
            if left_out < p.n {
                left_out += 1;
                continue;
            }
            context.emit("output", item).await;
            context.emit("index", Value::from(index)).await;
            index += 1;
        }
        Ok(())
    })
    .forwards()
}
