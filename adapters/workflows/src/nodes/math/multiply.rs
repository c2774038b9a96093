use crate::nodes::{
    math::{binary, calculate},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    binary("Multiply", "Multiplies two numbers.", 0.0, |a, b| {
        calculate(a, b, i128::checked_mul, |a, b| a * b)
    })
}
