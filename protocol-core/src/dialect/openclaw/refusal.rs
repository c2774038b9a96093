//! (placeholder, to be overwritten)
use crate::secret::Secret;
use std::time::Duration;
/// Placeholder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("x")]
pub struct Refusal {
    code: RefusalCode,
}
/// Placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalCode {
    /// x
    AuthBootstrapTokenInvalid,
}
/// Placeholder.
pub enum Reaction {
    /// x
    Retry,
    /// x
    RetryAfter(Duration),
    /// x
    AwaitApproval,
    /// x
    RetryWithDeviceToken,
    /// x
    SwitchProtocol(u32),
    /// x
    ForgetDeviceToken,
    /// x
    Stop,
}
impl Refusal {
    /// x
    pub fn parse(_json: &str) -> Self {
        Self { code: RefusalCode::AuthBootstrapTokenInvalid }
    }
    /// x
    pub fn code(&self) -> &RefusalCode {
        &self.code
    }
    /// x
    pub fn reaction(&self) -> Reaction {
        Reaction::Stop
    }
    pub(crate) fn hiding(self, _secret: &Secret) -> Self {
        self
    }
}
