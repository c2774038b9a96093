//! The gateway protocol of NodeTool: JSON text messages, nine types.
//!
//! A node registers, sends heartbeats, and answers `workflow_request` and `command_request` with an `ack` and one
//! `workflow_response` or `command_response`. Timestamps are sent in UTC with `Z`; ISO times with or without a zone and epoch
//! numbers are read. Unknown fields are ignored, unknown types reach the application.

mod gateway;
mod node;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::dialect::{Delivered, Liveness, OnCancel, OnDisconnect, RepeatedId, Rules};
use crate::state::state;

#[cfg(feature = "__fuzzing")]
pub(crate) use gateway::reserves;
pub(crate) use gateway::{Gateway, MOST_CAPABILITIES_BYTES};
pub(crate) use node::Node;

/// What this dialect promises: requests are acknowledged, a repeated id repeats the answer, work survives a disconnect, and
/// cancelled work is answered as failed.
pub(super) const RULES: Rules = Rules {
    acknowledge: true,
    repeated_id: RepeatedId::Replay,
    disconnect: OnDisconnect::Keep,
    cancelled: OnCancel::Answer,
    delivered: Delivered::WhenConfirmed,
    liveness: Liveness::Heartbeats,
};

/// The user id that stands for "whoever the node belongs to": the default of the protocol's requests.
pub const DEFAULT_USER_ID: &str = "1";

/// Who this node is to a gateway of this dialect.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The node's name, unique among the gateway's nodes.
    pub node_id: String,
    /// On whose behalf requests run that name no user, or [`DEFAULT_USER_ID`].
    pub user_id: String,
    /// Other users whose requests are taken; those of anyone else are refused.
    pub allowed_users: Vec<String>,
    /// Where the token goes.
    pub token_in: TokenIn,
    /// What the registration's metadata says beside `user_id` and `instance_id`, which are the node's own and stay what they
    /// are. Gateways ignore what they do not know.
    pub metadata: BTreeMap<String, Box<RawValue>>,
}

impl Config {
    /// A node of the default user that sends its token as a header.
    pub fn new(node_id: impl Into<String>) -> Self {
        Self {
            node_id: node_id.into(),
            user_id: DEFAULT_USER_ID.to_owned(),
            allowed_users: Vec::new(),
            token_in: TokenIn::Header,
            metadata: BTreeMap::new(),
        }
    }
}

state!(struct Config { node_id, user_id, allowed_users, token_in, metadata });
state!(enum TokenIn { 0 = Header, 1 = Query, 2 = Both });

/// Where the token goes in the HTTP upgrade request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenIn {
    /// `Authorization: Bearer ...` (RFC 6750 section 2.1).
    #[default]
    Header,
    /// `?token=...`, as the original client sends it. Proxies and servers tend to log it.
    Query,
    /// Both.
    Both,
}
