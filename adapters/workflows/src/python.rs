//! Values as the Python original shows and judges them, so that workflows made for it keep
//! their meaning: `True`, `None`, `1.0`, `['a']`, and what counts as true.

use std::{cmp::Ordering, fmt::Write as _};

use serde_json::{Number, Value};

/// Python's `bool(value)`.
pub(crate) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Python's `str(value)`.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => {
            let mut out = String::new();
            write_repr(&mut out, other);
            out
        }
    }
}

/// Python's `repr(value)`.
pub(crate) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

/// Python's `a < b`, `a == b` or `a > b`: numbers and conditions by size, texts by their
/// characters, lists element by element. What Python does not order is ordered by type, so
/// that there is one order of all values, and `unordered` remembers the first such types.
pub(crate) fn order(
    a: &Value,
    b: &Value,
    unordered: &mut Option<(&'static str, &'static str)>,
) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let mut pairs = a.iter().zip(b).map(|(a, b)| order(a, b, unordered));
            pairs.find(|order| order.is_ne()).unwrap_or(a.len().cmp(&b.len()))
        }
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => order_numbers(&a, &b),
            (a_number, b_number) => {
                let types = (type_name(a), type_name(b));
                if a != b {
                    unordered.get_or_insert(types);
                }
                // All numbers are of one rank, conditions among them.
                let rank = |number: Option<Number>, name| number.map_or(name, |_| "");
                rank(a_number, types.0).cmp(rank(b_number, types.1))
            }
        },
    }
}

/// The order of two numbers, exact also between whole numbers and floats of any size. JSON has
/// no NaN, so there always is one.
pub(crate) fn order_numbers(a: &Number, b: &Number) -> Ordering {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => order_mixed(a, b.as_f64().unwrap_or_default()),
        (None, Some(b)) => order_mixed(b, a.as_f64().unwrap_or_default()).reverse(),
        (None, None) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// The number that Python calculates with: true is 1 and false is 0.
pub(crate) fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::Bool(flag) => Some(u8::from(*flag).into()),
        _ => None,
    }
}

/// Which of `length` elements `[start:stop:step]` takes, in their order; `None` is a bound
/// left out. `step` must not be 0.
pub(crate) fn slice(
    length: usize,
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
) -> impl Iterator<Item = usize> {
    let (length, step) = (length as i128, i128::from(step));
    // Counted from the end when negative, then moved to the nearest place there is.
    let (low, high) = if step < 0 { (-1, length - 1) } else { (0, length) };
    let place = |bound: Option<i64>, left_out: i128| {
        bound.map(i128::from).map_or(left_out, |bound| {
            (if bound < 0 { bound + length } else { bound }).clamp(low, high)
        })
    };
    let (first, end) = if step < 0 { (high, low) } else { (low, high) };
    let (start, stop) = (place(start, first), place(stop, end));
    let taken = move |at: &i128| if step < 0 { *at > stop } else { *at < stop };
    std::iter::successors(Some(start), move |at| Some(at + step))
        .take_while(taken)
        .filter_map(|at| usize::try_from(at).ok())
}

/// Python's `str.isspace` for one character.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// Python's `str.strip()`.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// How many lines `str.splitlines` gives.
pub(crate) fn count_lines(text: &str) -> usize {
    let mut lines = 0;
    let mut rest = text.chars().peekable();
    let mut open = false;
    while let Some(c) = rest.next() {
        open = !matches!(
            c,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        );
        if !open {
            if c == '\r' {
                rest.next_if_eq(&'\n');
            }
            lines += 1;
        }
    }
    lines + usize::from(open)
}

/// The name of the value's type, as `output_update.output_type` has it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "none",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// Python's `str(float)`: the shortest text that reads back, `1.0` with its fraction,
/// exponents from 1e16 up and below 1e-4 with at least two digits.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let shown = format!("{value:e}");
        let Some((digits, exponent)) = shown.split_once('e') else {
            return shown;
        };
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(rest) => ('-', rest),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let shown = format!("{value}");
    if shown.contains('.') { shown } else { shown + ".0" }
}

/// Python's `repr(str)`: single quotes unless only those occur inside.
pub(crate) fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

fn order_mixed(whole: i128, float: f64) -> Ordering {
    // No float beyond this compares equal to a whole number of JSON, and all below convert.
    if float.abs() > 1e20 {
        return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    let floor = float.floor();
    whole.cmp(&(floor as i128)).then(if float > floor { Ordering::Less } else { Ordering::Equal })
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => write_quoted(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_quoted(out, key);
                out.push_str(": ");
                write_repr(out, item);
            }
            out.push('}');
        }
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_print_as_in_python() {
        for (value, expected) in [
            (json!(true), "True"),
            (json!(null), "None"),
            (json!(1.0), "1.0"),
            (json!(0.1), "0.1"),
            (json!(1e16), "1e+16"),
            (json!(1.5e300), "1.5e+300"),
            (json!(0.00001), "1e-05"),
            (json!(-0.0001), "-0.0001"),
            (json!(123456789012345680.0), "1.2345678901234568e+17"),
            (json!("plain"), "plain"),
            (json!(["a", 1, false, null]), "['a', 1, False, None]"),
            (json!({"it's": "a\nb"}), "{\"it's\": 'a\\nb'}"),
        ] {
            assert_eq!(text(&value), expected);
        }
    }

    #[test]
    fn slices_take_what_python_takes() {
        let of = |start, stop, step| slice(5, start, stop, step).collect::<Vec<_>>();
        for (start, stop, step, expected) in [
            (None, None, 1, &[0, 1, 2, 3, 4][..]),
            (Some(1), Some(3), 1, &[1, 2]),
            (Some(-2), None, 1, &[3, 4]),
            (Some(-99), Some(99), 2, &[0, 2, 4]),
            (Some(3), Some(1), 1, &[]),
            (None, None, -1, &[4, 3, 2, 1, 0]),
            (Some(3), Some(0), -1, &[3, 2, 1]),
            (Some(99), Some(-99), -2, &[4, 2, 0]),
            (Some(0), Some(5), i64::MAX, &[0]),
            (Some(4), None, i64::MIN, &[4]),
            (Some(i64::MIN), Some(i64::MAX), 4, &[0, 4]),
        ] {
            assert_eq!(of(start, stop, step), expected, "[{start:?}:{stop:?}:{step}]");
        }
        assert_eq!(slice(0, None, None, -1).next(), None);
    }

    #[test]
    fn values_are_ordered_as_in_python() {
        for (a, b, expected) in [
            (json!(1), json!(1.0), Ordering::Equal),
            (json!(true), json!(2), Ordering::Less),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0), Ordering::Greater),
            (json!(-1.5), json!(-1), Ordering::Less),
            (json!(u64::MAX), json!(1e300), Ordering::Less),
            (json!(u64::MAX), json!(-1e300), Ordering::Greater),
            (json!(18446744073709551616.0), json!(u64::MAX), Ordering::Greater),
            (json!("Z"), json!("a"), Ordering::Less),
            (json!([1, "b"]), json!([1, "a", 0]), Ordering::Greater),
            (json!([1]), json!([1, 0]), Ordering::Less),
            (json!([null, {}, 1]), json!([null, {}, 2]), Ordering::Less),
        ] {
            let mut unordered = None;
            assert_eq!(order(&a, &b, &mut unordered), expected, "{a} and {b}");
            assert_eq!(order(&b, &a, &mut unordered), expected.reverse(), "{b} and {a}");
            assert_eq!(unordered, None, "{a} and {b}");
        }
        for (a, b, expected) in [
            (json!(1), json!("1"), ("int", "str")),
            (json!(null), json!(0.5), ("none", "float")),
            (json!([1, {"a": 1}]), json!([1, {}]), ("dict", "dict")),
        ] {
            let mut unordered = None;
            let there = order(&a, &b, &mut unordered);
            assert_eq!(unordered, Some(expected));
            assert_eq!(order(&b, &a, &mut unordered), there.reverse());
        }
    }

    #[test]
    fn lines_are_counted_as_in_python() {
        for (text, lines) in
            [("", 0), ("a", 1), ("a\n", 1), ("a\r\nb", 2), ("\n\n", 2), ("a\u{2028}b\x0cc", 3)]
        {
            assert_eq!(count_lines(text), lines, "{text:?}");
        }
    }

    #[test]
    fn empty_and_zero_are_false() {
        for value in
            [json!(null), json!(false), json!(0), json!(0.0), json!(""), json!([]), json!({})]
        {
            assert!(!truthy(&value), "{value}");
        }
        for value in
            [json!(true), json!(-1), json!(0.1), json!("0"), json!([0]), json!({"a": null})]
        {
            assert!(truthy(&value), "{value}");
        }
    }
}
