//! When two values are the same to a node: numbers by what they are worth, objects whatever the
//! order of their keys.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// A text that two values share exactly when they are the same.
pub(super) fn identity(value: &Value) -> String {
    let mut text = String::new();
    write_identity(&mut text, value);
    text
}

/// Whether a case and a value match: the same value, or the same text.
pub(super) fn matches(case: &Value, value: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => identity(other),
    };
    plain(case) == plain(value)
}

fn write_identity(text: &mut String, value: &Value) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Number(number) => write_number(text, number),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_identity(text, item);
                text.push(',');
            }
            text.write_char(']')
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (key, item) in entries {
                let _ = write!(text, "{}:", Value::from(key.as_str()));
                write_identity(text, item);
                text.push(',');
            }
            text.write_char('}')
        }
        other => write!(text, "{other}"),
    };
}

/// `1.0` is the same as `1`; beyond the whole numbers that a float holds exactly, only itself is.
fn write_number(text: &mut String, number: &Number) -> std::fmt::Result {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
            write!(text, "{}", float as i64)
        }
        _ => write!(text, "{number}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_the_same_by_what_they_are_worth() {
        let object = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        for (a, b, expected) in [
            (json!(1), json!(1.0), true),
            (json!(0), json!(-0.0), true),
            (json!(1), json!("1"), false),
            (json!(null), json!("null"), false),
            (json!(0.1), json!(0.1), true),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0), false),
            (object(r#"{"a":1,"b":[2]}"#), object(r#"{"b":[2.0],"a":1}"#), true),
            (json!(["a", "b"]), json!(["a,b"]), false),
            (json!([[1], 2]), json!([[1, 2]]), false),
        ] {
            assert_eq!(identity(&a) == identity(&b), expected, "{a} {b}");
        }
        assert!(matches(&json!("1"), &json!(1.0)));
        assert!(matches(&json!("true"), &json!(true)));
        assert!(!matches(&json!("True"), &json!(true)));
    }
}
