use std::net::SocketAddr;
use std::time::Duration;

use clawnode_protocol::Secret;

/// What a [`Gateway`](crate::Gateway) is told once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The address for nodes and the HTTP API alike. Port 0 takes any free one, see
    /// [`Gateway::local_addr`](crate::Gateway::local_addr).
    pub listen: SocketAddr,
    /// The token that nodes and users of the HTTP API must show. `None` lets anyone in who can reach the port, and is
    /// therefore only possible on a loopback address.
    pub auth_token: Option<Secret>,
    /// Periods and deadlines.
    pub timing: Timing,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// A gateway at `listen` without a token, with the default timing and limits.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, auth_token: None, timing: Timing::default(), limits: Limits::default() }
    }
}

/// Periods and deadlines of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How long the head of an HTTP request may take. Default 15 s: stops clients that hold connections open by sending
    /// a byte now and then.
    pub head: Duration,
    /// How long the body of an HTTP request may take. Default 60 s: 25 MiB over 4 Mbit/s.
    pub body: Duration,
    /// How long a node may take to register once its WebSocket is open. Default 15 s.
    pub register: Duration,
    /// A node silent for this long is pinged, and silent for twice as long it is lost. Default 30 s, the interval of a
    /// node's heartbeats.
    pub liveness: Duration,
    /// How long the closing handshake with a node may take. Default 5 s.
    pub close: Duration,
    /// The longest `wait` of a long poll; a longer one is cut to this. Default 5 min.
    pub longest_wait: Duration,
    /// How often an event stream without events gets a comment, so that neither end nor a proxy between them takes it
    /// for dead. Default 15 s.
    pub keep_alive: Duration,
    /// How long stopping may take before what still runs is cut. Default 10 s.
    pub shutdown: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            body: Duration::from_secs(60),
            register: Duration::from_secs(15),
            liveness: Duration::from_secs(30),
            close: Duration::from_secs(5),
            longest_wait: Duration::from_secs(300),
            keep_alive: Duration::from_secs(15),
            shutdown: Duration::from_secs(10),
        }
    }
}

/// Bounds of what a gateway holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// TCP connections at once, of nodes and HTTP clients together; more wait in the backlog. Default 4,096: well under
    /// the usual limits on open files.
    pub connections: usize,
    /// Nodes known, connected or lost. The one lost longest gives way to a new one; when all are connected a new one is
    /// refused. Default 2,048.
    pub nodes: usize,
    /// Bytes of an HTTP request's body. Default 25 MiB, the largest message of a node.
    pub body_bytes: usize,
    /// Requests sent, accepted or running; more are refused with 503. Default 4,096.
    pub in_flight: usize,
    /// Bytes of requests kept until their node accepts them; more are refused with 503. Default 256 MiB.
    pub unaccepted_bytes: usize,
    /// Requests remembered that are completed, failed or lost; the oldest is forgotten. Default 10,000.
    pub finished: usize,
    /// Events kept of one request; past it the oldest is dropped. Default 10,000.
    pub events: usize,
    /// Bytes of events kept of one request; past it the oldest is dropped. Default 16 MiB.
    pub event_bytes: usize,
    /// Bytes of the answers and events of all requests; past it the oldest finished request is forgotten, and while
    /// there is none, the oldest event of the request that gets news. Default 256 MiB.
    pub kept_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            nodes: 2_048,
            body_bytes: 25 << 20,
            in_flight: 4_096,
            unaccepted_bytes: 256 << 20,
            finished: 10_000,
            events: 10_000,
            event_bytes: 16 << 20,
            kept_bytes: 256 << 20,
        }
    }
}
