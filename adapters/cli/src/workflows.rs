//! What this node serves: workflows, and the commands about them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use clawnode_commands::{
    CommandError, Commands, DEFAULT_USER_ID, JobRun, Jobs, RunWorkflow, Spawn,
};
use clawnode_nodes::Access;
use clawnode_protocol::{Update, WorkflowSource};
use clawnode_store::Store;
use clawnode_tokio::{Context, Failed, NodeBuilder, Workflow};
use clawnode_workflows::{Engine, Graph, NodeLibrary, RunStatus, WorkflowDirectory};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::to_raw_value;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::error::Failure;
#[cfg(feature = "models")]
use crate::model_source::AllowedModels;
use crate::options;

/// What this node serves, and for whom.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) jobs: Jobs,
    /// Whoever a request means that names nobody.
    pub(crate) user_id: String,
}

impl Service {
    /// The service that the options describe, with what `store` keeps.
    pub(crate) fn new(options: &options::Node, store: Store) -> Result<Self, Failure> {
        let jobs = Jobs::new(commands(options, store)?, OnTokio(Handle::current()));
        Ok(Self { jobs, user_id: options.user_id.clone() })
    }

    /// A service for the usual user, without workflows, that keeps nothing.
    pub(crate) fn in_memory() -> Result<Self, Failure> {
        Ok(Self {
            jobs: jobs(Store::in_memory()?, &Access::default()),
            user_id: DEFAULT_USER_ID.to_owned(),
        })
    }

    /// Cancels what other processes want cancelled, for as long as the program runs.
    pub(crate) async fn heed_cancel_requests(jobs: Jobs) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let asked = jobs.clone();
            match spawn_blocking(move || asked.heed_cancel_requests()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "jobs cannot be looked at"),
                Err(_) => return,
            }
        }
    }

    /// Whose request this is. OpenClaw gateways name nobody.
    fn user<'a>(&'a self, context: &'a Context) -> &'a str {
        match context.user_id() {
            DEFAULT_USER_ID => &self.user_id,
            user => user,
        }
    }
}

struct OnTokio(Handle);

impl Spawn for OnTokio {
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.0.spawn(task);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        self.0.spawn_blocking(work);
    }
}

/// The jobs of a store, with its workflows and no others.
pub(crate) fn jobs(store: Store, access: &Access) -> Jobs {
    Jobs::new(Commands::new(engine(access), store), OnTokio(Handle::current()))
}

/// The embedded engine with all node types of this program, which reach what `access` allows.
pub(crate) fn engine(access: &Access) -> Engine {
    let mut library = NodeLibrary::standard();
    clawnode_nodes::register(&mut library, access);
    Engine::new(library.into())
}

fn commands(options: &options::Node, store: Store) -> Result<Commands, Failure> {
    let access = options.access.access()?;
    let mut commands = Commands::new(engine(&access), store);
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
    #[cfg(feature = "models")]
    if let Some(service) = access.model_service() {
        commands = commands.models(AllowedModels::new(service, access.clone())?);
    }
    Ok(commands)
}

/// Registers everything that the service can do.
pub(crate) fn serve(mut builder: NodeBuilder, service: &Service) -> NodeBuilder {
    builder = answered(builder, service, "list_workflows", Commands::list_workflows);
    builder = answered(builder, service, "get_workflow", Commands::get_workflow);
    builder = answered(builder, service, "validate_workflow", Commands::validate_workflow);
    builder = answered(builder, service, "list_jobs", Commands::list_jobs);
    builder = answered(builder, service, "get_job", Commands::get_job);
    builder = answered(builder, service, "get_job_logs", Commands::get_job_logs);
    builder = answered(builder, service, "list_assets", Commands::list_assets);
    builder = answered(builder, service, "get_asset", Commands::get_asset);
    builder = answered(builder, service, "list_nodes", Commands::list_nodes);
    builder = answered(builder, service, "search_nodes", Commands::search_nodes);
    builder = answered(builder, service, "get_node_info", Commands::get_node_info);
    builder = answered(builder, service, "list_models", Commands::list_models);
    builder = answered(builder, service, "list_collections", Commands::list_collections);
    builder = answered(builder, service, "get_collection", Commands::get_collection);
    let [run, background, workflow] = std::array::from_fn(|_| service.clone());
    builder
        .command("run_workflow", move |context: Context, params: RunWorkflow| {
            let service = run.clone();
            async move {
                let started = context.clone();
                let run = spawn_blocking(move || {
                    let job_id = started.job_id().to_string();
                    service.jobs.run_workflow(service.user(&started), params, job_id)
                });
                drive(&context, run.await??).await
            }
        })
        .blocking_command("start_background_job", move |context: Context, params| {
            let job_id = context.job_id().to_string();
            let user = background.user(&context);
            background.jobs.start_background_job(user, params, job_id).map_err(Failed::from)
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
        answer(service.jobs.commands(), service.user(&context), &params).map_err(Failed::from)
    })
}

fn start(service: &Service, workflow: Workflow, context: &Context) -> Result<JobRun, Failed> {
    let (user, job_id) = (service.user(context), context.job_id().to_string());
    let params = serde_json::from_str(workflow.params.get())?;
    match workflow.source {
        WorkflowSource::Id(workflow_id) => {
            let request = RunWorkflow { workflow_id, params: Some(params), user_id: None };
            Ok(service.jobs.run_workflow(user, request, job_id)?)
        }
        WorkflowSource::Graph(graph) => {
            let graph = Graph::from_json(serde_json::from_str(graph.get())?)?;
            Ok(service.jobs.run_graph(user, graph, params, job_id)?)
        }
    }
}

/// Runs a graph to its end, passing its events on. The gateway's pace is the graph's.
async fn drive(context: &Context, mut run: JobRun) -> Result<Value, Failed> {
    while let Some(event) = run.next_event().await {
        let mut update = Update::new(event.update_type, to_raw_value(&event.data)?);
        update.key = event.coalesce_key();
        if context.progress(update).await.is_err() {
            run.cancel();
        }
    }
    let outcome = run.finish().await?;
    let result = outcome.to_result();
    match (outcome.status, outcome.error) {
        (RunStatus::Completed, _) => Ok(result),
        (_, Some(error)) => Err(Failed::new(error).with_partial(&result)),
        (status, None) => Err(Failed::new(format!("the run was {status}")).with_partial(&result)),
    }
}
