//! Branches, streams and loops: what goes in and what comes out.

mod common;

use std::sync::Arc;

use clawnode_workflows::{
    Engine, Graph, NodeLibrary, NodeType, ProblemKind, RunRequest, RunStatus,
};
use clawnode_workflows::{Property, TypeDescriptor, validate};
use common::{finish, graph, results, run};
use serde_json::{Value, json};

/// Streams `items` into a node and gives what comes out of each output.
fn stream(kind: &str, data: Value, items: Value, outputs: &[&str]) -> Value {
    results(streamed(kind, data, items, outputs))
}

fn streamed(kind: &str, data: Value, items: Value, outputs: &[&str]) -> Graph {
    let mut nodes =
        vec![("s", "nodetool.control.Collection", json!({"items": items})), ("n", kind, data)];
    let mut edges = vec!["s.output -> n.input_item".to_owned()];
    for output in outputs {
        nodes.push((output, "nodetool.output.Output", json!({"name": output})));
        edges.push(format!("n.{output} -> {output}.value"));
    }
    graph(&nodes, &edges.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Streams two lists into `left` and `right`.
fn pairs(kind: &str, data: Value, left: Value, right: Value) -> Graph {
    graph(
        &[
            ("l", "nodetool.control.Collection", json!({"items": left})),
            ("r", "nodetool.control.Collection", json!({"items": right})),
            ("n", kind, data),
            ("left", "nodetool.output.Output", json!({"name": "left"})),
            ("right", "nodetool.output.Output", json!({"name": "right"})),
        ],
        &[
            "l.output -> n.left",
            "r.output -> n.right",
            "n.left -> left.value",
            "n.right -> right.value",
        ],
    )
}

fn error_of(graph: Graph) -> String {
    let (_, outcome) = run(graph);
    assert_eq!(outcome.status, RunStatus::Failed);
    outcome.error.expect("a failed run has an error")
}

/// An Output that got nothing reports null.
const NOTHING: [Value; 1] = [Value::Null];

#[test]
fn streams_are_cut_counted_and_told_apart() {
    let letters = json!(["a", "b", "c"]);
    for (kind, data, items, expected) in [
        ("Take", json!({}), &letters, json!({"output": ["a"], "index": [0]})),
        ("Take", json!({"n": 2}), &letters, json!({"output": ["a", "b"], "index": [0, 1]})),
        ("Take", json!({"n": 9}), &json!([null]), json!({"output": [null], "index": [0]})),
        ("Take", json!({"n": 0}), &letters, json!({"output": NOTHING, "index": NOTHING})),
        ("Take", json!({"n": -1}), &letters, json!({"output": NOTHING, "index": NOTHING})),
        ("Drop", json!({}), &letters, json!({"output": ["b", "c"], "index": [0, 1]})),
        ("Drop", json!({"n": 0}), &json!([1]), json!({"output": [1], "index": [0]})),
        ("Drop", json!({"n": -4}), &json!([1]), json!({"output": [1], "index": [0]})),
        ("Drop", json!({"n": 3}), &letters, json!({"output": NOTHING, "index": NOTHING})),
        (
            "Chunk",
            json!({"size": 2}),
            &letters,
            json!({"output": [["a", "b"], ["c"]], "index": [0, 1]}),
        ),
        (
            "Chunk",
            json!({"size": 0}),
            &json!([1, 2]),
            json!({"output": [[1], [2]], "index": [0, 1]}),
        ),
        ("Count", json!({}), &letters, json!({"output": [3]})),
        ("Count", json!({}), &json!([]), json!({"output": [0]})),
        ("Last", json!({}), &letters, json!({"output": ["c"]})),
        ("Last", json!({}), &json!([]), json!({"output": NOTHING})),
        (
            "Distinct",
            json!({}),
            &json!([1, 1.0, "1", [1], [1], null]),
            json!({"output": [1, "1", [1], null]}),
        ),
        (
            "Distinct",
            json!({"key": "item.id"}),
            &json!([{"id": 1, "n": 1}, {"id": 1, "n": 2}, {"n": 3}, {"n": 4}, {"id": null}]),
            json!({"output": [{"id": 1, "n": 1}, {"n": 3}]}),
        ),
        (
            "Distinct",
            json!({"key": "item.tags[1]['a b']"}),
            &json!([{"tags": [0, {"a b": 1}]}, {"tags": [1, {"a b": 1}]}, {"tags": [0, {"a b": 2}]}]),
            json!({"output": [{"tags": [0, {"a b": 1}]}, {"tags": [0, {"a b": 2}]}]}),
        ),
        (
            "Distinct",
            json!({"key": "id"}),
            &json!([{"id": 1}, {"id": 1}]),
            json!({"output": [{"id": 1}]}),
        ),
    ] {
        let outputs: Vec<&str> = expected.as_object().unwrap().keys().map(String::as_str).collect();
        let name = format!("nodetool.control.{kind}");
        assert_eq!(
            stream(&name, data.clone(), items.clone(), &outputs),
            expected,
            "{kind} {data} {items}"
        );
    }
}

#[test]
fn a_key_that_is_no_path_is_refused() {
    for key in ["item.id > 3", "item..id", ".id", "item[x]", "item[0", "item.", "f(item)"] {
        let wrong = streamed("nodetool.control.Distinct", json!({"key": key}), json!([1]), &[]);
        assert_eq!(
            error_of(wrong),
            format!(
                "key {key:?} is not a path into the item; write it as item.id, item.tags[0] or id \
                 (node n, nodetool.control.Distinct)"
            )
        );
    }
}

#[test]
fn two_streams_are_zipped() {
    let kind = "nodetool.control.Zip";
    for (left, right, expected) in [
        (json!([1, 2]), json!(["a", "b"]), json!({"left": [1, 2], "right": ["a", "b"]})),
        (json!([1, 2, 3]), json!(["a"]), json!({"left": [1], "right": ["a"]})),
        (json!([]), json!(["a"]), json!({"left": NOTHING, "right": NOTHING})),
        (json!(["a"]), json!([]), json!({"left": NOTHING, "right": NOTHING})),
    ] {
        assert_eq!(results(pairs(kind, json!({}), left, right)), expected);
    }
}

#[test]
fn two_streams_are_crossed() {
    let kind = "nodetool.control.Cross";
    for (left, right, expected) in [
        (
            json!([1, 2]),
            json!(["a", "b"]),
            json!({"left": [1, 1, 2, 2], "right": ["a", "b", "a", "b"]}),
        ),
        (json!([1, 2]), json!([]), json!({"left": NOTHING, "right": NOTHING})),
    ] {
        assert_eq!(results(pairs(kind, json!({}), left, right)), expected);
    }
    let (four, most) = (json!([1, 2]), json!({"max_output_count": 3}));
    assert_eq!(
        error_of(pairs(kind, most, four.clone(), four.clone())),
        "there are more than 3 pairs; raise max_output_count (node n, nodetool.control.Cross)"
    );
    results(pairs(kind, json!({"max_output_count": 4}), four.clone(), four));
}

#[test]
fn a_switch_forwards_to_one_side() {
    let switch = |data| {
        let nodes = [
            ("n", "nodetool.control.Switch", data),
            ("matched", "nodetool.output.Output", json!({"name": "matched"})),
            ("default", "nodetool.output.Output", json!({"name": "default"})),
            ("index", "nodetool.output.Output", json!({"name": "index"})),
        ];
        let edges =
            ["n.matched -> matched.value", "n.default -> default.value", "n.index -> index.value"];
        results(graph(&nodes, &edges))
    };
    for (value, cases, matched, default, index) in [
        (json!("b"), json!(["a", "b", "b"]), "x", "", 1),
        (json!(1), json!(["1"]), "x", "", 0),
        (json!(true), json!(["yes", "true"]), "x", "", 1),
        (json!({"a": 1}), json!([{"a": 1.0}]), "x", "", 0),
        (json!("B"), json!(["b"]), "", "x", -1),
        (json!(null), json!([]), "", "x", -1),
    ] {
        let given = |side: &str| if side.is_empty() { json!(NOTHING) } else { json!([side]) };
        assert_eq!(
            switch(json!({"value": value, "cases": cases, "input": "x"})),
            json!({"matched": given(matched), "default": given(default), "index": [index]}),
            "{value} {cases}"
        );
    }
}

#[test]
fn a_switch_takes_streams_in_step() {
    let graph = graph(
        &[
            ("v", "nodetool.control.Collection", json!({"items": ["a", "b", "a"]})),
            ("i", "nodetool.control.Collection", json!({"items": [1, 2, 3]})),
            ("n", "nodetool.control.Switch", json!({"cases": ["a"]})),
            ("m", "nodetool.output.Output", json!({"name": "matched"})),
            ("d", "nodetool.output.Output", json!({"name": "default"})),
        ],
        &[
            "v.output -> n.value",
            "i.output -> n.input",
            "n.matched -> m.value",
            "n.default -> d.value",
        ],
    );
    assert_eq!(results(graph), json!({"matched": [1, 3], "default": [2]}));
}

/// A TryCatch with its three outputs; `before` leads to its value over `edges`.
fn tried(before: &[(&str, &str, Value)], data: Value, edges: &[&str]) -> Graph {
    let mut nodes = before.to_vec();
    nodes.push(("t", "nodetool.control.TryCatch", data));
    for output in ["output", "error", "has_error"] {
        nodes.push((output, "nodetool.output.Output", json!({"name": output})));
    }
    let own =
        ["t.output -> output.value", "t.error -> error.value", "t.has_error -> has_error.value"];
    graph(&nodes, &[edges, &own].concat())
}

fn failing() -> (&'static str, &'static str, Value) {
    ("bad", "nodetool.text.FormatText", json!({"template": "{{ x | nofilter }}"}))
}

#[test]
fn a_missing_value_falls_back() {
    let missing = |why: &str| json!({"output": ["f"], "error": [why], "has_error": [true]});
    let given = json!({"output": ["v"], "error": [""], "has_error": [false]});
    let alone = |data| results(tried(&[], data, &[]));
    assert_eq!(alone(json!({"value": "v", "fallback": "f"})), given);
    assert_eq!(alone(json!({"fallback": "f"})), missing("the value is null"));

    let from = |items: Value| {
        let source = [("s", "nodetool.control.Collection", json!({"items": items}))];
        results(tried(&source, json!({"fallback": "f"}), &["s.output -> t.value"]))
    };
    assert_eq!(from(json!(["v"])), given);
    assert_eq!(from(json!([])), missing("no value came"));
    assert_eq!(
        from(json!([1, null, 2])),
        json!({
            "output": [1, "f", 2],
            "error": ["", "the value is null", ""],
            "has_error": [false, true, false],
        })
    );
}

#[test]
fn a_failure_that_leads_only_to_a_try_is_caught() {
    let between = ("join", "nodetool.text.Concat", json!({"b": "!"}));
    let shown = ("p", "nodetool.workflows.base_node.Preview", json!({}));
    let graph = tried(
        &[failing(), between, shown],
        json!({"fallback": "f"}),
        &["bad.output -> join.a", "join.output -> t.value", "bad.output -> p.value"],
    );
    let (events, outcome) = run(graph);
    assert_eq!((outcome.status, &outcome.error), (RunStatus::Completed, &None));
    assert_eq!(outcome.outputs["output"], [json!("f")]);
    assert_eq!(outcome.outputs["has_error"], [json!(true)]);
    let error = outcome.outputs["error"][0].as_str().unwrap();
    assert!(
        error.contains("nofilter") && error.ends_with("(node bad, nodetool.text.FormatText)"),
        "{error}"
    );
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.data["status"] == "error")
        .map(|event| {
            (event.data["node_id"].as_str().unwrap(), event.data["error"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.contains(&("join", &format!("an earlier node failed: {error}"))), "{told:?}");
}

#[test]
fn what_was_given_before_a_failure_is_passed_on() {
    // The third element is of the wrong type for the text that Concat takes.
    let before = [
        ("s", "nodetool.control.Collection", json!({"items": ["a", "b", {"c": 1}, "d"]})),
        ("n", "nodetool.text.Concat", json!({"b": "!"})),
    ];
    let graph =
        tried(&before, json!({"fallback": "f"}), &["s.output -> n.a", "n.output -> t.value"]);
    assert_eq!(
        results(graph),
        json!({
            "output": ["a!", "b!", "f"],
            "error": ["", "", "property a expects str but got dict (node n, nodetool.text.Concat)"],
            "has_error": [false, false, true],
        })
    );
}

#[test]
fn a_failure_that_could_reach_a_result_fails_the_run() {
    let output = ("o", "nodetool.output.Output", json!({"name": "r"}));
    let graph = tried(
        &[failing(), output],
        json!({"fallback": "f"}),
        &["bad.output -> t.value", "bad.output -> o.value"],
    );
    assert!(error_of(graph).contains("nofilter"));

    let as_fallback = tried(&[failing()], json!({"value": 1}), &["bad.output -> t.fallback"]);
    assert!(error_of(as_fallback).contains("nofilter"));
}

/// Counts from 0 in steps of 1 while the sum is less than `end`.
fn counting(data: Value, end: i64) -> Graph {
    graph(&counting_nodes(data, end), COUNTING)
}

fn counting_nodes(data: Value, end: i64) -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("loop", "nodetool.control.Loop", data),
        ("add", "test.Add", json!({"b": 1})),
        ("less", "nodetool.boolean.Compare", json!({"b": end, "comparison": "<"})),
        ("o", "nodetool.output.Output", json!({"name": "r"})),
        ("i", "nodetool.output.Output", json!({"name": "i"})),
    ]
}

const COUNTING: &[&str] = &[
    "loop.value -> add.a",
    "add.output -> loop.next",
    "add.output -> less.a",
    "less.output -> loop.condition",
    "loop.done -> o.value",
    "loop.index -> i.value",
];

/// The standard library and a node that adds.
fn library() -> NodeLibrary {
    #[derive(serde::Deserialize)]
    struct Add {
        a: i64,
        b: i64,
    }
    let mut library = NodeLibrary::standard();
    library.register(
        NodeType::new("test.Add", "Add", "")
            .property(Property::int("a", 0))
            .property(Property::int("b", 0))
            .output("output", TypeDescriptor::int())
            .compute(|p: Add| Ok(p.a + p.b)),
    );
    library
}

fn looped(graph: Graph) -> (Value, Vec<String>) {
    let run = Engine::new(Arc::new(library())).run(RunRequest::new("job", graph));
    let (events, outcome) = finish(run.unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(outcome.error, None);
    let logs = events.iter().filter(|event| event.update_type == "log_update");
    let logs = logs.map(|event| event.data["content"].as_str().unwrap().to_owned()).collect();
    (json!(outcome.outputs), logs)
}

#[test]
fn a_loop_repeats_its_body_while_its_condition_is_true() {
    for (data, end, result, passes) in [
        (json!({"initial": 0}), 3, 3, 3),
        (json!({"initial": 7}), 3, 8, 1),
        (json!({"initial": 0, "max_iterations": 100}), 50, 50, 50),
    ] {
        let (outputs, logs) = looped(counting(data, end));
        let index: Vec<i64> = (0..passes).collect();
        assert_eq!(outputs, json!({"r": [result], "i": index}));
        assert_eq!(logs, Vec::<String>::new());
    }
}

#[test]
fn a_loop_that_would_not_end_is_ended() {
    let (outputs, logs) = looped(counting(json!({"initial": 0, "max_iterations": 4}), 1_000_000));
    assert_eq!(outputs["r"], json!([4]));
    assert_eq!(logs, ["the loop ends after 4 iterations, with its condition still true"]);
    let (outputs, _) = looped(counting(json!({"initial": 0, "max_iterations": -1}), 1_000_000));
    assert_eq!(outputs["r"], json!([1]));
    // Ten is the default.
    let (outputs, _) = looped(counting(json!({"initial": 0}), 1_000_000));
    assert_eq!(outputs["r"], json!([10]));
}

#[test]
fn the_iterations_of_a_loop_are_bounded() {
    let most = clawnode_workflows::limits::MAX_ITERATIONS;
    let passes = |most: u64| {
        let data = json!({"initial": 0, "max_iterations": most});
        let graph = graph(
            &[
                ("loop", "nodetool.control.Loop", data),
                ("o", "nodetool.output.Output", json!({"name": "r"})),
            ],
            &["loop.value -> loop.next", "loop.index -> o.value"],
        );
        run(graph).1
    };
    assert_eq!(passes(most).outputs["r"].len() as u64, most);
    assert_eq!(
        passes(most + 1).error.unwrap(),
        "max_iterations is 100001; the most is 100000, do more than that inside of a node \
         (node loop, nodetool.control.Loop)"
    );
}

#[test]
fn a_loop_without_a_condition_makes_all_iterations() {
    let mut graph = counting(json!({"initial": 0, "max_iterations": 5}), 0);
    graph.edges.retain(|edge| edge.target_handle != "condition");
    let (outputs, logs) = looped(graph);
    assert_eq!(outputs["r"], json!([5]));
    assert_eq!(logs, Vec::<String>::new());
}

#[test]
fn a_loop_takes_initial_values_one_after_the_other() {
    let mut nodes = counting_nodes(json!({}), 3);
    nodes.push(("s", "nodetool.control.Collection", json!({"items": [0, 5, 1]})));
    let (outputs, _) = looped(graph(&nodes, &[COUNTING, &["s.output -> loop.initial"]].concat()));
    assert_eq!(outputs, json!({"r": [3, 6, 3], "i": [0, 1, 2, 0, 0, 1]}));
}

#[test]
fn several_edges_through_a_body_give_one_value_back() {
    // Both inputs of the addition come from the loop: 0+0, 0+1, 1+2, 3+3.
    let graph = graph(
        &[
            ("loop", "nodetool.control.Loop", json!({"initial": 0, "max_iterations": 4})),
            ("add", "test.Add", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &[
            "loop.value -> add.a",
            "loop.index -> add.b",
            "add.output -> loop.next",
            "loop.done -> o.value",
        ],
    );
    assert_eq!(looped(graph).0, json!({"r": [6]}));
}

#[test]
fn what_enters_a_body_from_outside_is_the_same_in_every_pass() {
    // An If gives a stream of one value; adding it takes as many passes as the loop makes.
    let graph = graph(
        &[
            ("if", "nodetool.control.If", json!({"condition": true, "value": 5})),
            ("loop", "nodetool.control.Loop", json!({"initial": 0, "max_iterations": 4})),
            ("add", "test.Add", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &[
            "if.if_true -> add.b",
            "loop.value -> add.a",
            "add.output -> loop.next",
            "loop.done -> o.value",
        ],
    );
    assert_eq!(looped(graph).0, json!({"r": [20]}));
}

#[test]
fn loops_nest() {
    // The inner loop adds 1 twice, the outer one repeats that three times.
    let graph = graph(
        &[
            ("outer", "nodetool.control.Loop", json!({"initial": 0, "max_iterations": 3})),
            ("inner", "nodetool.control.Loop", json!({"max_iterations": 2})),
            ("add", "test.Add", json!({"b": 1})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &[
            "outer.value -> inner.initial",
            "inner.value -> add.a",
            "add.output -> inner.next",
            "inner.done -> outer.next",
            "outer.done -> o.value",
        ],
    );
    assert_eq!(looped(graph).0, json!({"r": [6]}));
}

#[test]
fn a_body_that_gives_nothing_back_ends_the_loop_without_a_result() {
    // The branch that leaves the loop does not feed it.
    let leaving = graph(
        &[
            ("loop", "nodetool.control.Loop", json!({"initial": 0})),
            ("add", "test.Add", json!({"b": 1})),
            ("less", "nodetool.boolean.Compare", json!({"b": 3, "comparison": "<"})),
            ("if", "nodetool.control.If", json!({})),
            ("left", "nodetool.output.Output", json!({"name": "left"})),
            ("done", "nodetool.output.Output", json!({"name": "done"})),
        ],
        &[
            "loop.value -> add.a",
            "add.output -> less.a",
            "add.output -> if.value",
            "less.output -> if.condition",
            "if.if_true -> loop.next",
            "if.if_false -> left.value",
            "loop.done -> done.value",
        ],
    );
    let (outputs, logs) = looped(leaving);
    assert_eq!(outputs, json!({"left": [3], "done": NOTHING}));
    assert_eq!(
        logs,
        ["the loop ends without a result: nothing came back to next in iteration 2, because a \
          branch ended or a node waits for the end of the stream"]
    );

    let gathering = graph(
        &[
            ("loop", "nodetool.control.Loop", json!({"initial": 1})),
            ("all", "nodetool.control.Collect", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &["loop.value -> all.input_item", "all.output -> loop.next", "all.output -> o.value"],
    );
    let (outputs, logs) = looped(gathering);
    assert_eq!(outputs, json!({"r": [[1]]}));
    assert_eq!(logs.len(), 1);
}

#[test]
fn a_loop_without_a_body_says_so() {
    let alone = graph(&[("loop", "nodetool.control.Loop", json!({}))], &[]);
    assert_eq!(
        error_of(alone),
        "nothing leads back; connect the result of the body to next (node loop, nodetool.control.Loop)"
    );
}

#[test]
fn a_failure_in_a_body_is_the_failure_of_the_loop() {
    let body = |edges: &[&str]| {
        let nodes = [
            ("loop", "nodetool.control.Loop", json!({"initial": "a", "max_iterations": 3})),
            ("bad", "nodetool.text.FormatText", json!({"template": "{{ x | nofilter }}"})),
            ("t", "nodetool.control.TryCatch", json!({"fallback": "f"})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ];
        let mut graph = graph(&nodes, edges);
        graph.nodes[1].dynamic_properties.insert("x".to_owned(), json!(""));
        run(graph).1
    };
    let fails = body(&["loop.value -> bad.x", "bad.output -> loop.next", "loop.done -> o.value"]);
    assert!(fails.error.unwrap().contains("(node bad, nodetool.text.FormatText)"));
    let caught = body(&[
        "loop.value -> bad.x",
        "bad.output -> loop.next",
        "loop.done -> t.value",
        "t.output -> o.value",
    ]);
    assert_eq!((caught.error, &caught.outputs["r"][..]), (None, &[json!("f")][..]));
}

#[test]
fn only_what_leads_back_to_a_loop_may_close_a_cycle() {
    let judged = |graph: &Graph| {
        let errors = validate(graph, &library()).errors;
        errors.into_iter().map(|problem| (problem.kind, problem.message)).collect::<Vec<_>>()
    };
    assert_eq!(judged(&counting(json!({}), 3)), []);

    let mut elsewhere = counting(json!({}), 3);
    for edge in elsewhere.edges.iter_mut().filter(|edge| edge.target_handle == "next") {
        edge.target_handle = "initial".to_owned();
    }
    assert_eq!(judged(&elsewhere)[0].0, ProblemKind::Cycle);

    // A stream in the body, and one that runs into it.
    for (edge, target) in [("make.output -> add.a", "make"), ("make.output -> add.b", "none")] {
        let mut nodes = counting_nodes(json!({}), 3);
        nodes.push(("make", "nodetool.control.Collection", json!({"items": [1]})));
        let mut edges: Vec<&str> = COUNTING.to_vec();
        if target == "make" {
            edges.retain(|edge| *edge != "loop.value -> add.a");
            edges.push("loop.value -> make.items");
        }
        edges.push(edge);
        let errors = judged(&graph(&nodes, &edges));
        assert!(!errors.is_empty());
        for (kind, message) in errors {
            assert_eq!(kind, ProblemKind::LoopBody);
            assert!(message.contains("several values for one pass of the loop"), "{message}");
        }
    }
}

#[test]
fn the_loops_of_a_graph_are_bounded() {
    let most = clawnode_workflows::limits::MAX_LOOPS;
    let loops = |count: usize| {
        let ids: Vec<String> = (0..count).map(|index| format!("l{index}")).collect();
        let nodes: Vec<_> =
            ids.iter().map(|id| (id.as_str(), "nodetool.control.Loop", json!({}))).collect();
        validate(&graph(&nodes, &[]), &NodeLibrary::standard()).errors
    };
    assert_eq!(loops(most), []);
    assert_eq!(loops(most + 1)[0].message, "the graph has 101 loops; the most is 100");
}

#[test]
fn what_distinct_remembers_is_bounded() {
    let most = clawnode_workflows::limits::MAX_DISTINCT_BYTES;
    // 64 texts of one MiB each, with their quotes and what an entry takes besides.
    let text = |index: usize| format!("{index:02}") + &"x".repeat(most / 64 - 52);
    let texts = || (0..64).map(|index| json!(text(index))).collect::<Value>();
    let kind = "nodetool.control.Distinct";
    let at_the_bound = run(streamed(kind, json!({}), texts(), &[])).1;
    assert_eq!(at_the_bound.error, None);
    let mut one_more = texts();
    one_more[0] = json!(text(0) + "0");
    let outcome = run(streamed(kind, json!({}), one_more, &[])).1;
    assert!(outcome.error.unwrap().contains("set key to a small part of them"));
}
