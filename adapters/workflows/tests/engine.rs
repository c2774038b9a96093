//! The engine's promises: failure, cancelling, backpressure, sync modes, limits.

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use clawnode_workflows::{
    Edge, Engine, Graph, Inputs, Node, NodeContext, NodeError, NodeLibrary, NodeType, Property,
    Run, RunRequest, RunStatus, Severity, SyncMode, TypeDescriptor,
    limits::{EDGE_BUFFER, EVENT_BUFFER, MAX_EDGE_BUFFER, MAX_OUTPUT_VALUES, POLL_BUDGET},
};
use common::{engine, finish, graph, results, run, start, transcript};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Empty {}

#[derive(Deserialize)]
struct One {
    value: Value,
}

fn start_with(nodes: Vec<NodeType>, graph: Graph) -> Run {
    let mut library = NodeLibrary::standard();
    for node in nodes {
        library.register(node);
    }
    let engine = Engine::new(Arc::new(library));
    engine.run(RunRequest::new("job", graph)).unwrap_or_else(|error| panic!("{error}"))
}

/// Passes its value on, but fails on `3`.
fn picky() -> NodeType {
    NodeType::new("test.Picky", "Picky", "Fails on 3.")
        .property(Property::any("value"))
        .output("output", TypeDescriptor::any())
        .compute(
            |p: One| if p.value == 3 { Err(NodeError::from("no 3, please")) } else { Ok(p.value) },
        )
}

/// Gives the numbers up to `count`.
fn count(count: u64, sent: Arc<AtomicUsize>) -> NodeType {
    NodeType::new("test.Count", "Count", "Counts.")
        .output("output", TypeDescriptor::int())
        .generate(move |_: Empty, context: NodeContext| {
            let sent = Arc::clone(&sent);
            async move {
                for number in 0..count {
                    context.emit("output", Value::from(number)).await;
                    sent.fetch_add(1, SeqCst);
                }
                Ok(())
            }
        })
}

/// Takes what comes and gives how much it was.
fn sink(taken: Arc<AtomicUsize>) -> NodeType {
    NodeType::new("test.Sink", "Sink", "Takes.")
        .property(Property::any("value"))
        .output("output", TypeDescriptor::int())
        .stream(&["value"], move |_: Empty, mut inputs: Inputs, context: NodeContext| {
            let taken = Arc::clone(&taken);
            async move {
                let mut number = 0_u64;
                while inputs.next("value").await?.is_some() {
                    number += 1;
                    taken.fetch_add(1, SeqCst);
                }
                context.emit("output", Value::from(number)).await;
                Ok(())
            }
        })
        .gathers()
}

#[test]
fn a_failure_keeps_the_outputs_before_it() {
    let graph = graph(
        &[
            ("l", "nodetool.control.Collection", json!({"items": [1, 2, 3, 4]})),
            ("p", "test.Picky", json!({})),
            ("c", "nodetool.control.Collect", json!({})),
            ("each", "nodetool.output.Output", json!({"name": "each"})),
            ("all", "nodetool.output.Output", json!({"name": "all"})),
        ],
        &[
            "l.output -> p.value",
            "p.output -> each.value",
            "p.output -> c.input_item",
            "c.output -> all.value",
        ],
    );
    let (events, outcome) = finish(start_with(vec![picky()], graph));
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!(outcome.error.as_deref(), Some("no 3, please (node p, test.Picky)"));
    assert_eq!(json!(outcome.outputs), json!({"each": [1, 2]}));
    insta::assert_snapshot!(transcript(&events[events.len() - 3..]), @r#"
node_update running p properties(value=3)
node_update error p no 3, please
job_update failed result(each=[1,2]) no 3, please (node p, test.Picky)
"#);
    let result = outcome.to_result();
    assert_eq!(result["status"], "failed");
    assert_eq!(result["result"], json!({"each": [1, 2]}));
}

#[test]
fn a_panic_in_a_node_fails_the_run() {
    let node = NodeType::new("test.Panic", "Panic", "Panics.")
        .compute(|_: Empty| -> Result<Value, NodeError> { panic!("out of range") });
    let (_, outcome) =
        finish(start_with(vec![node], graph(&[("n", "test.Panic", json!({}))], &[])));
    assert_eq!(
        outcome.error.as_deref(),
        Some("the node stopped unexpectedly: out of range (node n, test.Panic)")
    );
}

/// A node that waits for ever, and says when it is dropped.
fn waiting(dropped: Arc<AtomicBool>) -> NodeType {
    struct SetOnDrop(Arc<AtomicBool>);
    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    NodeType::new("test.Wait", "Wait", "Waits.").output("output", TypeDescriptor::any()).process(
        move |_: Empty, _: NodeContext| {
            let guard = SetOnDrop(Arc::clone(&dropped));
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
                Ok(Value::Null)
            }
        },
    )
}

fn waiting_run(dropped: &Arc<AtomicBool>) -> Run {
    let nodes = [
        ("w", "test.Wait", json!({})),
        ("s", "nodetool.constant.String", json!({"value": "early"})),
        ("o", "nodetool.output.Output", json!({"name": "r"})),
        ("o2", "nodetool.output.Output", json!({"name": "early"})),
    ];
    let graph = graph(&nodes, &["w.output -> o.value", "s.output -> o2.value"]);
    start_with(vec![waiting(Arc::clone(dropped))], graph)
}

fn poll_until_pending(run: &mut Run) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut events = 0;
    while let Poll::Ready(Some(_)) = run.poll_next_event(&mut cx) {
        events += 1;
    }
    events
}

#[test]
fn dropping_a_run_drops_its_nodes() {
    let dropped = Arc::new(AtomicBool::new(false));
    let mut run = waiting_run(&dropped);
    assert!(poll_until_pending(&mut run) > 3);
    assert!(run.outcome().is_none());
    assert!(!dropped.load(SeqCst));
    drop(run);
    assert!(dropped.load(SeqCst));
}

#[test]
fn a_cancelled_run_says_so_and_ends() {
    let dropped = Arc::new(AtomicBool::new(false));
    let mut run = waiting_run(&dropped);
    poll_until_pending(&mut run);
    run.cancel();
    assert!(dropped.load(SeqCst));
    run.cancel();
    let (events, outcome) = finish(run);
    insta::assert_snapshot!(transcript(&events), @r#"
job_update cancelled result(early=["early"])
"#);
    assert_eq!(outcome.status, RunStatus::Cancelled);
    assert_eq!(outcome.error, None);
    assert_eq!(json!(outcome.outputs), json!({"early": ["early"]}));

    let mut unstarted = waiting_run(&dropped);
    unstarted.cancel();
    assert_eq!(finish(unstarted).0.len(), 1);
}

#[test]
fn a_failure_does_not_wait_for_other_branches() {
    let dropped = Arc::new(AtomicBool::new(false));
    let nodes = [
        ("w", "test.Wait", json!({})),
        ("v", "nodetool.constant.Integer", json!({"value": 3})),
        ("p", "test.Picky", json!({})),
    ];
    let graph = graph(&nodes, &["v.output -> p.value"]);
    let (_, outcome) = finish(start_with(vec![picky(), waiting(Arc::clone(&dropped))], graph));
    assert_eq!(outcome.status, RunStatus::Failed);
    assert!(dropped.load(SeqCst));
}

#[test]
fn a_long_stream_needs_little_memory() {
    const COUNT: usize = 100_000;
    let (sent, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let nodes = vec![count(COUNT as u64, Arc::clone(&sent)), sink(Arc::clone(&taken))];
    let graph = graph(
        &[
            ("c", "test.Count", json!({})),
            ("r", "nodetool.control.Reroute", json!({})),
            ("s", "test.Sink", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "count"})),
        ],
        &["c.output -> r.input_value", "r.output -> s.value", "s.output -> o.value"],
    );
    let mut run = start_with(nodes, graph);
    let mut cx = Context::from_waker(Waker::noop());
    let mut most = 0;
    while let Poll::Ready(Some(_)) | Poll::Pending = run.poll_next_event(&mut cx) {
        most = most.max(sent.load(SeqCst) - taken.load(SeqCst));
    }
    assert_eq!(json!(run.outcome().unwrap().outputs), json!({"count": [COUNT]}));
    assert!(most <= 2 * EDGE_BUFFER + 2, "{most} values were under way");
}

#[test]
fn as_many_values_as_the_bound_wait_at_an_input_and_the_sender_of_one_more_waits_too() {
    let sent = Arc::new(AtomicUsize::new(0));
    let stuck = NodeType::new("test.Stuck", "Stuck", "Takes a value and never another.")
        .property(Property::any("value"))
        .process(|_: One, _: NodeContext| std::future::pending::<Result<Value, NodeError>>());
    let nodes = [("c", "test.Count", json!({})), ("s", "test.Stuck", json!({}))];
    let graph = graph(&nodes, &["c.output -> s.value"]);
    let mut run = start_with(vec![count(100, Arc::clone(&sent)), stuck], graph);
    poll_until_pending(&mut run);
    // One more is in the hands of the node that never lets go of it.
    assert_eq!(sent.load(SeqCst), EDGE_BUFFER + 1);
}

#[test]
fn a_run_stands_still_while_nobody_asks() {
    let sent = Arc::new(AtomicUsize::new(0));
    let graph = graph(&[("c", "test.Count", json!({}))], &[]);
    let mut run = start_with(vec![count(10, Arc::clone(&sent))], graph);
    assert_eq!(sent.load(SeqCst), 0);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(run.poll_next_event(&mut cx).is_ready());
    assert_eq!(sent.load(SeqCst), 0);
}

#[test]
fn an_endless_stream_lets_its_host_work() {
    let endless = || count(u64::MAX, Arc::default());
    for edges in [&[][..], &["c.output -> p.value"]] {
        let nodes = [
            ("c", "test.Count", json!({})),
            ("p", "nodetool.workflows.base_node.Preview", json!({})),
        ];
        let mut run = start_with(vec![endless()], graph(&nodes, edges));
        let mut cx = Context::from_waker(Waker::noop());
        let mut most = 0;
        for _ in 0..100 {
            let mut ready = 0;
            while run.poll_next_event(&mut cx).is_ready() {
                ready += 1;
                assert!(ready <= POLL_BUDGET, "no pause after {ready} events");
            }
            most = most.max(ready);
        }
        if !edges.is_empty() {
            // Each event takes about one step to come about, and both count.
            assert!(most >= POLL_BUDGET / 2, "a pause after {most} events already");
        }
    }
}

#[test]
fn an_output_keeps_a_bounded_number_of_values() {
    for (number, status) in
        [(MAX_OUTPUT_VALUES, RunStatus::Completed), (MAX_OUTPUT_VALUES + 1, RunStatus::Failed)]
    {
        let graph = graph(
            &[
                ("c", "test.Count", json!({})),
                ("o", "nodetool.output.Output", json!({"name": "r"})),
            ],
            &["c.output -> o.value"],
        );
        let (_, outcome) = finish(start_with(vec![count(number as u64, Arc::default())], graph));
        assert_eq!(outcome.status, status);
        assert_eq!(outcome.outputs["r"].len(), MAX_OUTPUT_VALUES);
    }
}

#[test]
fn a_stream_that_also_goes_through_a_collect_does_not_block() {
    let found = results(graph(
        &[
            ("l", "nodetool.control.Collection", json!({"items": (0..50).collect::<Vec<_>>()})),
            ("c", "nodetool.control.Collect", json!({})),
            ("f", "nodetool.text.FormatText", json!({"template": "{{ i }}/{{ all|length }}"})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &[
            "l.output -> f.i",
            "l.output -> c.input_item",
            "c.output -> f.all",
            "f.output -> o.value",
        ],
    ));
    let expected: Vec<String> = (0..50).map(|number| format!("{number}/50")).collect();
    assert_eq!(found, json!({"r": expected}));
}

/// A stream of `number` values that one node gets directly and through a `Collect`.
fn detour(number: usize) -> RunStatus {
    #[derive(Deserialize)]
    struct Pair {}
    let pair = NodeType::new("test.Pair", "Pair", "Takes two.")
        .property(Property::any("a"))
        .property(Property::any("b"))
        .compute(|_: Pair| Ok(Value::Null));
    let graph = graph(
        &[
            ("c", "test.Count", json!({})),
            ("s", "test.Sink", json!({})),
            ("p", "test.Pair", json!({})),
        ],
        &["c.output -> p.a", "c.output -> s.value", "s.output -> p.b"],
    );
    let nodes = vec![count(number as u64, Arc::default()), sink(Arc::default()), pair];
    let mut run = start_with(nodes, graph);
    let mut cx = Context::from_waker(Waker::noop());
    while !matches!(run.poll_next_event(&mut cx), Poll::Ready(None)) {}
    let outcome = run.into_outcome().unwrap();
    if let Some(error) = &outcome.error {
        assert!(error.contains("100000 values wait at property a"), "{error}");
    }
    outcome.status
}

#[test]
fn a_buffer_grows_to_its_limit_and_no_further() {
    // One more than the buffer holds, since the node takes the first value at once.
    assert_eq!(detour(MAX_EDGE_BUFFER + 1), RunStatus::Completed);
    assert_eq!(detour(MAX_EDGE_BUFFER + 2), RunStatus::Failed);
}

#[test]
fn waiting_events_are_bounded() {
    let logged = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&logged);
    let node =
        NodeType::new("test.Log", "Log", "Logs.").process(move |_: Empty, context: NodeContext| {
            let counter = Arc::clone(&counter);
            async move {
                for _ in 0..1_000 {
                    context.log(Severity::Info, "line").await;
                    counter.fetch_add(1, SeqCst);
                }
                Ok(Value::Null)
            }
        });
    let mut run = start_with(vec![node], graph(&[("l", "test.Log", json!({}))], &[]));
    let mut cx = Context::from_waker(Waker::noop());
    let (mut taken, mut most) = (0, 0);
    loop {
        let polled = run.poll_next_event(&mut cx);
        // The one just taken waited too.
        most = most.max(logged.load(SeqCst) - taken);
        match polled {
            Poll::Ready(None) => break,
            Poll::Ready(Some(event)) => taken += usize::from(format!("{event:?}").contains("line")),
            Poll::Pending => {}
        }
    }
    assert_eq!(most, EVENT_BUFFER, "so many wait, and not one more");
    assert_eq!(logged.load(SeqCst), 1_000);
}

#[test]
fn a_failed_run_ends_even_if_something_downstream_goes_on_for_ever() {
    let endless = NodeType::new("test.Endless", "Endless", "Repeats.")
        .property(Property::any("value"))
        .output("output", TypeDescriptor::any())
        .generate(|_: One, context: NodeContext| async move {
            loop {
                context.emit("output", Value::Null).await;
            }
        });
    let graph = graph(
        &[
            ("l", "nodetool.control.Collection", json!({"items": [1, 2, 3]})),
            ("p", "test.Picky", json!({})),
            ("e", "test.Endless", json!({})),
        ],
        &["l.output -> p.value", "p.output -> e.value"],
    );
    let (_, outcome) = finish(start_with(vec![picky(), endless], graph));
    assert_eq!(outcome.status, RunStatus::Failed);
}

#[test]
fn a_node_runs_once_when_nothing_streams() {
    // The second input comes over a longer way than the first.
    let found = results(graph(
        &[
            ("a", "nodetool.constant.String", json!({"value": "a"})),
            ("b1", "nodetool.control.Reroute", json!({})),
            ("b2", "nodetool.control.Reroute", json!({})),
            ("x", "nodetool.text.Concat", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &[
            "a.output -> x.a",
            "a.output -> b1.input_value",
            "b1.output -> b2.input_value",
            "b2.output -> x.b",
            "x.output -> o.value",
        ],
    ));
    assert_eq!(found, json!({"r": ["aa"]}));
}

fn two_streams(mode: SyncMode) -> Value {
    let mut graph = graph(
        &[
            ("l", "nodetool.constant.List", json!({"value": ["a", "b", "c"]})),
            ("e", "nodetool.control.ForEach", json!({})),
            ("s", "nodetool.constant.String", json!({"value": "-"})),
            ("f", "nodetool.text.FormatText", json!({"template": "{{ i }}{{ s }}{{ v }}"})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &[
            "l.output -> e.input_list",
            "e.output -> f.v",
            "e.index -> f.i",
            "s.output -> f.s",
            "f.output -> o.value",
        ],
    );
    graph.nodes[3].sync_mode = mode;
    results(graph)["r"].clone()
}

#[test]
fn on_any_runs_for_each_value_with_the_latest_of_the_others() {
    assert_eq!(two_streams(SyncMode::OnAny), json!(["0-a", "0-b", "1-b", "1-c", "2-c"]));
}

#[test]
fn zip_all_runs_for_each_pair() {
    assert_eq!(two_streams(SyncMode::ZipAll), json!(["0-a", "1-b", "2-c"]));
}

#[test]
fn several_edges_into_a_list_are_gathered() {
    let found = results(graph(
        &[
            ("a", "nodetool.constant.Integer", json!({"value": 1})),
            ("b", "nodetool.constant.List", json!({"value": [2, 3]})),
            ("s", "nodetool.control.Collection", json!({})),
            ("c", "nodetool.control.Collect", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &[
            "a.output -> s.items",
            "b.output -> s.items",
            "s.output -> c.input_item",
            "c.output -> o.value",
        ],
    ));
    assert_eq!(found, json!({"r": [[1, 2, 3]]}));
}

#[test]
fn a_single_element_fits_a_list() {
    let found = results(graph(
        &[
            ("a", "nodetool.constant.Integer", json!({"value": 1})),
            ("s", "nodetool.control.ForEach", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &["a.output -> s.input_list", "s.output -> o.value"],
    ));
    assert_eq!(found, json!({"r": [1]}));
}

#[test]
fn a_connected_setting_reaches_a_streaming_node() {
    let found = results(graph(
        &[
            ("l", "nodetool.control.Collection", json!({"items": [1, 2, 3, 4, 5]})),
            ("n", "nodetool.input.IntegerInput", json!({"name": "size", "value": 2})),
            ("c", "nodetool.control.Chunk", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &["l.output -> c.input_item", "n.output -> c.size", "c.output -> o.value"],
    ));
    assert_eq!(found, json!({"r": [[1, 2], [3, 4], [5]]}));
}

#[test]
fn bounds_that_a_graph_states_bind_its_parameters() {
    let refused = |kind: &str, data: Value, value: Value| {
        let mut data = data;
        data["name"] = json!("n");
        let graph = graph(
            &[("i", kind, data), ("o", "nodetool.output.Output", json!({"name": "r"}))],
            &["i.output -> o.value"],
        );
        let mut request = RunRequest::new("job", graph);
        request.params.insert("n".into(), value);
        engine().run(request).err().map(|invalid| invalid.report.to_string())
    };
    let (int, float) = ("nodetool.input.IntegerInput", "nodetool.input.FloatInput");
    for (kind, data, value, said) in [
        (int, json!({"min": -40, "max": 60}), json!(61), "must be from -40 to 60 but is 61"),
        (int, json!({"min": 0, "max": 10}), json!(-1), "must be from 0 to 10 but is -1"),
        (float, json!({"min": 0.5}), json!(0.25), "must be at least 0.5 but is 0.25"),
        (float, json!({"max": 1}), json!(1.5), "must be at most 1 but is 1.5"),
    ] {
        let error = refused(kind, data.clone(), value.clone()).unwrap();
        assert_eq!(error, format!("parameter \"n\" (node i) {said}"), "{data} {value}");
    }
    for (kind, data, value) in [
        (int, json!({"min": -40, "max": 60}), json!(60)),
        (int, json!({"min": -40, "max": 60}), json!(-40)),
        (int, json!({}), json!(-1)),
        (int, json!({}), json!(100_000)),
        (float, json!({"min": 0, "max": 99_999}), json!(-1)),
        (float, json!({"min": null}), json!(-1)),
    ] {
        assert_eq!(refused(kind, data.clone(), value.clone()), None, "{data} {value}");
    }
}

#[test]
fn parameters_replace_the_values_of_inputs() {
    let request = |params: Value| {
        let nodes = [
            ("i", "nodetool.input.IntegerInput", json!({"name": "n", "value": 1})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ];
        let mut request = RunRequest::new("job", graph(&nodes, &["i.output -> o.value"]));
        request.params = params.as_object().unwrap().clone();
        common::engine().run(request)
    };
    let (events, outcome) = finish(request(json!({"n": 5.0, "m": 6})).unwrap());
    assert_eq!(json!(outcome.outputs), json!({"r": [5]}));
    assert_eq!(events[1].update_type, "log_update");
    assert_eq!(events[1].data["severity"], "warning");
    assert!(events[1].data["content"].as_str().unwrap().contains("\"m\""));
    let error = request(json!({"n": "five"})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the graph cannot run: parameter \"n\" (node i) expects int but got str (\"five\")"
    );
}

#[test]
fn what_a_node_emits_before_it_returns_goes_first_and_is_shown_at_its_end() {
    let node = NodeType::new("test.Early", "Early", "Gives some values early.")
        .output("output", TypeDescriptor::any())
        .output("early", TypeDescriptor::any())
        .process(|_: Empty, context: NodeContext| async move {
            context.emit("output", json!(1)).await;
            context.emit("early", json!("a")).await;
            context.log(Severity::Info, "given").await;
            Ok(json!(2))
        });
    let nodes =
        [("e", "test.Early", json!({})), ("o", "nodetool.output.Output", json!({"name": "o"}))];
    let (events, outcome) = finish(start_with(vec![node], graph(&nodes, &["e.output -> o.value"])));
    insta::assert_snapshot!(transcript(&events), @r#"
job_update running
node_update running e
node_update running o
edge_update message_sent e.output-o.value 1
log_update e info given
node_update completed e result(early="a" output=2)
edge_update message_sent e.output-o.value 2
edge_update drained e.output-o.value 2
output_update o o 1
output_update o o 2
node_update completed o result(output=2)
job_update completed result(o=[1,2])
"#);
    assert_eq!(outcome.to_result()["result"], json!({"o": [1, 2]}));
}

#[test]
fn nodes_can_report_and_save() {
    let node = NodeType::new("test.Talk", "Talk", "Talks.").process(
        |_: Empty, context: NodeContext| async move {
            context.log(Severity::Info, "begin").await;
            context.progress(1, 2).await;
            context.save("file.txt", Arc::new(json!("text"))).await?;
            context
                .report("notification", json!({"content": "c"}).as_object().unwrap().clone())
                .await;
            Ok(json!(null))
        },
    );
    let (events, outcome) =
        finish(start_with(vec![node], graph(&[("t", "test.Talk", json!({}))], &[])));
    insta::assert_snapshot!(transcript(&events), @r#"
job_update running
node_update running t
log_update t info begin
node_progress t
save_update t file.txt text
notification t c
node_update completed t result(output=null)
job_update completed
"#);
    assert_eq!(outcome.to_result()["save"], json!({"file.txt": ["text"]}));
    let keys: Vec<_> = events.iter().filter_map(|event| event.coalesce_key()).collect();
    assert_eq!(keys, ["node_progress:t"]);
}

#[test]
fn large_values_stay_out_of_node_updates() {
    let (events, outcome) = run(graph(
        &[
            ("s", "nodetool.constant.String", json!({"value": "x".repeat(20_000)})),
            ("c", "nodetool.text.Concat", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ],
        &["s.output -> c.a", "c.output -> o.value"],
    ));
    assert_eq!(outcome.outputs["r"][0].as_str().unwrap().len(), 20_000);
    let updates = events.iter().filter(|event| event.update_type == "node_update");
    assert!(updates.into_iter().all(|event| event.data.to_string().len() < 1_000));
}

#[test]
fn the_same_graph_gives_the_same_events() {
    let build = || {
        graph(
            &[
                ("e", "nodetool.control.ForEach", json!({"input_list": [1, 2, 3]})),
                ("f", "nodetool.text.FormatText", json!({"template": "{{ a }}{{ b }}"})),
                ("c", "nodetool.control.Collect", json!({})),
                ("p", "nodetool.workflows.base_node.Preview", json!({})),
                ("o", "nodetool.output.Output", json!({"name": "r"})),
            ],
            &[
                "e.output -> f.a",
                "e.index -> f.b",
                "f.output -> c.input_item",
                "f.output -> p.value",
                "c.output -> o.value",
            ],
        )
    };
    let first = transcript(&run(build()).0);
    for _ in 0..10 {
        assert_eq!(transcript(&run(build()).0), first);
    }
}

#[test]
fn a_long_chain_and_many_runs_at_once() {
    let mut chain = Graph::default();
    chain.nodes.push(Node::new("n0", "nodetool.constant.Integer").with("value", 1));
    for index in 1..1_000 {
        chain.nodes.push(Node::new(format!("n{index}"), "nodetool.control.Reroute"));
        let (from, to) = (format!("n{}", index - 1), format!("n{index}"));
        chain.edges.push(Edge::new(&from, "output", &to, "input_value"));
    }
    chain.nodes.push(Node::new("o", "nodetool.output.Output").with("name", "r"));
    chain.edges.push(Edge::new("n999", "output", "o", "value"));
    assert_eq!(results(chain), json!({"r": [1]}));

    let small = || {
        let nodes = [
            ("s", "nodetool.constant.Integer", json!({"value": 1})),
            ("r", "nodetool.control.Reroute", json!({})),
            ("o", "nodetool.output.Output", json!({"name": "r"})),
        ];
        graph(&nodes, &["s.output -> r.input_value", "r.output -> o.value"])
    };
    let mut runs: Vec<Run> = (0..1_000).map(|_| start(small()).unwrap()).collect();
    let mut cx = Context::from_waker(Waker::noop());
    while !runs.is_empty() {
        runs.retain_mut(|run| !matches!(run.poll_next_event(&mut cx), Poll::Ready(None)));
    }
}

#[test]
fn a_node_may_wait_for_another_thread() {
    #[derive(Default)]
    struct Signal {
        done: bool,
        waker: Option<Waker>,
    }
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let signal: Arc<Mutex<Signal>> = Arc::default();
    let waits = Arc::clone(&signal);
    let node = NodeType::new("test.Late", "Late", "Waits for a signal.")
        .output("output", TypeDescriptor::str())
        .process(move |_: Empty, _: NodeContext| {
            let signal = Arc::clone(&waits);
            std::future::poll_fn(move |cx| {
                let mut signal = signal.lock().unwrap();
                if signal.done {
                    return Poll::Ready(Ok("late".to_owned()));
                }
                signal.waker = Some(cx.waker().clone());
                Poll::Pending
            })
        });
    let nodes =
        [("l", "test.Late", json!({})), ("o", "nodetool.output.Output", json!({"name": "r"}))];
    let mut run = start_with(vec![node], graph(&nodes, &["l.output -> o.value"]));
    poll_until_pending(&mut run);
    let thread = std::thread::spawn(move || {
        let waker = {
            let mut signal = signal.lock().unwrap();
            signal.done = true;
            signal.waker.take()
        };
        waker.expect("the node waits").wake();
    });
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match run.poll_next_event(&mut cx) {
            Poll::Ready(Some(_)) => {}
            Poll::Ready(None) => break,
            Poll::Pending => std::thread::park(),
        }
    }
    thread.join().unwrap();
    assert_eq!(json!(run.outcome().unwrap().outputs), json!({"r": ["late"]}));
}

#[test]
fn engines_are_shared_and_runs_are_sent() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Engine>();
    sent::<Run>();
}

#[test]
fn a_deeply_nested_value_is_refused() {
    let mut nested = graph(&[("n0", "nodetool.constant.Integer", json!({}))], &[]);
    for index in 1..1_000 {
        nested.nodes.push(Node::new(format!("n{index}"), "nodetool.control.Collect"));
        let (from, to) = (format!("n{}", index - 1), format!("n{index}"));
        nested.edges.push(Edge::new(&from, "output", &to, "input_item"));
    }
    let error = run(nested).1.error.unwrap();
    assert!(error.contains("nested more than 100 levels"), "{error}");
}

#[test]
fn an_empty_graph_completes() {
    let (events, outcome) = run(Graph::default());
    assert_eq!(events.len(), 2);
    assert_eq!(outcome.status, RunStatus::Completed);
}
