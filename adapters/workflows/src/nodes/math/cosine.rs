use crate::nodes::{
    math::{finite, number, unary},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    let angle = number("angle_rad", 0.0).describe("The angle in radians.");
    unary("Cosine", "Cosine", "Gives the cosine of an angle.", angle, |angle| finite(angle.cos()))
}
