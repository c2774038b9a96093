//! What runs hold in memory at most, by the count of the allocator, whatever the length of a stream.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use clawnode_bench::workflows::{chain, library, stream, three_nodes};
use clawnode_workflows::{Engine, Graph, Run, RunRequest, RunStatus};
use serde_json::Value;

/// Bytes of a run of four nodes with a stream through them: its plan, the work of its nodes, 3 values at each input and 64 events.
const STREAM: u64 = 32 << 10;
/// Bytes of each node of a chain.
const NODE: u64 = 4 << 10;
/// Bytes of a run of three nodes.
const RUN: u64 = 16 << 10;

fn engine() -> Engine {
    Engine::new(Arc::new(library()))
}

fn start(engine: &Engine, graph: &Graph) -> Run {
    engine.run(RunRequest::new("job", graph.clone())).expect("the graph can run")
}

fn graph(graph: Value) -> Graph {
    serde_json::from_value(graph).expect("it is a graph")
}

fn finish(mut run: Run) {
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Pending | Poll::Ready(Some(_)) = run.poll_next_event(&mut cx) {}
    assert_eq!(run.outcome().map(|outcome| outcome.status), Some(RunStatus::Completed));
}

#[test]
fn a_stream_of_100_000_items_needs_no_more_than_a_short_one() {
    let engine = engine();
    for items in [1_000, 100_000] {
        let graph = graph(stream(items));
        let peak = measure(|| finish(start(&engine, &graph))).bytes_max;
        assert!(peak <= STREAM, "{items} items: {peak} bytes");
    }
}

#[test]
fn a_chain_of_1_000_nodes_has_its_bound() {
    let engine = engine();
    let graph = graph(chain(1_000));
    let peak = measure(|| finish(start(&engine, &graph))).bytes_max;
    assert!(peak <= 1_000 * NODE, "{peak} bytes");
}

#[test]
fn a_thousand_runs_at_once_have_their_bound() {
    let engine = engine();
    let graph = graph(three_nodes());
    let peak = measure(|| {
        let mut runs: Vec<Run> = (0..1_000).map(|_| start(&engine, &graph)).collect();
        // All of them are in the middle of it.
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..5 {
            runs.iter_mut().for_each(|run| assert!(run.poll_next_event(&mut cx).is_ready()));
        }
        runs.into_iter().for_each(finish);
    })
    .bytes_max;
    assert!(peak <= 1_000 * RUN, "{peak} bytes");
}
