use super::pairing::Pairing;
use crate::nodes::{equality::matches, prelude::*};

#[derive(Deserialize)]
struct Switch {
    value: Value,
    cases: Vec<Value>,
    input: Value,
}

/// See [`Pairing`] for which value decides about which input.
pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Switch",
        "Switch",
        "Forwards its input to the output matched if the value is one of the cases, else to \
         default; the other gets nothing. The index is the place of the first case that matched, \
         or -1. Values match if they are the same or have the same text, as 1 and \"1\".",
    )
    .property(Property::new("value", TypeDescriptor::any(), "").describe("What decides."))
    .property(Property::list("cases").describe("The values to match, the first match wins."))
    .property(Property::any("input").describe("What is forwarded."))
    .output("matched", TypeDescriptor::any())
    .output("default", TypeDescriptor::any())
    .output("index", TypeDescriptor::int())
    .stream(&["value", "input"], |p: Switch, mut inputs: Inputs, context: NodeContext| async move {
        let mut pairs = Pairing::new(&context, ("value", p.value), ("input", p.input));
        while let Some((value, input)) = pairs.next(&mut inputs).await? {
            let place = p.cases.iter().position(|case| matches(case, &value));
            let side = if place.is_some() { "matched" } else { "default" };
            context.emit(side, input).await;
            context.emit("index", place.map_or(Value::from(-1), Value::from)).await;
        }
        Ok(())
    })
    .forwards()
}
