use super::pairing::Pairing;
use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct If {
    condition: bool,
    value: Value,
}

/// See [`Pairing`] for which condition decides about which value.
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
    .stream(&["condition", "value"], |p: If, mut inputs: Inputs, context: NodeContext| async move {
        let own = ("condition", p.condition.into());
        let mut pairs = Pairing::new(&context, own, ("value", p.value));
        while let Some((condition, value)) = pairs.next(&mut inputs).await? {
            let side = if python::truthy(&condition) { "if_true" } else { "if_false" };
            context.emit(side, value).await;
        }
        Ok(())
    })
    .forwards()
}
