pub(crate) mod collections;
pub(crate) mod kept;
pub(crate) mod models;
pub(crate) mod switch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::LevelFilter;

use self::switch::Switch;
use crate::access::AccessOptions;

/// A node of an agent gateway in one small program.
///
/// A gateway hands work to nodes: machines that run workflows and commands and stream the results back over one WebSocket. This is
/// the node, with a small gateway to develop against.
#[derive(Debug, Parser)]
#[command(name = "clawnode", version, after_long_help = after_help())]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

fn after_help() -> String {
    format!(
        "\
Every option but --param can be given as an environment variable: CLAWNODE_ and its name, such as CLAWNODE_AUTH_TOKEN. The option goes
before the variable.

{OPENCLAW_ENVIRONMENT}

Exit codes:
  0    done, or stopped as asked
  1    the workflow failed, or something else did
  2    the command line, a file or an environment variable is not as it should be
  3    the gateway refuses (a wrong token, or no gateway at all): trying again will not help
  4    the gateway cannot be reached, or has no node to do the work
  130  interrupted: `run` at once, the servers at the second signal

Try it: clawnode demo"
    )
}

const OPENCLAW_ENVIRONMENT: &str = "\
For OpenClaw gateways these environment variables are read as well:
  OPENCLAW_GATEWAY_TOKEN, OPENCLAW_GATEWAY_PASSWORD  the gateway's token and password, unless an option gives them
  OPENCLAW_HANDSHAKE_TIMEOUT_MS                      how long the gateway may take to let this node in (default: 15000)
  OPENCLAW_ALLOW_INSECURE_PRIVATE_WS=1               ws:// to gateways of any name; never to public addresses
  CF_ACCESS_CLIENT_ID, CF_ACCESS_CLIENT_SECRET       a service token of Cloudflare Access, sent over wss:// only";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Be a node: connect to a gateway and do its work until stopped
    #[command(after_long_help = OPENCLAW_ENVIRONMENT)]
    Connect(Box<Connect>),
    /// Find out why a node does not get work from its gateway, or that all is well: one line a check, and for each failure what to do
    ///
    /// Give it the options of `connect`. It changes nothing here: it shows what `connect` would show, leaves a node alone that is
    /// connected as this device, and uses no setup code up. A gateway that does not know the device yet notes that it asks for
    /// approval, as it does with `connect`.
    ///
    /// Exit codes: 0 nothing failed, though there may be warnings; 1 a check failed; 2 the command line is not as it should be.
    #[command(after_long_help = OPENCLAW_ENVIRONMENT)]
    Doctor(Box<Doctor>),
    /// Be a gateway for development: nodes and an HTTP API on one port
    Gateway(Gateway),
    /// Run a workflow, on a node of a gateway or right here
    Run(Box<Run>),
    /// Fetch the result of a request by its id
    Result(Fetch),
    /// List the node types that workflows are made of, or describe one; with --gateway, list a gateway's nodes
    Nodes(Nodes),
    /// List the commands that `connect` serves, or describe one and its parameters
    Commands(Commands),
    /// Keep workflows in this machine's data folder, and run them
    Workflow(kept::Workflow),
    /// See the jobs of this machine's data folder, running ones included, and cancel them
    Jobs(kept::Jobs),
    /// Keep files in this machine's data folder, for workflows and gateways to use
    Assets(kept::Assets),
    /// Collections of documents, which are found by their words: make, fill, list, search and remove them
    Collections(collections::Collections),
    /// See which models the services offered that this machine's nodes have asked
    Models(models::Models),
    /// Copy workflows, jobs, assets, models and collections to a new folder, also while a node runs; the copy is good as a --data-dir
    Backup(kept::Backup),
    /// Check a node or a gateway of your own, in any language, against the rules of the protocol
    ///
    /// Exit codes: 0 all required checks that were tried pass; 1 one fails.
    Conformance(Box<Conformance>),
    /// Who this machine is to OpenClaw gateways
    Identity(Identity),
    /// Be an operator of an OpenClaw gateway: see its nodes, approve them, and ask them to do something
    #[command(after_long_help = OPENCLAW_ENVIRONMENT)]
    Openclaw(Openclaw),
    /// See it work: a gateway, a node and a workflow in one process
    Demo,
    /// Play back a recording of `connect --record` and check that the node does the same to the byte
    ///
    /// Exit codes: 0 the node does the same; 1 it does something else, and the summary says where first; 2 the file
    /// cannot be read.
    Replay(Replay),
}

impl Command {
    /// Servers tell what they do; the others speak through their results.
    pub(crate) fn default_level(&self) -> LevelFilter {
        match self {
            Self::Connect(_) | Self::Gateway(_) => LevelFilter::INFO,
            Self::Doctor(_) | Self::Openclaw(_) => LevelFilter::OFF,
            _ => LevelFilter::WARN,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Logging {
    /// What to log to stderr: error, warn, info, debug, trace, or by module as in `info,clawnode_runtime=debug`
    #[arg(long, global = true, display_order = 100, env = "CLAWNODE_LOG", value_name = "FILTER", help_heading = LOGGING)]
    pub(crate) log: Option<String>,
    /// How log lines look
    #[arg(
        long,
        global = true,
        display_order = 101,
        env = "CLAWNODE_LOG_FORMAT",
        value_enum,
        default_value = "text",
        help_heading = LOGGING
    )]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("place").args(["url", "pair"]).required(true).multiple(true))]
pub(crate) struct Connect {
    /// The gateway, such as ws://127.0.0.1:8080 or wss://example.org/nodes?tenant=7
    #[arg(long, env = "CLAWNODE_URL", value_name = "URL", help_heading = GATEWAY)]
    pub(crate) url: Option<String>,
    /// Pair with an OpenClaw gateway by its setup code (oc-pair://...) or join link (https://.../j/...); good once
    #[arg(long, env = "CLAWNODE_PAIR", value_name = "CODE|URL", hide_env_values = true, help_heading = GATEWAY)]
    pub(crate) pair: Option<String>,
    #[command(flatten)]
    pub(crate) node: Node,
    /// Seconds between heartbeats; a gateway silent for two of them is given up
    #[arg(long, env = "CLAWNODE_HEARTBEAT_INTERVAL", value_name = "SECONDS", default_value = "30", allow_negative_numbers = true, value_parser = positive_seconds, help_heading = GATEWAY)]
    pub(crate) heartbeat_interval: Duration,
    /// Seconds before the first reconnect; doubles with each failure (default: 5, and 1 if the gateway is known to speak openclaw)
    #[arg(long, env = "CLAWNODE_RECONNECT_DELAY", value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds, help_heading = GATEWAY)]
    pub(crate) reconnect_delay: Option<Duration>,
    /// The most seconds between reconnects (default: 60, and 30 if the gateway is known to speak openclaw)
    #[arg(long, env = "CLAWNODE_MAX_RECONNECT_DELAY", value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds, help_heading = GATEWAY)]
    pub(crate) max_reconnect_delay: Option<Duration>,
    /// Seconds that running work, background jobs included, gets to finish after Ctrl-C or SIGTERM
    #[arg(long, env = "CLAWNODE_STOP_GRACE", value_name = "SECONDS", default_value = "30", allow_negative_numbers = true, value_parser = seconds, help_heading = WORK)]
    pub(crate) stop_grace: Duration,
    /// Keep jobs and the rest in memory, for as long as the program runs; then several nodes can share a --data-dir
    #[arg(long, env = "CLAWNODE_IN_MEMORY", value_parser = Switch, help_heading = WORK)]
    pub(crate) in_memory: bool,
    /// Record all that happens to this node to FILE, for `clawnode replay`
    ///
    /// An older FILE becomes FILE.1. So does this one when it is full: then a new FILE begins with a checkpoint of the node,
    /// from which a replay goes on. Together they hold at least the newest three quarters of --record-limit.
    ///
    /// The recording holds what the gateway says and what workflows and commands answer, so treat it like the data
    /// itself; only its owner may read the file. Tokens, and values in the query of the URL, are replaced by stand-ins
    /// of equal length.
    #[arg(long, env = "CLAWNODE_RECORD", value_name = "FILE", help_heading = RECORDING)]
    pub(crate) record: Option<PathBuf>,
    /// The most MiB of one file of a recording
    #[arg(long, env = "CLAWNODE_RECORD_LIMIT", value_name = "MIB", default_value = "64", value_parser = clap::value_parser!(u32).range(1..), help_heading = RECORDING)]
    pub(crate) record_limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The gateway (default: the one that this machine's data folder knows, or else ws://127.0.0.1:18789)
    #[arg(long, env = "CLAWNODE_URL", value_name = "URL", help_heading = GATEWAY)]
    pub(crate) url: Option<String>,
    /// Check this setup code or join link, without using it up
    #[arg(long, env = "CLAWNODE_PAIR", value_name = "CODE|URL", hide_env_values = true, help_heading = GATEWAY)]
    pub(crate) pair: Option<String>,
    #[command(flatten)]
    pub(crate) node: Node,
    /// Print JSON in place of lines
    #[arg(long, env = "CLAWNODE_JSON", value_parser = Switch, help_heading = None)]
    pub(crate) json: bool,
}

/// Who a node is, how it proves it, and what it serves.
#[derive(Debug, Args)]
pub(crate) struct Node {
    /// What the gateway speaks; `auto` finds out, which takes a second with a nodetool gateway, and remembers
    #[arg(long, env = "CLAWNODE_PROTOCOL", value_enum, default_value = "auto", help_heading = GATEWAY)]
    pub(crate) protocol: Protocol,
    #[command(flatten, next_help_heading = GATEWAY)]
    pub(crate) token: Token,
    /// A folder of workflows, one JSON file each; read again whenever it changes
    #[arg(long, env = "CLAWNODE_WORKFLOWS", value_name = "DIR", help_heading = WORK)]
    pub(crate) workflows: Option<PathBuf>,
    /// Serve only these commands
    #[arg(long, env = "CLAWNODE_COMMANDS", value_name = "NAME,...", value_delimiter = ',', help_heading = WORK)]
    pub(crate) commands: Vec<String>,
    /// This node's name, unique among the gateway's nodes (default: node- and a random id)
    #[arg(long, env = "CLAWNODE_NODE_ID", value_name = "ID", help_heading = NODETOOL)]
    pub(crate) node_id: Option<String>,
    /// The user that this node works for, and that requests without a user mean
    #[arg(long, env = "CLAWNODE_USER_ID", value_name = "ID", default_value = "1", help_heading = NODETOOL)]
    pub(crate) user_id: String,
    /// Another user whose requests are taken; may be given several times
    #[arg(long, env = "CLAWNODE_ALLOW_USER", value_name = "ID", value_delimiter = ',', help_heading = NODETOOL)]
    pub(crate) allow_user: Vec<String>,
    /// Where the token goes; `query` and `both` are for gateways that do not read the header
    #[arg(
        long,
        env = "CLAWNODE_TOKEN_IN",
        value_enum,
        default_value = "header",
        value_name = "WHERE",
        help_heading = NODETOOL
    )]
    pub(crate) token_in: TokenIn,
    /// What people call this node on an OpenClaw gateway (default: this machine's name)
    #[arg(long, env = "CLAWNODE_DISPLAY_NAME", value_name = "NAME", help_heading = OPENCLAW)]
    pub(crate) display_name: Option<String>,
    /// An OpenClaw gateway's password (OPENCLAW_GATEWAY_PASSWORD is read as well)
    #[arg(long, env = "CLAWNODE_PASSWORD", value_name = "PASSWORD", hide_env_values = true, help_heading = OPENCLAW)]
    pub(crate) password: Option<String>,
    /// Where this node keeps its identity, the tokens it was given, its workflows, jobs and assets (default: the platform's place for such data)
    #[arg(long, env = "CLAWNODE_DATA_DIR", value_name = "DIR", help_heading = WORK)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Trust the certificates in this PEM file in place of the system's
    #[arg(long, env = "CLAWNODE_TLS_CA", value_name = "FILE", help_heading = TLS)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The SHA-256 fingerprint of the one certificate that the gateway may show
    #[arg(long, env = "CLAWNODE_TLS_FINGERPRINT", value_name = "HEX", help_heading = TLS)]
    pub(crate) tls_fingerprint: Option<String>,
    /// Connect through this HTTP proxy (http://user:password@host:port); without it HTTPS_PROXY, http_proxy, ALL_PROXY and NO_PROXY
    /// are heeded, as curl does
    #[arg(long, env = "CLAWNODE_PROXY", value_name = "URL", hide_env_values = true, help_heading = TLS)]
    pub(crate) proxy: Option<String>,
    #[command(flatten)]
    pub(crate) access: AccessOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// Where the identity is kept (default: the platform's place for such data)
    #[arg(long, global = true, env = "CLAWNODE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: IdentityCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Show the device's id and public key, and the gateways that know it
    Show,
    /// Make an identity
    New {
        /// Even if there is one, which is kept as identity.json.1
        #[arg(long, env = "CLAWNODE_FORCE")]
        force: bool,
    },
    /// Print the public half as JSON; the key itself is in the file that `show` names
    Export,
}

#[derive(Debug, Args)]
pub(crate) struct Openclaw {
    /// The gateway (default: ws://127.0.0.1:18789)
    #[arg(long, global = true, env = "CLAWNODE_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) token: Token,
    /// The gateway's password (OPENCLAW_GATEWAY_PASSWORD is read as well)
    #[arg(long, env = "CLAWNODE_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// Trust the certificates in this PEM file in place of the system's
    #[arg(long, env = "CLAWNODE_TLS_CA", value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The SHA-256 fingerprint of the one certificate that the gateway may show
    #[arg(long, env = "CLAWNODE_TLS_FINGERPRINT", value_name = "HEX")]
    pub(crate) tls_fingerprint: Option<String>,
    /// Connect through this HTTP proxy (http://user:password@host:port); without it HTTPS_PROXY, http_proxy, ALL_PROXY and NO_PROXY
    /// are heeded, as curl does
    #[arg(long, env = "CLAWNODE_PROXY", value_name = "URL", hide_env_values = true)]
    pub(crate) proxy: Option<String>,
    /// Where this operator keeps its identity; needed only for a gateway on another machine
    #[arg(long, env = "CLAWNODE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print the gateway's own answer, JSON
    #[arg(long, global = true, env = "CLAWNODE_JSON")]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) ask: Ask,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ask {
    /// List the nodes: who is connected, what they may do, and what waits for approval
    Nodes,
    /// List the devices: those that wait for approval, and those that are paired
    Devices,
    /// Approve a device, or what a node may do
    Approve {
        /// The request's id, as `devices` and `nodes` show it
        #[arg(value_name = "REQUEST_ID", required_unless_present = "all")]
        request_id: Option<String>,
        /// Approve everything that waits
        #[arg(long, env = "CLAWNODE_ALL", conflicts_with = "request_id")]
        all: bool,
    },
    /// Ask a node to run a command
    Invoke {
        /// The node's id or name
        node: String,
        /// The command, such as system.which
        command: String,
        /// Its parameters, JSON (default: {})
        params: Option<String>,
        /// Seconds the node has; 0 for as long as it takes
        #[arg(long, env = "CLAWNODE_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = seconds)]
        timeout: Duration,
    },
    /// Call a method of the gateway
    Call {
        /// The method, such as node.list
        method: String,
        /// Its parameters, JSON (default: {})
        params: Option<String>,
    },
    /// Make a setup code, good for pairing one device within ten minutes
    SetupCode {
        /// Where the device will reach the gateway, as the code is to say; the gateway itself is asked at --url
        #[arg(long, env = "CLAWNODE_PUBLIC_URL", value_name = "URL")]
        public_url: Option<String>,
        /// Pair the device without any right to run commands
        #[arg(long, env = "CLAWNODE_LIMITED")]
        limited: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// Whichever the gateway speaks: an OpenClaw gateway speaks first, and has a second for it
    Auto,
    /// The gateway protocol of NodeTool
    Nodetool,
    /// The protocol of the OpenClaw Gateway
    Openclaw,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The recording
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print what happened, one line an event, with the seconds since the first
    #[arg(long, env = "CLAWNODE_TRANSCRIPT")]
    pub(crate) transcript: bool,
    /// Draw what happened: a page for a browser, in one file that needs nothing else
    #[arg(long, env = "CLAWNODE_HTML", value_name = "OUT")]
    pub(crate) html: Option<PathBuf>,
    /// Stop after this many seconds of this file
    #[arg(long, env = "CLAWNODE_UNTIL", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) until: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// Check the node that this command line starts; {url} in it becomes the gateway's URL, {token} the token
    ///
    /// It is split as a shell would, but run without one, anew for each check. The process also gets CLAWNODE_URL and
    /// CLAWNODE_AUTH_TOKEN. Goes before --gateway.
    #[arg(long, env = "CLAWNODE_NODE", value_name = "CMD")]
    pub(crate) node: Option<String>,
    /// Check the gateway to which nodes connect at this ws:// URL
    #[arg(long, env = "CLAWNODE_GATEWAY", value_name = "URL")]
    pub(crate) gateway: Option<String>,
    #[command(flatten)]
    pub(crate) token: Token,
    /// Node: the seconds between the heartbeats that CMD makes it send; give it a short interval, such as 1
    #[arg(long, env = "CLAWNODE_HEARTBEAT_INTERVAL", value_name = "SECONDS", allow_negative_numbers = true, value_parser = positive_seconds)]
    pub(crate) heartbeat_interval: Option<Duration>,
    /// Node: a command that succeeds quickly
    #[arg(long, env = "CLAWNODE_COMMAND", value_name = "NAME")]
    pub(crate) command: Option<String>,
    /// Its args
    #[arg(long, env = "CLAWNODE_ARGS", value_name = "JSON", default_value = "{}", value_parser = json_object)]
    pub(crate) args: serde_json::Value,
    /// Node: a command that succeeds after 1 to 5 seconds
    #[arg(long, env = "CLAWNODE_SLOW_COMMAND", value_name = "NAME")]
    pub(crate) slow_command: Option<String>,
    /// Its args
    #[arg(long, env = "CLAWNODE_SLOW_ARGS", value_name = "JSON", default_value = "{}", value_parser = json_object)]
    pub(crate) slow_args: serde_json::Value,
    /// Node: a command whose result differs each time it runs, such as a counter or a clock
    #[arg(long, env = "CLAWNODE_UNIQUE_COMMAND", value_name = "NAME")]
    pub(crate) unique_command: Option<String>,
    /// Its args
    #[arg(long, env = "CLAWNODE_UNIQUE_ARGS", value_name = "JSON", default_value = "{}", value_parser = json_object)]
    pub(crate) unique_args: serde_json::Value,
    /// Node: it runs inline workflows
    #[arg(long, env = "CLAWNODE_WORKFLOW", value_parser = Switch)]
    pub(crate) workflow: bool,
    /// Gateway: submit work over this HTTP API, which is that of `clawnode gateway`, such as http://127.0.0.1:8080
    #[arg(long, env = "CLAWNODE_HTTP", value_name = "URL")]
    pub(crate) http: Option<String>,
    /// Gateway: submit work with this command line; {node_id} in it becomes the node that is to be asked, {request_id} the request's id
    #[arg(long, env = "CLAWNODE_SUBMIT", value_name = "CMD")]
    pub(crate) submit: Option<String>,
    /// Do only the check of this id; may be given several times
    #[arg(long, env = "CLAWNODE_ONLY", value_name = "CHECK", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// List the checks with their rules, and do none
    #[arg(long, env = "CLAWNODE_LIST", value_parser = Switch)]
    pub(crate) list: bool,
    /// Print JSON in place of a table
    #[arg(long, env = "CLAWNODE_JSON", value_parser = Switch)]
    pub(crate) json: bool,
    /// Seconds to wait for what is due before a check fails
    #[arg(long, env = "CLAWNODE_PATIENCE", value_name = "SECONDS", default_value = "15", allow_negative_numbers = true, value_parser = positive_seconds)]
    pub(crate) patience: Duration,
    /// Seconds to look for what must not come, such as a second answer
    #[arg(long, env = "CLAWNODE_SETTLE", value_name = "SECONDS", default_value = "0.5", allow_negative_numbers = true, value_parser = positive_seconds)]
    pub(crate) settle: Duration,
    /// Checks at a time; 1 if several of the node cannot run beside each other
    #[arg(long, env = "CLAWNODE_JOBS", value_name = "COUNT", default_value = "4", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) jobs: u8,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The token; on a command line other users of this machine can see it, unlike in a file or the environment
    #[arg(long, env = "CLAWNODE_AUTH_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) auth_token: Option<String>,
    /// A file with the token; a node reads it again at each attempt to connect. Goes before --auth-token
    #[arg(long, env = "CLAWNODE_AUTH_TOKEN_FILE", value_name = "FILE")]
    pub(crate) auth_token_file: Option<PathBuf>,
}

impl Token {
    pub(crate) fn is_given(&self) -> bool {
        self.auth_token.is_some() || self.auth_token_file.is_some()
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TokenIn {
    /// Authorization: Bearer TOKEN
    Header,
    /// ?token=TOKEN, which proxies and servers tend to log
    Query,
    /// In both places
    Both,
}

#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// The address for nodes and for the HTTP API, such as 127.0.0.1:8080
    #[arg(
        long,
        env = "CLAWNODE_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) token: Token,
    /// Seconds after which a silent node is asked for a sign of life; twice that and it is lost
    #[arg(long, env = "CLAWNODE_LIVENESS", value_name = "SECONDS", default_value = "30", allow_negative_numbers = true, value_parser = positive_seconds)]
    pub(crate) liveness: Duration,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("workflow").args(["file", "example", "workflow_id"]).required(true))]
pub(crate) struct Run {
    /// A workflow file (an exported workflow, or a bare graph), or - for stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Run one of the workflows that come with the program, which `clawnode workflow list --examples` lists; without --param, with
    /// parameters to try it with
    #[arg(long, env = "CLAWNODE_EXAMPLE", value_name = "NAME")]
    pub(crate) example: Option<String>,
    /// Run a workflow that a node of the gateway knows by this id; `clawnode workflow run ID` runs one of this machine's data folder
    #[arg(long, env = "CLAWNODE_WORKFLOW_ID", value_name = "ID")]
    pub(crate) workflow_id: Option<String>,
    /// The gateway's HTTP API, such as http://127.0.0.1:8080; without it the workflow runs in this process
    #[arg(long, env = "CLAWNODE_GATEWAY", value_name = "URL")]
    pub(crate) gateway: Option<String>,
    #[command(flatten)]
    pub(crate) token: Token,
    /// A value for the workflow's input NAME, as the input has it: text as it is, the rest as JSON; may be given several times. @FILE
    /// reads it from a file, and @@ begins a value with an @
    #[arg(long = "param", value_name = "NAME=VALUE|NAME=@FILE", value_parser = param)]
    pub(crate) params: Vec<(String, String)>,
    /// The node that is to run it (default: the least busy that runs workflows)
    #[arg(long, env = "CLAWNODE_ON_NODE", value_name = "ID")]
    pub(crate) on_node: Option<String>,
    /// The user on whose behalf it runs (default: the node's own)
    #[arg(long, env = "CLAWNODE_FOR_USER", value_name = "ID")]
    pub(crate) for_user: Option<String>,
    /// A name for the request; the same again fetches the same run instead of starting another
    #[arg(long, env = "CLAWNODE_REQUEST_ID", value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// Show no updates
    #[arg(long, short, env = "CLAWNODE_QUIET", value_parser = Switch)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) access: AccessOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Nodes {
    /// Describe this node type, such as nodetool.text.Concat
    #[arg(value_name = "NAME", conflicts_with_all = ["search", "generation", "gateway"])]
    pub(crate) name: Option<String>,
    /// Find node types by words, best first
    #[arg(long, env = "CLAWNODE_SEARCH", value_name = "TEXT", conflicts_with = "gateway")]
    pub(crate) search: Option<String>,
    /// Only the node types that are known to be in this generation of NodeTool, by the names they have there
    #[arg(long, env = "CLAWNODE_GENERATION", value_enum, conflicts_with = "gateway")]
    pub(crate) generation: Option<Generation>,
    /// Print JSON in place of lines
    #[arg(long, env = "CLAWNODE_JSON", value_parser = Switch, conflicts_with = "gateway")]
    pub(crate) json: bool,
    /// List the nodes that are connected to the gateway with this HTTP API, such as http://127.0.0.1:8080
    #[arg(long, env = "CLAWNODE_GATEWAY", value_name = "URL")]
    pub(crate) gateway: Option<String>,
    #[command(flatten)]
    pub(crate) token: Token,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum Generation {
    /// The Python nodes, until January 2026
    Python,
    /// The TypeScript nodes of today
    TypeScript,
}

#[derive(Debug, Args)]
pub(crate) struct Commands {
    /// Describe this command
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print JSON in place of lines: the parameters as JSON Schema
    #[arg(long, env = "CLAWNODE_JSON", value_parser = Switch)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Client {
    /// The gateway's HTTP API
    #[arg(
        long,
        env = "CLAWNODE_GATEWAY",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub(crate) gateway: String,
    #[command(flatten)]
    pub(crate) token: Token,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// The request's id
    pub(crate) request_id: String,
    #[command(flatten)]
    pub(crate) client: Client,
    /// Wait at most this long for the answer
    #[arg(long, env = "CLAWNODE_WAIT", value_name = "SECONDS", default_value = "0", allow_negative_numbers = true, value_parser = seconds)]
    pub(crate) wait: Duration,
}

pub(crate) fn http_url(text: &str) -> Result<String, String> {
    match ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
        true => Ok(text.to_owned()),
        false => Err("give a URL that begins with http:// or https://".to_owned()),
    }
}

fn json_object(text: &str) -> Result<serde_json::Value, String> {
    match serde_json::from_str(text) {
        Ok(object @ serde_json::Value::Object(_)) => Ok(object),
        Ok(_) => Err("give a JSON object, such as {\"text\": \"hello\"}".to_owned()),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 =
        text.parse().map_err(|_| "give a number of seconds, such as 5 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(number)
        .map_err(|_| "give a number of seconds that is not negative".to_owned())
}

fn positive_seconds(text: &str) -> Result<Duration, String> {
    let duration = seconds(text)?;
    if duration < Duration::from_millis(10) {
        Err("give at least 0.01 seconds".to_owned())
    } else {
        Ok(duration)
    }
}

fn param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// Where an OpenClaw gateway listens on its own machine.
pub(crate) const OPENCLAW_URL: &str = "ws://127.0.0.1:18789";

const GATEWAY: &str = "Gateway";
const WORK: &str = "Work";
const NODETOOL: &str = "Gateways that speak nodetool";
const OPENCLAW: &str = "OpenClaw gateways";
const TLS: &str = "TLS and proxy";
const RECORDING: &str = "Recording";
const LOGGING: &str = "Logging";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn every_option_has_its_environment_variable() {
        for command in Options::command().get_subcommands() {
            for argument in command.get_arguments().filter(|argument| !argument.is_positional()) {
                let id = argument.get_id().as_str();
                if ["help", "version", "params"].contains(&id) {
                    continue;
                }
                let expected = format!("CLAWNODE_{}", id.to_uppercase());
                let actual = argument.get_env().and_then(|name| name.to_str());
                assert_eq!(actual, Some(expected.as_str()), "{} --{id}", command.get_name());
            }
        }
    }

    #[test]
    fn the_options_of_a_node_stand_under_headings() {
        let mut options = Options::command();
        options.build();
        let connect = options.find_subcommand("connect").expect("there is such a command");
        let mut headings: Vec<_> = connect
            .get_arguments()
            .filter(|argument| argument.get_id() != "help")
            .map(|argument| argument.get_help_heading().unwrap_or_else(|| panic!("{argument}")))
            .collect();
        headings.sort_unstable();
        headings.dedup();
        assert_eq!(
            headings,
            [GATEWAY, NODETOOL, LOGGING, OPENCLAW, RECORDING, TLS, crate::access::HEADING, WORK],
            "in alphabetical order"
        );
    }

    #[test]
    fn a_node_wants_a_place_to_connect_to_and_says_both_ways_to_name_one() {
        let parse = |more: &[&str]| {
            Options::try_parse_from([&["clawnode", "connect"], more].concat())
                .map_err(|error| error.to_string())
        };
        for place in
            [&["--url", "ws://a"][..], &["--pair", "x"], &["--url", "ws://a", "--pair", "x"]]
        {
            assert!(parse(place).is_ok(), "{place:?}");
        }
        let problem = parse(&[]).expect_err("there is no gateway");
        assert!(problem.contains("--url <URL>|--pair <CODE|URL>"), "{problem}");
    }

    #[test]
    fn seconds_may_be_fractions_but_not_nonsense() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["-1", "NaN", "inf", "soon", "1e300", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert!(positive_seconds("0").is_err());
    }

    #[test]
    fn params_have_a_name() {
        assert_eq!(param("t=a=b"), Ok(("t".to_owned(), "a=b".to_owned())));
        assert!(param("n").is_err() && param("=n").is_err());
    }
}
