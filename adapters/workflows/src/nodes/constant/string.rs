use crate::nodes::{constant::constant, prelude::*};

pub(in crate::nodes) fn node() -> NodeType {
    constant("String", "text", Property::str("value", ""))
}
