use crate::nodes::{
    math::{binary, calculate},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    binary("Subtract", "Subtracts the right number from the left one.", 0.0, |a, b| {
        calculate(a, b, i128::checked_sub, |a, b| a - b)
    })
}
