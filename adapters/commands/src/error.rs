//! Why a command fails.

use clawnode_workflows::{DirectoryError, InvalidGraph};

use crate::models::ModelsError;

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
