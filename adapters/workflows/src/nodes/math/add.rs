use crate::nodes::{
    math::{add, binary},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    binary("Add", "Adds two numbers.", 0.0, add)
}
