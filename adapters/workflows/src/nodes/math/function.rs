use serde_json::Number;

use crate::nodes::{
    math::{as_float, calculate, finite, number, number_type, square_root},
    prelude::*,
};

#[derive(Deserialize)]
struct MathFunction {
    input: Number,
    operation: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("lib.math.MathFunction", "Math Function", "Calculates a function of one number.")
        .property(number("input", 0.0).describe("The number; an angle is in radians."))
        .property(
            Property::one_of(
                "operation",
                &[
                    "negate",
                    "absolute",
                    "square",
                    "cube",
                    "square_root",
                    "cube_root",
                    "sine",
                    "cosine",
                    "tangent",
                    "arcsin",
                    "arccos",
                    "arctan",
                    "log",
                ],
            )
            .describe("The function; log is the natural logarithm."),
        )
        .output("output", number_type())
        .compute(|p: MathFunction| result(&p.input, &p.operation).map(Value::Number))
}

fn result(input: &Number, operation: &str) -> Result<Number, NodeError> {
    let value = as_float(input);
    let multiply = |a: &Number, b: &Number| calculate(a, b, i128::checked_mul, |a, b| a * b);
    match operation {
        "absolute" => calculate(input, input, |a, _| a.checked_abs(), |a, _| a.abs()),
        "square" => multiply(input, input),
        "cube" => multiply(&multiply(input, input)?, input),
        "square_root" => square_root(value),
        "cube_root" => finite(value.cbrt()),
        "sine" => finite(value.sin()),
        "cosine" => finite(value.cos()),
        "tangent" => finite(value.tan()),
        "arcsin" | "arccos" if value.abs() > 1.0 => Err(format!(
            "{operation} of {} does not exist; give a number from -1 to 1",
            python::float_text(value)
        )
        .into()),
        "arcsin" => finite(value.asin()),
        "arccos" => finite(value.acos()),
        "arctan" => finite(value.atan()),
        "log" if value <= 0.0 => Err(format!(
            "log of {} does not exist; give a number above 0",
            python::float_text(value)
        )
        .into()),
        "log" => finite(value.ln()),
        _ => calculate(input, input, |a, _| a.checked_neg(), |a, _| -a),
    }
}
