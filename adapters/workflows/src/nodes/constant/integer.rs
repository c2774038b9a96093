use crate::nodes::{constant::constant, prelude::*};

pub(in crate::nodes) fn node() -> NodeType {
    constant("Integer", "whole number", Property::int("value", 0))
}
