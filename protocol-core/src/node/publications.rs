//! What a node tells its gateway about itself, for as long as it takes to be heard.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::life::Life;
use super::{Action, Deadline, Event, Misuse, Node};
use crate::call::CallError;
use crate::dialect::{CallName, ToGateway};
use crate::state::state;

/// Something a node makes known about itself. The latest of each kind is sent on every connection, again when the node has
/// been approved, and again when the gateway says that it is too early. Only the openclaw dialect has publications.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Publication {
    /// How the machine is doing: `node.host.stats`. Worth sending once a minute (openclaw page 13.1).
    HostStats(HostStats),
}

/// How a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostStats {
    /// Processors.
    pub cpu_count: u32,
    /// Load averages over 1, 5 and 15 minutes.
    pub load_average: [f64; 3],
    /// Bytes of memory.
    pub memory_total_bytes: u64,
    /// Bytes of memory that programs may still take.
    pub memory_free_bytes: u64,
    /// Bytes of the disk that the node's data is on.
    pub disk_total_bytes: u64,
    /// Bytes of it that are free for the node's user.
    pub disk_available_bytes: u64,
}

/// What is published, and how far it has come.
#[derive(Debug)]
pub(super) struct Publications {
    host_stats: Option<Box<RawValue>>,
    state: State,
    /// How long to wait if the gateway says again that it is too early.
    delay: Duration,
    /// Whether the gateway has taken something on this connection, so that the node can be used.
    usable: bool,
    /// Refusals in a row.
    refused: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Settled,
    Due,
    Asked,
}

state!(struct Publications { host_stats, state, delay, usable, refused });
state!(enum State { 0 = Settled, 1 = Due, 2 = Asked });

impl Publications {
    /// Whether it can have come so far.
    pub(super) fn is_sound(&self) -> bool {
        self.delay <= LONGEST_DELAY && self.refused < u32::MAX / 2
    }

    pub(super) fn new() -> Self {
        Self {
            host_stats: None,
            state: State::Settled,
            delay: FIRST_DELAY,
            usable: false,
            refused: 0,
        }
    }

    /// On a new connection everything is to be said again.
    pub(super) fn reset(&mut self) {
        *self = Self { host_stats: self.host_stats.take(), ..Self::new() };
        self.due();
    }

    fn due(&mut self) {
        if self.host_stats.is_some() {
            self.state = State::Due;
        }
    }
}

impl Node {
    pub(super) fn publish(&mut self, publication: Publication) -> Result<(), Misuse> {
        if !self.session.has_calls() {
            return Err(Misuse::NoCalls);
        }
        let Publication::HostStats(stats) = publication;
        let event = NodeEvent { event: "node.host.stats", payload: stats };
        let json = serde_json::value::to_raw_value(&event);
        self.publications.host_stats = Some(json.expect("numbers and strings are JSON"));
        // What waits to be said again keeps its turn.
        if !self.timers.is_set(Deadline::Publish) && self.publications.state != State::Asked {
            self.publications.due();
        }
        Ok(())
    }

    pub(super) fn send_publications(&mut self) {
        let (Life::Ready { .. }, Some(link)) = (&self.life, &mut self.link) else { return };
        if self.publications.state != State::Due
            || self.timers.is_set(Deadline::Publish)
            || !link.websocket.is_open()
        {
            return;
        }
        let Some(params) = &self.publications.host_stats else { return };
        let call = CallName::Publication(HOST_STATS);
        let words = ToGateway::Call { call, method: "node.event", params, traceparent: None };
        if self.session.write(self.utc, words, &mut link.websocket).is_ok() {
            self.publications.state = State::Asked;
        }
    }

    /// The gateway's reply to a publication.
    pub(super) fn published(&mut self, result: Result<Box<RawValue>, CallError>) {
        let publications = &mut self.publications;
        if publications.state != State::Asked {
            return;
        }
        publications.state = State::Settled;
        match result {
            Ok(_) => {
                publications.delay = FIRST_DELAY;
                publications.refused = 0;
                if !std::mem::replace(&mut publications.usable, true) {
                    self.actions.push_back(Action::Notify(Event::Approved));
                }
            }
            Err(CallError::Refused { code, .. }) if code == "UNAVAILABLE" => {
                publications.state = State::Due;
                publications.refused += 1;
                let due = self.now.saturating_add(publications.delay);
                publications.delay = (publications.delay * 2).min(LONGEST_DELAY);
                self.timers.set(Deadline::Publish, due);
                // The first refusals come even where everything is approved (openclaw page 6.4).
                if publications.refused == TELLING_REFUSALS {
                    self.actions.push_back(Action::Notify(Event::WaitingForApproval));
                }
            }
            Err(error) => {
                let event = Event::GatewayError { error: error.to_string(), details: None };
                self.actions.push_back(Action::Notify(event));
            }
        }
    }

    /// Somebody has approved of what the node may do, or of more.
    pub(super) fn approved(&mut self) {
        self.timers.clear(Deadline::Publish);
        self.publications.delay = FIRST_DELAY;
        self.publications.refused = 0;
        self.publications.due();
        if !std::mem::replace(&mut self.publications.usable, true) {
            self.actions.push_back(Action::Notify(Event::Approved));
        }
    }
}

#[derive(Serialize)]
struct NodeEvent<P> {
    event: &'static str,
    payload: P,
}

const HOST_STATS: u64 = 0;

/// As the reference node has it (openclaw page 6.4).
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// 250 ms, 500 ms and 1 s later, it is no passing state any more.
const TELLING_REFUSALS: u32 = 4;
