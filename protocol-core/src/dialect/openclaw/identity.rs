//! (placeholder, to be overwritten)
use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

/// A device: an Ed25519 key pair.
pub struct Identity {
    key: SigningKey,
    device_id: String,
    public_key: String,
}

impl Identity {
    /// From a seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&seed);
        let public = key.verifying_key().to_bytes();
        let device_id = HEXLOWER.encode(&Sha256::digest(public));
        Self { key, device_id, public_key: BASE64URL_NOPAD.encode(&public) }
    }

    /// id
    pub fn device_id(&self) -> &str {
        &self.device_id
    }

    /// key
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Signs.
    pub fn sign(&self, payload: &str) -> String {
        BASE64URL_NOPAD.encode(&self.key.sign(payload.as_bytes()).to_bytes())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("device_id", &self.device_id).finish_non_exhaustive()
    }
}

pub(crate) struct DevicePayload<'a> {
    pub(crate) device_id: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) client_mode: &'a str,
    pub(crate) role: &'a str,
    pub(crate) scopes: &'a [String],
    pub(crate) signed_at_ms: u64,
    pub(crate) token: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) platform: &'a str,
    pub(crate) device_family: &'a str,
}

impl DevicePayload<'_> {
    pub(crate) fn v3(&self) -> String {
        let Self { device_id, client_id, client_mode, role, signed_at_ms, token, nonce, .. } = self;
        let scopes = self.scopes.join(",");
        let platform = self.platform.trim().to_ascii_lowercase();
        let family = self.device_family.trim().to_ascii_lowercase();
        format!(
            "v3|{device_id}|{client_id}|{client_mode}|{role}|{scopes}|{signed_at_ms}|{token}|{nonce}|{platform}|{family}"
        )
    }
}
