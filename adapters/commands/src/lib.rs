//! The sixteen commands of the nodetool dialect (protocol page 1.2), each as a parameter struct, a
//! result struct and a method of [`Commands`].
//!
//! ```
//! use std::sync::Arc;
//! use clawnode_commands::{Commands, ListNodes, parse};
//! use clawnode_store::Store;
//! use clawnode_workflows::{Engine, NodeLibrary};
//!
//! let engine = Engine::new(Arc::new(NodeLibrary::standard()));
//! let commands = Commands::new(engine, Store::in_memory()?);
//! let params: ListNodes = parse(serde_json::json!({"namespace": "nodetool.boolean"}))?;
//! assert_eq!(commands.list_nodes("1", &params)?.nodes[0].title, "Compare");
//!
//! let wrong = parse::<ListNodes>(serde_json::json!({"namspace": "x"})).unwrap_err();
//! assert!(wrong.to_string().contains("unknown argument `namspace`"));
//! # Ok::<(), clawnode_commands::CommandError>(())
//! ```
//!
//! The first argument of each method is the user that the request is made for, which whoever
//! received it knows. Nobody sees what belongs to another user: an argument `user_id` that names
//! one is an error. The value [`DEFAULT_USER_ID`] names nobody, and is accepted from everybody.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod examples;
pub mod limits;

mod assets;
mod collections;
mod error;
mod jobs;
mod models;
mod nodes;
mod params;
mod records;
mod runner;
mod search;
mod workflows;

use std::{fmt, sync::Arc};

use clawnode_store::Store;
use clawnode_workflows::{Engine, WorkflowDirectory};

pub use clawnode_store::Model;

pub use assets::{AssetList, AssetRow, GetAsset, ListAssets};
pub use collections::{
    CollectionDetails, CollectionList, CollectionRow, GetCollection, ListCollections,
};
pub use error::CommandError;
pub use jobs::{GetJob, GetJobLogs, JobInfo, JobList, JobLogs, JobRow, ListJobs};
pub use models::{ListModels, ModelList, ModelSource, ModelsError};
pub use nodes::{
    FoundNode, FoundNodes, GetNodeInfo, ListNodes, NodeInfo, NodeList, NodeRow, SearchNodes,
};
pub use params::{DEFAULT_USER_ID, Words, parse};
pub use runner::{BackgroundJob, JobRun, Jobs, Spawn, StartBackgroundJob};
pub use workflows::{
    ExampleWorkflow, GetWorkflow, ListWorkflows, RunWorkflow, UserWorkflow, ValidateWorkflow,
    Validation, ValidationSummary, WorkflowDetails, WorkflowList, WorkflowRow,
};

/// The commands of one node that only look; those that run something are with [`Jobs`]. Cheap to
/// clone.
///
/// Its methods block while they read files and the store; an asynchronous program calls them
/// where blocking is allowed.
#[derive(Clone)]
pub struct Commands {
    engine: Engine,
    store: Store,
    directory: Option<Arc<WorkflowDirectory>>,
    models: Option<Arc<dyn ModelSource>>,
}

impl Commands {
    /// Commands for the node types of `engine`, and for what `store` keeps.
    pub fn new(engine: Engine, store: Store) -> Self {
        Self { engine, store, directory: None, models: None }
    }

    /// The same with the workflows of a folder, which belong to all users.
    #[must_use]
    pub fn workflow_directory(mut self, directory: Arc<WorkflowDirectory>) -> Self {
        self.directory = Some(directory);
        self
    }

    /// The same with models for `list_models`.
    #[must_use]
    pub fn models(mut self, source: impl ModelSource) -> Self {
        self.models = Some(Arc::new(source));
        self
    }

    /// The engine that runs the workflows.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What the node keeps.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn directory(&self) -> Option<&WorkflowDirectory> {
        self.directory.as_deref()
    }

    pub(crate) fn model_source(&self) -> Option<&dyn ModelSource> {
        self.models.as_deref()
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands")
            .field("engine", &self.engine)
            .field("directory", &self.directory)
            .field("models", &self.models.is_some())
            .finish()
    }
}
