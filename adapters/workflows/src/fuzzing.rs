//! The body of a fuzz target: **not part of the API**, and free to change at any time.

use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use serde_json::{Map, Value, json};

use crate::{
    Edge, Engine, Graph, Node, NodeLibrary, Run, RunEvent, RunRequest, RunStatus, SyncMode,
    Workflow, validate,
};

/// Events after which a run is cancelled: a short graph can make a long stream.
const MOST_EVENTS: usize = 2000;

/// A graph: read, written, checked and run. Text that begins with `{` is a graph, or a workflow, as a file has it.
/// Other bytes build one that is mostly valid, step by step, see `built`.
///
/// # Panics
///
/// When a law is broken.
pub fn graph(input: &[u8]) {
    static LIBRARY: LazyLock<Arc<NodeLibrary>> =
        LazyLock::new(|| Arc::new(NodeLibrary::standard()));
    let graph = if input.starts_with(b"{") {
        let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
        if let Ok(workflow) = Workflow::from_json(value.clone(), "fuzz") {
            check_workflow(&workflow);
        }
        let Some(graph) = read(&value) else { return };
        graph
    } else {
        built(input, &LIBRARY)
    };
    check_round_trip(&graph);

    let report = validate(&graph, &LIBRARY);
    assert_eq!(validate(&graph, &LIBRARY), report, "a graph is judged the same again");
    let start = || Engine::new(Arc::clone(&LIBRARY)).run(RunRequest::new("job", graph.clone()));
    let run = match start() {
        Ok(run) => run,
        Err(invalid) => {
            assert!(!report.is_valid() && !report.to_string().is_empty());
            assert_eq!(invalid.report, report, "the engine and the check agree");
            return;
        }
    };
    assert!(report.is_valid(), "{report}");
    let events = finish(run);
    let again = start().expect("it could run before");
    assert_eq!(finish(again), events, "a run goes the same way again");
}

/// A graph, read in both ways, which agree.
fn read(value: &Value) -> Option<Graph> {
    let plain = serde_json::from_value::<Graph>(value.clone()).ok();
    let read = Graph::from_json(value.clone()).ok();
    assert_eq!(read, plain, "two readings of one graph");
    read
}

fn check_round_trip(graph: &Graph) {
    let written = serde_json::to_value(graph).expect("a graph is JSON");
    let again = read(&written).expect("what was written can be read");
    assert_eq!(&again, graph, "what was read and written is the same");
}

fn check_workflow(workflow: &Workflow) {
    let written = serde_json::to_value(workflow).expect("a workflow is JSON");
    let again = Workflow::from_json(written, "other").expect("what was written can be read");
    assert_eq!(&again, workflow, "what was read and written is the same");
}

/// Runs to the end, or to a bound, and checks what must hold for every run.
fn finish(mut run: Run) -> Vec<RunEvent> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut events = Vec::new();
    let mut idle = 0;
    loop {
        match run.poll_next_event(&mut cx) {
            Poll::Ready(Some(event)) => {
                assert_eq!(event.data["type"], event.update_type);
                events.push(event);
                idle = 0;
                if events.len() == MOST_EVENTS {
                    run.cancel();
                }
            }
            Poll::Ready(None) => break,
            Poll::Pending => {
                idle += 1;
                assert!(idle < 100_000, "the run hangs after {} events", events.len());
            }
        }
    }
    let outcome = run.outcome().expect("there is an outcome after the last event");
    let last = &events.last().expect("a run says how it ended").data;
    assert_eq!(
        (&last["type"], &last["status"]),
        (&json!("job_update"), &json!(outcome.status.as_str()))
    );
    assert_eq!(last["result"], json!(outcome.outputs));
    assert_eq!(outcome.status == RunStatus::Failed, outcome.error.is_some());
    if events.len() < MOST_EVENTS {
        let told = events.iter().filter(|event| event.update_type == "output_update").count();
        let kept: usize = outcome.outputs.values().map(Vec::len).sum();
        assert_eq!(told, kept, "every output is told, and kept");
    }
    let ends = events
        .iter()
        .filter(|event| event.update_type == "job_update" && event.data["status"] != "running");
    assert_eq!(ends.count(), 1, "a run ends once");
    // Whoever reads the result must be able to: readers of JSON give up at about 128 levels.
    let text = serde_json::to_string(&outcome.to_result()).expect("a result is JSON");
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "a result that cannot be read");
    events
}

/// A graph out of bytes: how many nodes; for each its type, its mode and two values; then edges of four bytes each, from
/// which node and output to which node and input, mostly forward and between handles that exist.
fn built(input: &[u8], library: &NodeLibrary) -> Graph {
    let mut bytes = input.iter().copied();
    let mut number = || bytes.next().map(usize::from);
    let types: Vec<_> = library.iter().collect();
    let mut graph = Graph::default();
    for index in 0..number().unwrap_or(0) % 12 + 1 {
        let kind = types[number().unwrap_or(0) % types.len()];
        let mut node =
            Node::new(format!("n{index}"), kind.name()).with("name", format!("name{index}"));
        let flags = number().unwrap_or(0);
        if flags & 1 != 0 {
            node.sync_mode = SyncMode::ZipAll;
        }
        let properties =
            kind.metadata().properties.iter().filter(|property| property.name != "name");
        for (bit, property) in properties.take(7).enumerate() {
            if flags >> (bit + 1) & 1 != 0 {
                node.data.insert(property.name.clone(), value(number().unwrap_or(0)));
            }
        }
        graph.nodes.push(node);
    }
    while let (Some(from), Some(output), Some(to), Some(input)) =
        (number(), number(), number(), number())
    {
        let ends = [from, to].map(|end| end % graph.nodes.len());
        // Backward only on demand: circles are refused, and then nothing runs.
        let backward = output >= 0xf0;
        let [from, to] = if (ends[0] > ends[1]) != backward { [ends[1], ends[0]] } else { ends };
        let metadata =
            |index: usize| library.get(&graph.nodes[index].node_type).map(|kind| kind.metadata());
        let (Some(source), Some(target)) = (metadata(from), metadata(to)) else { continue };
        let output =
            source.outputs.get(output % source.outputs.len().max(1)).map_or("output", |o| &o.name);
        let input = target
            .properties
            .get(input % target.properties.len().max(1))
            .map_or("value", |i| &i.name);
        let edge = Edge::new(&format!("n{from}"), output, &format!("n{to}"), input);
        graph.edges.push(edge);
    }
    graph
}

fn value(choice: usize) -> Value {
    let size = choice >> 3;
    match choice & 7 {
        0 => Value::from(size),
        1 => Value::from(0.5 - size as f64),
        2 => Value::from(size & 1 == 1),
        3 => Value::from("{{ a }}{a}%b".repeat(size)),
        4 => (0..size).collect(),
        5 => json!([[], {"k": [null, "x"]}]),
        6 => Value::Object((0..size).map(|n| (n.to_string(), Value::Null)).collect::<Map<_, _>>()),
        _ => Value::from("{% for i in range(9) %}{{ i }}{{ missing }}{% endfor %}"),
    }
}
