//! Whatever the graph: checking it does not panic, and running it ends.

mod common;

use clawnode_workflows::{
    Edge, Graph, Node, NodeLibrary, RunRequest, RunStatus, SyncMode, validate,
};
use common::{engine, finish};
use proptest::prelude::*;
use serde_json::{Value, json};

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-3_i64..12).prop_map(Value::from),
        Just(json!(2.5)),
        "[a-c{}% ]{0,8}".prop_map(Value::from),
        prop::collection::vec(-2_i64..5, 0..12).prop_map(Value::from),
        Just(json!({"k": [1]})),
    ]
}

const LOOP: &str = "nodetool.control.Loop";

/// Nodes of all types with arbitrary properties, edges mostly between handles that exist and
/// mostly forward; those to `next` and `condition` of a loop also lead back.
fn any_graph() -> impl Strategy<Value = Graph> {
    let types: Vec<String> =
        NodeLibrary::standard().iter().map(|node| node.name().to_owned()).collect();
    let kind = prop_oneof![
        6 => prop::sample::select(types),
        1 => Just(LOOP.to_owned()),
        1 => Just("nodetool.control.TryCatch".to_owned()),
    ];
    let node = (kind, value(), value(), any::<bool>());
    let edge = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..6_usize, 0..6_usize);
    (prop::collection::vec(node, 1..12), prop::collection::vec(edge, 0..16)).prop_map(build)
}

type RandomNode = (String, Value, Value, bool);
type RandomEdge = (prop::sample::Index, prop::sample::Index, usize, usize);

fn build((nodes, edges): (Vec<RandomNode>, Vec<RandomEdge>)) -> Graph {
    let library = NodeLibrary::standard();
    let mut graph = Graph::default();
    for (index, (kind, first, second, zip)) in nodes.into_iter().enumerate() {
        let mut node = Node::new(format!("n{index}"), &kind).with("name", format!("name{index}"));
        let properties = &library.get(&kind).unwrap().metadata().properties;
        let free: Vec<_> = properties.iter().filter(|p| p.name != "name").collect();
        for (property, value) in free.iter().zip([first, second]) {
            node.data.insert(property.name.clone(), value);
        }
        if zip {
            node.sync_mode = SyncMode::ZipAll;
        }
        graph.nodes.push(node);
    }
    for (from, to, output, input) in edges {
        let (mut from, mut to) = (from.index(graph.nodes.len()), to.index(graph.nodes.len()));
        let leads_back = graph.nodes[to].node_type == LOOP && matches!(input, 1 | 2);
        if from > to && output != 5 && !leads_back {
            std::mem::swap(&mut from, &mut to);
        }
        let metadata =
            |index: usize| library.get(&graph.nodes[index].node_type).unwrap().metadata();
        let outputs = &metadata(from).outputs;
        let inputs = &metadata(to).properties;
        let output = outputs.get(output % outputs.len().max(1)).map_or("output", |o| &o.name);
        let input = inputs.get(input % inputs.len().max(1)).map_or("value", |i| &i.name);
        let (from, to) = (graph.nodes[from].id.clone(), graph.nodes[to].id.clone());
        graph.edges.push(Edge::new(&from, output, &to, input));
    }
    graph
}

/// The graph without what validation finds fault with, so that there is something to run.
fn repaired(mut graph: Graph) -> Graph {
    let library = NodeLibrary::standard();
    loop {
        let report = validate(&graph, &library);
        if report.is_valid() {
            return graph;
        }
        let (nodes, edges) = (graph.nodes.len(), graph.edges.len());
        for problem in &report.errors {
            if let Some(id) = &problem.node_id {
                for node in graph.nodes.iter_mut().filter(|node| &node.id == id) {
                    node.data.retain(|name, _| name == "name");
                }
            }
            if let Some(id) = &problem.edge_id {
                graph.edges.retain(|edge| &edge.event_id() != id);
            }
        }
        if report
            .errors
            .iter()
            .all(|problem| problem.node_id.is_none() && problem.edge_id.is_none())
        {
            graph.edges.pop();
        }
        assert!(nodes == graph.nodes.len() && edges >= graph.edges.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_graph_is_judged(graph in any_graph()) {
        let report = validate(&graph, &NodeLibrary::standard());
        let run = engine().run(RunRequest::new("job", graph));
        prop_assert_eq!(report.is_valid(), run.is_ok());
        if let Ok(run) = run {
            finish(run);
        }
    }

    #[test]
    fn any_valid_graph_ends(graph in any_graph()) {
        let graph = repaired(graph);
        let run = engine().run(RunRequest::new("job", graph)).unwrap();
        let (events, outcome) = finish(run);
        let last = &events[events.len() - 1].data;
        prop_assert_eq!(&last["type"], "job_update");
        prop_assert_eq!(&last["status"], outcome.status.as_str());
        prop_assert_eq!(&last["result"], &json!(outcome.outputs));
        prop_assert_eq!(outcome.status == RunStatus::Failed, outcome.error.is_some());
        let sent = events.iter().filter(|e| e.update_type == "output_update").count();
        let kept: usize = outcome.outputs.values().map(Vec::len).sum();
        prop_assert_eq!(sent, kept);
    }
}
