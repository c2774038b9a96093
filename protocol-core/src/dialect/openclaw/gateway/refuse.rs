//! How a gateway says that it does not let somebody in (openclaw page 8).

use serde::Serialize;

use super::super::{Refusal, RefusalCode};
use super::wire::ErrorShape;
use crate::websocket::CloseCode;

/// A refusal, with what is told beside it.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) extras: Extras,
}

/// What a node does not need, and is told.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) client_protocols: Option<(u32, u32)>,
    pub(super) device_id: Option<String>,
    pub(super) role: Option<&'static str>,
}

impl Refused {
    /// A `connect` that is wrong in itself, which has no code.
    pub(super) fn invalid(message: String) -> Box<Self> {
        Self::boxed(Refusal::new(RefusalCode::Other(String::new()), message))
    }

    /// Of somebody who is not known.
    pub(super) fn boxed(refusal: Refusal) -> Box<Self> {
        Box::new(Self { refusal, extras: Extras::default() })
    }

    /// Of somebody who is known.
    pub(super) fn of(refusal: Refusal, device_id: Option<String>, role: &'static str) -> Self {
        let extras = Extras { device_id, role: Some(role), ..Extras::default() };
        Self { refusal, extras }
    }

    pub(super) fn error(&self) -> ErrorShape<'_, Details<'_>> {
        let Self { refusal, extras } = self;
        let code = refusal.code();
        let pairing = code == &RefusalCode::PairingRequired;
        let details = Details {
            code: Some(code.as_str()).filter(|code| !code.is_empty()),
            reason: match code {
                RefusalCode::Starting => Some("startup-sidecars"),
                RefusalCode::Draining => Some(refusal.reason().unwrap_or("restart")),
                _ => refusal.reason(),
            },
            method: (code == &RefusalCode::Draining).then_some("connect"),
            phase: (code == &RefusalCode::Draining).then_some("draining"),
            request_id: refusal.request_id(),
            remediation_hint: pairing.then_some(PAIRING_HINT),
            device_id: extras.device_id.as_deref().filter(|_| pairing),
            requested_role: extras.role.filter(|_| pairing),
            can_retry_with_device_token: code
                .as_str()
                .starts_with("AUTH_")
                .then_some(refusal.can_retry_with_device_token()),
            client_min_protocol: extras.client_protocols.map(|(min, _)| min),
            client_max_protocol: extras.client_protocols.map(|(_, max)| max),
            expected_protocol: refusal.expected_protocol(),
            minimum_probe_protocol: refusal.expected_protocol().map(|_| super::OLDER_PROTOCOL),
        };
        let retry_after = refusal.retry_after();
        ErrorShape {
            code: error_code(code),
            message: refusal.message(),
            details: (!details.is_empty()).then_some(details),
            retryable: retry_after.map(|_| true),
            retry_after_ms: retry_after.map(super::wire::whole_millis),
        }
    }
}

impl Refusal {
    /// The close frame that follows it.
    pub(crate) fn closing(&self) -> (CloseCode, String) {
        let message = self.message().to_owned();
        match (self.code(), self.request_id()) {
            (RefusalCode::ProtocolMismatch, _) => (CloseCode::PROTOCOL_ERROR, message),
            (RefusalCode::Starting, _) => {
                (CloseCode::TRY_AGAIN_LATER, "gateway starting".to_owned())
            }
            (RefusalCode::Draining, _) => (CloseCode::TRY_AGAIN_LATER, message),
            (RefusalCode::PairingRequired, Some(id)) => {
                (CloseCode::POLICY_VIOLATION, format!("{message} (requestId: {id})"))
            }
            _ => (CloseCode::POLICY_VIOLATION, message),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation_hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    can_retry_with_device_token: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_min_protocol: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_max_protocol: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_protocol: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum_probe_protocol: Option<u32>,
}

impl Details<'_> {
    fn is_empty(&self) -> bool {
        self.code.is_none() && self.reason.is_none()
    }
}

fn error_code(code: &RefusalCode) -> &'static str {
    match code {
        RefusalCode::PairingRequired | RefusalCode::DeviceIdentityRequired => "NOT_PAIRED",
        RefusalCode::Starting
        | RefusalCode::Draining
        | RefusalCode::AuthenticatedProfileUnavailable => "UNAVAILABLE",
        _ => "INVALID_REQUEST",
    }
}

const PAIRING_HINT: &str = "Approve this device from the pending pairing requests.";
