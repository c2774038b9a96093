use crate::nodes::{
    math::{number, square_root, unary},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    let x = number("x", 0.0).describe("The number, from 0 up.");
    unary("Sqrt", "Sqrt", "Gives the square root of a number.", x, square_root)
}
