//! Why a command fails.

use clawnode_store::StoreError;
use clawnode_workflows::{DirectoryError, InvalidGraph};

use crate::{limits::MAX_WAITING_JOBS, models::ModelsError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// An argument is unknown, missing, of the wrong type or out of range.
    #[error("{0}")]
    Arguments(String),
    /// The argument `user_id` names somebody else than the request does.
    #[error(
        "argument `user_id` is {named:?}, but the request is made for user {user:?}; leave it out"
    )]
    OtherUser {
        /// Whom the argument names.
        named: String,
        /// Whom the request is made for.
        user: String,
    },
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
    /// The user has no job of that id.
    #[error("Job {id} not found")]
    JobNotFound {
        /// The id that was asked for.
        id: String,
    },
    /// There is a job of that id already, of whatever user.
    #[error("there is a job {id} already")]
    JobExists {
        /// The id.
        id: String,
    },
    /// A background job cannot run that way.
    #[error("Invalid execution_strategy: {given}; this node runs jobs as `threaded` only")]
    ExecutionStrategy {
        /// What was asked for.
        given: String,
    },
    /// More background jobs wait than there is room for.
    #[error("{MAX_WAITING_JOBS} background jobs wait already; try again when some have ended")]
    TooManyJobs,
    /// The node is stopping.
    #[error("the node is stopping and starts nothing more")]
    Stopped,
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The workflow folder cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The graph cannot run.
    #[error(transparent)]
    InvalidGraph(#[from] InvalidGraph),
    /// The models cannot be listed.
    #[error(transparent)]
    Models(#[from] ModelsError),
}

/// What the store says about the job `id`, in the words of the protocol where it has some.
pub(crate) fn job_error(error: StoreError, id: &str) -> CommandError {
    match error {
        StoreError::NotFound { .. } => CommandError::JobNotFound { id: id.to_owned() },
        error => error.into(),
    }
}
