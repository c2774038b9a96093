use crate::{engine::check_collected, nodes::prelude::*};

#[derive(Deserialize)]
struct Cross {
    max_output_count: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Cross",
        "Cross",
        "Pairs every item of one stream with every item of another: all rights for the first \
         left, then all for the second. Set sync_mode zip_all on a node that takes both sides.",
    )
    .property(Property::any("left").describe("The one stream."))
    .property(Property::any("right").describe("The other stream; kept until the left ends."))
    .property(
        Property::int("max_output_count", 1024)
            .describe("The most pairs; one more fails the run, so that no stream runs away."),
    )
    .output("left", TypeDescriptor::any())
    .output("right", TypeDescriptor::any())
    .stream(
        &["left", "right"],
        |p: Cross, mut inputs: Inputs, context: NodeContext| async move {
            let mut rights = Vec::new();
            while let Some(right) = inputs.next("right").await? {
                rights.push(right);
                check_collected(rights.len())?;
            }
            let mut count = 0;
            while let Some(left) = inputs.next("left").await? {
                for right in &rights {
                    if count >= p.max_output_count {
                        let most = p.max_output_count;
                        let error =
                            format!("there are more than {most} pairs; raise max_output_count");
                        return Err(error.into());
                    }
                    context.emit("left", Arc::clone(&left)).await;
                    context.emit("right", Arc::clone(right)).await;
                    count += 1;
                }
            }
            Ok(())
        },
    )
}
