//! A node that runs workflow graphs with the embedded engine.
//!
//! `cargo run -p clawnode-examples --bin workflows -- ws://127.0.0.1:8080`, then
//! `clawnode run adapters/workflows/examples/threshold_report.json --gateway http://127.0.0.1:8080 --param temperature=31`

use std::sync::Arc;

use clawnode_tokio::{Context, Failed, Node, Update, Workflow, WorkflowSource};
use clawnode_workflows::{Engine, Graph, NodeLibrary, RunRequest, RunStatus};
use serde_json::Value;
use serde_json::value::to_raw_value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:8080".to_owned());
    let engine = Engine::new(Arc::new(NodeLibrary::standard()));
    let node = Node::builder(&url)?.workflows(move |context, workflow| {
        let engine = engine.clone();
        async move { run(&engine, &context, workflow).await }
    });
    let node = node.build()?;
    println!("{} runs workflows for {url}; Ctrl-C ends it", node.node_id());
    Err(node.run().await.to_string().into())
}

async fn run(engine: &Engine, context: &Context, workflow: Workflow) -> Result<Value, Failed> {
    let WorkflowSource::Graph(graph) = workflow.source else {
        return Err(Failed::new("this node knows no workflows by id; send the graph"));
    };
    let graph = Graph::from_json(serde_json::from_str(graph.get())?)?;
    let mut request = RunRequest::new(context.job_id().to_string(), graph);
    request.params = serde_json::from_str(workflow.params.get())?;
    // All that is wrong with a graph is said before anything runs.
    let mut run = engine.run(request)?;
    // The run works while it is polled; a gateway that reads slowly slows it down.
    while let Some(event) = run.next_event().await {
        let mut update = Update::new(event.update_type, to_raw_value(&event.data)?);
        update.key = event.coalesce_key();
        context.progress(update).await?;
    }
    let outcome = run.into_outcome().ok_or_else(|| Failed::new("the run has no outcome"))?;
    match (outcome.status, &outcome.error) {
        (RunStatus::Completed, _) => Ok(outcome.to_result()),
        (status, error) => {
            let why = error.clone().unwrap_or_else(|| format!("the run was {status}"));
            Err(Failed::new(why).with_partial(&outcome.to_result()))
        }
    }
}
