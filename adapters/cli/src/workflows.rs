//! What this node serves: workflows, and the commands about them.

use std::path::Path;
use std::sync::Arc;

use clawnode_protocol::{Update, WorkflowSource};
use clawnode_tokio::{Context, Failed, NodeBuilder, Workflow};
use clawnode_workflows::commands::{
    Commands, GetNodeInfo, GetWorkflow, ListNodes, ListWorkflows, RunWorkflow, ValidateWorkflow,
};
use clawnode_workflows::{
    Engine, Graph, NodeLibrary, Run, RunRequest, RunStatus, WorkflowDirectory,
};
use serde_json::Value;
use serde_json::value::to_raw_value;
use tokio::task::spawn_blocking;

use crate::error::Failure;

/// The embedded engine with the workflows of a folder, if there is one.
pub(crate) fn commands(folder: Option<&Path>) -> Result<Commands, Failure> {
    let directory = folder.map(WorkflowDirectory::new).map(Arc::new);
    if let Some(directory) = &directory {
        let listing = directory.list().map_err(|error| {
            Failure::usage(format!("--workflows: {}", crate::error::chain(&error)))
        })?;
        for broken in &listing.broken {
            tracing::warn!(file = broken.file, reason = broken.reason, "this file is no workflow");
        }
        tracing::info!(count = listing.workflows.len(), "workflows found");
    }
    Ok(Commands::new(Engine::new(NodeLibrary::standard().into()), directory))
}

/// Registers everything that `commands` can do, [`COMMANDS`] among it.
pub(crate) fn serve(builder: NodeBuilder, commands: &Commands) -> NodeBuilder {
    let [list, get, validate, nodes, info, run, workflow] =
        std::array::from_fn(|_| commands.clone());
    builder
        .blocking_command("list_workflows", move |_, params: ListWorkflows| {
            list.list_workflows(&params).map_err(Failed::from)
        })
        .blocking_command("get_workflow", move |_, params: GetWorkflow| {
            get.get_workflow(&params).map_err(Failed::from)
        })
        .blocking_command("validate_workflow", move |_, params: ValidateWorkflow| {
            validate.validate_workflow(&params).map_err(Failed::from)
        })
        .blocking_command("list_nodes", move |_, params: ListNodes| {
            nodes.list_nodes(&params).map_err(Failed::from)
        })
        .blocking_command("get_node_info", move |_, params: GetNodeInfo| {
            info.get_node_info(&params).map_err(Failed::from)
        })
        .command("run_workflow", move |context: Context, params: RunWorkflow| {
            let commands = run.clone();
            async move {
                let job_id = context.job_id().to_string();
                let run = spawn_blocking(move || commands.run_workflow(params, job_id)).await??;
                drive(&context, run).await
            }
        })
        .workflows(move |context: Context, workflow_request: Workflow| {
            let commands = workflow.clone();
            async move {
                let job_id = context.job_id().to_string();
                let run =
                    spawn_blocking(move || start(&commands, workflow_request, job_id)).await??;
                drive(&context, run).await
            }
        })
}

fn start(commands: &Commands, workflow: Workflow, job_id: String) -> Result<Run, Failed> {
    let params = serde_json::from_str(workflow.params.get())?;
    match workflow.source {
        WorkflowSource::Id(workflow_id) => {
            let request = RunWorkflow { workflow_id, params: Some(params), user_id: None };
            Ok(commands.run_workflow(request, job_id)?)
        }
        WorkflowSource::Graph(graph) => {
            let graph = Graph::from_json(serde_json::from_str(graph.get())?)?;
            let mut request = RunRequest::new(job_id, graph);
            request.params = params;
            Ok(commands.engine().run(request)?)
        }
    }
}

/// Runs a graph to its end, passing its events on. The gateway's pace is the graph's.
async fn drive(context: &Context, mut run: Run) -> Result<Value, Failed> {
    while let Some(event) = run.next_event().await {
        let mut update = Update::new(event.update_type, to_raw_value(&event.data)?);
        update.key = event.coalesce_key();
        if context.progress(update).await.is_err() {
            run.cancel();
        }
    }
    let outcome =
        run.into_outcome().ok_or_else(|| Failed::new("the run ended without an outcome"))?;
    let result = outcome.to_result();
    match (outcome.status, outcome.error) {
        (RunStatus::Completed, _) => Ok(result),
        (_, Some(error)) => Err(Failed::new(error).with_partial(&result)),
        (status, None) => Err(Failed::new(format!("the run was {status}")).with_partial(&result)),
    }
}

/// The commands about workflows.
pub(crate) const COMMANDS: [&str; 6] = [
    "list_workflows",
    "get_workflow",
    "validate_workflow",
    "list_nodes",
    "get_node_info",
    "run_workflow",
];
