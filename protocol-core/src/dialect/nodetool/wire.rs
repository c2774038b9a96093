//! The nine messages as JSON: fields in the order the original sends them, nulls present.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dialect::{MOST_NAME_BYTES, Message};
use crate::time::Timestamp;
use crate::websocket::Connection;
use crate::work::JobId;

/// The message types of this dialect.
pub(super) const TYPES: [&str; 9] = [
    "node_registration",
    "heartbeat",
    "ack",
    "workflow_request",
    "workflow_response",
    "workflow_update",
    "command_request",
    "command_response",
    "error",
];

/// Any message, read in one pass: each field borrowed as raw JSON, typed only when its message needs it.
/// Unknown fields are ignored (protocol page 1.1).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Field<'a>,
    #[serde(borrow)]
    pub(super) timestamp: Field<'a>,
    #[serde(borrow)]
    pub(super) request_id: Field<'a>,
    #[serde(borrow)]
    pub(super) workflow_id: Field<'a>,
    #[serde(borrow)]
    pub(super) graph: Field<'a>,
    #[serde(borrow)]
    pub(super) params: Field<'a>,
    #[serde(borrow)]
    pub(super) user_id: Field<'a>,
    #[serde(borrow)]
    pub(super) command: Field<'a>,
    #[serde(borrow)]
    pub(super) args: Field<'a>,
    #[serde(borrow)]
    pub(super) node_id: Field<'a>,
    #[serde(borrow)]
    pub(super) capabilities: Field<'a>,
    #[serde(borrow)]
    pub(super) metadata: Field<'a>,
    #[serde(borrow)]
    pub(super) status: Field<'a>,
    #[serde(borrow)]
    pub(super) result: Field<'a>,
    #[serde(borrow)]
    pub(super) error: Field<'a>,
    #[serde(borrow)]
    pub(super) job_id: Field<'a>,
    #[serde(borrow)]
    pub(super) update_type: Field<'a>,
    #[serde(borrow)]
    pub(super) data: Field<'a>,
    #[serde(borrow)]
    pub(super) message: Field<'a>,
    #[serde(borrow)]
    pub(super) details: Field<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads a message; the error is a sentence for its sender.
    pub(super) fn parse(message: Message<'a>) -> Result<Self, String> {
        let json = message.as_json().ok_or("a binary message must hold JSON in UTF-8")?;
        if !json.trim_start().starts_with('{') {
            return Err(match serde_json::from_str::<&RawValue>(json) {
                Ok(_) => "a message must be a JSON object".to_owned(),
                Err(error) => format!("not JSON: {error}"),
            });
        }
        serde_json::from_str(json).map_err(|error| format!("not a valid message: {error}"))
    }

    /// The request's id if it is a string that can be quoted back.
    pub(super) fn readable_request_id(&self) -> Option<String> {
        let id = self.request_id.text("request_id").ok()??;
        (1..=MOST_NAME_BYTES).contains(&id.len()).then(|| id.into_owned())
    }
}

impl<'a> Message<'a> {
    /// JSON may come in a text or a binary message.
    pub(super) fn as_json(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        }
    }
}

/// One field as it came. Absent and null are the same: both mean the default (protocol page 1.1).
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(super) struct Field<'a>(#[serde(borrow)] Option<&'a RawValue>);

impl<'a> Field<'a> {
    pub(super) fn raw(self) -> Option<&'a RawValue> {
        self.0
    }

    pub(super) fn text(self, name: &'static str) -> Result<Option<Cow<'a, str>>, Invalid> {
        self.0.map(|raw| text(raw).ok_or(Invalid::new(name, "a string", raw))).transpose()
    }

    pub(super) fn required_text(self, name: &'static str) -> Result<Cow<'a, str>, Invalid> {
        self.text(name)?.ok_or(Invalid::missing(name))
    }

    /// The field as text, whatever it is.
    pub(super) fn describe(self) -> String {
        self.0.map_or_else(String::new, |raw| {
            text(raw).map_or_else(|| raw.get().to_owned(), Cow::into_owned)
        })
    }

    pub(super) fn object(self, name: &'static str) -> Result<Option<&'a RawValue>, Invalid> {
        match self.0 {
            Some(raw) if !raw.get().starts_with('{') => Err(Invalid::new(name, "an object", raw)),
            object => Ok(object),
        }
    }

    /// Missing is fine; present, it must be a time in one of the accepted forms.
    pub(super) fn check_timestamp(self) -> Result<(), Invalid> {
        let Some(raw) = self.0 else { return Ok(()) };
        let time = match text(raw) {
            Some(text) => Timestamp::parse(&text),
            None => raw.get().parse().ok().and_then(Timestamp::from_epoch),
        };
        time.map(|_| ()).ok_or(Invalid::new(
            "timestamp",
            "an ISO 8601 time or an epoch number",
            raw,
        ))
    }
}

/// A field that is missing or has another type than it should.
#[derive(Debug)]
pub(super) struct Invalid {
    field: &'static str,
    expected: &'static str,
    found: &'static str,
}

impl Invalid {
    pub(super) fn missing(field: &'static str) -> Self {
        Self { field, expected: "", found: "" }
    }

    pub(super) fn value(field: &'static str, expected: &'static str) -> Self {
        Self { field, expected, found: "another word" }
    }

    pub(super) fn large(field: &'static str, most: &'static str) -> Self {
        Self { field, expected: most, found: "more" }
    }

    pub(super) fn new(field: &'static str, expected: &'static str, raw: &RawValue) -> Self {
        let found = match raw.get().as_bytes().first() {
            Some(b'"') => "another string",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "a boolean",
            _ => "a number",
        };
        Self { field, expected, found }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, expected, found } = self;
        match *expected {
            "" => write!(f, "`{field}` is missing"),
            _ => write!(f, "`{field}` must be {expected}, not {found}"),
        }
    }
}

/// The string that `raw` is, if it is one.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// `{}`.
pub(super) fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("`{}` is JSON")
}

/// Sends a message, straight into the connection's buffer. A connection that is closing takes no more; what matters is kept
/// and sent on the next one.
pub(super) fn send(
    out: &mut Connection,
    timestamp: Timestamp,
    kind: &'static str,
    fields: impl Serialize,
) {
    #[derive(Serialize)]
    struct Message<F> {
        #[serde(rename = "type")]
        kind: &'static str,
        timestamp: Timestamp,
        #[serde(flatten)]
        fields: F,
    }
    let message = Message { kind, timestamp, fields };
    let _ = out.send_text_with(|buffer| {
        serde_json::to_writer(buffer, &message)
            .expect("these structs have string keys and Vec takes any bytes");
    });
}

pub(super) fn send_text(out: &mut Connection, text: &str) {
    let _ = out.send_text(text);
}

pub(super) fn send_error(
    out: &mut Connection,
    timestamp: Timestamp,
    error: &str,
    request_id: Option<&str>,
) {
    let details = request_id.map(|request_id| ErrorDetails { request_id });
    send(out, timestamp, "error", Error { error, details });
}

#[derive(Serialize)]
pub(super) struct NodeRegistration<'a> {
    pub(super) node_id: &'a str,
    pub(super) capabilities: Capabilities<'a>,
    pub(super) metadata: Metadata<'a>,
}

#[derive(Serialize)]
pub(super) struct Capabilities<'a> {
    pub(super) workflow_execution: bool,
    pub(super) commands: &'a [String],
}

#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) user_id: &'a str,
    /// Our addition: tells a gateway whether a node that comes back is the one that has its work.
    pub(super) instance_id: JobId,
}

#[derive(Serialize)]
pub(super) struct Heartbeat<'a> {
    pub(super) node_id: &'a str,
    pub(super) status: &'static str,
}

#[derive(Serialize)]
pub(super) struct Ack<'a> {
    pub(super) request_id: &'a str,
    pub(super) message: Option<AckMessage<'a>>,
}

/// The original's texts for people (protocol page 1.1), written without building a string.
pub(super) enum AckMessage<'a> {
    WorkflowStarted,
    Command(&'a str),
    Repeated,
    Answered,
}

impl fmt::Display for AckMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkflowStarted => f.write_str("Workflow execution started"),
            Self::Command(name) => write!(f, "Executing command: {name}"),
            Self::Repeated => f.write_str("Already received"),
            Self::Answered => f.write_str("Answer received"),
        }
    }
}

impl Serialize for AckMessage<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Serialize)]
pub(super) struct WorkflowRequest<'a> {
    pub(super) request_id: &'a str,
    pub(super) workflow_id: Option<&'a str>,
    pub(super) graph: Option<&'a RawValue>,
    pub(super) params: &'a RawValue,
    pub(super) user_id: &'a str,
}

#[derive(Serialize)]
pub(super) struct WorkflowResponse<'a> {
    pub(super) request_id: &'a str,
    pub(super) status: &'static str,
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<&'a str>,
    pub(super) job_id: Option<JobId>,
}

#[derive(Serialize)]
pub(super) struct WorkflowUpdate<'a> {
    pub(super) request_id: &'a str,
    pub(super) job_id: Option<JobId>,
    pub(super) update_type: &'a str,
    pub(super) data: &'a RawValue,
}

#[derive(Serialize)]
pub(super) struct CommandRequest<'a> {
    pub(super) request_id: &'a str,
    pub(super) command: &'a str,
    pub(super) args: &'a RawValue,
    /// Our addition: the original's commands carry no user, so it is absent unless one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct CommandResponse<'a> {
    pub(super) request_id: &'a str,
    pub(super) status: &'static str,
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Error<'a> {
    pub(super) error: &'a str,
    pub(super) details: Option<ErrorDetails<'a>>,
}

#[derive(Serialize)]
pub(super) struct ErrorDetails<'a> {
    pub(super) request_id: &'a str,
}
