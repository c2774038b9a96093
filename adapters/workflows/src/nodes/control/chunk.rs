use crate::{
    engine::{check_collected, collected_list},
    nodes::prelude::*,
};

#[derive(Deserialize)]
struct Chunk {
    size: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Chunk",
        "Chunk",
        "Groups the items of a stream into lists of a fixed size; the last may be shorter.",
    )
    .property(Property::any("input_item").describe("The stream of items."))
    .property(Property::int("size", 10).describe("Items per list; less than 1 means 1."))
    .output("output", TypeDescriptor::list(TypeDescriptor::any()))
    .output("index", TypeDescriptor::int())
    .stream(&["input_item"], |p: Chunk, mut inputs: Inputs, context: NodeContext| async move {
        let size = usize::try_from(p.size).unwrap_or(1).max(1);
        let mut items = Vec::new();
        let mut index = 0_u64;
        loop {
            let item = inputs.next("input_item").await?;
            let ended = item.is_none();
            items.extend(item.map(Arc::unwrap_or_clone));
            if items.len() >= size || (ended && !items.is_empty()) {
                let batch = collected_list(std::mem::take(&mut items))?;
                context.emit("output", batch).await;
                context.emit("index", Value::from(index)).await;
                index += 1;
            }
            check_collected(items.len())?;
            if ended {
                return Ok(());
            }
        }
    })
}
