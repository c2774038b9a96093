//! Each node type: what goes in, what comes out, and what it does not get at.
#![allow(missing_docs, unreachable_pub)]

mod common;

#[cfg(feature = "code")]
mod code;
#[cfg(all(feature = "commands", unix))]
mod commands;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "models")]
mod models;
#[cfg(feature = "sqlite")]
mod sqlite;
