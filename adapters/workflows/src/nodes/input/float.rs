use crate::nodes::{
    input::{bounds, input},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    let node = input("FloatInput", "Float Input", "number", Property::float("value", 0.0));
    bounds(node, |name, default| Property::new(name, TypeDescriptor::float(), default))
}
