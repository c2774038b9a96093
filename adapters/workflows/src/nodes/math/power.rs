use serde_json::Number;

use crate::nodes::{
    math::{finite, number, number_type},
    prelude::*,
};

#[derive(Deserialize)]
struct Power {
    base: Number,
    exponent: Number,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.math.Power",
        "Power",
        "Raises a number to a power. The result is always a float.",
    )
    .property(number("base", 0.0).describe("The number that is raised."))
    .property(number("exponent", 1.0).describe("The power it is raised to."))
    .output("output", number_type())
    .compute(|p: Power| {
        let base = p.base.as_f64().unwrap_or_default();
        let exponent = p.exponent.as_f64().unwrap_or_default();
        if base == 0.0 && exponent < 0.0 {
            return Err("0 has no negative powers; give another base".into());
        }
        let power = base.powf(exponent);
        if power.is_nan() {
            return Err("a negative base has whole powers only; give a whole exponent".into());
        }
        finite(power).map(Value::Number)
    })
}
