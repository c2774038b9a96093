use std::time::Duration;

use clawnode_protocol::Secret;
use serde_json::Value;

/// A node to check: how to start it and what it serves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeUnderTest {
    /// The command line that starts the node, split as a shell would, but run without one. `{url}` in it becomes the gateway's
    /// `ws://` URL and `{token}` the [token](Self::token). The process also gets them as `CLAWNODE_URL` and
    /// `CLAWNODE_AUTH_TOKEN`.
    pub command_line: String,
    /// The token that the node must show, in `Authorization: Bearer` or as `?token=`. Without one, the check of it is skipped.
    pub token: Option<Secret>,
    /// The interval of the heartbeats that the command line makes the node send. Without one, checks of heartbeats are skipped;
    /// they take several intervals, so make it about a second.
    pub heartbeat_interval: Option<Duration>,
    /// A command that succeeds quickly.
    pub quick: Option<Call>,
    /// A command that succeeds after 1 to 5 seconds.
    pub slow: Option<Call>,
    /// A command whose result differs each time it runs: a counter, a clock, a random number.
    pub unique: Option<Call>,
    /// Whether the node runs workflows: inline graphs of `nodetool.constant.String` and `nodetool.output.Output`.
    pub workflows: bool,
    /// How long to wait, and how much at once.
    pub pace: Pace,
}

impl NodeUnderTest {
    /// A node that `command_line` starts, about which nothing else is known.
    pub fn new(command_line: impl Into<String>) -> Self {
        Self {
            command_line: command_line.into(),
            token: None,
            heartbeat_interval: None,
            quick: None,
            slow: None,
            unique: None,
            workflows: false,
            pace: Pace::default(),
        }
    }
}

/// A command that a node serves.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// What it is given, a JSON object.
    pub args: Value,
}

impl Call {
    /// The command `name` with `args`, a JSON object.
    pub fn new(name: impl Into<String>, args: Value) -> Self {
        Self { name: name.into(), args }
    }
}

/// A gateway to check: where it is, and how it is made to ask.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GatewayUnderTest {
    /// Where nodes connect, a `ws://` URL. (No `wss://`: the suite speaks plain TCP, to break its rules on purpose.)
    pub url: String,
    /// The token of nodes. Without one, checks of wrong tokens are skipped.
    pub token: Option<Secret>,
    /// What makes the gateway send a request. Without it, checks of requests are skipped.
    pub submit: Option<Submit>,
    /// How long to wait, and how much at once.
    pub pace: Pace,
}

impl GatewayUnderTest {
    /// The gateway at a `ws://` URL, about which nothing else is known.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), token: None, submit: None, pace: Pace::default() }
    }
}

/// What makes a gateway send a request to the suite's node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Submit {
    /// The HTTP API of `clawnode gateway` at this `http://` URL, with the same token.
    Http(String),
    /// A command line that makes the gateway send any workflow or command to the node `{node_id}`, under the id `{request_id}` if
    /// the gateway lets it choose; it need not wait for the answer. Split as a shell would, but run without one. It also gets both as
    /// `CLAWNODE_NODE_ID` and `CLAWNODE_REQUEST_ID`. The node serves workflows and the command `conformance_echo`.
    Command(String),
}

/// How long a suite waits, and how much it does at once.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pace {
    /// How long to wait for what is due before the check fails. Only what is wrong, or slow, takes it. Default 15 s: a node that
    /// starts in 4 s or reconnects after 5 s is fine.
    pub patience: Duration,
    /// How long to look for what must not come, such as a second answer. Each check that does takes it. Default 0.5 s.
    pub settle: Duration,
    /// Checks at a time, at least 1; each of a node starts the node anew. Default 4. Take 1 if several of the node cannot run
    /// beside each other.
    pub jobs: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { patience: Duration::from_secs(15), settle: Duration::from_millis(500), jobs: 4 }
    }
}
