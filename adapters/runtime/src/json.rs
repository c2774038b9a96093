//! From Rust values to JSON objects that say the same, and from a request's arguments to Rust values.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::finite;

/// A value cannot go into a message.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidObject {
    /// The protocol wants objects.
    #[error("it must be a JSON object, not {0}")]
    NotAnObject(&'static str),
    /// JSON has no NaN and no infinity, and `null` would be another value.
    #[error("it holds a number that JSON cannot express (NaN or infinity)")]
    NotFinite,
    /// The type's own `Serialize` failed, or it has keys that are not strings.
    #[error("it cannot be written as JSON: {0}")]
    Unserializable(String),
}

/// Serialises a value that must become a JSON object, such as a struct or a map: the data of an
/// [`Update`](crate::Update) or a result.
///
/// # Errors
///
/// [`InvalidObject`] for anything else, and for numbers that JSON cannot express.
pub fn to_object<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, InvalidObject> {
    let json = serde_json::value::to_raw_value(value)
        .map_err(|error| InvalidObject::Unserializable(error.to_string()))?;
    // A number that is not finite is written as null: without one there is nothing to look for.
    if json.get().contains("null") && finite::has_non_finite(value) {
        return Err(InvalidObject::NotFinite);
    }
    match json.get().trim_start().bytes().next() {
        Some(b'{') => Ok(json),
        Some(b'[') => Err(InvalidObject::NotAnObject("an array")),
        Some(b'"') => Err(InvalidObject::NotAnObject("a string")),
        Some(b'n') => Err(InvalidObject::NotAnObject("null")),
        Some(b't' | b'f') => Err(InvalidObject::NotAnObject("a boolean")),
        _ => Err(InvalidObject::NotAnObject("a number")),
    }
}

pub(crate) fn is_object(json: &RawValue) -> bool {
    json.get().trim_start().starts_with('{')
}

/// Reads the arguments of a command. The error names the argument that is missing, wrong or unknown.
pub(crate) fn read_args<A: DeserializeOwned>(args: &RawValue) -> Result<A, String> {
    let mut unknown = None;
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(args.get());
    let parsed: Result<A, serde_json::Error> = serde_ignored::deserialize(
        serde_path_to_error::Deserializer::new(&mut json, &mut track),
        |path| {
            let path = path.to_string();
            // On whose behalf a command runs may be said in any command's arguments; the node has read it there.
            if path != "user_id" && unknown.is_none() {
                unknown = Some(path);
            }
        },
    );
    match (parsed, unknown) {
        (Ok(args), None) => Ok(args),
        (Ok(_), Some(name)) => Err(format!("unknown argument `{name}`")),
        (Err(error), _) => {
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            let path = track.path().to_string();
            Err(match (path.as_str(), text.split_once(" field ")) {
                (".", Some((what @ ("missing" | "unknown" | "duplicate"), rest))) => {
                    format!("{what} argument {rest}")
                }
                (".", _) => text.to_owned(),
                // What a type with `deny_unknown_fields` says of its own fields.
                (name, Some(("unknown", rest))) if rest.starts_with(&format!("`{name}`")) => {
                    format!("unknown argument {rest}")
                }
                (path, _) => format!("argument `{path}`: {text}"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only what is read from JSON, and how that fails, counts")]
    struct Args {
        text: String,
        #[serde(default)]
        inner: Vec<Inner>,
        raw: Option<Box<RawValue>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only what is read from JSON, and how that fails, counts")]
    struct Inner {
        count: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is read from JSON, and how that fails, counts")]
    struct Strict {
        limit: u32,
    }

    fn read<A: DeserializeOwned>(json: &str) -> Result<A, String> {
        read_args(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn reads_arguments_and_keeps_raw_json() {
        let args: Args = read(r#"{"text":"a","raw":{"b": 1},"user_id":"2"}"#).unwrap();
        assert_eq!((args.text.as_str(), args.raw.unwrap().get()), ("a", r#"{"b": 1}"#));
        assert_eq!(read::<Box<RawValue>>(r#"{"x": 1}"#).unwrap().get(), r#"{"x": 1}"#);
        assert_eq!(read::<serde_json::Value>(r#"{"x":1}"#).unwrap(), json!({"x": 1}));
        assert_eq!(read::<BTreeMap<String, u8>>(r#"{"x":1}"#).unwrap().len(), 1);
        read::<crate::NoArgs>("{}").unwrap();
    }

    #[test]
    fn names_what_is_wrong() {
        for (json, problem) in [
            ("{}", "missing argument `text`"),
            (r#"{"text":1}"#, "argument `text`: invalid type: integer `1`, expected a string"),
            (r#"{"text":"a","extra":1}"#, "unknown argument `extra`"),
            (r#"{"text":"a","text":"b"}"#, "duplicate argument `text`"),
            (
                r#"{"text":"a","inner":[{"count":1},{"count":-1}]}"#,
                "argument `inner[1].count`: invalid value: integer `-1`, expected u32",
            ),
            (r#"{"text":"a","inner":[{"count":1,"typo":1}]}"#, "unknown argument `inner.0.typo`"),
        ] {
            assert_eq!(read::<Args>(json).unwrap_err(), problem, "{json}");
        }
        assert_eq!(
            read::<Strict>(r#"{"limt":1}"#).unwrap_err(),
            "unknown argument `limt`, expected `limit`"
        );
    }

    #[test]
    fn makes_objects_and_nothing_else() {
        assert_eq!(to_object(&json!({"a": null})).unwrap().get(), r#"{"a":null}"#);
        assert_eq!(to_object(&to_object(&json!({"a": 1})).unwrap()).unwrap().get(), r#"{"a":1}"#);
        for (value, text) in [
            (json!([1]), "an array"),
            (json!("x"), "a string"),
            (json!(null), "null"),
            (json!(true), "a boolean"),
            (json!(-1), "a number"),
        ] {
            let error = to_object(&value).unwrap_err().to_string();
            assert_eq!(error, format!("it must be a JSON object, not {text}"));
        }
    }

    #[test]
    fn never_turns_nan_into_null() {
        #[derive(Serialize)]
        enum Shape {
            Tuple(f32, f64),
            Struct { x: Option<f64> },
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let map = BTreeMap::from([("a", vec![Some(1.0), None, Some(value)])]);
            assert!(matches!(to_object(&map), Err(InvalidObject::NotFinite)));
            for shape in [Shape::Tuple(1.0, value), Shape::Struct { x: Some(value) }] {
                assert!(matches!(to_object(&shape), Err(InvalidObject::NotFinite)));
            }
        }
        to_object(&Shape::Struct { x: None }).unwrap();
        let map = BTreeMap::from([("a", (Some(1.0_f32), None::<f64>, ()))]);
        assert_eq!(to_object(&map).unwrap().get(), r#"{"a":[1.0,null,null]}"#);
    }
}
