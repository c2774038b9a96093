//! Who a node is to an OpenClaw gateway, and how it says so.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{DevicePayload, Identity, MOST_CONNECT_BYTES};
use crate::secret::{Credentials, Secret};
use crate::state::state;

/// Who this node is to a gateway of this dialect.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// What it calls itself.
    pub client: Client,
    /// What it wants to be.
    pub role: Role,
    /// The device whose key answers the challenge. `None` only for an operator on the gateway's own machine.
    pub device: Option<Device>,
    /// Coarse words for what the node can do, such as `system`.
    pub caps: Vec<String>,
    /// Switches that are approved together with the commands.
    pub permissions: BTreeMap<String, bool>,
    /// The `PATH` that commands are looked up in. Left out if the message would be too large with it.
    pub path_env: Option<String>,
    /// Whether the endpoint is known to be the gateway: loopback, or TLS with a pinned certificate. Only then is a kept device
    /// token shown to a gateway that did not take the shared token (openclaw page 5.2).
    pub trusted_endpoint: bool,
}

impl Config {
    /// A headless node on this device, of this version of the program.
    pub fn node(device: Device, version: impl Into<String>) -> Self {
        Self {
            client: Client {
                id: "node-host".to_owned(),
                mode: "node".to_owned(),
                version: version.into(),
                platform: "linux".to_owned(),
                device_family: Some("Linux".to_owned()),
                display_name: None,
                instance_id: None,
            },
            role: Role::Node,
            device: Some(device),
            caps: Vec::new(),
            permissions: BTreeMap::new(),
            path_env: None,
            trusted_endpoint: false,
        }
    }

    /// An operator with these scopes, such as `operator.read`, of this version of the program. Without a device it is let in only
    /// from the gateway's own machine (openclaw page 18).
    pub fn operator(
        device: Option<Device>,
        version: impl Into<String>,
        scopes: Vec<String>,
    ) -> Self {
        Self {
            client: Client {
                id: "gateway-client".to_owned(),
                mode: "backend".to_owned(),
                version: version.into(),
                platform: "linux".to_owned(),
                device_family: None,
                display_name: None,
                instance_id: None,
            },
            role: Role::Operator { scopes },
            device,
            caps: Vec::new(),
            permissions: BTreeMap::new(),
            path_env: None,
            trusted_endpoint: false,
        }
    }
}

/// The public half of a device's [`Identity`]: the key itself stays with whoever answers
/// [`Action::Sign`](crate::node::Action::Sign).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    id: String,
    public_key: String,
}

impl Device {
    /// The device's id, which is the node's id everywhere on the wire: lower-case hex, 64 characters.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The device's public key: base64url without padding, 43 characters.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }
}

impl From<&Identity> for Device {
    fn from(identity: &Identity) -> Self {
        Self { id: identity.device_id().to_owned(), public_key: identity.public_key().to_owned() }
    }
}

/// What a program calls itself (openclaw page 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Client {
    /// What kind of program it is, one of the protocol's own words: `node-host` for a node; others lose rights and messages.
    pub id: String,
    /// How it works, one of the protocol's own words: `node` for a node.
    pub mode: String,
    /// Its version: free text.
    pub version: String,
    /// `linux`, `darwin` or `windows`: it decides which commands the gateway lets through, and is pinned at pairing.
    pub platform: String,
    /// `Linux`, `Mac` or `Windows`, to fit the platform.
    pub device_family: Option<String>,
    /// What people call this node.
    pub display_name: Option<String>,
    /// This installation's own UUID.
    pub instance_id: Option<String>,
}

/// What a program wants to be to a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// It does what it is asked.
    Node,
    /// It asks.
    Operator {
        /// What it wants to be allowed, such as `operator.read`.
        scopes: Vec<String>,
    },
}

impl Role {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Operator { .. } => "operator",
        }
    }

    pub(super) fn scopes(&self) -> &[String] {
        match self {
            Self::Node => &[],
            Self::Operator { scopes } => scopes,
        }
    }
}

/// What the gateway wants to be signed, and when it says it is.
#[derive(Debug)]
pub(super) struct Challenge {
    pub(super) nonce: String,
    pub(super) at_ms: u64,
}

state!(struct Challenge { nonce, at_ms });
state!(struct Config { client, role, device, caps, permissions, path_env, trusted_endpoint });
state!(struct Client { id, mode, version, platform, device_family, display_name, instance_id });
state!(struct Device { id, public_key });
state!(enum Role { 0 = Node, 1 = Operator { scopes } });

/// The credentials that one `connect` shows, chosen from those there are (openclaw page 5.2).
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Auth<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrap_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

impl<'a> Auth<'a> {
    /// `with_device_token`: the shared token was not taken, so the kept one is shown beside it.
    pub(super) fn choose(
        credentials: &'a Credentials,
        with_device_token: bool,
        bootstrap_spent: bool,
    ) -> Self {
        fn text(secret: &Option<Secret>) -> Option<&str> {
            secret.as_ref().map(Secret::expose)
        }
        let mut auth = Self { password: text(&credentials.password), ..Self::default() };
        let bootstrap = text(&credentials.bootstrap_token).filter(|_| !bootstrap_spent);
        if credentials.token.is_some() {
            auth.token = text(&credentials.token);
            auth.device_token = text(&credentials.device_token).filter(|_| with_device_token);
        } else if bootstrap.is_some() {
            auth.bootstrap_token = bootstrap;
        } else {
            auth.device_token = text(&credentials.device_token);
        }
        auth
    }

    /// The one that the signature covers.
    fn signed(&self) -> &'a str {
        self.token.or(self.device_token).or(self.bootstrap_token).unwrap_or_default()
    }

    pub(super) fn shows_bootstrap_token(&self) -> bool {
        self.bootstrap_token.is_some()
    }

    fn is_empty(&self) -> bool {
        self.token.is_none()
            && self.device_token.is_none()
            && self.bootstrap_token.is_none()
            && self.password.is_none()
    }
}

/// What a `connect` says, in the version of the protocol that is tried.
pub(super) struct Connect<'a> {
    pub(super) config: &'a Config,
    pub(super) commands: &'a [String],
    pub(super) protocol: u32,
    pub(super) auth: Auth<'a>,
    pub(super) challenge: &'a Challenge,
}

impl Connect<'_> {
    /// The text that the device's key signs.
    pub(super) fn payload(&self) -> Option<Secret> {
        let device = self.config.device.as_ref()?;
        let client = &self.config.client;
        let payload = DevicePayload {
            device_id: device.id(),
            client_id: &client.id,
            client_mode: &client.mode,
            role: self.config.role.name(),
            scopes: self.config.role.scopes(),
            signed_at_ms: self.challenge.at_ms,
            token: self.auth.signed(),
            nonce: &self.challenge.nonce,
            platform: self.platform(),
            device_family: self.device_family().unwrap_or_default(),
        };
        Some(Secret::new(payload.v3()))
    }

    /// The whole request, without the path if it is too large with it; else its size.
    pub(super) fn json_that_fits(&self, signature: Option<&str>) -> Result<Vec<u8>, usize> {
        let fits = |json: &Vec<u8>| json.len() <= MOST_CONNECT_BYTES;
        let json = Some(self.json(signature, true)).filter(fits);
        let json = json.unwrap_or_else(|| self.json(signature, false));
        if fits(&json) { Ok(json) } else { Err(json.len()) }
    }

    fn json(&self, signature: Option<&str>, with_path: bool) -> Vec<u8> {
        let Self { config, commands, protocol, auth, challenge } = self;
        let device = config.device.as_ref().zip(signature);
        let client = &config.client;
        let node = config.role == Role::Node;
        let request = wire::Request {
            kind: "req",
            id: super::wire::CONNECT_ID,
            method: "connect",
            params: wire::Params {
                min_protocol: *protocol,
                max_protocol: *protocol,
                client: wire::Client {
                    id: &client.id,
                    display_name: client.display_name.as_deref(),
                    version: &client.version,
                    platform: self.platform(),
                    device_family: self.device_family(),
                    mode: &client.mode,
                    instance_id: client.instance_id.as_deref(),
                },
                caps: &config.caps,
                commands: node.then_some(*commands),
                permissions: Some(&config.permissions).filter(|map| !map.is_empty()),
                path_env: config.path_env.as_deref().filter(|_| with_path),
                auth: Some(auth).filter(|auth| !auth.is_empty()),
                role: config.role.name(),
                scopes: config.role.scopes(),
                device: device.map(|(device, signature)| wire::Device {
                    id: device.id(),
                    public_key: device.public_key(),
                    signature,
                    signed_at: challenge.at_ms,
                    nonce: &challenge.nonce,
                }),
            },
        };
        serde_json::to_vec(&request).expect("these structs have string keys")
    }

    /// Gateways of protocol 3 know neither `deviceFamily` nor the newer names of platforms (openclaw page 17).
    fn device_family(&self) -> Option<&str> {
        let family = self.config.client.device_family.as_deref();
        family.filter(|_| self.protocol >= super::PROTOCOL)
    }

    fn platform(&self) -> &str {
        match self.config.client.platform.as_str() {
            "macos" if self.protocol < super::PROTOCOL => "darwin",
            "windows" if self.protocol < super::PROTOCOL => "win32",
            platform => platform,
        }
    }
}

mod wire {
    use super::{Auth, BTreeMap, Serialize};

    #[derive(Serialize)]
    pub(super) struct Request<'a> {
        #[serde(rename = "type")]
        pub(super) kind: &'static str,
        pub(super) id: &'static str,
        pub(super) method: &'static str,
        pub(super) params: Params<'a>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Params<'a> {
        pub(super) min_protocol: u32,
        pub(super) max_protocol: u32,
        pub(super) client: Client<'a>,
        pub(super) caps: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) commands: Option<&'a [String]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) permissions: Option<&'a BTreeMap<String, bool>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) path_env: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) auth: Option<&'a Auth<'a>>,
        pub(super) role: &'static str,
        pub(super) scopes: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) device: Option<Device<'a>>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Client<'a> {
        pub(super) id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) display_name: Option<&'a str>,
        pub(super) version: &'a str,
        pub(super) platform: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) device_family: Option<&'a str>,
        pub(super) mode: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) instance_id: Option<&'a str>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Device<'a> {
        pub(super) id: &'a str,
        pub(super) public_key: &'a str,
        pub(super) signature: &'a str,
        pub(super) signed_at: u64,
        pub(super) nonce: &'a str,
    }
}
