//! The engine alone: from the text of a graph to the last event.

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use clawnode_bench::workflows::{chain, library, stream, three_nodes};
use clawnode_workflows::{Engine, Graph, Run, RunRequest, validate};

use crate::table::{Table, time};

const RUNS_AT_ONCE: usize = 1_000;

/// Measures and adds the rows.
pub(crate) fn measure(table: &mut Table) -> Result<(), Box<dyn Error>> {
    let engine = Engine::new(Arc::new(library()));
    let text = three_nodes().to_string();
    let small: Graph = serde_json::from_str(&text)?;
    let read =
        median(2_000, || serde_json::from_str::<Graph>(&text).map(|graph| graph.nodes.len()));
    table.row("3 nodes: read the graph", &time(read), "");
    let judged = median(2_000, || validate(&small, engine.library()).is_valid());
    table.row("3 nodes: validate it", &time(judged), "");
    let ran = median(2_000, || finish(start(&engine, &small)));
    let events = finish(start(&engine, &small));
    table.row("3 nodes: run it", &time(ran), &format!("{events} events"));

    for count in [1_000, 10_000] {
        let graph: Graph = serde_json::from_value(chain(count))?;
        let judged = median(5, || validate(&graph, engine.library()).is_valid());
        let ran = median(5, || finish(start(&engine, &graph)));
        let each = format!("{} a node; validated in {}", time(ran / count as u32), time(judged));
        table.row(&format!("a chain of {count} nodes"), &time(ran), &each);
    }

    let items = 100_000;
    let graph: Graph = serde_json::from_value(stream(items))?;
    let ran = median(3, || finish(start(&engine, &graph)));
    let rate = format!("{:.0} items/s", items as f64 / ran.as_secs_f64());
    table.row("a stream of 100,000 items through 4 nodes", &time(ran), &rate);

    let ran = median(5, || {
        let mut runs: Vec<Run> = (0..RUNS_AT_ONCE).map(|_| start(&engine, &small)).collect();
        finish_all(&mut runs)
    });
    let each = format!("{} a run", time(ran / RUNS_AT_ONCE as u32));
    table.row("1,000 runs of 3 nodes at once", &time(ran), &each);
    Ok(())
}

fn start(engine: &Engine, graph: &Graph) -> Run {
    engine.run(RunRequest::new("job", graph.clone())).expect("the graph can run")
}

/// How many events there are.
fn finish(mut run: Run) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut events = 0;
    loop {
        match run.poll_next_event(&mut cx) {
            Poll::Ready(Some(_)) => events += 1,
            Poll::Ready(None) => return events,
            Poll::Pending => {}
        }
    }
}

/// One event of each run in turn.
fn finish_all(runs: &mut Vec<Run>) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut events = 0;
    while !runs.is_empty() {
        runs.retain_mut(|run| match run.poll_next_event(&mut cx) {
            Poll::Ready(event) => {
                events += 1;
                event.is_some()
            }
            Poll::Pending => true,
        });
    }
    events
}

fn median<T>(times: usize, mut work: impl FnMut() -> T) -> Duration {
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    all.sort_unstable();
    all[times / 2]
}
