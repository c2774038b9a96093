//! How a gateway refuses a `connect`, and what can be done about it.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::dialect::json::Field;
use crate::secret::Secret;
use crate::text::fitting;

/// A gateway's refusal of a `connect` (openclaw page 8.2).
///
/// Shown, it is one sentence of the gateway's and one that names the cure. Texts of the gateway are cut to 512 bytes each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: RefusalCode,
    message: String,
    reason: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    can_retry_with_device_token: bool,
    expected_protocol: Option<u32>,
}

/// What a node can do about a [`Refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaction {
    /// Try again: it may pass.
    Retry,
    /// Try again after this time.
    RetryAfter(Duration),
    /// Somebody has to approve of this device first. Ask now and then.
    AwaitApproval,
    /// Show the token that the device keeps beside the shared one, once, if the endpoint can be trusted.
    RetryWithDeviceToken,
    /// Try again with this version of the protocol.
    SwitchProtocol(u32),
    /// The token that the device keeps is not good any more.
    ForgetDeviceToken,
    /// Trying again will not help.
    Stop,
}

macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $reaction:expr, $cure:literal;)*) => {
        /// Why a gateway refuses: the `details.code` of its error, or what stands for it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)*
            /// The gateway is starting: it says so in `details.reason`, without a code.
            Starting,
            /// The gateway is stopping or restarting: it names the phase in `details`, without a code.
            Draining,
            /// Another code, as it came.
            Other(String),
        }

        impl RefusalCode {
            fn of(code: &str) -> Self {
                match code {
                    $($text => Self::$name,)*
                    other => Self::Other(fitting(other, MOST_TEXT_BYTES).to_owned()),
                }
            }

            /// The code on the wire; empty where there is none.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Starting | Self::Draining => "",
                    Self::Other(code) => code,
                }
            }

            fn reaction(&self) -> Reaction {
                match self {
                    $(Self::$name => $reaction,)*
                    Self::Starting => Reaction::RetryAfter(Duration::from_millis(500)),
                    Self::Draining => Reaction::RetryAfter(Duration::from_secs(1)),
                    Self::Other(_) => Reaction::Retry,
                }
            }

            fn cure(&self) -> &'static str {
                match self {
                    $(Self::$name => $cure,)*
                    Self::Starting => "the gateway is starting; the node tries again at once",
                    Self::Draining => "the gateway is restarting or stopping; the node tries again",
                    Self::Other(_) => "look at the gateway's log: openclaw logs",
                }
            }
        }

        #[cfg(test)]
        const CODES: &[&str] = &[$($text),*];
    };
}

refusal_codes! {
    /// The device, or what it wants to be, is not approved.
    PairingRequired = "PAIRING_REQUIRED", Reaction::AwaitApproval,
        "approve it on the gateway: openclaw devices list, then openclaw devices approve";
    /// A node must be a device.
    DeviceIdentityRequired = "DEVICE_IDENTITY_REQUIRED", Reaction::Stop,
        "connect with a device identity; clawnode identity new makes one";
    /// There is no token.
    AuthTokenMissing = "AUTH_TOKEN_MISSING", Reaction::Stop,
        "give the gateway's token with --auth-token-file or OPENCLAW_GATEWAY_TOKEN (on the gateway: openclaw config get gateway.auth.token), or pair with a setup code";
    /// It is another token than the gateway's.
    AuthTokenMismatch = "AUTH_TOKEN_MISMATCH", Reaction::Stop,
        "the token is not the gateway's; on the gateway: openclaw config get gateway.auth.token";
    /// The gateway has no token to compare with.
    AuthTokenNotConfigured = "AUTH_TOKEN_NOT_CONFIGURED", Reaction::Retry,
        "the gateway has no token; set one there: openclaw config set gateway.auth.token";
    /// The gateway has no password to compare with.
    AuthPasswordNotConfigured = "AUTH_PASSWORD_NOT_CONFIGURED", Reaction::Retry,
        "the gateway has no password; set one there: openclaw config set gateway.auth.password";
    /// Some credential is needed.
    AuthRequired = "AUTH_REQUIRED", Reaction::Retry,
        "give the gateway's token or password, or pair with a setup code";
    /// The credential is not good enough.
    AuthUnauthorized = "AUTH_UNAUTHORIZED", Reaction::Retry,
        "check the token or password; on the gateway: openclaw config get gateway.auth";
    /// The tailnet does not say who this is.
    AuthTailscaleIdentityMissing = "AUTH_TAILSCALE_IDENTITY_MISSING", Reaction::Retry,
        "connect through the tailnet, or give the gateway's token";
    /// What is in front of the gateway does not belong to the tailnet.
    AuthTailscaleProxyMissing = "AUTH_TAILSCALE_PROXY_MISSING", Reaction::Retry,
        "connect through the tailnet's own proxy, or give the gateway's token";
    /// The tailnet could not be asked.
    AuthTailscaleWhoisFailed = "AUTH_TAILSCALE_WHOIS_FAILED", Reaction::Retry,
        "the gateway could not ask the tailnet who this is; give the gateway's token";
    /// The tailnet says that it is somebody else.
    AuthTailscaleIdentityMismatch = "AUTH_TAILSCALE_IDENTITY_MISMATCH", Reaction::Retry,
        "the tailnet says that this is somebody else; give the gateway's token";
    /// There is no password.
    AuthPasswordMissing = "AUTH_PASSWORD_MISSING", Reaction::Stop,
        "give the gateway's password with --password or OPENCLAW_GATEWAY_PASSWORD";
    /// It is another password than the gateway's.
    AuthPasswordMismatch = "AUTH_PASSWORD_MISMATCH", Reaction::Stop,
        "the password is not the gateway's; check OPENCLAW_GATEWAY_PASSWORD";
    /// The setup code is used up, too old, or another gateway's.
    AuthBootstrapTokenInvalid = "AUTH_BOOTSTRAP_TOKEN_INVALID", Reaction::Stop,
        "a setup code is good once and for ten minutes; make another: openclaw gateway call device.pair.setupCode, or clawnode openclaw setup-code";
    /// The token that the device keeps is not good any more.
    AuthDeviceTokenMismatch = "AUTH_DEVICE_TOKEN_MISMATCH", Reaction::ForgetDeviceToken,
        "the token this device was given is not good any more; give the gateway's token, or pair again with a setup code";
    /// The token is good for less than was asked.
    AuthScopeMismatch = "AUTH_SCOPE_MISMATCH", Reaction::Stop,
        "the token allows less than this asks for; on the gateway: openclaw devices list";
    /// Too many failures from this address.
    AuthRateLimited = "AUTH_RATE_LIMITED", Reaction::RetryAfter(RATE_LIMIT),
        "too many wrong credentials came from this address; correct them, the node waits";
    /// A proxy in front of the gateway must say who this is.
    AuthIdentityHeaderRequired = "AUTH_IDENTITY_HEADER_REQUIRED", Reaction::Stop,
        "this gateway trusts only a proxy that names its users; connect through it";
    /// Only a user that something vouches for is let in.
    AuthVerifiedUserRequired = "AUTH_VERIFIED_USER_REQUIRED", Reaction::Stop,
        "this gateway lets in only users that its proxy vouches for";
    /// The gateway cannot look up the user's profile now.
    AuthenticatedProfileUnavailable = "AUTHENTICATED_PROFILE_UNAVAILABLE", Reaction::Retry,
        "the gateway cannot look up the user now; the node tries again";
    /// The device's id is not that of its key.
    DeviceAuthDeviceIdMismatch = "DEVICE_AUTH_DEVICE_ID_MISMATCH", Reaction::Retry,
        "the device id does not belong to the key; clawnode identity show";
    /// The signature is too old, or from the future.
    DeviceAuthSignatureExpired = "DEVICE_AUTH_SIGNATURE_EXPIRED", Reaction::Retry,
        "the signature is not of these two minutes; check the clocks of both machines";
    /// There is no nonce.
    DeviceAuthNonceRequired = "DEVICE_AUTH_NONCE_REQUIRED", Reaction::Retry,
        "the challenge was not answered as it should; the node tries again with another";
    /// It is another connection's nonce.
    DeviceAuthNonceMismatch = "DEVICE_AUTH_NONCE_MISMATCH", Reaction::Retry,
        "the challenge was another connection's; the node tries again with another";
    /// The signature is wrong.
    DeviceAuthSignatureInvalid = "DEVICE_AUTH_SIGNATURE_INVALID", Reaction::Retry,
        "the signature is wrong; check that the key is this device's: clawnode identity show";
    /// The public key is none.
    DeviceAuthPublicKeyInvalid = "DEVICE_AUTH_PUBLIC_KEY_INVALID", Reaction::Retry,
        "the public key cannot be read; clawnode identity show";
    /// Something else is wrong with the device's proof.
    DeviceAuthInvalid = "DEVICE_AUTH_INVALID", Reaction::Retry,
        "the device's proof was not taken; clawnode identity show";
    /// The gateway speaks other versions of the protocol.
    ProtocolMismatch = "PROTOCOL_MISMATCH", Reaction::Stop,
        "the gateway speaks a version of the protocol that this node does not; update the older of the two";
    /// The gateway wants its own installation's node to be as new as itself.
    ClientVersionMismatch = "CLIENT_VERSION_MISMATCH", Reaction::Stop,
        "the gateway wants a newer node; update it";
}

impl Refusal {
    /// Reads the `error` object of a `res`. Any JSON is taken, and what it does not hold is not there.
    pub fn parse(error: &str) -> Self {
        let error: Shape<'_> = serde_json::from_str(error).unwrap_or_default();
        let details: Details<'_> = error
            .details
            .raw()
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let reason = text(details.reason);
        let code = match text(details.code) {
            Some(code) => RefusalCode::of(&code),
            None if reason.as_deref() == Some("startup-sidecars") => RefusalCode::Starting,
            None if details.phase.raw().is_some() => RefusalCode::Draining,
            None => RefusalCode::Other(text(error.code).unwrap_or_default()),
        };
        let retry_after = number(error.retry_after_ms).or(number(details.retry_after_ms));
        Self {
            code,
            message: text(error.message).unwrap_or_default(),
            reason,
            request_id: text(details.request_id).filter(|id| is_id(id)),
            retry_after: retry_after.map(Duration::from_millis),
            can_retry_with_device_token: details
                .can_retry_with_device_token
                .raw()
                .is_some_and(|raw| raw.get() == "true"),
            expected_protocol: number(details.expected_protocol)
                .and_then(|version| u32::try_from(version).ok()),
        }
    }

    /// A refusal for whoever plays the gateway, with a sentence for people.
    pub fn new(code: RefusalCode, message: impl AsRef<str>) -> Self {
        Self {
            code,
            message: fitting(message.as_ref(), MOST_TEXT_BYTES).to_owned(),
            reason: None,
            request_id: None,
            retry_after: None,
            can_retry_with_device_token: false,
            expected_protocol: None,
        }
    }

    /// The same with a finer reason.
    pub fn with_reason(mut self, reason: impl AsRef<str>) -> Self {
        self.reason = Some(fitting(reason.as_ref(), MOST_TEXT_BYTES).to_owned());
        self
    }

    /// The same with the id under which it waits for approval: 1 to 64 ASCII letters, digits and hyphens. Another is left out, as a
    /// node would not take it.
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into()).filter(|id| is_id(id));
        self
    }

    /// The same, to be left alone for this long. Whole milliseconds are told.
    pub fn with_retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// The same, and the token that the device keeps may be shown beside the shared one.
    pub fn retriable_with_device_token(mut self) -> Self {
        self.can_retry_with_device_token = true;
        self
    }

    /// The same with the version of the protocol that the gateway speaks.
    pub fn expecting_protocol(mut self, version: u32) -> Self {
        self.expected_protocol = Some(version);
        self
    }

    /// Why.
    pub fn code(&self) -> &RefusalCode {
        &self.code
    }

    /// The gateway's sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The finer reason, such as `not-paired` or `metadata-upgrade` of a missing approval.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The id under which the gateway's operator finds the request for approval.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// How long the gateway wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the token that the device keeps may be shown beside the shared one, which was not taken.
    pub fn can_retry_with_device_token(&self) -> bool {
        self.can_retry_with_device_token
    }

    /// The version of the protocol that the gateway speaks.
    pub fn expected_protocol(&self) -> Option<u32> {
        self.expected_protocol
    }

    /// What a node can do about it.
    pub fn reaction(&self) -> Reaction {
        match (&self.code, self.retry_after) {
            (RefusalCode::AuthTokenMismatch, _) if self.can_retry_with_device_token => {
                Reaction::RetryWithDeviceToken
            }
            (RefusalCode::ProtocolMismatch, _) => match self.expected_protocol {
                Some(version @ (super::OLDER_PROTOCOL | super::PROTOCOL)) => {
                    Reaction::SwitchProtocol(version)
                }
                _ => Reaction::Stop,
            },
            // As the reference node has it (openclaw page 8.2).
            (RefusalCode::Starting, Some(time)) => {
                Reaction::RetryAfter(time.clamp(Duration::from_millis(100), Duration::from_secs(2)))
            }
            (code, after) => match (code.reaction(), after) {
                (Reaction::Retry | Reaction::RetryAfter(_), Some(time)) => {
                    Reaction::RetryAfter(time)
                }
                (reaction, _) => reaction,
            },
        }
    }

    /// What to do about it, a sentence for people, with the command to give on the gateway where there is one.
    pub fn cure(&self) -> String {
        match (&self.code, &self.request_id) {
            (RefusalCode::PairingRequired, Some(id)) => {
                format!("approve it on the gateway: openclaw devices approve {id}")
            }
            (RefusalCode::ProtocolMismatch, _)
                if self.expected_protocol == Some(super::OLDER_PROTOCOL) =>
            {
                "the gateway speaks the version before, which the node tries next; if that is in vain, update the gateway".to_owned()
            }
            (code, _) => code.cure().to_owned(),
        }
    }

    /// The same without a credential that the gateway quoted.
    pub(crate) fn hiding(mut self, secret: &Secret) -> Self {
        for text in [Some(&mut self.message), self.reason.as_mut()].into_iter().flatten() {
            if let Some(hidden) = secret.hidden_in(text) {
                *text = hidden;
            }
        }
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, code, .. } = self;
        match (message.as_str(), code.as_str()) {
            ("", "") => f.write_str("the gateway does not let this node in")?,
            ("", code) => f.write_str(code)?,
            (message, "") => f.write_str(message)?,
            (message, code) => write!(f, "{message} ({code})")?,
        }
        write!(f, "; {}", self.cure())
    }
}

impl std::error::Error for Refusal {}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Shape<'a> {
    #[serde(borrow)]
    code: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
    #[serde(borrow)]
    details: Field<'a>,
    #[serde(borrow)]
    retry_after_ms: Field<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details<'a> {
    #[serde(borrow)]
    code: Field<'a>,
    #[serde(borrow)]
    reason: Field<'a>,
    #[serde(borrow)]
    phase: Field<'a>,
    #[serde(borrow)]
    request_id: Field<'a>,
    #[serde(borrow)]
    retry_after_ms: Field<'a>,
    #[serde(borrow)]
    can_retry_with_device_token: Field<'a>,
    #[serde(borrow)]
    expected_protocol: Field<'a>,
}

fn text(field: Field<'_>) -> Option<String> {
    let text = field.text("").ok().flatten()?;
    Some(fitting(&text, MOST_TEXT_BYTES).to_owned())
}

fn number(field: Field<'_>) -> Option<u64> {
    field.raw()?.get().parse().ok()
}

/// An id that can be put on a command line as it is.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A sentence; the gateway's own are cut to 120 bytes in close frames.
const MOST_TEXT_BYTES: usize = 512;

/// How long the gateway locks an address out (openclaw page 5.4).
const RATE_LIMIT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, more: &str) -> Refusal {
        Refusal::parse(&format!(
            r#"{{"code":"INVALID_REQUEST","message":"no","details":{{"code":"{code}"{more}}}}}"#
        ))
    }

    #[test]
    fn every_code_has_a_cure_and_survives_the_way_there_and_back() {
        for code in CODES {
            let refusal = refusal(code, "");
            assert_eq!(refusal.code().as_str(), *code);
            assert!(!matches!(refusal.code(), RefusalCode::Other(_)), "{code}");
            assert!(refusal.to_string().starts_with(&format!("no ({code}); ")), "{refusal}");
            assert!(refusal.cure().len() > 20);
        }
    }

    #[test]
    fn the_reactions_are_those_of_the_protocol() {
        let ms = Duration::from_millis;
        for (code, more, reaction) in [
            ("PAIRING_REQUIRED", "", Reaction::AwaitApproval),
            ("DEVICE_IDENTITY_REQUIRED", "", Reaction::Stop),
            ("AUTH_TOKEN_MISSING", "", Reaction::Stop),
            ("AUTH_TOKEN_MISMATCH", "", Reaction::Stop),
            (
                "AUTH_TOKEN_MISMATCH",
                r#","canRetryWithDeviceToken":true"#,
                Reaction::RetryWithDeviceToken,
            ),
            ("AUTH_REQUIRED", "", Reaction::Retry),
            ("AUTH_PASSWORD_MISMATCH", "", Reaction::Stop),
            ("AUTH_BOOTSTRAP_TOKEN_INVALID", "", Reaction::Stop),
            ("AUTH_DEVICE_TOKEN_MISMATCH", "", Reaction::ForgetDeviceToken),
            ("AUTH_SCOPE_MISMATCH", "", Reaction::Stop),
            ("AUTH_RATE_LIMITED", "", Reaction::RetryAfter(RATE_LIMIT)),
            ("AUTH_RATE_LIMITED", r#","retryAfterMs":7000"#, Reaction::RetryAfter(ms(7000))),
            ("DEVICE_AUTH_NONCE_MISMATCH", "", Reaction::Retry),
            ("PROTOCOL_MISMATCH", r#","expectedProtocol":3"#, Reaction::SwitchProtocol(3)),
            ("PROTOCOL_MISMATCH", r#","expectedProtocol":4"#, Reaction::SwitchProtocol(4)),
            ("PROTOCOL_MISMATCH", r#","expectedProtocol":5"#, Reaction::Stop),
            ("PROTOCOL_MISMATCH", "", Reaction::Stop),
            ("CLIENT_VERSION_MISMATCH", "", Reaction::Stop),
            ("SOMETHING_NEW", "", Reaction::Retry),
        ] {
            assert_eq!(refusal(code, more).reaction(), reaction, "{code} {more}");
        }
    }

    #[test]
    fn a_gateway_that_starts_or_stops_has_no_code() {
        let starting = |after: u64| {
            Refusal::parse(&format!(
                r#"{{"code":"UNAVAILABLE","message":"starting","retryAfterMs":{after},"details":{{"reason":"startup-sidecars"}}}}"#
            ))
        };
        assert_eq!(starting(500).code(), &RefusalCode::Starting);
        for (asked, given) in [(0, 100), (500, 500), (60_000, 2000)] {
            let given = Reaction::RetryAfter(Duration::from_millis(given));
            assert_eq!(starting(asked).reaction(), given);
        }
        let draining = Refusal::parse(
            r#"{"code":"UNAVAILABLE","details":{"method":"connect","reason":"restart","phase":"draining"}}"#,
        );
        assert_eq!(draining.code(), &RefusalCode::Draining);
        assert_eq!(draining.reaction(), Reaction::RetryAfter(Duration::from_secs(1)));
    }

    #[test]
    fn the_cure_of_a_missing_approval_names_the_request_if_it_can_be_typed() {
        let asked = |id: &str| refusal("PAIRING_REQUIRED", &format!(r#","requestId":"{id}""#));
        assert!(asked("d46bed8e-777d").cure().ends_with("openclaw devices approve d46bed8e-777d"));
        assert!(asked("x; rm -rf /").cure().ends_with("openclaw devices approve"));
        assert_eq!(asked("x; rm -rf /").request_id(), None);
    }

    #[test]
    fn anything_is_read_and_cut_to_size() {
        for json in ["null", "[]", "{}", "7", "", r#"{"details":7,"message":[]}"#] {
            let refusal = Refusal::parse(json);
            assert_eq!(refusal.code(), &RefusalCode::Other(String::new()));
            assert_eq!(refusal.reaction(), Reaction::Retry);
        }
        let long = "x".repeat(513);
        let refusal = Refusal::parse(&format!(r#"{{"message":"{long}"}}"#));
        assert_eq!(refusal.message().len(), 512);
        let just = "x".repeat(512);
        assert_eq!(Refusal::parse(&format!(r#"{{"message":"{just}"}}"#)).message(), just);
    }

    #[test]
    fn a_quoted_credential_is_hidden() {
        let refusal = Refusal::parse(r#"{"message":"what is s3cret?"}"#);
        assert_eq!(refusal.hiding(&Secret::new("s3cret")).message(), "what is [hidden]?");
    }
}
