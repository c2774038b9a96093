//! Graphs to run, and the nodes they need.

use clawnode_workflows::{NodeContext, NodeLibrary, NodeType, Property, TypeDescriptor};
use serde_json::{Value, json};

/// The standard library, and `bench.Numbers`, which streams `count` numbers.
pub fn library() -> NodeLibrary {
    #[derive(serde::Deserialize)]
    struct Numbers {
        count: u64,
    }
    let mut library = NodeLibrary::standard();
    library.register(
        NodeType::new("bench.Numbers", "Numbers", "Streams the numbers from 0.")
            .property(Property::int("count", 0))
            .output("output", TypeDescriptor::any())
            .generate(|p: Numbers, context: NodeContext| async move {
                for number in 0..p.count {
                    context.emit("output", Value::from(number)).await;
                }
                Ok(())
            }),
    );
    library
}

/// A text input, `Concat` and an output.
pub fn three_nodes() -> Value {
    json!({
        "nodes": [
            {"id": "who", "type": "nodetool.input.StringInput", "data": {"name": "who", "value": "world"}},
            {"id": "join", "type": "nodetool.text.Concat", "data": {"a": "hello "}},
            {"id": "out", "type": "nodetool.output.Output", "data": {"name": "greeting"}},
        ],
        "edges": [
            {"source": "who", "sourceHandle": "output", "target": "join", "targetHandle": "b"},
            {"source": "join", "sourceHandle": "output", "target": "out", "targetHandle": "value"},
        ],
    })
}

/// `count` nodes, each of which takes what the one before gives.
pub fn chain(count: usize) -> Value {
    let mut nodes =
        vec![json!({"id": "n0", "type": "nodetool.constant.String", "data": {"value": "x"}})];
    let mut edges = Vec::new();
    for index in 1..count {
        let last = index + 1 == count;
        let kind = if last { "nodetool.output.Output" } else { "nodetool.control.Reroute" };
        let input = if last { "value" } else { "input_value" };
        nodes.push(json!({"id": format!("n{index}"), "type": kind, "data": {"name": "end"}}));
        edges.push(json!({
            "source": format!("n{}", index - 1),
            "sourceHandle": "output",
            "target": format!("n{index}"),
            "targetHandle": input,
        }));
    }
    json!({"nodes": nodes, "edges": edges})
}

/// A stream of `items` numbers, made into texts and counted.
pub fn stream(items: u64) -> Value {
    json!({
        "nodes": [
            {"id": "numbers", "type": "bench.Numbers", "data": {"count": items}},
            {"id": "join", "type": "nodetool.text.Concat", "data": {"a": "number "}},
            {"id": "count", "type": "nodetool.control.Count", "data": {}},
            {"id": "out", "type": "nodetool.output.Output", "data": {"name": "count"}},
        ],
        "edges": [
            {"source": "numbers", "sourceHandle": "output", "target": "join", "targetHandle": "b"},
            {"source": "join", "sourceHandle": "output", "target": "count", "targetHandle": "input_item"},
            {"source": "count", "sourceHandle": "output", "target": "out", "targetHandle": "value"},
        ],
    })
}
