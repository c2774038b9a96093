//! The three frames as JSON, and what is in them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dialect::CallName;
use crate::dialect::json::Field;
use crate::trace::TraceParent;
use crate::websocket::Connection;

/// Any frame, read in one pass. Unknown fields are ignored (openclaw page 2).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Field<'a>,
    #[serde(borrow)]
    pub(super) id: Field<'a>,
    #[serde(borrow)]
    pub(super) method: Field<'a>,
    #[serde(borrow)]
    pub(super) params: Field<'a>,
    #[serde(borrow)]
    pub(super) event: Field<'a>,
    #[serde(borrow)]
    pub(super) ok: Field<'a>,
    #[serde(borrow)]
    pub(super) payload: Field<'a>,
    #[serde(borrow)]
    pub(super) error: Field<'a>,
}

/// The `payload` of the events and of `hello-ok`, as far as a node looks at it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Payload<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Field<'a>,
    #[serde(borrow)]
    pub(super) nonce: Field<'a>,
    #[serde(borrow)]
    pub(super) ts: Field<'a>,
    #[serde(borrow)]
    pub(super) id: Field<'a>,
    #[serde(borrow)]
    pub(super) invoke_id: Field<'a>,
    #[serde(borrow)]
    pub(super) command: Field<'a>,
    #[serde(rename = "paramsJSON", borrow)]
    pub(super) params_json: Field<'a>,
    #[serde(borrow)]
    pub(super) timeout_ms: Field<'a>,
    #[serde(borrow)]
    pub(super) node_id: Field<'a>,
    #[serde(borrow)]
    pub(super) decision: Field<'a>,
    #[serde(borrow)]
    pub(super) reason: Field<'a>,
    #[serde(borrow)]
    pub(super) restart_expected_ms: Field<'a>,
    #[serde(borrow)]
    pub(super) protocol: Field<'a>,
    #[serde(borrow)]
    pub(super) auth: Field<'a>,
    #[serde(borrow)]
    pub(super) policy: Field<'a>,
}

impl<'a> Payload<'a> {
    /// Lenient: what is not an object has no fields.
    pub(super) fn of(field: Field<'a>) -> Self {
        field.raw().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }
}

/// What `hello-ok` gives.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct HelloAuth<'a> {
    #[serde(borrow)]
    pub(super) device_token: Field<'a>,
    #[serde(borrow)]
    pub(super) role: Field<'a>,
    #[serde(borrow)]
    pub(super) scopes: Field<'a>,
}

/// What `hello-ok` asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Policy<'a> {
    #[serde(borrow)]
    pub(super) max_payload: Field<'a>,
    #[serde(borrow)]
    pub(super) tick_interval_ms: Field<'a>,
}

/// The `error` of a `res`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ErrorShape<'a> {
    #[serde(borrow)]
    pub(super) code: Field<'a>,
    #[serde(borrow)]
    pub(super) message: Field<'a>,
    #[serde(borrow)]
    pub(super) details: Field<'a>,
    #[serde(borrow)]
    pub(super) retryable: Field<'a>,
    #[serde(borrow)]
    pub(super) retry_after_ms: Field<'a>,
}

/// A node's requests are told apart by their ids, so that no table of them is needed.
pub(super) enum ReplyTo {
    Connect,
    Call(CallName),
    /// A result, progress, or something this node never asked.
    Other,
}

impl ReplyTo {
    pub(super) fn of(id: &str) -> Self {
        let number = |text: &str| text.parse::<u64>().ok();
        match id.split_at_checked(1) {
            _ if id == CONNECT_ID => Self::Connect,
            Some(("c", rest)) => {
                number(rest).map_or(Self::Other, |id| Self::Call(CallName::Application(id)))
            }
            Some(("p", rest)) => {
                number(rest).map_or(Self::Other, |id| Self::Call(CallName::Publication(id)))
            }
            _ => Self::Other,
        }
    }
}

/// Whether a node's message is the request that begins a connection.
pub(crate) fn is_connect(message: &[u8]) -> bool {
    message.starts_with(br#"{"type":"req","id":"connect","#)
}

/// The id of the request that begins a connection.
pub(super) const CONNECT_ID: &str = "connect";

/// Sends a request, straight into the connection's buffer. A connection that is closing takes no more.
pub(super) fn request(out: &mut Connection, id: RequestId, method: &str, params: impl Serialize) {
    traced_request(out, id, method, params, None);
}

/// The same, as part of a trace.
pub(super) fn traced_request(
    out: &mut Connection,
    id: RequestId,
    method: &str,
    params: impl Serialize,
    traceparent: Option<TraceParent>,
) {
    #[derive(Serialize)]
    struct Request<'a, P> {
        #[serde(rename = "type")]
        kind: &'static str,
        id: RequestId,
        method: &'a str,
        params: P,
        #[serde(skip_serializing_if = "Option::is_none")]
        traceparent: Option<TraceParent>,
    }
    let request = Request { kind: "req", id, method, params, traceparent };
    let _ = out.send_text_with(|buffer| {
        serde_json::to_writer(buffer, &request)
            .expect("these structs have string keys and Vec takes any bytes");
    });
}

/// The id of a request, written without building a string.
#[derive(Debug, Clone, Copy)]
pub(super) enum RequestId {
    Call(CallName),
    /// A result or progress, counted.
    Invoke(u64),
}

impl Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Call(CallName::Application(id)) => serializer.collect_str(&format_args!("c{id}")),
            Self::Call(CallName::Publication(id)) => serializer.collect_str(&format_args!("p{id}")),
            Self::Invoke(id) => serializer.collect_str(&format_args!("i{id}")),
        }
    }
}

/// `node.invoke.result`. Nothing may be added: the gateway would not take the answer, and the caller would wait in vain.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvokeResult<'a> {
    pub(super) id: &'a str,
    pub(super) node_id: &'a str,
    pub(super) ok: bool,
    /// The result as text, as the reference node sends it.
    #[serde(rename = "payloadJSON", skip_serializing_if = "Option::is_none")]
    pub(super) payload_json: Option<&'a str>,
    /// The result as it is, where its text would be too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<InvokeError<'a>>,
}

#[derive(Serialize)]
pub(super) struct InvokeError<'a> {
    pub(super) code: &'a str,
    /// Left out if there are no words: a gateway refuses empty ones, and the caller would wait in vain.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) message: &'a str,
}

/// `node.invoke.progress`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvokeProgress<'a> {
    pub(super) invoke_id: &'a str,
    pub(super) node_id: &'a str,
    pub(super) seq: u64,
    pub(super) chunk: &'a str,
}
