use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::read::lenient;
use super::types::{DeviceRequest, HostStatsOf, NodeRequest};
use crate::{Connection, Event, Events};

/// What an operator hears.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum OperatorEvent {
    /// Where the operator is with its gateway from here on. The first event and the last.
    Connection(Connection),
    /// A node wants to do more than was approved: `node.pair.requested`.
    NodePairRequested(NodeRequest),
    /// Somebody decided what a node may do: `node.pair.resolved`. The id is the node's.
    NodePairResolved(PairResolved),
    /// A device wants to connect: `device.pair.requested`.
    DevicePairRequested(DeviceRequest),
    /// Somebody decided whether a device may connect: `device.pair.resolved`. The id is the device's.
    DevicePairResolved(PairResolved),
    /// A node came, went, or says how busy its user is: `node.presence`.
    NodePresence(NodePresence),
    /// How a node's machine is doing: `node.hostStats`.
    HostStats(HostStatsReport),
    /// The gateway is going to close the connection: `shutdown`.
    Shutdown {
        /// Why, for people.
        reason: String,
        /// When it expects to be back.
        back_in: Option<Duration>,
    },
    /// Anything else, as it came.
    Other {
        /// The event's name, such as `health`.
        event: String,
        /// What it says, JSON; null if it says nothing.
        payload: Box<RawValue>,
    },
    /// What else happens to any node, such as [`Event::GatewayError`] and [`Event::Faulty`].
    Node(Event),
    /// The reader was too slow: this many events, the oldest, were dropped here.
    Missed(u64),
}

/// A decision about a request.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PairResolved {
    /// The request's id.
    pub request_id: String,
    /// The node or device.
    pub id: String,
    /// `approved`, `rejected` and the like; empty if the gateway does not say.
    pub decision: String,
    /// Everything else that the gateway says of it.
    pub more: Map<String, Value>,
}

/// A node's presence.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodePresence {
    /// Which node.
    pub node_id: String,
    /// Everything that the gateway says of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How a node's machine is doing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HostStatsReport {
    /// Which node.
    pub node_id: String,
    /// What it told.
    #[serde(default, deserialize_with = "lenient")]
    pub host_stats: HostStatsOf,
}

/// What an operator hears from the moment of [`Operator::events`](super::Operator::events) on.
///
/// It holds as many events as [`Events`], which is what it reads from. A slower reader loses the oldest, and is told how many.
#[derive(Debug)]
pub struct OperatorEvents {
    events: Events,
}

impl OperatorEvents {
    pub(super) fn new(events: Events) -> Self {
        Self { events }
    }

    /// The next event; `None` once the operator has stopped, or was dropped, and all was read.
    ///
    /// Cancel safe: dropping the future loses no event.
    pub async fn next(&mut self) -> Option<OperatorEvent> {
        self.events.next().await.map(OperatorEvent::from)
    }
}

impl From<Event> for OperatorEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Connection(connection) => Self::Connection(connection),
            Event::Custom { kind, text } => read(kind, &text),
            Event::GoingAway { reason, back_in } => Self::Shutdown { reason, back_in },
            Event::Missed(count) => Self::Missed(count),
            other => Self::Node(other),
        }
    }
}

/// Reads a frame of the gateway. What does not say whom it is about stays as it came.
fn read(event: String, frame: &str) -> OperatorEvent {
    #[derive(Deserialize)]
    struct Frame {
        payload: Option<Box<RawValue>>,
    }
    let payload = serde_json::from_str::<Frame>(frame).ok().and_then(|frame| frame.payload);
    let payload = payload.unwrap_or_default();
    let text = payload.get();
    let known = match event.as_str() {
        "node.pair.requested" => typed(text).map(OperatorEvent::NodePairRequested),
        "node.pair.resolved" => resolved(text, "nodeId").map(OperatorEvent::NodePairResolved),
        "device.pair.requested" => typed(text).map(OperatorEvent::DevicePairRequested),
        "device.pair.resolved" => resolved(text, "deviceId").map(OperatorEvent::DevicePairResolved),
        "node.presence" => typed(text).map(OperatorEvent::NodePresence),
        "node.hostStats" => typed(text).map(OperatorEvent::HostStats),
        _ => None,
    };
    known.unwrap_or(OperatorEvent::Other { event, payload })
}

fn typed<T: DeserializeOwned>(payload: &str) -> Option<T> {
    serde_json::from_str(payload).ok()
}

fn resolved(payload: &str, id: &str) -> Option<PairResolved> {
    let mut more: Map<String, Value> = typed(payload)?;
    let mut text = |name: &str| match more.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (request_id, id) = (text("requestId")?, text(id)?);
    let decision = text("decision").unwrap_or_default();
    Some(PairResolved { request_id, id, decision, more })
}
