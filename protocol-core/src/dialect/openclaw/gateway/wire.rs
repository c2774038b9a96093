//! The frames of a gateway as JSON.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::websocket::Connection;

/// Sends an event. Only those to everybody are numbered.
pub(super) fn event(
    out: &mut Connection,
    event: &'static str,
    payload: impl Serialize,
    seq: Option<u64>,
) {
    #[derive(Serialize)]
    struct Event<P> {
        #[serde(rename = "type")]
        kind: &'static str,
        event: &'static str,
        payload: P,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
    }
    send(out, &json(&Event { kind: "event", event, payload, seq }));
}

/// Sends a frame. A connection that is closing takes no more.
pub(super) fn send(out: &mut Connection, frame: &[u8]) {
    let _ = out.send_text_with(|buffer| buffer.extend_from_slice(frame));
}

/// The reply to a request that is granted.
pub(super) fn success(id: &str, payload: impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Success<'a, P> {
        #[serde(rename = "type")]
        kind: &'static str,
        id: &'a str,
        ok: bool,
        payload: P,
    }
    json(&Success { kind: "res", id, ok: true, payload })
}

/// The reply to a request that is not.
pub(super) fn failure<D: Serialize>(id: &str, error: &ErrorShape<'_, D>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Failure<'a, E> {
        #[serde(rename = "type")]
        kind: &'static str,
        id: &'a str,
        ok: bool,
        error: E,
    }
    json(&Failure { kind: "res", id, ok: false, error })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorShape<'a, D> {
    pub(super) code: &'static str,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<D>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_ms: Option<u64>,
}

/// An error's details that are no more than a code.
#[derive(Serialize)]
pub(super) struct CodeDetails {
    pub(super) code: &'static str,
}

impl<'a> ErrorShape<'a, CodeDetails> {
    pub(super) fn invalid_request(message: &'a str) -> Self {
        let (details, retryable, retry_after_ms) = (None, None, None);
        Self { code: "INVALID_REQUEST", message, details, retryable, retry_after_ms }
    }

    /// What was asked needs an approval that is not there, or not any more (openclaw page 6.3).
    pub(super) fn pairing_changed() -> Self {
        Self {
            code: "UNAVAILABLE",
            message: "node pairing changed before request dispatch",
            details: Some(CodeDetails { code: "PAIRING_CHANGED" }),
            retryable: Some(true),
            retry_after_ms: None,
        }
    }

    pub(super) fn unavailable(message: &'a str) -> Self {
        Self { code: "UNAVAILABLE", ..Self::invalid_request(message) }
    }
}

#[derive(Serialize)]
pub(super) struct Challenge<'a> {
    pub(super) nonce: &'a str,
    pub(super) ts: i64,
    pub(super) capabilities: [&'static str; 0],
}

#[derive(Serialize)]
pub(super) struct Tick {
    pub(super) ts: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shutdown<'a> {
    pub(super) reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart_expected_ms: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PairResolved<'a> {
    pub(super) request_id: &'a str,
    pub(super) node_id: &'a str,
    pub(super) decision: &'static str,
    pub(super) ts: i64,
}

/// `node.invoke.request`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvokeRequest<'a> {
    pub(super) id: &'a str,
    pub(super) node_id: &'a str,
    pub(super) command: &'a str,
    /// JSON in a string, or null where the caller gave none.
    #[serde(rename = "paramsJSON")]
    pub(super) params_json: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idempotency_key: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvokeCancel<'a> {
    pub(super) invoke_id: &'a str,
    pub(super) node_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HelloOk<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) protocol: u32,
    pub(super) server: Server<'a>,
    pub(super) features: Features,
    pub(super) snapshot: Snapshot,
    pub(super) auth: Auth<'a>,
    pub(super) policy: Policy,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Server<'a> {
    pub(super) version: &'static str,
    pub(super) conn_id: &'a str,
}

#[derive(Serialize)]
pub(super) struct Features {
    pub(super) methods: &'static [&'static str],
    pub(super) events: &'static [&'static str],
}

/// There is nothing to say of a gateway that is one connection.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    presence: [(); 0],
    health: Nothing,
    state_version: StateVersion,
    uptime_ms: u64,
}

#[derive(Default, Serialize)]
struct Nothing {}

#[derive(Default, Serialize)]
struct StateVersion {
    presence: u64,
    health: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Auth<'a> {
    pub(super) method: &'a str,
    pub(super) role: &'a str,
    pub(super) scopes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issued_at_ms: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    pub(super) max_payload: usize,
    pub(super) max_buffered_bytes: usize,
    pub(super) tick_interval_ms: u64,
}

/// What a result or news of an invoke is answered with.
#[derive(Serialize)]
pub(super) struct Taken {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<bool>,
}

impl Taken {
    pub(super) fn new(ignored: bool) -> Self {
        Self { ok: true, ignored: ignored.then_some(true) }
    }
}

#[derive(Serialize)]
pub(super) struct EventTaken<'a> {
    pub(super) ok: bool,
    pub(super) event: Cow<'a, str>,
    pub(super) handled: bool,
    pub(super) reason: &'static str,
}

/// What a call that only says something is answered with.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallTaken<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tools: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) skills: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bins: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) actions: Option<[(); 0]>,
}

/// Whole milliseconds, rounded up: nobody should come too early.
pub(super) fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these structs have string keys")
}
