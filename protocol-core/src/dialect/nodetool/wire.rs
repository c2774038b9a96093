//! The nine messages as JSON: fields in the order the original sends them, nulls present.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::dialect::json::Field;
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

pub(super) struct Metadata<'a> {
    pub(super) user_id: &'a str,
    /// Our addition: tells a gateway whether a node that comes back is the one that has its work.
    pub(super) instance_id: JobId,
    pub(super) more: &'a BTreeMap<String, Box<RawValue>>,
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const OWN: [&str; 2] = ["user_id", "instance_id"];
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(OWN[0], self.user_id)?;
        map.serialize_entry(OWN[1], &self.instance_id)?;
        for (key, value) in self.more.iter().filter(|(key, _)| !OWN.contains(&key.as_str())) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
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
