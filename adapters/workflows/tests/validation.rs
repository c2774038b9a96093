//! Every problem of a graph is found, named, and listed with the others.

mod common;

use clawnode_workflows::{
    Edge, Graph, Node, NodeLibrary, NodeType, ProblemKind, Property, Report, SyncMode,
    TypeDescriptor, Workflow,
    limits::{MAX_EDGES, MAX_NODES},
    validate,
};
use common::{graph, start};
use serde_json::{Value, json};

fn check(graph: &Graph) -> Report {
    validate(graph, &NodeLibrary::standard())
}

fn errors(graph: &Graph) -> Vec<String> {
    check(graph).errors.iter().map(ToString::to_string).collect()
}

#[test]
fn all_problems_are_listed_at_once() {
    let mut library = NodeLibrary::standard();
    let needy = NodeType::new("test.Needy", "Needy", "Needs.")
        .property(Property::any("value").required())
        .output("output", TypeDescriptor::any());
    library.register(needy);
    let mut broken = graph(
        &[
            ("u", "nodetool.text.Foo", json!({})),
            ("d", "nodetool.constant.String", json!({})),
            ("d", "nodetool.constant.List", json!({})),
            ("i1", "nodetool.input.StringInput", json!({"name": "who"})),
            ("i2", "nodetool.input.FloatInput", json!({"name": "who"})),
            ("i3", "nodetool.input.BooleanInput", json!({})),
            ("o", "nodetool.output.Output", json!({"name": ""})),
            ("c", "nodetool.boolean.Compare", json!({"a": "big", "comparison": "~"})),
            ("n", "nodetool.boolean.Not", json!({})),
            ("x", "nodetool.control.Reroute", json!({})),
            ("y", "nodetool.control.Reroute", json!({})),
            ("z", "test.Needy", json!({})),
            ("s", "nodetool.control.ForEach", json!({"input_list": 5})),
        ],
        &[
            "i1.output -> c.b",
            "i1.wrong -> n.value",
            "i1.output -> n.nothing",
            "i1.output -> ghost.value",
            "ghost.output -> n.value",
            "x.output -> y.input_value",
            "y.output -> x.input_value",
            "i1.output -> o.value",
            "i2.output -> o.value",
        ],
    );
    broken.nodes[8].sync_mode = SyncMode::Other("never".into());
    let report = validate(&broken, &library);
    let all: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
unknown node type nodetool.text.Foo (node u)
node id d is used more than once; ids must be unique
property a expects union[int, float] but got str ("big") (node c, nodetool.boolean.Compare)
property comparison expects one of "==", "!=", ">", "<", ">=", "<=" but got str ("~") (node c, nodetool.boolean.Compare)
unknown sync_mode "never" (node n); use on_any or zip_all
required property value is neither set nor connected (node z, test.Needy)
property input_list expects list[any] but got int (5) (node s, nodetool.control.ForEach)
type mismatch: i1.output gives str but c.b expects union[int, float]
edge i1.wrong-n.value starts at output "wrong", which node i1 (nodetool.input.StringInput) does not have; it has output
edge i1.output-n.nothing ends at property "nothing", which node n (nodetool.boolean.Not) does not have; it has value
edge i1.output-ghost.value has a target node ghost that does not exist
edge ghost.output-n.value has a source node ghost that does not exist
property value of node n has several edges; only a list can take them: lead them to one node first, such as nodetool.text.Join for one text or nodetool.constant.List for one list
property value of node o has several edges; only a list can take them: lead them to one node first, such as nodetool.text.Join for one text or nodetool.constant.List for one list
input name "who" is used more than once (node i2); rename one
input node i3 has no name; set its property name
output node o has no name; set its property name
the edges form a cycle: x -> y -> x; only a Loop node may lead back, through its next or condition
"#);
    let kinds = [
        ProblemKind::UnknownNodeType,
        ProblemKind::DuplicateNodeId,
        ProblemKind::DuplicateInputName,
        ProblemKind::EmptyName,
        ProblemKind::TypeMismatch,
        ProblemKind::UnknownSyncMode,
        ProblemKind::UnknownSourceHandle,
        ProblemKind::UnknownTargetHandle,
        ProblemKind::DanglingEdge,
        ProblemKind::Cycle,
        ProblemKind::MissingInput,
        ProblemKind::SeveralEdges,
    ];
    for kind in kinds {
        assert!(report.errors.iter().any(|problem| problem.kind == kind), "{kind:?}");
    }
}

#[test]
fn an_invalid_graph_does_not_start() {
    let error = start(graph(&[("x", "no.such.Node", json!({}))], &[])).unwrap_err();
    assert_eq!(error.to_string(), "the graph cannot run: unknown node type no.such.Node (node x)");
    assert_eq!(error.report.errors[0].node_id.as_deref(), Some("x"));
}

#[test]
fn a_node_without_type_is_said_to_have_none() {
    let graph = Graph::from_json(json!({
        "nodes": [{"id": "a"}, {"id": "b", "type": ""}, {"id": "c", "type": "default"}],
        "edges": []
    }));
    let said = ["a", "b", "c"]
        .map(|id| format!("node {id} has no `type`; set it, such as to nodetool.text.Concat"));
    assert_eq!(errors(&graph.unwrap()), said);
}

/// What the error about several edges advises.
#[test]
fn several_edges_are_led_to_one_node_first() {
    for (kind, property, given) in [
        ("nodetool.text.Join", "strings", json!("ab")),
        ("nodetool.constant.List", "value", json!(["a", "b"])),
    ] {
        let led = [
            "a.output -> out.value".to_owned(),
            "b.output -> out.value".to_owned(),
            format!("a.output -> all.{property}"),
            format!("b.output -> all.{property}"),
            "all.output -> out.value".to_owned(),
        ];
        let led = led.each_ref().map(String::as_str);
        let nodes = [
            ("a", "nodetool.constant.String", json!({"value": "a"})),
            ("b", "nodetool.constant.String", json!({"value": "b"})),
            ("all", kind, json!({})),
            ("out", "nodetool.output.Output", json!({"name": "all"})),
        ];
        let error = &errors(&graph(&nodes, &led[..2]))[0];
        assert!(error.contains("has several edges") && error.contains(kind), "{error}");
        assert_eq!(common::results(graph(&nodes, &led[2..])), json!({"all": [given]}));
    }
}

#[test]
fn a_node_that_feeds_itself_is_a_cycle() {
    let graph =
        graph(&[("a", "nodetool.control.Reroute", json!({}))], &["a.output -> a.input_value"]);
    assert_eq!(
        errors(&graph),
        [
            "the edges form a cycle: a -> a; only a Loop node may lead back, through its next or condition"
        ]
    );
}

#[test]
fn control_edges_are_refused() {
    let mut graph = graph(
        &[("a", "nodetool.constant.String", json!({})), ("b", "nodetool.text.Concat", json!({}))],
        &["a.output -> b.a"],
    );
    graph.edges[0].extra.insert("edge_type".into(), "control".into());
    assert_eq!(check(&graph).errors[0].kind, ProblemKind::ControlEdge);
    graph.edges[0].extra.insert("edge_type".into(), "data".into());
    assert!(check(&graph).is_valid());
}

#[test]
fn lone_nodes_are_warned_about_and_loose_ends_suggested() {
    let report = check(&graph(
        &[
            ("lone", "nodetool.text.Concat", json!({})),
            ("s", "nodetool.constant.String", json!({})),
            ("end", "nodetool.text.Concat", json!({})),
            ("note", "nodetool.workflows.base_node.Comment", json!({})),
        ],
        &["s.output -> end.a"],
    ));
    assert!(report.is_valid());
    let warned: Vec<_> = report.warnings.iter().filter_map(|p| p.node_id.as_deref()).collect();
    let suggested: Vec<_> =
        report.suggestions.iter().filter_map(|p| p.node_id.as_deref()).collect();
    assert_eq!((warned, suggested), (vec!["lone"], vec!["end"]));
}

#[test]
fn a_misspelt_property_is_warned_about() {
    let mut checked = graph(
        &[
            ("a", "nodetool.text.ToUppercase", json!({"txt": "hello", "name": "shout", "x": null})),
            ("b", "nodetool.input.IntegerInput", json!({"name": "n", "label": "N", "minimum": 3})),
            ("c", "nodetool.text.FormatText", json!({"template": "{{ who }}", "who": "Ada"})),
            ("d", "nodetool.text.ToLowercase", json!({})),
            ("note", "nodetool.workflows.base_node.Comment", json!({"colour": "red"})),
        ],
        &["a.output -> c.x", "b.output -> c.y", "d.output -> c.z"],
    );
    checked.nodes[3].extra.insert("properties".into(), json!({"quite_other": 1}));
    let report = check(&checked);
    assert!(report.is_valid(), "{report}");
    let warned: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warned,
        [
            "property txt is unknown (node a, nodetool.text.ToUppercase); did you mean text?",
            "property minimum is unknown (node b, nodetool.input.IntegerInput); did you mean min?",
            "property quite_other is unknown (node d, nodetool.text.ToLowercase); the type has text",
        ]
    );
    assert!(report.warnings.iter().all(|problem| problem.kind == ProblemKind::UnknownProperty));
}

#[test]
fn types_fit_as_documented() {
    let (any, int, float, text) = (
        TypeDescriptor::any(),
        TypeDescriptor::int(),
        TypeDescriptor::float(),
        TypeDescriptor::str(),
    );
    let list = TypeDescriptor::list;
    let number = TypeDescriptor::union(vec![int.clone(), float.clone()]);
    let colour = TypeDescriptor::one_of(&["red", "green"]);
    let light = TypeDescriptor::one_of(&["green", "amber"]);
    let metal = TypeDescriptor::one_of(&["iron"]);
    for (from, to, fits) in [
        (&any, &int, true),
        (&text, &any, true),
        (&int, &float, true),
        (&float, &int, true),
        (&text, &int, false),
        (&int, &text, false),
        (&int, &list(int.clone()), true),
        (&text, &list(int.clone()), false),
        (&list(int.clone()), &int, false),
        (&list(int.clone()), &list(float.clone()), true),
        (&list(text.clone()), &list(int.clone()), false),
        (&number, &int, true),
        (&text, &number, false),
        (&int, &number, true),
        (&colour, &light, true),
        (&colour, &metal, false),
        (&colour, &text, true),
    ] {
        assert_eq!(from.fits(to), fits, "{from} -> {to}");
    }
}

#[test]
fn the_size_of_a_graph_is_bounded() {
    let comments = |count: usize| Graph {
        nodes: (0..count)
            .map(|index| Node::new(index.to_string(), "nodetool.workflows.base_node.Comment"))
            .collect(),
        ..Graph::default()
    };
    assert!(check(&comments(MAX_NODES)).is_valid());
    let report = check(&comments(MAX_NODES + 1));
    assert_eq!(report.errors[0].to_string(), "the graph has 10001 nodes; the most is 10000");

    let edges = |count: usize| {
        let mut graph = graph(
            &[
                ("a", "nodetool.constant.String", json!({})),
                ("b", "nodetool.control.ForEach", json!({})),
            ],
            &[],
        );
        graph.edges = vec![Edge::new("a", "output", "b", "input_list"); count];
        graph
    };
    assert!(check(&edges(MAX_EDGES)).is_valid());
    assert_eq!(check(&edges(MAX_EDGES + 1)).errors[0].kind, ProblemKind::TooLarge);
}

#[test]
fn unknown_keys_survive() {
    let text = json!({
        "nodes": [{
            "id": "a", "parent_id": null, "type": "nodetool.constant.String",
            "data": {"value": "x"}, "ui_properties": {"position": {"x": 1}},
            "dynamic_properties": {}, "dynamic_outputs": {}, "sync_mode": "zip_all",
            "name": "mine", "outputs": []
        }],
        "edges": [{
            "id": "e", "source": "a", "sourceHandle": "output", "target": "a",
            "targetHandle": "value", "ui_properties": {"className": "str"}, "edge_type": "data"
        }],
        "viewport": {"zoom": 2}
    });
    let graph = Graph::from_json(text.clone()).unwrap();
    assert_eq!(serde_json::to_value(&graph).unwrap(), text);
    let derived: Graph = serde_json::from_value(text).unwrap();
    assert_eq!(derived, graph);
}

#[test]
fn properties_may_stand_for_data() {
    let graph = Graph::from_json(json!({
        "nodes": [
            {"id": "a", "type": "nodetool.constant.String", "data": null,
             "properties": {"value": "x"}},
            {"id": "o", "type": "nodetool.output.Output", "properties": {"name": "r"}}
        ],
        "edges": [{"source": "a", "sourceHandle": "output", "target": "o", "targetHandle": "value"}]
    }));
    assert_eq!(common::results(graph.unwrap()), json!({"r": ["x"]}));
}

#[test]
fn what_is_not_a_graph_is_named() {
    for (value, expected) in [
        (json!([]), "a graph must be a JSON object"),
        (json!({"nodes": []}), "a graph must have a list called edges"),
        (json!({"nodes": {}, "edges": []}), "nodes must be a list"),
        (json!({"nodes": [{"id": "a"}, {}], "edges": []}), "nodes[1]: missing field `id`"),
        (
            json!({"nodes": [], "edges": [{"source": "a"}]}),
            "edges[0]: missing field `sourceHandle`",
        ),
    ] {
        let value: Value = value;
        assert_eq!(Graph::from_json(value).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_bare_graph_keeps_its_id_and_name() {
    let bare = |id: Value| json!({"id": id, "name": "Mine", "nodes": [], "edges": []});
    let workflow = Workflow::from_json(bare(json!("w1")), "file").unwrap();
    assert_eq!((&*workflow.id, &*workflow.name), ("w1", "Mine"));
    let again = Workflow::from_json(serde_json::to_value(&workflow).unwrap(), "other").unwrap();
    assert_eq!(again, workflow);
    for unnamed in [json!(null), json!("")] {
        assert_eq!(Workflow::from_json(bare(unnamed), "file").unwrap().id, "file");
    }
    let error = Workflow::from_json(bare(json!(7)), "file").unwrap_err();
    assert_eq!(error.to_string(), "id must be a text");
}
