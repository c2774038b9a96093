use std::cmp::Ordering;

use serde_json::Value;

use crate::{nodes::equality::identity, python::order_numbers};

/// The order of values in a column: false, true, numbers, texts, anything else, and null last.
pub(super) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => order_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)).then_with(|| match a {
            Value::Array(_) | Value::Object(_) => identity(a).cmp(&identity(b)),
            _ => Ordering::Equal,
        }),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => 0,
        Value::Number(_) => 1,
        Value::String(_) => 2,
        Value::Array(_) | Value::Object(_) => 3,
        Value::Null => 4,
    }
}
