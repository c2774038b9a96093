use clawnode_protocol::Secret;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::read::{lenient, list};

/// A node as the gateway knows it. Times are milliseconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its id, which is that of its device.
    pub node_id: String,
    /// What people call it.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Whether it is connected now.
    #[serde(default, deserialize_with = "lenient")]
    pub connected: bool,
    /// Whether its device is paired.
    #[serde(default, deserialize_with = "lenient")]
    pub paired: bool,
    /// How far the approval of what it may do is: `approved`, `unapproved`, `pending-reapproval` and the like.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub approval_state: Option<String>,
    /// What the node calls its features.
    #[serde(default, deserialize_with = "lenient")]
    pub caps: Vec<String>,
    /// The commands it may be asked for now.
    #[serde(default, deserialize_with = "lenient")]
    pub commands: Vec<String>,
    /// The commands that it declares and that wait for approval.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    pub pending_declared_commands: Vec<String>,
    /// The request for that approval: [`Operator::approve_node`](super::Operator::approve_node) takes it.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub pending_request_id: Option<String>,
    /// Its operating system, such as `linux`.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Its kind of device, such as `Linux`.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    /// The version of its program.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What kind of program it is, such as `node-host`.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// How its machine was doing last.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub host_stats: Option<HostStatsOf>,
    /// Since when it is connected.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub connected_at_ms: Option<u64>,
    /// When it was heard of last.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub last_seen_at_ms: Option<u64>,
    /// When it was approved last.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub approved_at_ms: Option<u64>,
    /// Everything else that the gateway says of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How a node's machine is doing. What the node does not tell is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct HostStatsOf {
    /// Processors.
    #[serde(deserialize_with = "lenient")]
    pub cpu_count: u32,
    /// Load averages over 1, 5 and 15 minutes.
    #[serde(deserialize_with = "lenient")]
    pub load_average: [f64; 3],
    /// Bytes of memory.
    #[serde(deserialize_with = "lenient")]
    pub memory_total_bytes: u64,
    /// Bytes of memory that programs may still take.
    #[serde(deserialize_with = "lenient")]
    pub memory_free_bytes: u64,
    /// Bytes of the disk that the node's data is on.
    #[serde(deserialize_with = "lenient")]
    pub disk_total_bytes: u64,
    /// Bytes of it that are free.
    #[serde(deserialize_with = "lenient")]
    pub disk_available_bytes: u64,
    /// When the node told, in milliseconds since 1970.
    #[serde(deserialize_with = "lenient")]
    pub updated_at_ms: u64,
}

/// What nodes want to do and may do.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NodePairings {
    /// What waits for approval.
    #[serde(deserialize_with = "list")]
    pub pending: Vec<NodeRequest>,
    /// What was approved.
    #[serde(deserialize_with = "list")]
    pub paired: Vec<PairedNode>,
}

/// What a node wants to do. It waits until somebody approves or rejects it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeRequest {
    /// The request's id.
    pub request_id: String,
    /// Whose it is.
    pub node_id: String,
    /// What people call the node.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What the node calls its features.
    #[serde(default, deserialize_with = "lenient")]
    pub caps: Vec<String>,
    /// The commands that it wants to be asked for.
    #[serde(default, deserialize_with = "lenient")]
    pub commands: Vec<String>,
    /// The scopes that whoever approves must have.
    #[serde(default, deserialize_with = "lenient")]
    pub required_approve_scopes: Vec<String>,
    /// Everything else that the gateway says of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What a node may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PairedNode {
    /// The node's id.
    pub node_id: String,
    /// What people call it.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What the node calls its features.
    #[serde(default, deserialize_with = "lenient")]
    pub caps: Vec<String>,
    /// The commands that it may be asked for.
    #[serde(default, deserialize_with = "lenient")]
    pub commands: Vec<String>,
    /// Everything else that the gateway says of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The devices of a gateway.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Devices {
    /// Those that wait for approval, for five minutes each.
    #[serde(deserialize_with = "list")]
    pub pending: Vec<DeviceRequest>,
    /// Those that may connect.
    #[serde(deserialize_with = "list")]
    pub paired: Vec<PairedDevice>,
}

/// A device that wants to connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeviceRequest {
    /// The request's id.
    pub request_id: String,
    /// Whose it is.
    pub device_id: String,
    /// What people call the device.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it wants to be: `node` or `operator`.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What it wants to be allowed.
    #[serde(default, deserialize_with = "lenient")]
    pub scopes: Vec<String>,
    /// Its operating system, such as `linux`.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Where it connects from.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub remote_ip: Option<String>,
    /// Everything else that the gateway says of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A device that may connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PairedDevice {
    /// The device's id.
    pub device_id: String,
    /// What people call it.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it may be: `node`, `operator`.
    #[serde(default, deserialize_with = "lenient")]
    pub roles: Vec<String>,
    /// What it is allowed.
    #[serde(default, deserialize_with = "lenient")]
    pub scopes: Vec<String>,
    /// The tokens that it was given; not the tokens themselves.
    #[serde(default, deserialize_with = "list")]
    pub tokens: Vec<IssuedToken>,
    /// Everything else that the gateway says of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// That a device was given a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IssuedToken {
    /// The role that it is good for.
    pub role: String,
    /// The scopes that it is good for.
    #[serde(default, deserialize_with = "lenient")]
    pub scopes: Vec<String>,
    /// When it was given, in milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub created_at_ms: Option<u64>,
}

/// What kind of setup code to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SetupCodeRequest {
    /// What the device may be.
    #[serde(rename = "bootstrapProfile")]
    pub access: Access,
    /// Where the device will reach the gateway, such as `wss://gateway.example`. The gateway knows it by itself unless it listens
    /// on its own machine only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Whether a link is wanted as well, from which the code can be fetched once.
    #[serde(rename = "joinUrl", skip_serializing_if = "std::ops::Not::not")]
    pub join_link: bool,
}

impl SetupCodeRequest {
    /// A code of that kind, for the address that the gateway knows, without a link.
    pub fn new(access: Access) -> Self {
        Self { access, public_url: None, join_link: false }
    }
}

/// What a device may be that is paired by a setup code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Access {
    /// A node: its device and the first commands that it declares are approved at once.
    Node,
    /// A device without any right to run commands.
    Limited,
}

/// A setup code. Whoever has it may pair one device, so it is not shown by `Debug`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SetupCode {
    /// The code, without `oc-pair://`.
    #[serde(deserialize_with = "secret")]
    pub setup_code: Secret,
    /// Where the device will reach the gateway.
    #[serde(default, deserialize_with = "lenient")]
    pub gateway_url: Option<String>,
    /// A link from which the code can be fetched, if one was wanted.
    #[serde(default, rename = "joinUrl", deserialize_with = "optional_secret")]
    pub join_link: Option<Secret>,
    /// Under which the gateway knows the code.
    #[serde(default, deserialize_with = "lenient")]
    pub setup_id: Option<String>,
    /// When it is good no more, in milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub expires_at_ms: Option<u64>,
    /// What the device may be: `node`, `limited`, `full`.
    #[serde(default, deserialize_with = "lenient")]
    pub access: Option<String>,
}

/// A device's new token.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RotatedToken {
    /// The token, if the gateway gives it to whoever asked. Otherwise the device gets it when it connects with another credential.
    #[serde(default, deserialize_with = "optional_secret")]
    pub token: Option<Secret>,
    /// The role that it is good for.
    #[serde(default, deserialize_with = "lenient")]
    pub role: Option<String>,
    /// The scopes that it is good for.
    #[serde(default, deserialize_with = "lenient")]
    pub scopes: Vec<String>,
    /// How the token gets to its device: `in-band`, `withheld-cross-device`.
    #[serde(default, deserialize_with = "lenient")]
    pub token_delivery: Option<String>,
    /// When, in milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub rotated_at_ms: Option<u64>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

fn optional_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let text: Option<String> = lenient(deserializer)?;
    Ok(text.map(Secret::new))
}
