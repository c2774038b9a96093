use crate::nodes::{input::input, prelude::*};

pub(in crate::nodes) fn node() -> NodeType {
    input("BooleanInput", "Boolean Input", "condition", Property::bool("value", false))
}
