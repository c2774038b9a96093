//! Whole runs: the order of events and what comes out.

mod common;

use common::{graph, results, run, transcript};
use serde_json::json;

#[test]
fn events_come_in_the_recorded_order() {
    let (events, outcome) = run(graph(
        &[
            ("i1", "nodetool.input.StringInput", json!({"name": "who", "value": "world"})),
            ("c", "nodetool.text.Concat", json!({"a": "hello "})),
            ("o", "nodetool.output.Output", json!({"name": "greeting"})),
            ("p", "nodetool.workflows.base_node.Preview", json!({})),
        ],
        &["i1.output -> c.b", "c.output -> o.value", "c.output -> p.value"],
    ));
    assert_eq!(outcome.to_result()["preview"], json!({"p": ["hello world"]}));
    insta::assert_snapshot!(transcript(&events), @r#"
job_update running
node_update running o
node_update running p
edge_update message_sent i1.output-c.b 1
edge_update drained i1.output-c.b 1
node_update running c properties(b="world")
node_update completed c result(output="hello world")
edge_update message_sent c.output-o.value 1
edge_update message_sent c.output-p.value 1
edge_update drained c.output-o.value 1
edge_update drained c.output-p.value 1
output_update o greeting hello world
preview_update p hello world
node_update completed o result(output="hello world")
node_update completed p
job_update completed result(greeting=["hello world"])
"#);
}

#[test]
fn a_stream_runs_a_node_once_per_item() {
    let found = results(graph(
        &[
            ("l", "nodetool.constant.List", json!({"value": ["a", "b", "c"]})),
            ("e", "nodetool.control.ForEach", json!({})),
            ("x", "nodetool.text.Concat", json!({"b": "!"})),
            ("c", "nodetool.control.Collect", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "list"})),
            ("o2", "nodetool.output.Output", json!({"name": "each"})),
        ],
        &[
            "l.output -> e.input_list",
            "e.output -> x.a",
            "x.output -> c.input_item",
            "c.output -> o.value",
            "x.output -> o2.value",
        ],
    ));
    assert_eq!(found, json!({"each": ["a!", "b!", "c!"], "list": [["a!", "b!", "c!"]]}));
}
