//! `lib.json`: reading, writing and taking apart JSON.

pub(super) mod get_path;
pub(super) mod parse_dict;
pub(super) mod parse_list;
pub(super) mod stringify;

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::nodes::prelude::*;

/// The value that `text`, the property `name`, is the JSON of.
pub(super) fn parse(text: &str, name: &str) -> Result<Value, NodeError> {
    if python::trimmed(text).is_empty() {
        return Err(format!("{name} is empty; give a JSON text such as {{\"a\": 1}}").into());
    }
    serde_json::from_str(text).map_err(|error| format!("{name} is not JSON: {error}").into())
}

/// `value` as JSON text: in one line, or with each level indented by `indent` spaces.
pub(super) fn write(value: &Value, indent: usize) -> Result<String, NodeError> {
    let mut out = Vec::new();
    let written = match indent {
        0 => serde_json::to_writer(&mut out, value),
        _ => {
            let spaces = " ".repeat(indent);
            let format = PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut out, format))
        }
    };
    written.map_err(NodeError::new)?;
    bounds::check_text(out.len())?;
    String::from_utf8(out).map_err(NodeError::new)
}

#[derive(Deserialize)]
struct Parse {
    json_string: String,
}

/// A type that reads a dictionary from its property `json_string`.
pub(super) fn dict_parser(name: &str, title: &str, description: &str) -> NodeType {
    parser(name, title, description, TypeDescriptor::dict())
}

/// A type that reads a value of type `kind` from its property `json_string`.
fn parser(name: &str, title: &str, description: &str, kind: TypeDescriptor) -> NodeType {
    let wanted = kind.kind.clone();
    NodeType::new(name, title, description)
        .property(Property::str("json_string", "").describe("The JSON text."))
        .output("output", kind)
        .compute(move |p: Parse| {
            let value = parse(&p.json_string, "json_string")?;
            let found = python::type_name(&value);
            if found != wanted {
                return Err(format!(
                    "json_string holds JSON of type {found}; this node reads type {wanted}"
                )
                .into());
            }
            Ok(value)
        })
}
