//! `lib.math`: calculating. Whole numbers stay whole wherever they do in Python.

pub(super) mod add;
pub(super) mod cosine;
pub(super) mod divide;
pub(super) mod function;
pub(super) mod modulus;
pub(super) mod multiply;
pub(super) mod power;
pub(super) mod sine;
pub(super) mod sqrt;
pub(super) mod subtract;

use serde_json::Number;

use crate::nodes::prelude::*;

/// Whole numbers and floats.
pub(super) fn number_type() -> TypeDescriptor {
    TypeDescriptor::union(vec![TypeDescriptor::int(), TypeDescriptor::float()])
}

/// `a + b`.
pub(super) fn add(a: &Number, b: &Number) -> Result<Number, NodeError> {
    calculate(a, b, i128::checked_add, |a, b| a + b)
}

#[derive(Deserialize)]
struct Operands {
    a: Number,
    b: Number,
}

/// A type that calculates with its properties `a` and `b`.
fn binary(
    name: &str,
    description: &str,
    b: f64,
    operation: fn(&Number, &Number) -> Result<Number, NodeError>,
) -> NodeType {
    NodeType::new(&format!("lib.math.{name}"), name, description)
        .property(number("a", 0.0).describe("The left number."))
        .property(number("b", b).describe("The right number."))
        .output("output", number_type())
        .compute(move |p: Operands| operation(&p.a, &p.b).map(Value::Number))
}

/// A type that calculates with its one property.
fn unary(
    name: &str,
    title: &str,
    description: &str,
    property: Property,
    operation: fn(f64) -> Result<Number, NodeError>,
) -> NodeType {
    let input = property.name.clone();
    NodeType::new(&format!("lib.math.{name}"), title, description)
        .property(property)
        .output("output", number_type())
        .compute(move |p: Map<String, Value>| {
            let value = p.get(&input).and_then(Value::as_f64).unwrap_or_default();
            operation(value).map(Value::Number)
        })
}

fn number(name: &str, default: f64) -> Property {
    Property::new(name, number_type(), default)
}

/// Exact for two whole numbers, else with floats.
fn calculate(
    a: &Number,
    b: &Number,
    whole: fn(i128, i128) -> Option<i128>,
    float: fn(f64, f64) -> f64,
) -> Result<Number, NodeError> {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => whole(a, b).and_then(Number::from_i128).ok_or_else(|| {
            format!(
                "the result with {a} and {b} is beyond the whole numbers from {} to {}; make one \
                 of them a float",
                i64::MIN,
                u64::MAX
            )
            .into()
        }),
        _ => finite(float(as_float(a), as_float(b))),
    }
}

fn as_float(number: &Number) -> f64 {
    number.as_f64().unwrap_or_default()
}

/// A float that JSON can hold.
fn finite(value: f64) -> Result<Number, NodeError> {
    Number::from_f64(value).ok_or_else(|| "the result is too large for a number".into())
}

/// The square root.
fn square_root(value: f64) -> Result<Number, NodeError> {
    if value < 0.0 {
        let shown = python::float_text(value);
        return Err(format!("{shown} has no square root; give a number from 0 up").into());
    }
    finite(value.sqrt())
}
