//! Tests: a node against a gateway that says exactly what it is told to.

mod calls;
mod closing;
mod handshake;
mod invokes;
mod messages;
mod publications;
mod refusals;

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Config, Device, DeviceToken, Identity, MOST_CONNECT_BYTES};
use crate::node::{
    self, Action, Deadline, Endpoint, Event, HostStats, Input, LostReason, Misuse, Phase,
    Publication, StopReason,
};
use crate::secret::{Credentials, Secret};
use crate::websocket::{self, CloseCode, Closed, Connection};
use crate::work::{Failure, Outcome, Update, WorkId};
use crate::{Call, CallError, CallId, Node, Now, Timestamp, TraceParent};

/// A node, and the other end of its connection.
struct Stage {
    node: Node,
    credentials: Credentials,
    gateway: Connection,
    closed: Option<Closed>,
    millis: u64,
    /// What the gateway heard, oldest first.
    heard: Vec<Value>,
    events: Vec<Event>,
    kept: Vec<DeviceToken>,
    keeps_tokens: bool,
    forgotten: usize,
    started: Vec<WorkId>,
    cancelled: Vec<WorkId>,
    settled: Vec<WorkId>,
    replies: Vec<(CallId, Result<String, CallError>)>,
    stopped: Option<StopReason>,
}

impl Stage {
    fn new(credentials: Credentials, change: impl FnOnce(&mut node::Config)) -> Self {
        let device = Device::from(&Identity::from_seed([1; 32]));
        let mut config =
            node::Config::new(Endpoint::new("gateway.test", "/"), Config::node(device, "1.0"));
        config.commands = vec!["system.which".to_owned()];
        change(&mut config);
        let mut stage = Self {
            node: Node::new(config, [3; 32]),
            credentials,
            gateway: Connection::server(websocket::Limits::default()),
            closed: None,
            millis: 0,
            heard: Vec::new(),
            events: Vec::new(),
            kept: Vec::new(),
            keeps_tokens: true,
            forgotten: 0,
            started: Vec::new(),
            cancelled: Vec::new(),
            settled: Vec::new(),
            replies: Vec::new(),
            stopped: None,
        };
        stage.give(Input::Start);
        stage
    }

    /// One that the gateway has let in.
    fn ready() -> Self {
        Self::ready_with(|_| {})
    }

    fn ready_with(change: impl FnOnce(&mut node::Config)) -> Self {
        let mut stage = Self::new(Credentials::token(Secret::new("shared")), change);
        stage.hello(json!({}));
        assert_eq!(stage.node.phase(), Phase::Ready);
        stage.heard.clear();
        stage
    }

    fn now(&self) -> Now {
        let utc = Timestamp::from_micros(1_795_347_600_000_000);
        Now::new(Duration::from_millis(self.millis), utc)
    }

    fn give(&mut self, input: Input<'_>) {
        self.node.handle(self.now(), input).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            while let Some(action) = self.node.poll_action() {
                self.act(action);
            }
            if !self.carry() {
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        let credentials = self.credentials.clone();
        let reply = match action {
            Action::Authenticate => Input::Credentials(credentials),
            Action::Connect => {
                self.gateway = Connection::server(websocket::Limits::default());
                self.closed = None;
                Input::Connected
            }
            Action::Sign(text) => {
                assert!(!format!("{text:?}").contains('|'), "the text holds a credential");
                Input::Signature("signature")
            }
            Action::KeepDeviceToken(token) => {
                self.kept.push(token);
                if !self.keeps_tokens {
                    return;
                }
                Input::DeviceTokenKept
            }
            Action::ForgetDeviceToken => {
                self.forgotten += 1;
                return;
            }
            Action::Admit(work) => Input::Admitted(work.id),
            Action::Record(answer) => Input::Recorded(answer.work),
            Action::Start(work) => return self.started.push(work.id),
            Action::Cancel(work) => return self.cancelled.push(work),
            Action::Settled(work) => return self.settled.push(work),
            Action::Reply { id, result } => {
                let result = result.map(|result| result.get().to_owned());
                return self.replies.push((id, result));
            }
            Action::Notify(event) => {
                let shown = format!("{event:?}");
                let secrets = self.credentials.iter();
                let mut told = secrets.filter(|secret| shown.contains(secret.expose()));
                assert_eq!(told.next(), None, "{shown}");
                return self.events.push(event);
            }
            Action::Stopped(reason) => {
                self.stopped = Some(reason);
                return;
            }
            Action::Disconnect => return,
        };
        self.node.handle(self.now(), reply).unwrap();
    }

    /// Carries bytes both ways; false when there were none.
    fn carry(&mut self) -> bool {
        let out = self.node.transmit().to_vec();
        if !out.is_empty() {
            self.gateway.receive(&out);
            self.node.handle(self.now(), Input::Sent(out.len())).unwrap();
        }
        let mut asked = false;
        while let Some(event) = self.gateway.poll() {
            match event {
                websocket::Event::Request(_) => asked = true,
                websocket::Event::Text(text) => {
                    let message = serde_json::from_str(text).unwrap();
                    clawnode_openclaw_schema::check(&message);
                    self.heard.push(message);
                }
                websocket::Event::Closed(closed) => self.closed = Some(closed),
                _ => {}
            }
        }
        if asked {
            self.gateway.accept().unwrap();
        }
        let back = self.gateway.transmit().to_vec();
        if !back.is_empty() {
            self.gateway.sent(back.len()).unwrap();
            // A node that is done with a connection does not listen any more.
            let _ = self.node.handle(self.now(), Input::Received(&back));
        }
        !out.is_empty() || !back.is_empty()
    }

    fn say(&mut self, frame: Value) {
        self.gateway.send_text(&frame.to_string()).unwrap();
        self.carry();
        self.drain();
    }

    fn event(&mut self, event: &str, payload: Value) {
        self.say(json!({ "type": "event", "event": event, "payload": payload }));
    }

    fn challenge(&mut self) {
        self.event("connect.challenge", json!({ "nonce": "n", "ts": 1_795_347_600_000_u64 }));
    }

    /// Lets the node in.
    fn hello(&mut self, more: Value) {
        self.challenge();
        let mut payload =
            json!({ "type": "hello-ok", "protocol": 4, "policy": { "tickIntervalMs": 2000 } });
        for (name, value) in more.as_object().unwrap() {
            payload[name] = value.clone();
        }
        self.say(json!({ "type": "res", "id": "connect", "ok": true, "payload": payload }));
    }

    fn deny(&mut self, code: &str, mut details: Value) {
        self.challenge();
        details["code"] = json!(code);
        let error =
            json!({ "code": "INVALID_REQUEST", "message": "no, shared", "details": details });
        self.say(json!({ "type": "res", "id": "connect", "ok": false, "error": error }));
        self.close(1008, "no");
    }

    fn close(&mut self, code: u16, why: &str) {
        self.gateway.close(CloseCode::new(code).unwrap(), why).unwrap();
        self.carry();
        self.drain();
    }

    fn invoke(&mut self, id: &str, params: Value, timeout_ms: u64) {
        let payload = json!({
            "id": id, "nodeId": "x", "command": "system.which", "paramsJSON": params, "timeoutMs": timeout_ms,
            "idempotencyKey": "same", "sessionKey": null,
        });
        self.event("node.invoke.request", payload);
    }

    fn answer(&mut self, work: WorkId, outcome: Outcome) {
        self.give(Input::Answer(work, outcome));
    }

    /// The result that the gateway heard last.
    fn result(&self) -> &Value {
        let last = self.heard.last().expect("it heard something");
        assert_eq!(last["method"], "node.invoke.result", "{last}");
        &last["params"]
    }

    fn results(&self) -> usize {
        self.heard.iter().filter(|frame| frame["method"] == "node.invoke.result").count()
    }

    /// Time goes on.
    fn pass(&mut self, millis: u64) {
        self.millis += millis;
        self.give(Input::Timeout);
    }

    /// Time goes on to the next deadline.
    fn wait(&mut self) -> Deadline {
        let (at, deadline) = self.node.deadline().unwrap();
        self.millis = u64::try_from(at.as_micros().div_ceil(1000)).unwrap();
        self.give(Input::Timeout);
        deadline
    }

    /// How long after the last loss the node tries again, in milliseconds.
    fn retry_in(&self) -> u128 {
        match self.events.last() {
            Some(Event::Lost { retry_in: Some(delay), .. }) => delay.as_millis(),
            other => panic!("{other:?} {:?}", self.stopped),
        }
    }
}

fn completed(json: &str) -> Outcome {
    Outcome::Completed(RawValue::from_string(json.to_owned()).unwrap())
}

fn kept() -> Credentials {
    Credentials { device_token: Some(Secret::new("kept-token")), ..Credentials::none() }
}
