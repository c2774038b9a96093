//! (placeholder, to be overwritten)
use std::fmt;
/// Placeholder.
pub struct Identity {
    id: String,
    key: String,
}
impl Identity {
    /// id
    pub fn device_id(&self) -> &str {
        &self.id
    }
    /// key
    pub fn public_key(&self) -> &str {
        &self.key
    }
}
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("x")
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
        String::new()
    }
}
