//! A run inside a running node: from the request of an HTTP client at the gateway to the answer, with all events in between.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clawnode_bench::workflows::{library, three_nodes};
use clawnode_gateway::client::{Client, News, Submission};
use clawnode_gateway::{Config, Gateway};
use clawnode_protocol::{Update, WorkflowSource};
use clawnode_tokio::{Context, Failed, Node, Workflow};
use clawnode_workflows::{Engine, Graph, RunRequest};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::oneshot;

use crate::table::{Table, time};

const WARM_UP: usize = 200;
const RUNS: usize = 2_000;

/// The median of the same graph in the TypeScript server of NodeTool, by its own WebSocket on loopback.
const TYPESCRIPT: Duration = Duration::from_micros(18_900);

/// Measures and adds the rows.
pub(crate) async fn measure(table: &mut Table) -> Result<(), Box<dyn Error>> {
    let gateway = Gateway::bind(Config::new(([127, 0, 0, 1], 0).into())).await?;
    let address = gateway.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let gateway = tokio::spawn(gateway.run(async {
        let _ = stopped.await;
    }));
    let engine = Engine::new(Arc::new(library()));
    let node = Node::builder(&format!("ws://{address}"))?
        .workflows(move |context: Context, workflow: Workflow| {
            let engine = engine.clone();
            async move { run(&engine, &context, workflow).await }
        })
        .build()?;
    let handle = node.handle();
    let node = tokio::spawn(node.run());
    let client = Client::new(&format!("http://{address}"), None)?;
    while client.nodes().await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    let graph = to_raw_value(&three_nodes())?;
    let mut latencies = Vec::with_capacity(RUNS);
    for round in 0..WARM_UP + RUNS {
        let asked = Instant::now();
        ask(&client, &graph).await?;
        if round >= WARM_UP {
            latencies.push(asked.elapsed());
        }
    }
    handle.stop(Duration::ZERO);
    node.await?;
    let _ = stop.send(());
    gateway.await??;

    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    let times = TYPESCRIPT.as_secs_f64() / at(50).as_secs_f64();
    let note = format!("p99 {}; {times:.0} times as fast as 18.9 ms", time(at(99)));
    table.row("submitted, all events, answer", &time(at(50)), &note);
    Ok(())
}

/// One run, and its answer.
async fn ask(client: &Client, graph: &RawValue) -> Result<(), Box<dyn Error>> {
    let submitted = client.submit(&Submission::graph(graph.to_owned())).await?;
    let mut events = client.events(&submitted.request_id, None).await?;
    while let Some(event) = events.next().await? {
        if let News::Answer { error, .. } = event.news {
            return error.map_or(Ok(()), |error| Err(format!("the run failed: {error:?}").into()));
        }
    }
    Err("the events ended without an answer".into())
}

/// What the program does with a graph.
async fn run(engine: &Engine, context: &Context, workflow: Workflow) -> Result<Value, Failed> {
    let WorkflowSource::Graph(graph) = workflow.source else {
        return Err(Failed::new("only graphs are asked for"));
    };
    let graph = Graph::from_json(serde_json::from_str(graph.get())?)?;
    let mut run = engine.run(RunRequest::new(context.job_id().to_string(), graph))?;
    while let Some(event) = run.next_event().await {
        let mut update = Update::new(event.update_type, to_raw_value(&event.data)?);
        update.key = event.coalesce_key();
        context.progress(update).await.map_err(|_| Failed::new("cancelled"))?;
    }
    let outcome = run.into_outcome().ok_or_else(|| Failed::new("there is no outcome"))?;
    Ok(outcome.to_result())
}
