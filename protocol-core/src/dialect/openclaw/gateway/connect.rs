//! The first message of a connection, and whether its sender may go on to ask the application (openclaw pages 3 and 4.4).

use serde_json::value::RawValue;

use super::super::{Client, DevicePayload, OLDER_PROTOCOL, PROTOCOL, Refusal, RefusalCode, Role};
use super::super::{device_id_of, verify};
use super::config::ConnectRequest;
use super::refuse::{Extras, Refused};
use super::schema::{Kind, Object, Property};
use crate::secret::{Credentials, Secret};
use crate::time::Timestamp;

/// What is checked against what this very connection was asked.
pub(super) struct Asked<'a> {
    pub(super) protocol: u32,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// A `connect` that the application is to decide about.
#[derive(Debug)]
pub(super) struct Applicant {
    pub(super) request: ConnectRequest,
    /// What it says of itself, as the application hears of it once it is let in.
    pub(super) metadata: Box<RawValue>,
}

/// Reads the params of a `connect` and checks all that needs no books, in the order of the protocol.
pub(super) fn read(params: &str, asked: &Asked<'_>) -> Result<Applicant, Box<Refused>> {
    let params = Object::read(params, PARAMS)
        .map_err(|problem| Refused::invalid(format!("invalid connect params: {problem}")))?;
    let role = params.text("role").unwrap_or("operator".into());
    let scopes = params.texts("scopes");
    let role = match &*role {
        "node" => Role::Node,
        "operator" => Role::Operator { scopes: scopes.clone() },
        _ => return Err(Refused::invalid("invalid role".to_owned())),
    };
    let client = params.object("client").expect("the schema requires it");
    let text = |name: &str| client.text(name).map(|text| text.into_owned());
    let client = Client {
        id: text("id").unwrap_or_default(),
        mode: text("mode").unwrap_or_default(),
        version: text("version").unwrap_or_default(),
        platform: text("platform").unwrap_or_default(),
        device_family: text("deviceFamily"),
        display_name: text("displayName"),
        instance_id: text("instanceId"),
    };
    let version = |name: &str| {
        params.number(name).map_or(0, |version| u32::try_from(version).unwrap_or(u32::MAX))
    };
    let request = ConnectRequest {
        min_protocol: version("minProtocol"),
        max_protocol: version("maxProtocol"),
        client,
        role,
        device_id: None,
        credentials: credentials(&params),
        caps: params.texts("caps"),
        commands: params.texts("commands"),
        permissions: params
            .raw("permissions")
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default(),
        path_env: params.text("pathEnv").map(|path| path.into_owned()),
    };
    check_protocol(&request, asked.protocol)?;
    let device_id = check_device(&params, &request, &scopes, asked)?;
    let request = ConnectRequest { device_id, ..request };
    Ok(Applicant { metadata: metadata(&params), request })
}

fn check_protocol(request: &ConnectRequest, protocol: u32) -> Result<(), Box<Refused>> {
    let speaks = |version| (request.min_protocol..=request.max_protocol).contains(&version);
    let is_node = request.role == Role::Node && request.client.mode == "node";
    if speaks(protocol) || (protocol == PROTOCOL && is_node && speaks(OLDER_PROTOCOL)) {
        return Ok(());
    }
    let refusal = Refusal::new(RefusalCode::ProtocolMismatch, "protocol mismatch");
    Err(Box::new(Refused {
        refusal: refusal.expecting_protocol(protocol),
        extras: Extras {
            client_protocols: Some((request.min_protocol, request.max_protocol)),
            ..Extras::default()
        },
    }))
}

/// The device's id, once it has proved that it is this device and answers this connection's challenge now.
fn check_device(
    params: &Object<'_>,
    request: &ConnectRequest,
    scopes: &[String],
    asked: &Asked<'_>,
) -> Result<Option<String>, Box<Refused>> {
    let refused = |code, message: &str, reason: &str| {
        Err(Refused::boxed(Refusal::new(code, message).with_reason(reason)))
    };
    let Some(device) = params.object("device") else {
        return match request.role {
            Role::Operator { .. } => Ok(None),
            Role::Node => {
                let message = "device identity required";
                let refusal = Refusal::new(RefusalCode::DeviceIdentityRequired, message);
                Err(Refused::boxed(refusal))
            }
        };
    };
    let text = |name: &str| device.text(name).unwrap_or_default();
    let (id, public_key, nonce) = (text("id"), text("publicKey"), text("nonce"));
    let signed_at_ms = device.number("signedAt").unwrap_or_default();
    if device_id_of(&public_key).as_deref() != Some(&*id) {
        let code = RefusalCode::DeviceAuthDeviceIdMismatch;
        return refused(code, "device identity mismatch", "device-id-mismatch");
    }
    let now_ms = asked.now.as_micros().div_euclid(1000);
    let apart = i64::try_from(signed_at_ms).map_or(u64::MAX, |at| at.abs_diff(now_ms));
    if apart > LONGEST_APART_MS {
        let code = RefusalCode::DeviceAuthSignatureExpired;
        return refused(code, "device signature expired", "device-signature-stale");
    }
    if nonce.trim().is_empty() {
        let code = RefusalCode::DeviceAuthNonceRequired;
        return refused(code, "device nonce required", "device-nonce-missing");
    }
    if nonce != asked.nonce {
        let code = RefusalCode::DeviceAuthNonceMismatch;
        return refused(code, "device nonce mismatch", "device-nonce-mismatch");
    }
    let Credentials { token, device_token, bootstrap_token, .. } = &request.credentials;
    let shown = [token, device_token, bootstrap_token].into_iter().flatten().next();
    let payload = DevicePayload {
        device_id: &id,
        client_id: &request.client.id,
        client_mode: &request.client.mode,
        role: request.role.name(),
        scopes,
        signed_at_ms,
        token: shown.map_or("", Secret::expose),
        nonce: &nonce,
        platform: &request.client.platform,
        device_family: request.client.device_family.as_deref().unwrap_or_default(),
    };
    let signature = text("signature");
    let good = verify(&public_key, &payload.v3(), &signature)
        || verify(&public_key, &payload.v2(), &signature);
    if !good {
        let code = RefusalCode::DeviceAuthSignatureInvalid;
        return refused(code, "device signature invalid", "device-signature");
    }
    Ok(Some(id.into_owned()))
}

fn credentials(params: &Object<'_>) -> Credentials {
    let Some(auth) = params.object("auth") else { return Credentials::none() };
    let secret = |name: &str| auth.text(name).map(Secret::new);
    Credentials {
        token: secret("token"),
        password: secret("password"),
        device_token: secret("deviceToken"),
        bootstrap_token: secret("bootstrapToken"),
        ..Credentials::none()
    }
}

fn metadata(params: &Object<'_>) -> Box<RawValue> {
    let raw = |name: &str, otherwise| params.raw(name).map_or(otherwise, RawValue::get);
    let (client, caps) = (raw("client", "{}"), raw("caps", "[]"));
    RawValue::from_string(format!(r#"{{"client":{client},"caps":{caps}}}"#))
        .expect("an object of two JSON values")
}

/// How far the time of a signature may be from the gateway's (openclaw page 4.4).
const LONGEST_APART_MS: u64 = 120_000;

const PARAMS: &[Property] = &[
    Property::required("minProtocol", Kind::Integer { least: 1 }),
    Property::required("maxProtocol", Kind::Integer { least: 1 }),
    Property::required("client", Kind::Object(CLIENT)),
    Property::optional("caps", Kind::Texts),
    Property::optional("commands", Kind::Texts),
    Property::optional("computerUse", Kind::Any),
    Property::optional("workerRuns", Kind::Any),
    Property::optional("permissions", Kind::Switches),
    Property::optional("pathEnv", Kind::ANY_TEXT),
    Property::optional("role", Kind::TEXT),
    Property::optional("scopes", Kind::Texts),
    Property::optional("device", Kind::Object(DEVICE)),
    Property::optional("auth", Kind::Object(AUTH)),
    Property::optional("locale", Kind::ANY_TEXT),
    Property::optional("userAgent", Kind::ANY_TEXT),
];

const CLIENT: &[Property] = &[
    Property::required("id", Kind::Word(CLIENT_IDS)),
    Property::optional("displayName", Kind::TEXT),
    Property::required("version", Kind::TEXT),
    Property::optional("buildId", Kind::Text { least: 1, most: 96 }),
    Property::required("platform", Kind::TEXT),
    Property::optional("deviceFamily", Kind::TEXT),
    Property::optional("modelIdentifier", Kind::TEXT),
    Property::optional("timeZone", Kind::Text { least: 1, most: 64 }),
    Property::required("mode", Kind::Word(CLIENT_MODES)),
    Property::optional("instanceId", Kind::TEXT),
];

const DEVICE: &[Property] = &[
    Property::required("id", Kind::TEXT),
    Property::required("publicKey", Kind::TEXT),
    Property::required("signature", Kind::TEXT),
    Property::required("signedAt", Kind::Integer { least: 0 }),
    Property::required("nonce", Kind::TEXT),
];

const AUTH: &[Property] = &[
    Property::optional("token", Kind::ANY_TEXT),
    Property::optional("bootstrapToken", Kind::ANY_TEXT),
    Property::optional("deviceToken", Kind::ANY_TEXT),
    Property::optional("password", Kind::ANY_TEXT),
    Property::optional("approvalRuntimeToken", Kind::ANY_TEXT),
    Property::optional("agentRuntimeIdentityToken", Kind::ANY_TEXT),
];

const CLIENT_IDS: &[&str] = &[
    "webchat-ui",
    "openclaw-control-ui",
    "openclaw-browser-copilot",
    "openclaw-tui",
    "webchat",
    "cli",
    "gateway-client",
    "openclaw-macos",
    "openclaw-linux",
    "openclaw-ios",
    "openclaw-watchos",
    "openclaw-android",
    "node-host",
    "openclaw-worker",
    "test",
    "fingerprint",
    "openclaw-probe",
];

const CLIENT_MODES: &[&str] =
    &["webchat", "cli", "ui", "backend", "node", "worker", "probe", "test"];
