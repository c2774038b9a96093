use crate::nodes::{
    math::{as_float, binary, calculate},
    prelude::*,
};

/// The remainder has the sign of `b`, as in Python.
pub(in crate::nodes) fn node() -> NodeType {
    let description = "Gives what is left when the left number is divided by the right one; it \
                       has the sign of the right one.";
    binary("Modulus", description, 1.0, |a, b| {
        if as_float(b) == 0.0 {
            return Err("b is 0, and nothing can be divided by zero; give another number".into());
        }
        calculate(
            a,
            b,
            |a, b| Some(((a % b) + b) % b),
            |a, b| {
                let rest = a % b;
                if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
            },
        )
    })
}
