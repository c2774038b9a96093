//! What whoever plays the gateway says, and hears of those who want to be let in.

use std::collections::BTreeMap;

use super::super::{Client, DeviceToken, PROTOCOL, Role};
use crate::secret::Credentials;

/// How a gateway of this dialect behaves, for [`peer::Dialect::Openclaw`](crate::peer::Dialect::Openclaw).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// The version of the protocol it speaks: [`PROTOCOL`], or
    /// [`OLDER_PROTOCOL`](crate::dialect::openclaw::OLDER_PROTOCOL) as an older gateway. Of the newer version it lets in nodes that
    /// speak only the older one as well (openclaw page 17).
    pub protocol: u32,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self { protocol: PROTOCOL }
    }
}

/// Who wants to be let in: what a `connect` says (openclaw page 3.1), after its form and the device's proof were found good.
///
/// It has at most [`MOST_CONNECT_BYTES`](crate::dialect::openclaw::MOST_CONNECT_BYTES) bytes on the wire. Debug output shows no
/// credential.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// The oldest version of the protocol that it speaks.
    pub min_protocol: u32,
    /// The newest one.
    pub max_protocol: u32,
    /// What it calls itself.
    pub client: Client,
    /// What it wants to be.
    pub role: Role,
    /// The device that has proved who it is. `None` only for an operator, which need not be one.
    pub device_id: Option<String>,
    /// What it shows, which is for the application to judge.
    pub credentials: Credentials,
    /// Coarse words for what it can do.
    pub caps: Vec<String>,
    /// The commands it wants to serve.
    pub commands: Vec<String>,
    /// Switches that are approved together with the commands.
    pub permissions: BTreeMap<String, bool>,
    /// The `PATH` that its commands are looked up in.
    pub path_env: Option<String>,
}

/// How a gateway greets whom it lets in: what `hello-ok` says beside what the peer's own
/// [limits](crate::peer::Limits) and [times](crate::peer::Timing) are (openclaw page 7).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hello {
    /// Which credential was good: `token`, `device-token`, `bootstrap-token`, `password` ...
    pub auth_method: String,
    /// What the device may show the next time.
    pub device_token: Option<DeviceToken>,
    /// Whether what it says it can do is approved already. If not, what it has to say is refused until
    /// [`Input::Surface`](crate::peer::Input::Surface).
    pub approved: bool,
}

impl Hello {
    /// A greeting for a node whose surface is approved, let in by this kind of credential.
    pub fn new(auth_method: impl Into<String>) -> Self {
        Self { auth_method: auth_method.into(), device_token: None, approved: true }
    }
}
