//! The options of the command about models.

use clap::{Args, Subcommand};

use super::kept::{Kept, Part};

#[derive(Debug, Args)]
pub(crate) struct Models {
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the models that services offered when they were asked last, the newest first
    ///
    /// A node with --models-url asks its service at each `list_models`, and keeps the answer. No service is asked here, so
    /// none of the models need be there still: SEEN is when it was.
    List {
        /// Only those of this service, as the list has it
        #[arg(long, env = "CLAWNODE_SOURCE", value_name = "URL")]
        source: Option<String>,
        /// Only those with this text in their id or name
        #[arg(long, env = "CLAWNODE_SEARCH", value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        part: Part,
    },
}
