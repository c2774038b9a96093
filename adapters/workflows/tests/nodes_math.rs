//! The nodes that calculate.

mod common;

use common::check;
use serde_json::{Value, json};

fn of(a: impl Into<Value>, b: impl Into<Value>) -> Value {
    json!({"a": a.into(), "b": b.into()})
}

#[test]
fn whole_numbers_stay_whole() {
    let (add, subtract) = ("lib.math.Add", "lib.math.Subtract");
    let (multiply, modulus) = ("lib.math.Multiply", "lib.math.Modulus");
    check(&[
        (add, json!({}), Ok(json!(0.0))),
        (add, of(1, 2), Ok(json!(3))),
        (add, of(1, 2.5), Ok(json!(3.5))),
        (add, of(true, 1), Ok(json!(2))),
        (add, of(9_007_199_254_740_993_i64, 1), Ok(json!(9_007_199_254_740_994_i64))),
        (add, of(u64::MAX, 0), Ok(json!(u64::MAX))),
        (add, of(u64::MAX, 1), Err("beyond the whole numbers from -9223372036854775808 to")),
        (add, of(1e308, 1e308), Err("too large for a number")),
        (add, of("x", 1), Err("property a expects union[int, float] but got str")),
        (subtract, json!({}), Ok(json!(0.0))),
        (subtract, of(1, 3), Ok(json!(-2))),
        (subtract, of(0.5, 1), Ok(json!(-0.5))),
        (subtract, of(i64::MIN, 1), Err("make one of them a float")),
        (multiply, json!({}), Ok(json!(0.0))),
        (multiply, of(-3, 4), Ok(json!(-12))),
        (multiply, of(0.5, 4), Ok(json!(2.0))),
        (multiply, of(u64::MAX, u64::MAX), Err("make one of them a float")),
        (modulus, json!({}), Ok(json!(0.0))),
        (modulus, of(7, 3), Ok(json!(1))),
        (modulus, of(-7, 3), Ok(json!(2))),
        (modulus, of(7, -3), Ok(json!(-2))),
        (modulus, of(-7.5, 2), Ok(json!(0.5))),
        (modulus, of(1, 0), Err("nothing can be divided by zero")),
    ]);
}

#[test]
fn a_quotient_is_a_float() {
    let divide = "lib.math.Divide";
    check(&[
        (divide, json!({}), Ok(json!(0.0))),
        (divide, json!({"a": 5}), Ok(json!(5.0))),
        (divide, of(6, 3), Ok(json!(2.0))),
        (divide, of(1, 4), Ok(json!(0.25))),
        (divide, of(1, 0), Err("b is 0, and nothing can be divided by zero; give another number")),
        (divide, of(0.0, -0.0), Err("divided by zero")),
        (divide, of(1e300, 1e-300), Err("too large for a number")),
    ]);
}

#[test]
fn functions_have_their_domain() {
    let function = "lib.math.MathFunction";
    let of = |operation: &str, input: Value| json!({"input": input, "operation": operation});
    check(&[
        (function, json!({}), Ok(json!(-0.0))),
        (function, of("negate", json!(5)), Ok(json!(-5))),
        (function, of("negate", json!(u64::MAX)), Err("beyond the whole numbers")),
        (function, of("absolute", json!(-5)), Ok(json!(5))),
        (function, of("absolute", json!(-0.5)), Ok(json!(0.5))),
        (function, of("square", json!(-3)), Ok(json!(9))),
        (function, of("cube", json!(-3)), Ok(json!(-27))),
        (function, of("cube", json!(0.5)), Ok(json!(0.125))),
        (function, of("cube", json!(10_000_000)), Err("beyond the whole numbers")),
        (function, of("square_root", json!(9)), Ok(json!(3.0))),
        (function, of("square_root", json!(-4)), Err("-4.0 has no square root; give a number")),
        (function, of("cube_root", json!(64)), Ok(json!(4.0))),
        (function, of("cube_root", json!(-8)), Ok(json!(-2.0))),
        (function, of("sine", json!(0)), Ok(json!(0.0))),
        (function, of("cosine", json!(0)), Ok(json!(1.0))),
        (function, of("tangent", json!(0)), Ok(json!(0.0))),
        (function, of("arcsin", json!(0)), Ok(json!(0.0))),
        (function, of("arcsin", json!(2)), Err("arcsin of 2.0 does not exist; give a number from")),
        (function, of("arccos", json!(1)), Ok(json!(0.0))),
        (function, of("arccos", json!(-1.5)), Err("arccos of -1.5 does not exist")),
        (function, of("arctan", json!(0)), Ok(json!(0.0))),
        (function, of("log", json!(1)), Ok(json!(0.0))),
        (function, of("log", json!(0)), Err("log of 0.0 does not exist; give a number above 0")),
        (function, of("sinus", json!(1)), Err("expects one of \"negate\"")),
        ("lib.math.Sqrt", json!({"x": 2.25}), Ok(json!(1.5))),
        ("lib.math.Sqrt", json!({"x": -1}), Err("no square root")),
        ("lib.math.Sine", json!({}), Ok(json!(0.0))),
        ("lib.math.Sine", json!({"angle_rad": true}), Ok(json!(1_f64.sin()))),
        ("lib.math.Cosine", json!({}), Ok(json!(1.0))),
        ("lib.math.Cosine", json!({"angle_rad": 2}), Ok(json!(2_f64.cos()))),
        ("lib.math.Power", json!({}), Ok(json!(0.0))),
        ("lib.math.Power", json!({"base": 2, "exponent": 10}), Ok(json!(1024.0))),
        ("lib.math.Power", json!({"base": 0, "exponent": -1}), Err("0 has no negative powers")),
        ("lib.math.Power", json!({"base": -8, "exponent": 0.5}), Err("give a whole exponent")),
        ("lib.math.Power", json!({"base": 10, "exponent": 400}), Err("too large")),
    ]);
}
