//! The protocol of the OpenClaw Gateway, versions 4 and 3: JSON text messages, three frame types.
//!
//! The gateway begins with a challenge. The node answers with `connect`, which its device key signs, and is let in with
//! `hello-ok` or refused with a reason. Then the gateway's `node.invoke.request` events ask for commands, and the node's
//! `node.invoke.result` requests answer them. What is sent holds no field that the protocol does not know, as the gateway
//! refuses such messages; unknown fields and events of the gateway are taken as they come.

mod connect;
mod fingerprint;
mod gateway;
mod identity;
mod node;
mod refusal;
mod setup_code;
#[cfg(test)]
mod tests;
mod wire;

use crate::dialect::{Delivered, Liveness, OnCancel, OnDisconnect, RepeatedId, Rules};
use crate::secret::Secret;

pub use connect::{Client, Config, Device, Role};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use gateway::{ConnectRequest, GatewayConfig, Hello};
pub(crate) use gateway::{Gateway, Policy, memory_bound};
pub use identity::{DevicePayload, Identity, device_id_of, verify};
pub(crate) use node::Node;
pub use refusal::{Reaction, Refusal, RefusalCode};
pub use setup_code::{Candidate, InvalidSetupCode, JoinLink, MOST_SETUP_CODE_BYTES, SetupCode};
pub(crate) use wire::is_connect;

/// What this dialect promises: a repeated id supersedes the older work, a disconnect aborts everything, and nothing is said of
/// what was cancelled (openclaw page 11).
pub(super) const RULES: Rules = Rules {
    acknowledge: false,
    repeated_id: RepeatedId::Supersede,
    disconnect: OnDisconnect::Abort,
    cancelled: OnCancel::Silence,
    delivered: Delivered::WhenWritten,
    liveness: Liveness::Ticks,
};

/// The version of the protocol that is spoken.
pub const PROTOCOL: u32 = 4;

/// The older version that is understood: that of gateways which do not know [`PROTOCOL`] yet (openclaw page 17).
pub const OLDER_PROTOCOL: u32 = 3;

/// Bytes of the largest `connect` that a gateway reads (openclaw page 3).
pub const MOST_CONNECT_BYTES: usize = 65_536;

/// What a gateway gives a device that it let in, to be shown at the next connection. Keep it like a password, by device and
/// role (openclaw page 5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceToken {
    /// The token.
    pub token: Secret,
    /// The role it is good for, such as `node`.
    pub role: String,
    /// The scopes it is good for.
    pub scopes: Vec<String>,
}

impl DeviceToken {
    /// A token for a role, without scopes.
    pub fn new(token: impl Into<String>, role: impl Into<String>) -> Self {
        Self { token: Secret::new(token), role: role.into(), scopes: Vec::new() }
    }
}
