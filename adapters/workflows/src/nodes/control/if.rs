use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct If {
    condition: bool,
    value: Value,
}

/// Values and conditions are paired in their order. The side that ends first lends its last
/// item to the rest of the other, so one condition can rule a whole stream. A side without
/// an edge, or whose condition never came, uses the node's own property; a connected value
/// that never came gives nothing.
pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.If",
        "If",
        "Forwards a value to one of two outputs, depending on a condition. The other gets \
         nothing.",
    )
    .property(Property::bool("condition", false).describe("What decides."))
    .property(Property::any("value").describe("What is forwarded."))
    .output("if_true", TypeDescriptor::any())
    .output("if_false", TypeDescriptor::any())
    .stream(
        &["condition", "value"],
        |p: If, mut inputs: Inputs, context: NodeContext| async move {
            let mut condition = p.condition;
            let mut value = (!context.is_connected("value")).then(|| Arc::new(p.value));
            let mut forwarded = false;
            loop {
                let next_condition = inputs.next("condition").await?;
                let next_value = inputs.next("value").await?;
                if forwarded && next_condition.is_none() && next_value.is_none() {
                    return Ok(());
                }
                condition = next_condition.map_or(condition, |next| python::truthy(&next));
                value = next_value.or(value);
                let Some(value) = &value else { return Ok(()) };
                let side = if condition { "if_true" } else { "if_false" };
                context.emit(side, Arc::clone(value)).await;
                forwarded = true;
            }
        },
    )
}
