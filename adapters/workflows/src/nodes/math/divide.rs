use crate::nodes::{
    math::{as_float, binary, finite},
    prelude::*,
};

pub(in crate::nodes) fn node() -> NodeType {
    let description = "Divides the left number by the right one. The result is always a float.";
    binary("Divide", description, 1.0, |a, b| {
        if as_float(b) == 0.0 {
            return Err("b is 0, and nothing can be divided by zero; give another number".into());
        }
        finite(as_float(a) / as_float(b))
    })
}
