//! `GetJSONPathStr` and its siblings, which differ in the type they give.

use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct GetPath {
    data: Value,
    path: String,
    default: Value,
}

pub(in crate::nodes) fn str() -> NodeType {
    get("Str", "text", Property::str("default", ""), |found| Some(python::text(&found).into()))
}

pub(in crate::nodes) fn int() -> NodeType {
    get("Int", "whole number", Property::int("default", 0), |found| match found {
        Value::String(text) => python::trimmed(&text).parse::<i64>().ok().map(Value::from),
        found => {
            let number = python::number(&found)?;
            if !number.is_f64() {
                return Some(Value::Number(number));
            }
            let whole = number.as_f64()?.trunc();
            (whole.abs() < 9e18).then_some(Value::from(whole as i64))
        }
    })
}

pub(in crate::nodes) fn float() -> NodeType {
    get("Float", "number", Property::float("default", 0.0), |found| match found {
        Value::String(text) => {
            let number = python::trimmed(&text).parse::<f64>().ok()?;
            number.is_finite().then_some(Value::from(number))
        }
        found => python::number(&found)?.as_f64().map(Value::from),
    })
}

pub(in crate::nodes) fn bool() -> NodeType {
    get("Bool", "condition", Property::bool("default", false), |found| {
        Some(python::truthy(&found).into())
    })
}

pub(in crate::nodes) fn list() -> NodeType {
    get("List", "list", Property::list("default"), |found| found.is_array().then_some(found))
}

pub(in crate::nodes) fn dict() -> NodeType {
    let default = Property::new("default", TypeDescriptor::dict(), Map::new());
    get("Dict", "dictionary", default, |found| found.is_object().then_some(found))
}

/// A type that gives the value at a path, converted, or its property `default`.
fn get(
    name: &str,
    what: &'static str,
    default: Property,
    convert: fn(Value) -> Option<Value>,
) -> NodeType {
    let kind = default.kind.clone();
    NodeType::new(
        &format!("lib.json.GetJSONPath{name}"),
        &format!("Get JSON Path {name}"),
        &format!(
            "Gives the {what} at a path of keys and places with dots between them, such as \
             `items.0.name`."
        ),
    )
    .property(
        Property::new("data", TypeDescriptor::any(), Map::new())
            .describe("The dictionary or list that is looked into."),
    )
    .property(Property::str("path", "").describe("The path, such as `items.0.name`."))
    .property(default.describe("The value if the path leads to nothing."))
    .output("output", kind)
    .compute(move |p: GetPath| {
        let Some(found) = walk(p.data, &p.path) else { return Ok(p.default) };
        let kind = python::type_name(&found);
        convert(found).ok_or_else(|| {
            format!("the value at path {:?} is a {kind} that is no {what}", p.path).into()
        })
    })
}

/// The value at `path`; null counts as nothing.
fn walk(data: Value, path: &str) -> Option<Value> {
    let found = path.split('.').try_fold(data, |value, key| match value {
        Value::Object(mut map) => map.remove(key),
        Value::Array(mut items) => {
            let digits = key.bytes().all(|byte| byte.is_ascii_digit());
            let place = key.parse().ok().filter(|place| digits && *place < items.len())?;
            Some(items.swap_remove(place))
        }
        _ => None,
    });
    found.filter(|found| !found.is_null())
}
