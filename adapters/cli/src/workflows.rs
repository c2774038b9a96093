//! What this node serves: workflows, and the commands about them.

use std::path::Path;

use clawnode_commands::{CommandError, Commands, DEFAULT_USER_ID, RunWorkflow};
use clawnode_protocol::{Update, WorkflowSource};
use clawnode_tokio::{Context, Failed, NodeBuilder, Secret, Workflow};
use clawnode_workflows::{
    Engine, Graph, NodeLibrary, Run, RunRequest, RunStatus, WorkflowDirectory,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::to_raw_value;
use tokio::task::spawn_blocking;

use crate::error::Failure;
use crate::models::OpenAiModels;
use crate::options;

/// What this node serves, and for whom.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) commands: Commands,
    /// Whoever a request means that names nobody.
    pub(crate) user_id: String,
}

/// The embedded engine with all node types of this program.
pub(crate) fn engine() -> Engine {
    Engine::new(NodeLibrary::standard().into())
}

/// The commands that the options describe.
pub(crate) fn commands(options: &options::Node) -> Result<Commands, Failure> {
    let mut commands = Commands::new(engine());
    if let Some(folder) = &options.workflows {
        let directory = WorkflowDirectory::new(folder);
        let listing = directory.list().map_err(|error| {
            Failure::usage(format!("--workflows: {}", crate::error::chain(&error)))
        })?;
        for broken in &listing.broken {
            tracing::warn!(file = broken.file, reason = broken.reason, "this file is no workflow");
        }
        tracing::info!(count = listing.workflows.len(), "workflows found");
        commands = commands.workflow_directory(directory.into());
    }
    if let Some(url) = &options.models_url {
        let key = options.models_key_file.as_deref().map(read_key).transpose()?;
        commands = commands.models(OpenAiModels::new(url, key));
    }
    Ok(commands)
}

fn read_key(file: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("cannot read the key from {}: {error}", file.display()))
    })?;
    match text.trim() {
        "" => Err(Failure::usage(format!("the key file {} is empty", file.display()))),
        key => Ok(Secret::new(key)),
    }
}

/// Registers everything that the service can do.
pub(crate) fn serve(mut builder: NodeBuilder, service: &Service) -> NodeBuilder {
    builder = answered(builder, service, "list_workflows", Commands::list_workflows);
    builder = answered(builder, service, "get_workflow", Commands::get_workflow);
    builder = answered(builder, service, "validate_workflow", Commands::validate_workflow);
    builder = answered(builder, service, "list_nodes", Commands::list_nodes);
    builder = answered(builder, service, "search_nodes", Commands::search_nodes);
    builder = answered(builder, service, "get_node_info", Commands::get_node_info);
    builder = answered(builder, service, "list_models", Commands::list_models);
    let [run, workflow] = std::array::from_fn(|_| service.clone());
    builder
        .command("run_workflow", move |context: Context, params: RunWorkflow| {
            let service = run.clone();
            async move {
                let started = context.clone();
                let run = spawn_blocking(move || {
                    let job_id = started.job_id().to_string();
                    service.commands.run_workflow(service.user(&started), params, job_id)
                });
                drive(&context, run.await??).await
            }
        })
        .workflows(move |context: Context, workflow_request: Workflow| {
            let service = workflow.clone();
            async move {
                let started = context.clone();
                let run = spawn_blocking(move || start(&service, workflow_request, &started));
                drive(&context, run.await??).await
            }
        })
}

/// Registers a command that is answered at once; as it may read files, on a thread where it stops nobody.
fn answered<P, T, F>(builder: NodeBuilder, service: &Service, name: &str, answer: F) -> NodeBuilder
where
    P: DeserializeOwned,
    T: Serialize,
    F: Fn(&Commands, &str, &P) -> Result<T, CommandError> + Send + Sync + 'static,
{
    let service = service.clone();
    builder.blocking_command(name, move |context: Context, params: P| {
        answer(&service.commands, service.user(&context), &params).map_err(Failed::from)
    })
}

impl Service {
    /// Whose request this is. OpenClaw gateways name nobody.
    fn user<'a>(&'a self, context: &'a Context) -> &'a str {
        match context.user_id() {
            DEFAULT_USER_ID => &self.user_id,
            user => user,
        }
    }
}

fn start(service: &Service, workflow: Workflow, context: &Context) -> Result<Run, Failed> {
    let job_id = context.job_id().to_string();
    let params = serde_json::from_str(workflow.params.get())?;
    match workflow.source {
        WorkflowSource::Id(workflow_id) => {
            let request = RunWorkflow { workflow_id, params: Some(params), user_id: None };
            Ok(service.commands.run_workflow(service.user(context), request, job_id)?)
        }
        WorkflowSource::Graph(graph) => {
            let graph = Graph::from_json(serde_json::from_str(graph.get())?)?;
            let mut request = RunRequest::new(job_id, graph);
            request.params = params;
            Ok(service.commands.engine().run(request)?)
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
