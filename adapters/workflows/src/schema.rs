//! The input and output schema of a workflow, made from its graph (protocol page 1.3).

use serde_json::{Map, Value, json};

use crate::graph::{Graph, Node};

/// The largest number the number inputs offer when their `max` is not set: the default of
/// that property. (The original writes 100 into the schema, which is not what its nodes do.)
const DEFAULT_MAX: i64 = 99_999;

const INPUTS: &str = "nodetool.input.";
const OUTPUTS: &str = "nodetool.output.";

/// The parameters a run of the graph takes, as a JSON schema.
pub(crate) fn input_schema(graph: &Graph) -> Value {
    let inputs = graph.nodes.iter().filter_map(|node| {
        let kind = node.node_type.strip_prefix(INPUTS)?;
        Some((key(node), input(node, kind)?))
    });
    object(inputs)
}

/// The results a run of the graph gives, as a JSON schema.
pub(crate) fn output_schema(graph: &Graph) -> Value {
    let outputs = graph.nodes.iter().filter(|node| node.node_type.starts_with(OUTPUTS));
    object(outputs.map(|node| (key(node), json!({"type": "any", "label": label(node)}))))
}

fn object(properties: impl Iterator<Item = (String, Value)>) -> Value {
    let mut required = Vec::new();
    let mut all = Map::new();
    for (name, schema) in properties {
        if all.insert(name.clone(), schema).is_none() {
            required.push(Value::String(name));
        }
    }
    json!({"type": "object", "properties": all, "required": required})
}

fn input(node: &Node, kind: &str) -> Option<Value> {
    let set = |name: &str, default: Value| match node.property(name) {
        Some(value) if !value.is_null() => value.clone(),
        _ => default,
    };
    let number = |name: &str| {
        json!({
            "type": name,
            "minimum": set("min", json!(0)),
            "maximum": set("max", json!(DEFAULT_MAX)),
            "default": set("value", json!(0)),
            "label": label(node),
        })
    };
    let asset = |name: &str| {
        json!({
            "type": "object",
            "properties": {
                "uri": {"type": "string", "format": "uri"},
                "type": {"type": "string", "enum": [name]},
            },
            "label": label(node),
        })
    };
    Some(match kind {
        "FloatInput" => number("number"),
        "IntegerInput" => number("integer"),
        "StringInput" => {
            json!({"type": "string", "default": set("value", json!("")), "label": label(node)})
        }
        "BooleanInput" => {
            json!({"type": "boolean", "default": set("value", json!(false)), "label": label(node)})
        }
        "ImageInput" => asset("image"),
        "VideoInput" => asset("video"),
        "AudioInput" => asset("audio"),
        "DocumentInput" => asset("document"),
        _ => return None,
    })
}

fn key(node: &Node) -> String {
    let name = node.public_name();
    if name.is_empty() { node.id.clone() } else { name.to_owned() }
}

fn label(node: &Node) -> &str {
    node.property("label").and_then(Value::as_str).unwrap_or("")
}
