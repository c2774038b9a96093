//! What the nodes share whose value is one of several texts.

use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Select {
    value: String,
    options: Vec<Value>,
}

/// The property `value`.
pub(super) fn value() -> Property {
    let mut value = Property::str("value", "");
    value.json_schema_extra = Some(json!({"type": "select"}));
    value
}

/// `node` with its options, giving its value if that is one of them. No options allow
/// any value, and an empty value is always allowed: nothing is chosen yet.
pub(super) fn with_options(node: NodeType) -> NodeType {
    node.property(
        Property::new("options", TypeDescriptor::list(TypeDescriptor::str()), json!([]))
            .describe("The texts to choose from; an empty list allows any."),
    )
    .property(
        Property::str("enum_type_name", "")
            .describe("The name of the enum that the options are of, for an editor."),
    )
    .compute(|p: Select| {
        let mut options = p.options.iter().map(python::text);
        if p.value.is_empty() || p.options.is_empty() || options.any(|option| option == p.value) {
            return Ok(p.value);
        }
        let most_shown = p.options.iter().take(MOST_SHOWN).map(python::text);
        let shown: Vec<String> = most_shown.collect();
        let more = if p.options.len() > MOST_SHOWN { ", ..." } else { "" };
        Err(format!(
            "value {:?} is none of the options; use one of {}{more}",
            p.value,
            shown.join(", ")
        )
        .into())
    })
}

/// Options that an error names.
const MOST_SHOWN: usize = 20;
