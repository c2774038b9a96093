//! Node types for [`clawnode_workflows`] that touch the world, within what an [`Access`] allows.
//!
//! | feature | node types | needs |
//! |---|---|---|
//! | `http` | `lib.http.*` | [`Access::allow_host`] |
//! | `files` | `lib.os.*`, `nodetool.workspace.*` | [`Access::allow_folder`] |
//! | `sqlite` | `lib.sqlite.*` | [`Access::allow_folder`] |
//! | `code` | `nodetool.code.Code` | nothing: a script reaches nothing but its inputs |
//! | `models` | `nodetool.agents.*`, `nodetool.generators.*` | [`Access::models`] |
//! | `commands` | `nodetool.code.ExecuteCommand`, `nodetool.code.RunShellCommand` | [`Access::allow_commands`] |
//!
//! All features are on by default, and nothing is allowed by default. A node type whose permission is missing is there, and its
//! error says what to allow.
//!
//! ```
//! use std::sync::Arc;
//!
//! use clawnode_nodes::Access;
//! use clawnode_workflows::{Engine, NodeLibrary};
//!
//! let access = Access::default().allow_host("api.example.org".parse()?);
//! let mut library = NodeLibrary::standard();
//! clawnode_nodes::register(&mut library, &access);
//! let engine = Engine::new(Arc::new(library));
//! # Ok::<(), clawnode_nodes::InvalidHost>(())
//! ```
//!
//! The nodes run on any async runtime. What blocks runs on threads of its own; requests and commands run on one thread that starts
//! when the first of them does. Dropping a run ends its requests, scripts, queries and commands.

#![forbid(unsafe_code)]

mod access;
#[cfg(feature = "__blocking")]
mod blocking;
#[cfg(feature = "__folders")]
mod folders;
mod limits;
#[cfg(feature = "models")]
mod models;
mod nodes;
#[cfg(feature = "__runtime")]
mod runtime;
#[cfg(any(feature = "__web", feature = "code", feature = "commands"))]
mod text;
#[cfg(feature = "__web")]
mod web;

#[cfg(feature = "__web")]
use std::sync::Arc;

#[cfg(feature = "__web")]
use async_lock::Semaphore;
use clawnode_workflows::{NodeLibrary, NodeType};

pub use access::{Access, AllowedHost, InvalidHost, ModelService, UnusableFolder};
pub use limits::Limits;
#[cfg(feature = "models")]
pub use models::{Model, UnlistedModels, list_models};

/// Adds the node types of all features to a library. They use what `access` allows, however often and at once within its
/// [`Limits`], which count for all of them together.
pub fn register(library: &mut NodeLibrary, access: &Access) {
    // Without any feature nothing asks for it.
    let _ = access;
    #[cfg(feature = "__web")]
    let requests = Arc::new(Semaphore::new(access.bounds().requests_at_once));
    let groups: &[Vec<NodeType>] = &[
        #[cfg(feature = "http")]
        nodes::http::all(access, &requests),
        #[cfg(feature = "code")]
        nodes::code::all(access),
        #[cfg(feature = "commands")]
        nodes::commands::all(access),
        #[cfg(feature = "files")]
        nodes::files::all(access),
        #[cfg(feature = "models")]
        nodes::models::all(access, &requests),
        #[cfg(feature = "sqlite")]
        nodes::sqlite::all(access),
    ];
    for node in groups.iter().flatten() {
        library.register(node.clone());
    }
}
