//! The node types that NodeTool's programs named, held against the library.

use std::collections::{BTreeMap, BTreeSet};

use clawnode_workflows::{Generation, NodeLibrary};
use serde::Deserialize;
use serde_json::Value;

use crate::{engine, read};

/// A line of `node-types.jsonl`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    #[serde(rename = "type")]
    name: String,
    generations: Vec<String>,
    properties: BTreeMap<String, RecordedProperty>,
    #[serde(default)]
    dynamic: bool,
    outputs: Option<BTreeMap<String, RecordedOutput>>,
    #[serde(default)]
    dynamic_outputs: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedProperty {
    // Null is a default, too.
    #[serde(default, deserialize_with = "some")]
    default: Option<Value>,
    #[serde(default)]
    values: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedOutput {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    stream: bool,
}

fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Where the library means to differ, and why: the difference as the test prints it, and the reason.
const ON_PURPOSE: &[(&str, &str)] = &[];

#[test]
fn the_library_has_what_nodetool_has() {
    let found: BTreeSet<String> =
        recorded().iter().flat_map(|recorded| differences(engine().library(), recorded)).collect();
    let meant: BTreeSet<String> =
        ON_PURPOSE.iter().map(|(difference, _)| (*difference).to_owned()).collect();
    assert_eq!(found, meant);
}

#[test]
fn each_difference_is_found() {
    for (line, expected) in [
        (r#"{"type": "a.B", "generations": [], "properties": {}}"#, "a.B: no such type"),
        (
            r#"{"type": "nodetool.text.Split", "generations": [], "properties": {"a": {}}}"#,
            "nodetool.text.Split: no property a",
        ),
        (
            r#"{"type": "lib.math.Divide", "generations": [], "properties": {"b": {"default": 0}}}"#,
            "lib.math.Divide: b is 1.0 by default, not 0",
        ),
        (
            r#"{"type": "lib.math.Divide", "generations": [], "properties": {"b": {"default": null}}}"#,
            "lib.math.Divide: b is 1.0 by default, not null",
        ),
        (
            r#"{"type": "nodetool.list.Sort", "generations": [], "properties": {"order": {"values": ["ascending", "none"]}}}"#,
            "nodetool.list.Sort: order is never \"none\"",
        ),
        (
            r#"{"type": "nodetool.text.Split", "generations": [], "properties": {}, "dynamic": true}"#,
            "nodetool.text.Split: takes no properties that a node adds",
        ),
        (
            r#"{"type": "nodetool.text.Split", "generations": [], "properties": {}, "outputs": {"a": {}}}"#,
            "nodetool.text.Split: no output a",
        ),
        (
            r#"{"type": "nodetool.text.Split", "generations": [], "properties": {}, "outputs": {"output": {"stream": true}}}"#,
            "nodetool.text.Split: output is no stream",
        ),
        (
            r#"{"type": "nodetool.text.Split", "generations": [], "properties": {}, "outputs": {"output": {"type": "str"}}}"#,
            "nodetool.text.Split: output is of type list, not str",
        ),
        (
            r#"{"type": "nodetool.text.Split", "generations": [], "properties": {}, "dynamic_outputs": true}"#,
            "nodetool.text.Split: takes no outputs that a node adds",
        ),
    ] {
        assert_eq!(differences(engine().library(), &parsed(line)), [expected]);
    }
}

/// The generations that the library claims are those that were recorded, and none is claimed besides.
#[test]
fn generations_are_those_that_were_recorded() {
    let recorded: BTreeMap<String, Vec<String>> =
        recorded().into_iter().map(|recorded| (recorded.name, recorded.generations)).collect();
    let mut claimed = 0;
    for name in engine().library().iter().flat_map(|node| &node.metadata().names) {
        let generations: Vec<String> = name.generations.iter().map(written).collect();
        claimed += usize::from(!generations.is_empty());
        let known = recorded.get(&name.name).cloned();
        let whole = WHOLE.iter().find(|(beginning, _)| name.name.starts_with(beginning));
        let whole = whole.map(|(_, generation)| vec![written(generation)]);
        assert_eq!(generations, known.or(whole).unwrap_or_default(), "{}", name.name);
    }
    assert!(claimed >= recorded.values().filter(|generations| !generations.is_empty()).count());
}

/// Namespaces that only one generation has, whatever is in them.
const WHOLE: &[(&str, Generation)] = &[
    ("lib.json.", Generation::Python),
    ("lib.math.", Generation::Python),
    ("nodetool.boolean.", Generation::Python),
    ("nodetool.dictionary.", Generation::Python),
];

fn recorded() -> Vec<Recorded> {
    let lines = read("tests/recordings/nodetool/node-types.jsonl");
    lines.lines().map(parsed).collect()
}

fn parsed(line: &str) -> Recorded {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn written(generation: &Generation) -> String {
    let Ok(Value::String(name)) = serde_json::to_value(generation) else {
        panic!("{generation:?} is written as a text")
    };
    name
}

/// What NodeTool has of a type and the library has not, or has otherwise.
fn differences(library: &NodeLibrary, recorded: &Recorded) -> Vec<String> {
    let name = &recorded.name;
    let Some(node) = library.get(name) else { return vec![format!("{name}: no such type")] };
    let metadata = node.metadata();
    let mut all = Vec::new();
    let mut differ = |what: String| all.push(format!("{name}: {what}"));
    for (property, wanted) in &recorded.properties {
        let Some(own) = node.find_property(property) else {
            differ(format!("no property {property}"));
            continue;
        };
        if let Some(default) =
            wanted.default.as_ref().filter(|default| !same(&own.default, default))
        {
            differ(format!("{property} is {} by default, not {default}", own.default));
        }
        let values = own.kind.values.iter().flatten().collect::<Vec<_>>();
        for value in wanted.values.iter().filter(|value| !values.contains(value)) {
            differ(format!("{property} is never {value}"));
        }
    }
    if recorded.dynamic && !metadata.is_dynamic {
        differ("takes no properties that a node adds".to_owned());
    }
    for (output, wanted) in recorded.outputs.iter().flatten() {
        match node.find_output(output) {
            None => differ(format!("no output {output}")),
            Some(own) if wanted.stream && !own.stream => differ(format!("{output} is no stream")),
            Some(own) => {
                if let Some(kind) = wanted.kind.as_ref().filter(|kind| own.kind.kind != **kind) {
                    differ(format!("{output} is of type {}, not {kind}", own.kind.kind));
                }
            }
        }
    }
    if recorded.dynamic_outputs && !metadata.supports_dynamic_outputs {
        differ("takes no outputs that a node adds".to_owned());
    }
    all
}

/// Whether two values are equal, with 0 and 0.0 the same number.
fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a))
}
