use crate::nodes::{constant::constant, prelude::*};

pub(in crate::nodes) fn node() -> NodeType {
    constant("Float", "number", Property::float("value", 0.0))
}
