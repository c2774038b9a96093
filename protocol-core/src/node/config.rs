use std::time::Duration;

use crate::dialect::Dialect;
use crate::websocket;

/// Everything a [`Node`](super::Node) is told once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The gateway's place, as the HTTP upgrade request names it.
    pub endpoint: Endpoint,
    /// The language spoken with the gateway.
    pub dialect: Dialect,
    /// The commands this node serves, announced at registration.
    pub commands: Vec<String>,
    /// Whether this node runs workflows, announced at registration.
    pub workflows: bool,
    /// Periods and deadlines.
    pub timing: Timing,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// A node of the gateway at `endpoint` that serves nothing yet, with the timing that the dialect is used to and the default limits.
    pub fn new(endpoint: Endpoint, dialect: impl Into<Dialect>) -> Self {
        let dialect = dialect.into();
        Self {
            endpoint,
            commands: Vec::new(),
            workflows: false,
            timing: dialect.timing(),
            dialect,
            limits: Limits::default(),
        }
    }
}

/// Where the gateway is, in the words of its HTTP upgrade request.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and, unless it is the scheme's own, port: the `Host` header.
    pub authority: String,
    /// Path and query, beginning with `/`.
    pub target: String,
}

impl Endpoint {
    /// An endpoint from its two parts, such as `127.0.0.1:8080` and `/`.
    pub fn new(authority: impl Into<String>, target: impl Into<String>) -> Self {
        Self { authority: authority.into(), target: target.into() }
    }
}

/// The query may hold a token, so it is not shown.
impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        let query = if self.target.contains('?') { "?.." } else { "" };
        write!(f, "Endpoint({}{path}{query})", self.authority)
    }
}

/// Periods and deadlines of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The period of heartbeats, and the measure of liveness: a peer that is silent for two of them is lost. Default 30 s,
    /// at least 10 ms.
    pub heartbeat_interval: Duration,
    /// How long connecting (name, TCP, TLS) may take. Default 20 s, at least 1 ms.
    pub connect: Duration,
    /// How long the gateway may take to answer the HTTP upgrade. Default 15 s.
    pub open: Duration,
    /// How long registering may take once the WebSocket is open. Default 15 s.
    pub register: Duration,
    /// How long the closing handshake may take. Default 5 s.
    pub close: Duration,
    /// The delay before the first reconnect; it doubles with each failure. Default 5 s.
    pub reconnect_delay: Duration,
    /// The longest delay between reconnects. Default 60 s.
    pub max_reconnect_delay: Duration,
    /// The delay before the node asks again after it was told that somebody has to approve of it; it doubles each time. Default
    /// 7 s. Only the openclaw dialect has approvals.
    pub approval_delay: Duration,
    /// The longest such delay. Default 30 s.
    pub max_approval_delay: Duration,
    /// How long the node waits after it has sent an answer before it asks, by a ping, whether the answer arrived. It asks sooner
    /// when unconfirmed answers fill a quarter of [`Limits::owed`] or [`Limits::kept_bytes`]. Default 1 s.
    pub confirm: Duration,
}

impl Timing {
    /// Heartbeats without a pause would be nothing but heartbeats.
    pub(super) fn beat(&self) -> Duration {
        self.heartbeat_interval.max(Duration::from_millis(10))
    }

    /// With no time and no delay between, one attempt would follow another for ever at the same moment.
    pub(super) fn attempt(&self) -> Duration {
        self.connect.max(Duration::from_millis(1))
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(30),
            connect: Duration::from_secs(20),
            open: Duration::from_secs(15),
            register: Duration::from_secs(15),
            close: Duration::from_secs(5),
            reconnect_delay: Duration::from_secs(5),
            max_reconnect_delay: Duration::from_secs(60),
            approval_delay: Duration::from_secs(7),
            max_approval_delay: Duration::from_secs(30),
            confirm: Duration::from_secs(1),
        }
    }
}

/// Bounds of a node's queues, tables and buffers. What they come to in all, [`memory_bound`](Limits::memory_bound) says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Bounds of the WebSocket.
    pub websocket: websocket::Limits,
    /// Work that runs at once; more waits. Default 64: enough to hide latency, few enough for a small machine.
    pub running: usize,
    /// Work admitted whose answer the gateway does not have yet (running, waiting, undelivered); more is refused.
    /// Default 1,024: a gateway that asks faster than the node answers hears of it instead of filling its memory.
    pub owed: usize,
    /// Bytes of tasks that wait to run; more is refused. Default 64 MiB: two of the largest messages and change.
    pub waiting_bytes: usize,
    /// Bytes of one result, one update or one custom message, as it is written; a larger result becomes a failed answer that says
    /// so. Default 24 MiB, so that it fits a message of 25 MiB.
    pub result_bytes: usize,
    /// Bytes of all results kept, undelivered or for replay. Delivered ones give way, oldest first; a result that still does not
    /// fit becomes a failed answer that says so. Default 64 MiB: two of the largest results and change.
    pub kept_bytes: usize,
    /// Answered requests remembered, so that a repeated id is not run again. Default 10,000: an hour of nearly three requests a
    /// second.
    pub remembered: usize,
    /// How long they are remembered. Default 1 h: longer than a gateway keeps asking.
    pub remembered_for: Duration,
    /// Updates of one request that wait for a slow or absent connection; past it the oldest is dropped. Default 256:
    /// what a reader would want to catch up with.
    pub updates: usize,
    /// Bytes of all updates that wait; past it the oldest of the same request are dropped. A single one may have
    /// [`result_bytes`](Self::result_bytes) when no other waits. Default 16 MiB: a quarter of what results may have, since updates
    /// may be lost.
    pub update_bytes: usize,
    /// Calls to the gateway that wait for a reply; more are not taken. Default 1,024, as many as it may have of the gateway's.
    pub calls: usize,
    /// Bytes handed to the socket's buffer before the node holds updates and answers back. Default 256 KiB: a socket's own buffer, roughly.
    pub transmit_bytes: usize,
    /// Replies to faulty messages that may be sent in a row; one more is earned each second. Default 10, so that two peers cannot
    /// keep each other busy with errors.
    pub fault_replies: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            websocket: websocket::Limits::default(),
            running: 64,
            owed: 1024,
            waiting_bytes: 64 << 20,
            result_bytes: 24 << 20,
            kept_bytes: 64 << 20,
            remembered: 10_000,
            remembered_for: Duration::from_secs(3600),
            updates: 256,
            update_bytes: 16 << 20,
            calls: 1024,
            transmit_bytes: 256 << 10,
            fault_replies: 10,
        }
    }
}
