//! The node types: one folder a group, one file a type.

#[cfg(feature = "code")]
pub(crate) mod code;
#[cfg(feature = "commands")]
pub(crate) mod commands;
#[cfg(feature = "files")]
pub(crate) mod files;
#[cfg(feature = "http")]
pub(crate) mod http;
#[cfg(feature = "models")]
pub(crate) mod models;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
