//! Shared by the tests: building graphs, running them, and one line per event.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use clawnode_workflows::{
    Edge, Engine, Graph, InvalidGraph, Node, NodeLibrary, Run, RunEvent, RunOutcome, RunRequest,
    RunStatus,
};
use serde_json::{Map, Value, json};

pub fn engine() -> Engine {
    Engine::new(Arc::new(NodeLibrary::standard()))
}

/// Nodes as `(id, type, data)`, edges as `"a.output -> b.value"`.
pub fn graph(nodes: &[(&str, &str, Value)], edges: &[&str]) -> Graph {
    let nodes = nodes.iter().map(|(id, kind, data)| {
        let mut node = Node::new(*id, *kind);
        node.data = data.as_object().cloned().unwrap_or_default();
        node
    });
    Graph {
        nodes: nodes.collect(),
        edges: edges.iter().map(|edge| parse_edge(edge)).collect(),
        extra: Map::new(),
    }
}

fn parse_edge(edge: &str) -> Edge {
    let (from, to) = edge.split_once(" -> ").expect("an edge has an arrow");
    let (source, output) = from.split_once('.').expect("node.output");
    let (target, input) = to.split_once('.').expect("node.input");
    Edge::new(source, output, target, input)
}

pub fn start(graph: Graph) -> Result<Run, InvalidGraph> {
    engine().run(RunRequest::new("job", graph))
}

/// Runs to the end; panics if the run waits for anything outside.
pub fn finish(mut run: Run) -> (Vec<RunEvent>, RunOutcome) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut events = Vec::new();
    let mut idle = 0;
    loop {
        match run.poll_next_event(&mut cx) {
            Poll::Ready(Some(event)) => {
                idle = 0;
                events.push(event);
            }
            Poll::Ready(None) => {
                let outcome = run.outcome().expect("an outcome after the end").clone();
                return (events, outcome);
            }
            Poll::Pending => {
                idle += 1;
                assert!(idle < 10_000, "the run hangs after {} events", events.len());
            }
        }
    }
}

pub fn run(graph: Graph) -> (Vec<RunEvent>, RunOutcome) {
    finish(start(graph).unwrap_or_else(|error| panic!("{error}")))
}

/// The result of a run as `{output: [values]}`.
pub fn results(graph: Graph) -> Value {
    let (_, outcome) = run(graph);
    assert_eq!(outcome.error, None);
    json!(outcome.outputs)
}

/// Runs one node with the given properties; its `output` is the result.
pub fn of(kind: &str, data: Value) -> Value {
    let nodes = [("n", kind, data), ("o", "nodetool.output.Output", json!({"name": "r"}))];
    results(graph(&nodes, &["n.output -> o.value"]))["r"].clone()
}

/// Runs one node that fails; gives its error.
pub fn error_of(kind: &str, data: Value) -> String {
    let nodes = [("n", kind, data)];
    let (_, outcome) = run(graph(&nodes, &[]));
    assert_eq!(outcome.status, RunStatus::Failed);
    outcome.error.expect("a failed run has an error")
}

/// What one node gives, by output, or its error, which may be one of the graph.
pub fn outputs_of(
    kind: &str,
    data: Value,
    dynamic: Value,
    outputs: &[&str],
) -> Result<Value, String> {
    let mut nodes = vec![("n", kind, data)];
    nodes.extend(
        outputs.iter().map(|name| (*name, "nodetool.output.Output", json!({"name": name}))),
    );
    let edges: Vec<String> =
        outputs.iter().map(|name| format!("n.{name} -> {name}.value")).collect();
    let edges: Vec<&str> = edges.iter().map(String::as_str).collect();
    let mut graph = graph(&nodes, &edges);
    graph.nodes[0].dynamic_properties = dynamic.as_object().cloned().unwrap_or_default();
    let (_, outcome) = finish(start(graph).map_err(|error| error.to_string())?);
    match outcome.error {
        Some(error) => Err(error),
        None => Ok(json!(outcome.outputs)),
    }
}

/// A table of node types, their properties, and what is expected of `output`: a value, or a
/// part of the error.
pub fn check(rows: &[(&str, Value, Result<Value, &str>)]) {
    for (kind, data, expected) in rows {
        let result = outputs_of(kind, data.clone(), json!({}), &["output"]);
        match (result, expected) {
            (Ok(outputs), Ok(expected)) => {
                assert_eq!(outputs["output"], json!([expected]), "{kind} {data}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{kind} {data}: {error}"),
            (result, expected) => panic!("{kind} {data}: {result:?}, not {expected:?}"),
        }
    }
}

/// One line per event, without what never changes.
pub fn transcript(events: &[RunEvent]) -> String {
    events.iter().map(|event| line(event) + "\n").collect()
}

fn line(event: &RunEvent) -> String {
    let data = &event.data;
    assert_eq!(data["type"], event.update_type);
    let mut line = event.update_type.to_owned();
    for key in [
        "status",
        "node_id",
        "edge_id",
        "counter",
        "output_name",
        "name",
        "severity",
        "content",
        "value",
        "properties",
        "result",
        "error",
    ] {
        match &data[key] {
            Value::Null => {}
            Value::Object(map) if map.is_empty() => {}
            Value::String(text) => line += &format!(" {text}"),
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                let entries: Vec<_> = entries.iter().map(|(k, v)| format!("{k}={v}")).collect();
                line += &format!(" {key}({})", entries.join(" "));
            }
            other => line += &format!(" {other}"),
        }
    }
    line
}
