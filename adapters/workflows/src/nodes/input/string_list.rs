use crate::nodes::{input::input, prelude::*};

#[derive(Deserialize)]
struct StringListInput {
    value: Vec<Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    let value = Property::new("value", TypeDescriptor::list(TypeDescriptor::str()), json!([]));
    input("StringListInput", "String List Input", "list of texts", value).compute(
        |p: StringListInput| {
            let texts = p.value.into_iter().enumerate().map(|(index, value)| match value {
                Value::Null | Value::Array(_) | Value::Object(_) => Err(format!(
                    "element {index} of value is a {}; give a list of texts",
                    python::type_name(&value)
                )
                .into()),
                value => Ok(Value::String(python::text(&value))),
            });
            texts.collect::<Result<Vec<Value>, NodeError>>()
        },
    )
}
