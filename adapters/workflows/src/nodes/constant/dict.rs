use crate::nodes::{constant::constant, prelude::*};

pub(in crate::nodes) fn node() -> NodeType {
    constant("Dict", "object", Property::new("value", TypeDescriptor::dict(), Map::new()))
}
