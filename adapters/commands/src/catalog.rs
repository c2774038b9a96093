//! The commands by name: what each is for, and the JSON Schema of its arguments.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::Value;

use crate::{
    GetAsset, GetCollection, GetJob, GetJobLogs, GetNodeInfo, GetWorkflow, ListAssets,
    ListCollections, ListJobs, ListModels, ListNodes, ListWorkflows, RunWorkflow, SearchNodes,
    StartBackgroundJob, ValidateWorkflow,
};

/// One command.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CommandInfo {
    /// What it is called.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// The JSON Schema (2020-12) of its arguments.
    pub parameters: Value,
}

/// All commands, in the order of the protocol page.
///
/// ```
/// let all = clawnode_commands::catalog::commands();
/// assert_eq!(all[0].name, "list_workflows");
/// assert_eq!(all[0].parameters["properties"]["limit"]["default"], 100);
/// ```
pub fn commands() -> Vec<CommandInfo> {
    vec![
        command::<ListWorkflows>(
            "list_workflows",
            "Lists workflows: the user's own, the examples, or all.",
        ),
        command::<GetWorkflow>(
            "get_workflow",
            "Gets one workflow with its graph and the schemas of its inputs and outputs.",
        ),
        command::<RunWorkflow>("run_workflow", "Runs a workflow to its end and gives its results."),
        command::<ValidateWorkflow>(
            "validate_workflow",
            "Lists every problem of a workflow without running it.",
        ),
        command::<ListJobs>(
            "list_jobs",
            "Lists the user's jobs, which are runs of workflows, the newest first.",
        ),
        command::<GetJob>(
            "get_job",
            "Gets one job: where it is, its result once it has ended, and why it failed.",
        ),
        command::<GetJobLogs>(
            "get_job_logs",
            "Gets the newest rows of a job's log, also while it runs.",
        ),
        command::<StartBackgroundJob>(
            "start_background_job",
            "Starts a workflow that runs on when the command is answered; get_job has its result later.",
        ),
        command::<ListAssets>(
            "list_assets",
            "Lists the user's assets, which are files in folders, the newest first.",
        ),
        command::<GetAsset>("get_asset", "Gets one asset: what it is, and where its content is."),
        command::<ListNodes>("list_nodes", "Lists the node types that workflows are made of."),
        command::<SearchNodes>("search_nodes", "Finds node types by words, best first."),
        command::<GetNodeInfo>("get_node_info", "Gets everything a node type says about itself."),
        command::<ListModels>("list_models", "Lists the models that the node can reach."),
        command::<ListCollections>(
            "list_collections",
            "Lists the user's collections of documents, the newest first.",
        ),
        command::<GetCollection>(
            "get_collection",
            "Gets one collection and the number of its documents.",
        ),
    ]
}

fn command<P: JsonSchema>(name: &'static str, description: &'static str) -> CommandInfo {
    let generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator();
    let mut schema = generator.into_root_schema_for::<P>();
    // The struct's name and its comment say nothing to whoever calls a command.
    schema.remove("title");
    schema.remove("description");
    CommandInfo { name, description, parameters: schema.to_value() }
}
