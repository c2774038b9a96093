//! `nodetool.input`: the parameters of a workflow. A run's parameter of the node's `name`
//! replaces its `value`.

pub(super) mod boolean;
pub(super) mod file_path;
pub(super) mod float;
pub(super) mod folder_path;
pub(super) mod integer;
pub(super) mod select;
pub(super) mod string;
pub(super) mod string_list;

use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Input {
    value: Value,
}

/// An input type with the properties that all inputs share; `value` gives the type.
fn input(name: &str, title: &str, what: &str, value: Property) -> NodeType {
    let kind = value.kind.clone();
    let description = format!("A {what} that whoever runs the workflow can choose.");
    NodeType::new(&format!("nodetool.input.{name}"), title, &description)
        .property(Property::str("name", "").describe("The name of the parameter."))
        .property(value.describe("The value when the parameter is not given."))
        .property(Property::str("description", "").describe("What the parameter means."))
        .output("output", kind)
        .compute(|p: Input| Ok(p.value))
        .role(Role::Input)
}

/// The bounds that number inputs offer to an editor. Those that a graph states bind its parameters, see
/// [`validate_params`](crate::validate_params); the defaults bind nobody, as in the original.
fn bounds(node: NodeType, property: fn(&str, i64) -> Property) -> NodeType {
    node.property(property("min", 0).describe("The smallest value to offer."))
        .property(property("max", 99_999).describe("The largest value to offer."))
}

/// The property `value` of a path, with the kind of path as a hint for an editor.
fn path(kind: &str) -> Property {
    let mut value = Property::str("value", "");
    value.json_schema_extra = Some(json!({"type": kind}));
    value
}
