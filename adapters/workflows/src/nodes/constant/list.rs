use crate::nodes::{constant::constant, prelude::*};

pub(in crate::nodes) fn node() -> NodeType {
    constant("List", "list", Property::list("value"))
}
