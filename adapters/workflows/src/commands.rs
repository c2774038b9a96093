//! The six workflow commands (protocol page 1.2), each as a parameter struct, a result struct
//! and a method of [`Commands`].
//!
//! ```
//! use std::sync::Arc;
//! use clawnode_workflows::{Engine, NodeLibrary, commands::{Commands, ListNodes, parse}};
//!
//! let engine = Engine::new(Arc::new(NodeLibrary::standard()));
//! let commands = Commands::new(engine, None);
//! let params: ListNodes = parse(serde_json::json!({"namespace": "nodetool.boolean"}))?;
//! assert_eq!(commands.list_nodes(&params)?.nodes[0].title, "Compare");
//!
//! let wrong = parse::<ListNodes>(serde_json::json!({"namspace": "x"})).unwrap_err();
//! assert!(wrong.to_string().contains("unknown argument `namspace`"));
//! # Ok::<(), clawnode_workflows::commands::CommandError>(())
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    directory::{BrokenFile, DirectoryError, WorkflowDirectory},
    engine::{Engine, InvalidGraph, Run, RunRequest},
    graph::Graph,
    limits::MAX_LIST_LIMIT,
    metadata::NodeMetadata,
    validate::{Problem, validate},
    workflow::Workflow,
};

/// Reads the arguments of a command.
///
/// # Errors
///
/// [`CommandError::Arguments`] naming the argument that is unknown, missing or of the wrong
/// type.
pub fn parse<P: DeserializeOwned>(args: Value) -> Result<P, CommandError> {
    let args = if args.is_null() { Value::Object(Map::new()) } else { args };
    if !args.is_object() {
        return Err(CommandError::Arguments("the arguments must be a JSON object".to_owned()));
    }
    serde_json::from_value(args).map_err(|error| {
        let text = error.to_string();
        let text = text.replace("unknown field", "unknown argument");
        CommandError::Arguments(text.replace("missing field", "missing argument"))
    })
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// An argument is unknown, missing, of the wrong type or out of range.
    #[error("{0}")]
    Arguments(String),
    /// No workflow has that id.
    #[error("Workflow {id} not found{hint}")]
    WorkflowNotFound {
        /// The id that was asked for.
        id: String,
        /// What may be the reason; empty or a text to append.
        hint: String,
    },
    /// No node type has that name.
    #[error("Node type {node_type} not found{hint}")]
    NodeTypeNotFound {
        /// The type that was asked for.
        node_type: String,
        /// What may have been meant; empty or a text to append.
        hint: String,
    },
    /// The workflow folder cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The graph cannot run.
    #[error(transparent)]
    InvalidGraph(#[from] InvalidGraph),
}

/// The commands of one engine and one workflow folder. Cheap to clone.
///
/// Every command accepts the argument `user_id` and ignores it: which user a request acts for
/// is decided by whoever received it, and the workflows of a folder belong to all users.
#[derive(Clone, Debug)]
pub struct Commands {
    engine: Engine,
    directory: Option<Arc<WorkflowDirectory>>,
}

impl Commands {
    /// Commands for the node types of `engine` and the workflows of `directory`; without a
    /// directory there are no workflows.
    pub fn new(engine: Engine, directory: Option<Arc<WorkflowDirectory>>) -> Self {
        Self { engine, directory }
    }

    /// The engine that runs the workflows.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// `list_workflows`: the workflows that match, and the files that are not workflows.
    ///
    /// The query is looked for in name, description and tags, without regard to case, before
    /// the limit is applied.
    ///
    /// # Errors
    ///
    /// For a limit out of range, or when the folder cannot be read.
    pub fn list_workflows(&self, params: &ListWorkflows) -> Result<WorkflowList, CommandError> {
        let limit = limit(params.limit)?;
        let mut list = WorkflowList::default();
        if !matches!(params.workflow_type.as_str(), "user" | "all") {
            return Ok(list);
        }
        let Some(directory) = &self.directory else { return Ok(list.ended(params)) };
        let listing = directory.list()?;
        let query = params.query.as_deref().unwrap_or("").to_lowercase();
        let mut matches = listing.workflows.iter().filter(|workflow| matches(workflow, &query));
        list.workflows = matches.by_ref().take(limit).map(|workflow| row(workflow)).collect();
        list.total = list.workflows.len();
        list.broken = listing.broken;
        let next = matches.next().map(|workflow| workflow.id.clone());
        list = list.ended(params);
        if params.workflow_type == "user" && next.is_some() {
            list.next = next;
        }
        Ok(list)
    }

    /// `get_workflow`: one workflow with its graph and schemas.
    ///
    /// # Errors
    ///
    /// When there is no such workflow, or the folder cannot be read.
    pub fn get_workflow(&self, params: &GetWorkflow) -> Result<WorkflowDetails, CommandError> {
        let workflow = self.workflow(&params.workflow_id)?;
        Ok(WorkflowDetails {
            id: workflow.id.clone(),
            name: workflow.name.clone(),
            description: workflow.description.clone(),
            tags: workflow.tags.clone(),
            graph: workflow.graph.clone(),
            input_schema: workflow.input_schema.clone(),
            output_schema: workflow.output_schema.clone(),
            created_at: workflow.created_at.clone(),
            updated_at: workflow.updated_at.clone(),
        })
    }

    /// `run_workflow`: a run under the id `job_id`, to be polled by the caller. Its response
    /// is [`RunOutcome::to_result`](crate::RunOutcome::to_result).
    ///
    /// # Errors
    ///
    /// When there is no such workflow, its graph cannot run, or the folder cannot be read.
    pub fn run_workflow(
        &self,
        params: RunWorkflow,
        job_id: impl Into<String>,
    ) -> Result<Run, CommandError> {
        let workflow = self.workflow(&params.workflow_id)?;
        let request = RunRequest {
            job_id: job_id.into(),
            workflow_id: Some(workflow.id.clone()),
            graph: workflow.graph.clone(),
            params: params.params.unwrap_or_default(),
        };
        Ok(self.engine.run(request)?)
    }

    /// `validate_workflow`: every problem of a workflow.
    ///
    /// # Errors
    ///
    /// When there is no such workflow, or the folder cannot be read.
    pub fn validate_workflow(&self, params: &ValidateWorkflow) -> Result<Validation, CommandError> {
        let workflow = self.workflow(&params.workflow_id)?;
        let report = validate(&workflow.graph, self.engine.library());
        let valid = report.is_valid();
        Ok(Validation {
            valid,
            workflow_id: workflow.id.clone(),
            workflow_name: workflow.name.clone(),
            summary: ValidationSummary {
                total_nodes: workflow.graph.nodes.len(),
                total_edges: workflow.graph.edges.len(),
                errors: report.errors.len(),
                warnings: report.warnings.len(),
                suggestions: report.suggestions.len(),
            },
            errors: report.errors,
            warnings: report.warnings,
            suggestions: report.suggestions,
            message: match valid {
                true => "Workflow is valid and ready to run",
                false => "Workflow has validation errors - please fix before running",
            },
        })
    }

    /// `list_nodes`: the node types, in the order of their names.
    ///
    /// # Errors
    ///
    /// For a limit out of range.
    pub fn list_nodes(&self, params: &ListNodes) -> Result<NodeList, CommandError> {
        let limit = limit(params.limit)?;
        let prefix = params.namespace.as_deref().unwrap_or("").to_lowercase();
        let types = self.engine.library().iter().map(|node_type| node_type.metadata());
        let found = types.filter(|found| found.namespace.to_lowercase().starts_with(&prefix));
        let nodes: Vec<NodeRow> = found.take(limit).map(node_row).collect();
        Ok(NodeList { count: nodes.len(), nodes })
    }

    /// `get_node_info`: everything a node type says about itself.
    ///
    /// # Errors
    ///
    /// When there is no such type.
    pub fn get_node_info(&self, params: &GetNodeInfo) -> Result<NodeInfo, CommandError> {
        let library = self.engine.library();
        let Some(node_type) = library.get(&params.node_type) else {
            let closest = library.closest(&params.node_type);
            return Err(CommandError::NodeTypeNotFound {
                node_type: params.node_type.clone(),
                hint: closest.map(|known| format!("; did you mean {known}?")).unwrap_or_default(),
            });
        };
        let metadata = node_type.metadata().clone();
        Ok(NodeInfo { metadata, package: "clawnode", installed: true })
    }

    fn workflow(&self, id: &str) -> Result<Arc<Workflow>, CommandError> {
        let mut hint = String::new();
        if let Some(directory) = &self.directory {
            let listing = directory.list()?;
            if let Some(found) = listing.workflows.into_iter().find(|workflow| workflow.id == id) {
                return Ok(found);
            }
            let broken = listing
                .broken
                .iter()
                .find(|broken| broken.file.strip_suffix(".json") == Some(id) || broken.file == id);
            if let Some(broken) = broken {
                hint = format!("; its file {} is broken: {}", broken.file, broken.reason);
            }
        }
        Err(CommandError::WorkflowNotFound { id: id.to_owned(), hint })
    }
}

/// Arguments of `list_workflows`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListWorkflows {
    /// `user` (default), `example` or `all`; there are no examples, and any other word finds
    /// nothing.
    pub workflow_type: String,
    /// Text to look for.
    pub query: Option<String>,
    /// Rows at most, 1 to [`MAX_LIST_LIMIT`]; 100 by default.
    pub limit: u32,
    /// Accepted and ignored, see [`Commands`].
    pub user_id: Option<String>,
}

impl Default for ListWorkflows {
    fn default() -> Self {
        Self { workflow_type: "user".to_owned(), query: None, limit: 100, user_id: None }
    }
}

/// Result of `list_workflows`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkflowList {
    /// The rows.
    pub workflows: Vec<WorkflowRow>,
    /// For the type `user`: the id of the first workflow that did not fit, else empty.
    pub next: Option<String>,
    /// How many rows there are.
    pub total: usize,
    /// The files of the folder that are not workflows, and why.
    pub broken: Vec<BrokenFile>,
}

impl WorkflowList {
    /// Says that there are no more rows, the way each type does.
    fn ended(mut self, params: &ListWorkflows) -> Self {
        self.next = (params.workflow_type == "user").then(String::new);
        self
    }
}

/// One row of [`WorkflowList`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkflowRow {
    /// What it is run by.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// When it was made, as its file has it.
    pub created_at: Option<String>,
    /// When it was changed.
    pub updated_at: Option<String>,
    /// Always `user`.
    pub workflow_type: &'static str,
}

/// Arguments of `get_workflow`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetWorkflow {
    /// Which.
    pub workflow_id: String,
    /// Accepted and ignored, see [`Commands`].
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `get_workflow`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkflowDetails {
    /// What it is run by.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The graph.
    pub graph: Graph,
    /// The parameters it takes.
    pub input_schema: Value,
    /// The results it gives.
    pub output_schema: Value,
    /// When it was made, as its file has it.
    pub created_at: Option<String>,
    /// When it was changed.
    pub updated_at: Option<String>,
}

/// Arguments of `run_workflow`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunWorkflow {
    /// Which.
    pub workflow_id: String,
    /// Values for its inputs, by name.
    #[serde(default)]
    pub params: Option<Map<String, Value>>,
    /// Accepted and ignored, see [`Commands`].
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Arguments of `validate_workflow`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidateWorkflow {
    /// Which.
    pub workflow_id: String,
    /// Accepted and ignored, see [`Commands`].
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `validate_workflow`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Validation {
    /// Whether it can run.
    pub valid: bool,
    /// Which workflow.
    pub workflow_id: String,
    /// What it is called.
    pub workflow_name: String,
    /// The counts.
    pub summary: ValidationSummary,
    /// Why it cannot run.
    pub errors: Vec<Problem>,
    /// What is probably a mistake.
    pub warnings: Vec<Problem>,
    /// What may be an oversight.
    pub suggestions: Vec<Problem>,
    /// One of two sentences.
    pub message: &'static str,
}

/// The counts of a [`Validation`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ValidationSummary {
    /// Nodes of the graph.
    pub total_nodes: usize,
    /// Edges of the graph.
    pub total_edges: usize,
    /// Number of errors.
    pub errors: usize,
    /// Number of warnings.
    pub warnings: usize,
    /// Number of suggestions.
    pub suggestions: usize,
}

/// Arguments of `list_nodes`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListNodes {
    /// The beginning of the namespaces to list, without regard to case.
    pub namespace: Option<String>,
    /// Rows at most, 1 to [`MAX_LIST_LIMIT`]; 200 by default.
    pub limit: u32,
    /// Accepted and ignored, see [`Commands`].
    pub user_id: Option<String>,
}

impl Default for ListNodes {
    fn default() -> Self {
        Self { namespace: None, limit: 200, user_id: None }
    }
}

/// Result of `list_nodes`. (The original returns a bare list, which its own protocol cannot
/// carry.)
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeList {
    /// The rows.
    pub nodes: Vec<NodeRow>,
    /// How many rows there are.
    pub count: usize,
}

/// One row of [`NodeList`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeRow {
    /// The full type name.
    #[serde(rename = "type")]
    pub node_type: String,
    /// The name shown to people.
    pub title: String,
    /// What it does.
    pub description: String,
    /// The part of the type before its last dot.
    pub namespace: String,
}

/// Arguments of `get_node_info`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetNodeInfo {
    /// Which.
    pub node_type: String,
    /// Accepted and ignored, see [`Commands`].
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `get_node_info`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeInfo {
    /// What the type says about itself.
    #[serde(flatten)]
    pub metadata: NodeMetadata,
    /// Always `clawnode`.
    pub package: &'static str,
    /// Always true.
    pub installed: bool,
}

fn limit(limit: u32) -> Result<usize, CommandError> {
    if !(1..=MAX_LIST_LIMIT).contains(&limit) {
        let text = format!("argument `limit` must be from 1 to {MAX_LIST_LIMIT}, not {limit}");
        return Err(CommandError::Arguments(text));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

fn matches(workflow: &Workflow, query: &str) -> bool {
    let texts = [&workflow.name, &workflow.description].into_iter().chain(&workflow.tags);
    texts.into_iter().any(|text| text.to_lowercase().contains(query))
}

fn row(workflow: &Workflow) -> WorkflowRow {
    WorkflowRow {
        id: workflow.id.clone(),
        name: workflow.name.clone(),
        description: workflow.description.clone(),
        tags: workflow.tags.clone(),
        created_at: workflow.created_at.clone(),
        updated_at: workflow.updated_at.clone(),
        workflow_type: "user",
    }
}

fn node_row(metadata: &NodeMetadata) -> NodeRow {
    NodeRow {
        node_type: metadata.node_type.clone(),
        title: metadata.title.clone(),
        description: metadata.description.clone(),
        namespace: metadata.namespace.clone(),
    }
}
