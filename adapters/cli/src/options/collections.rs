//! The options of the commands about collections.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::kept::{Kept, Part};

#[derive(Debug, Args)]
pub(crate) struct Collections {
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(subcommand)]
    pub(crate) command: CollectionsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CollectionsCommand {
    /// Make an empty collection. Not while a node runs on the same data folder
    Create {
        /// What to call it
        name: String,
        /// The id of the workflow that uses it
        #[arg(long, env = "CLAWNODE_WORKFLOW_ID", value_name = "ID")]
        workflow_id: Option<String>,
    },
    /// Add text files as documents, each under its file's name; one of that name is replaced. Not while a node runs on the same data folder
    ///
    /// Makes the collection if there is none.
    Add {
        /// The collection's name
        name: String,
        /// The files, UTF-8
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// List the collections, the newest first
    List {
        /// Only those with this text in their name
        #[arg(long, env = "CLAWNODE_SEARCH", value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Find documents that have all of the words, best first; WORD* stands for all words that begin so
    Search {
        /// The collection's name
        name: String,
        /// The words
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
        /// Documents at most
        #[arg(long, env = "CLAWNODE_LIMIT", value_name = "COUNT", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Remove collections with all their documents. Not while a node runs on the same data folder
    Remove {
        /// The collections' names
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
}
