use std::net::SocketAddr;
use std::sync::Arc;

use clawnode_protocol::peer::{Registration, Request};
use clawnode_protocol::{Task, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A node that has registered, once at least.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: Arc<str>,
    /// `None`: it is lost.
    pub(super) link: Option<Link>,
    pub(super) registration: Registration,
    pub(super) address: SocketAddr,
    pub(super) says: Option<String>,
    /// Requests sent to it, accepted or running. Lost ones do not count, as nobody knows whether they still run.
    pub(super) in_flight: usize,
    pub(super) connected_at: Timestamp,
    pub(super) last_seen_at: Timestamp,
    pub(super) last_heartbeat_at: Option<Timestamp>,
    pub(super) lost: Option<(Timestamp, String)>,
}

/// The way to the task that serves a node's connection.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// Which connection, among all there were.
    pub(crate) number: u64,
    /// What this holds is bounded by the requests that may be in flight.
    pub(crate) requests: mpsc::UnboundedSender<Arc<Request>>,
    /// Cancelled when a newer connection of the same node takes over.
    pub(crate) replaced: CancellationToken,
}

/// Whether a node registers as another process than before. Nodes that do not tell their instance never do.
pub(super) fn is_another_instance(former: &Registration, registration: &Registration) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        instance_id: Option<String>,
    }
    let instance = |registration: &Registration| {
        let metadata = serde_json::from_str::<Metadata>(registration.metadata.get());
        metadata.unwrap_or_default().instance_id
    };
    match (instance(former), instance(registration)) {
        (Some(former), Some(instance)) => former != instance,
        _ => false,
    }
}

impl Node {
    pub(super) fn serves(&self, task: &Task) -> bool {
        match task {
            Task::Workflow { .. } => self.registration.workflows,
            Task::Command { name, .. } => self.registration.commands.contains(name),
            _ => false,
        }
    }

    pub(super) fn view(&self) -> NodeView {
        let (lost_at, lost_reason) = self.lost.clone().unzip();
        NodeView {
            node_id: self.id.to_string(),
            status: if self.link.is_some() { "connected" } else { "lost" },
            says: self.says.clone(),
            workflows: self.registration.workflows,
            commands: self.registration.commands.clone(),
            metadata: self.registration.metadata.clone(),
            in_flight: self.in_flight,
            address: self.address,
            connected_at: self.connected_at,
            last_seen_at: self.last_seen_at,
            last_heartbeat_at: self.last_heartbeat_at,
            lost_at,
            lost_reason,
        }
    }
}

/// A node as the HTTP API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct NodeView {
    node_id: String,
    status: &'static str,
    says: Option<String>,
    workflows: bool,
    commands: Vec<String>,
    metadata: Box<RawValue>,
    in_flight: usize,
    address: SocketAddr,
    connected_at: Timestamp,
    last_seen_at: Timestamp,
    last_heartbeat_at: Option<Timestamp>,
    lost_at: Option<Timestamp>,
    lost_reason: Option<String>,
}
