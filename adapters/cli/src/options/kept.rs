//! The options of the commands about what is kept in the data folder.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::param;
use super::switch::Switch;
use crate::access::AccessOptions;

/// Where things are kept, whose they are, and how they are shown.
#[derive(Debug, Args)]
pub(crate) struct Kept {
    /// The data folder (default: the platform's place for such data, as for `connect`)
    #[arg(long, global = true, env = "CLAWNODE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Whose things: each user sees their own only
    #[arg(long, global = true, env = "CLAWNODE_USER_ID", value_name = "ID", default_value = "1")]
    pub(crate) user_id: String,
    /// Print JSON in place of a table
    #[arg(long, global = true, env = "CLAWNODE_JSON", value_parser = Switch)]
    pub(crate) json: bool,
}

/// Which part of a list to show.
#[derive(Debug, Args)]
pub(crate) struct Part {
    /// Rows at most
    #[arg(long, env = "CLAWNODE_LIMIT", value_name = "COUNT", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Where to go on: the cursor that the part before ended with
    #[arg(long, env = "CLAWNODE_START", value_name = "CURSOR")]
    pub(crate) start: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Workflow {
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(subcommand)]
    pub(crate) command: WorkflowCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Keep workflow files: exported workflows of NodeTool, or bare graphs
    ///
    /// A workflow without an id gets the name of its file; a byte order mark is left out. One that cannot run is kept, and warned of. Not
    /// while a node runs on the same data folder.
    Import {
        /// The files, or - for stdin
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Take the place of workflows with the same ids
        #[arg(long, env = "CLAWNODE_REPLACE", value_parser = Switch)]
        replace: bool,
    },
    /// Print a workflow's file as it was imported, to the byte; that of one that comes with the program, as a start for an own one
    Export {
        /// The workflow's id
        id: String,
    },
    /// List the workflows, the newest first; or those that come with the program
    List {
        /// The workflows that come with the program, which `clawnode run --example ID` runs
        #[arg(long, env = "CLAWNODE_EXAMPLES", value_parser = Switch, conflicts_with_all = ["search", "limit", "start"])]
        examples: bool,
        /// Only those with this text in their name, description or tags
        #[arg(long, env = "CLAWNODE_SEARCH", value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Show what a workflow is, takes and gives; one that comes with the program, too
    Show {
        /// The workflow's id
        id: String,
    },
    /// Check a workflow: exit code 1 if it cannot run
    #[command(group = ArgGroup::new("checked").args(["id", "file"]).required(true))]
    Validate {
        /// The workflow's id
        id: Option<String>,
        /// Check this file, or - for stdin, which need not be imported
        #[arg(long, env = "CLAWNODE_FILE", value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Run a workflow here, as a job: updates on stderr, the result on stdout
    ///
    /// Not while a node runs on the same data folder; `clawnode run --gateway ... --workflow-id ID` asks that node.
    Run {
        /// The workflow's id
        id: String,
        /// A value for the workflow's input NAME, as the input has it: text as it is, the rest as JSON; may be given several times. @FILE
        /// reads it from a file, and @@ begins a value with an @
        #[arg(long = "param", value_name = "NAME=VALUE|NAME=@FILE", value_parser = param)]
        params: Vec<(String, String)>,
        /// Show no updates
        #[arg(long, short, env = "CLAWNODE_QUIET", value_parser = Switch)]
        quiet: bool,
        #[command(flatten)]
        access: Box<AccessOptions>,
    },
    /// Remove workflows, all of them or none; their jobs stay. Not while a node runs on the same data folder
    Remove {
        /// The workflows' ids
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Jobs {
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(subcommand)]
    pub(crate) command: JobsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List the jobs, the newest first
    List {
        /// Only the jobs of this workflow
        #[arg(long, env = "CLAWNODE_WORKFLOW_ID", value_name = "ID")]
        workflow_id: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Show a job: where it is, when it began and ended, its result, and why it failed
    Show {
        /// The job's id
        id: String,
    },
    /// Print the log of a job, of a running one up to now; the newest 1,000 rows are kept
    Logs {
        /// The job's id
        id: String,
        /// Rows at most, the newest
        #[arg(long, env = "CLAWNODE_LIMIT", value_name = "COUNT", default_value = "200", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Cancel a job that runs in a node on this data folder, and wait a little for its end
    Cancel {
        /// The job's id
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Assets {
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(subcommand)]
    pub(crate) command: AssetsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AssetsCommand {
    /// Keep copies of files. Not while a node runs on the same data folder
    Add {
        /// The files, or - for stdin, which needs --name
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// What to call it, if it is one file (default: the file's name)
        #[arg(long, env = "CLAWNODE_NAME", value_name = "NAME")]
        name: Option<String>,
        /// Its media type (default: what the name says)
        #[arg(long, env = "CLAWNODE_CONTENT_TYPE", value_name = "TYPE")]
        content_type: Option<String>,
        /// The id of the folder to put it into (default: the top)
        #[arg(long, env = "CLAWNODE_FOLDER", value_name = "ID")]
        folder: Option<String>,
    },
    /// Make a folder for assets. Not while a node runs on the same data folder
    Folder {
        /// What to call it
        name: String,
        /// The id of the folder to make it in (default: the top)
        #[arg(long, env = "CLAWNODE_FOLDER", value_name = "ID")]
        folder: Option<String>,
    },
    /// List the assets and folders, the newest first
    List {
        /// Only those in the folder with this id (default: all)
        #[arg(long, env = "CLAWNODE_FOLDER", value_name = "ID")]
        folder: Option<String>,
        /// Only those with this text in their name
        #[arg(long, env = "CLAWNODE_SEARCH", value_name = "TEXT")]
        search: Option<String>,
        /// Only those whose media type begins so, such as image/
        #[arg(long, env = "CLAWNODE_CONTENT_TYPE", value_name = "TYPE")]
        content_type: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Print the content of an asset; with --json, what is known of it
    Get {
        /// The asset's id
        id: String,
        /// Write the content to this new file
        #[arg(long, short, env = "CLAWNODE_OUTPUT", value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Remove assets and empty folders. Not while a node runs on the same data folder
    Remove {
        /// The ids
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The data folder (default: the platform's place for such data, as for `connect`)
    #[arg(long, env = "CLAWNODE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The folder to make
    #[arg(value_name = "FOLDER")]
    pub(crate) to: PathBuf,
}
