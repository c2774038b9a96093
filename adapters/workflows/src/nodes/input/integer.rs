use crate::nodes::{
    input::{bounds, input},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    let node = input("IntegerInput", "Integer Input", "whole number", Property::int("value", 0));
    bounds(node, Property::int)
}
