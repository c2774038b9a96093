//! What a node of an OpenClaw gateway needs beside a URL: a device, and somewhere to keep what the gateway gives it.

pub mod operator;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use clawnode_protocol::Secret;
use clawnode_protocol::dialect::openclaw::Config;
#[doc(no_inline)]
pub use clawnode_protocol::dialect::openclaw::{
    Client, Device, DeviceToken, Fingerprint, Identity,
};

/// Makes a node speak the openclaw dialect. Given to [`NodeBuilder::openclaw`](crate::NodeBuilder::openclaw).
///
/// ```
/// use clawnode_runtime::openclaw::{Identity, Openclaw};
///
/// // The same seed is the same device for ever: keep it like a password.
/// let seed = [7; 32];
/// let openclaw = Openclaw::node(Identity::from_seed(seed), "1.0.0").display_name("kitchen").cap("system");
/// ```
#[derive(Clone)]
pub struct Openclaw {
    pub(crate) signer: Option<Arc<dyn Signer>>,
    pub(crate) tokens: Arc<dyn DeviceTokens>,
    pub(crate) bootstrap_token: Option<Secret>,
    pub(crate) password: Option<Secret>,
    pub(crate) config: Config,
}

/// Who answers a gateway's challenge: whoever has the device's key. An [`Identity`] does, and so may a key store that gives no key
/// away.
pub trait Signer: Send + Sync + 'static {
    /// The Ed25519 signature of this text, which holds a credential, in base64url without padding. It must not take long.
    ///
    /// An error is a sentence for people; the attempt to connect has failed then.
    fn sign(&self, text: &Secret) -> Result<String, String>;
}

impl Signer for Identity {
    fn sign(&self, text: &Secret) -> Result<String, String> {
        Ok(Self::sign(self, text.expose()))
    }
}

/// Where the token is kept that a gateway gives a device. Its methods may block: each is called on a thread of its own.
///
/// An error is a sentence for people, and never holds the token.
pub trait DeviceTokens: Send + Sync + 'static {
    /// The token kept last, if there is one.
    fn load(&self) -> Result<Option<Secret>, String>;

    /// Keeps a token in place of the one before, so that it survives a crash of the process.
    fn keep(&self, token: &DeviceToken) -> Result<(), String>;

    /// Forgets the token: the gateway does not take it any more.
    fn forget(&self) -> Result<(), String>;
}

impl Openclaw {
    /// A node on the device of this identity, of a program of this version. Until [`tokens`](Self::tokens) says otherwise, the
    /// token that the gateway gives is kept in memory only.
    pub fn node(identity: Identity, version: impl Into<String>) -> Self {
        let config = Config::node(Device::from(&identity), version);
        Self::with(Some(identity), config)
    }

    /// The same with a key that somebody else holds.
    pub fn signed_by(device: Device, signer: impl Signer, version: impl Into<String>) -> Self {
        let config = Config::node(device, version);
        Self { signer: Some(Arc::new(signer)), ..Self::with(None, config) }
    }

    /// An operator with these scopes, such as `operator.read`, of a program of this version. Without an identity it is let in
    /// only from the gateway's own machine. [`operator::Operator`] asks in its name.
    pub fn operator(
        identity: Option<Identity>,
        version: impl Into<String>,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        let config = Config::operator(identity.as_ref().map(Device::from), version, scopes);
        Self::with(identity, config)
    }

    fn with(identity: Option<Identity>, config: Config) -> Self {
        Self {
            signer: identity.map(|identity| Arc::new(identity) as Arc<dyn Signer>),
            tokens: Arc::new(InMemory::default()),
            bootstrap_token: None,
            password: None,
            config,
        }
    }

    /// Where the token is kept that the gateway gives this device.
    #[must_use]
    pub fn tokens(mut self, tokens: impl DeviceTokens) -> Self {
        self.tokens = Arc::new(tokens);
        self
    }

    /// The token of a setup code, good for one pairing.
    #[must_use]
    pub fn bootstrap_token(mut self, token: impl Into<Secret>) -> Self {
        self.bootstrap_token = Some(token.into());
        self
    }

    /// The gateway's shared password.
    #[must_use]
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// What people call this node.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.config.client.display_name = Some(name.into());
        self
    }

    /// A coarse word for what the node can do, such as `system`.
    #[must_use]
    pub fn cap(mut self, cap: impl Into<String>) -> Self {
        self.config.caps.push(cap.into());
        self
    }

    /// The `PATH` that commands are looked up in, for people to see.
    #[must_use]
    pub fn path_env(mut self, path: impl Into<String>) -> Self {
        self.config.path_env = Some(path.into());
        self
    }

    /// Switches that are approved together with the commands.
    #[must_use]
    pub fn permissions(mut self, permissions: BTreeMap<String, bool>) -> Self {
        self.config.permissions = permissions;
        self
    }

    /// What the program calls itself, all of it. Other words than those of [`node`](Self::node) lose rights and messages.
    #[must_use]
    pub fn client(mut self, change: impl FnOnce(&mut Client)) -> Self {
        change(&mut self.config.client);
        self
    }
}

impl fmt::Debug for Openclaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Openclaw").field("config", &self.config).finish_non_exhaustive()
    }
}

/// For as long as the process lives.
#[derive(Default)]
struct InMemory(Mutex<Option<Secret>>);

impl DeviceTokens for InMemory {
    fn load(&self) -> Result<Option<Secret>, String> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn keep(&self, token: &DeviceToken) -> Result<(), String> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.token.clone());
        Ok(())
    }

    fn forget(&self) -> Result<(), String> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}
