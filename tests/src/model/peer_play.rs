use std::fmt;
use std::time::Duration;

use clawnode_protocol::peer::{
    Action, Config, Decision, Dialect, FromNode, Input, LostReason, Request,
};
use clawnode_protocol::websocket::{self, ClientRequest, CloseCode, Closed, Connection, Side};
use clawnode_protocol::{Now, Outcome, Peer, Task, Timestamp};
use serde_json::Value;

use super::node::{Name, Seen, Variant};
use super::peer::{PeerModel, PeerStep};
use crate::json;

/// A gateway's side of a connection beside its model. Each method is one step: it panics if the two differ, or if it cannot
/// happen now.
pub struct PeerPlay {
    peer: Peer,
    model: PeerModel,
    now: Duration,
    node: Option<Connection>,
    held: bool,
    gone: bool,
    seen: Seen,
}

impl fmt::Debug for PeerPlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerPlay").field("model", &self.model).finish_non_exhaustive()
    }
}

impl PeerPlay {
    /// A fresh byte stream. With `small` no second message may wait for the node; `chunk` is how many bytes the gateway reads at
    /// a time, all for 0.
    pub fn new(small: bool, chunk: usize) -> Self {
        let variant = Variant { small, chunk };
        Self::on(Self::config(variant), variant)
    }

    /// What the peer of a play is told.
    pub fn config(variant: Variant) -> Config {
        let mut config = Config::new(Dialect::Nodetool);
        if variant.small {
            config.limits.transmit_bytes = 1;
        }
        config
    }

    /// The same with any configuration.
    pub fn on(config: Config, variant: Variant) -> Self {
        let now = Now::new(Duration::ZERO, Timestamp::from_micros(0));
        Self {
            peer: Peer::new(config, now, [1; 32]),
            model: PeerModel::new(variant),
            now: Duration::ZERO,
            node: None,
            held: false,
            gone: false,
            seen: Seen::default(),
        }
    }

    /// Does a step on both and compares.
    ///
    /// # Errors
    ///
    /// How they differ.
    ///
    /// # Panics
    ///
    /// When the step cannot happen now.
    pub fn step(&mut self, step: PeerStep) -> Result<(), String> {
        assert!(self.model.allows(step), "`{step}` cannot happen now: {:?}", self.model);
        self.model.step(step);
        self.seen = Seen::default();
        self.seen.taken = self.perform(step);
        let promised = self.model.seen();
        if self.seen == *promised {
            return Ok(());
        }
        Err(format!("after `{step}`\n  promised: {promised:?}\n      seen: {:?}", self.seen))
    }

    fn perform(&mut self, step: PeerStep) -> bool {
        let quoted = |kind: &str, name: &str, rest: &str| {
            format!(r#"{{"type":"{kind}","request_id":"{name}",{rest}}}"#)
        };
        match step {
            PeerStep::Connect => {
                let request = ClientRequest::new("gateway.test", "/").expect("it is a request");
                let limits = websocket::Limits::default();
                self.node = Some(Connection::client(&request, limits, [5; 32]));
                self.play();
            }
            PeerStep::Nonsense => {
                self.input(Input::Received(b"nonsense\r\n\r\n"));
            }
            PeerStep::Accept => return self.input(Input::Authorize(Decision::Accept)),
            PeerStep::Reject(status) => {
                let message = "no";
                let reject = Decision::Reject { status, message, retry_after: None };
                return self.input(Input::Authorize(reject));
            }
            PeerStep::Register => self.node_says(
                r#"{"type":"node_registration","node_id":"n","capabilities":{"workflow_execution":true,"commands":[]}}"#,
            ),
            PeerStep::Ack(name) => self.node_says(&quoted("ack", name, r#""message":null"#)),
            PeerStep::Update(name, value) => self.node_says(&quoted(
                "workflow_update",
                name,
                &format!(r#""update_type":"news","data":{{"value":{value}}}"#),
            )),
            PeerStep::Answer(name, value) => self.node_says(&quoted(
                "command_response",
                name,
                &format!(r#""status":"success","result":{{"value":{value}}}"#),
            )),
            PeerStep::Fail(name, value) => self.node_says(&quoted(
                "workflow_response",
                name,
                &format!(r#""status":"failed","error":"{value}""#),
            )),
            PeerStep::Heartbeat => self.node_says(r#"{"type":"heartbeat","node_id":"n"}"#),
            PeerStep::Error => self.node_says(r#"{"type":"error","error":"odd"}"#),
            PeerStep::Weather => self.node_says(r#"{"type":"weather"}"#),
            PeerStep::Garble => self.node_says("not JSON"),
            PeerStep::Request(name, value) => {
                let args = json(&format!(r#"{{"value":{value}}}"#));
                let task = Task::Command { name: "echo".to_owned(), args };
                let request = Request::new(name.to_owned(), task);
                return self.input(Input::Request(&request));
            }
            PeerStep::Acknowledge(name) => return self.input(Input::Acknowledge(name)),
            PeerStep::Custom => return self.input(Input::Custom(r#"{"type":"weather"}"#)),
            PeerStep::Reserved => return self.input(Input::Custom(r#"{"type":"heartbeat"}"#)),
            PeerStep::Hold => self.held = true,
            PeerStep::Release => {
                self.held = false;
                self.play();
            }
            PeerStep::Close => return self.input(Input::Close(CloseCode::NORMAL, "")),
            PeerStep::Leave => {
                self.node = None;
                self.input(Input::ReceivedEof);
            }
            PeerStep::Cut => {
                self.node = None;
                self.input(Input::Disconnected);
            }
            PeerStep::Goodbye => {
                let node = self.node.as_mut().expect("there is a connection");
                // If the gateway was first, this has no effect.
                let _ = node.close(CloseCode::NORMAL, "");
                self.play();
            }
            PeerStep::Die => self.fall_silent(),
            PeerStep::Pause => self.run_for(Duration::from_secs(6)),
        }
        true
    }

    fn node_says(&mut self, text: &str) {
        let node = self.node.as_mut().expect("there is a connection");
        node.send_text(text).expect("it is open");
        self.play();
    }

    fn input(&mut self, input: Input<'_>) -> bool {
        let taken = self.peer.handle(self.clock(), input).is_ok();
        self.play();
        taken
    }

    fn clock(&self) -> Now {
        Now::new(self.now, Timestamp::from_micros(0))
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some((due, _)) = self.peer.deadline().filter(|(due, _)| *due <= end) {
            self.now = self.now.max(due);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// The node neither reads nor writes until the gateway gives it up: after three looks of 30 s at the latest, or when it has not
    /// registered.
    fn fall_silent(&mut self) {
        self.held = true;
        let latest = self.now + Duration::from_secs(90);
        while !self.gone {
            let (due, _) = self.peer.deadline().expect("a connection is watched");
            assert!(due <= latest, "a silent node is noticed");
            self.now = due;
            self.input(Input::Timeout);
        }
    }

    fn play(&mut self) {
        loop {
            let acted = self.act();
            let carried = self.bring_gateway() || self.bring_node();
            if !acted && !carried {
                return;
            }
        }
    }

    fn act(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.peer.poll_action() {
            acted = true;
            let seen = match action {
                Action::Authorize(_) => "authorize".to_owned(),
                Action::Message(message) => describe(message),
                Action::Closed(reason) => {
                    (self.node, self.held, self.gone) = (None, false, true);
                    format!("closed: {}", cause(reason))
                }
                _ => continue,
            };
            self.seen.actions.push(seen);
        }
        acted
    }

    /// Brings the gateway what the node has written.
    fn bring_gateway(&mut self) -> bool {
        let chunk = self.model.variant().chunk;
        let Some(node) = &mut self.node else { return false };
        let bytes = node.transmit();
        let most = if chunk == 0 { bytes.len() } else { chunk.min(bytes.len()) };
        let bytes = bytes[..most].to_vec();
        if bytes.is_empty() {
            return false;
        }
        node.sent(bytes.len()).expect("these were lent");
        self.peer.handle(self.clock(), Input::Received(&bytes)).expect("the connection is there");
        true
    }

    /// Brings the node what the gateway has written.
    fn bring_node(&mut self) -> bool {
        let Some(node) = self.node.as_mut().filter(|_| !self.held) else {
            // Nobody reads it, but a stream takes it.
            let bytes = if self.held { 0 } else { self.peer.transmit().len() };
            if bytes > 0 {
                self.peer.handle(self.clock(), Input::Sent(bytes)).expect("these were lent");
            }
            return bytes > 0;
        };
        let bytes = self.peer.transmit().to_vec();
        if bytes.is_empty() {
            return false;
        }
        node.receive(&bytes);
        while let Some(event) = node.poll() {
            match event {
                websocket::Event::Open => self.seen.heard.push("accepted".to_owned()),
                websocket::Event::Refused(refusal) => {
                    self.seen.heard.push(format!("rejected {}", refusal.status()));
                }
                websocket::Event::Text(text) => self.seen.heard.push(heard(text)),
                _ => {}
            }
        }
        self.peer.handle(self.clock(), Input::Sent(bytes.len())).expect("these were lent");
        true
    }
}

/// A message of the gateway in the model's words.
fn heard(text: &str) -> String {
    let message: Value = serde_json::from_str(text).expect("a gateway sends JSON");
    let id = message["request_id"].as_str().unwrap_or_default();
    match message["type"].as_str().expect("a gateway's messages have a type") {
        "command_request" => format!("request {id} {}", message["args"]["value"]),
        "ack" => format!("acknowledge {id}"),
        "weather" => "custom".to_owned(),
        other => other.to_owned(),
    }
}

/// What the application hears of the node, in the model's words.
fn describe(message: FromNode) -> String {
    let value =
        |json: &str| serde_json::from_str::<Value>(json).expect("JSON")["value"].to_string();
    match message {
        FromNode::Registered(_) => "registered".to_owned(),
        FromNode::Alive { .. } => "alive".to_owned(),
        FromNode::Accepted { request_id, .. } => format!("accepted {request_id}"),
        FromNode::Progress { request_id, data, .. } => {
            format!("progress {request_id} {}", value(data.get()))
        }
        FromNode::Answered { request_id, outcome: Outcome::Completed(result), .. } => {
            format!("answered {request_id} {}", value(result.get()))
        }
        FromNode::Answered { request_id, outcome: Outcome::Failed(failure), .. } => {
            format!("failed {request_id} {}", failure.message)
        }
        FromNode::Error { .. } => "error".to_owned(),
        FromNode::Custom { .. } => "custom".to_owned(),
        FromNode::Faulty { .. } => "faulty".to_owned(),
        other => format!("{other:?}"),
    }
}

fn cause(reason: LostReason) -> String {
    match reason {
        LostReason::Closed(Closed::Clean { initiated_by: Side::Local, .. }) => "by the gateway",
        LostReason::Closed(Closed::Clean { .. }) => "by the node",
        LostReason::Closed(Closed::Lost) => "left",
        LostReason::Closed(Closed::Handshake(_)) => "no handshake",
        LostReason::Rejected(status) => return format!("rejected {status}"),
        LostReason::Disconnected => "broken",
        LostReason::TimedOut(deadline) => return format!("{deadline:?}"),
        other => return other.to_string(),
    }
    .to_owned()
}

macro_rules! steps {
    ($($(#[$doc:meta])* $method:ident($($argument:ident: $type:ty),*) => $step:ident;)*) => {
        /// The steps.
        impl PeerPlay {
            $($(#[$doc])* pub fn $method(&mut self $(, $argument: $type)*) {
                if let Err(difference) = self.step(steps!(@ $step $($argument)*)) {
                    panic!("{difference}");
                }
            })*
        }
    };
    (@ $step:ident) => { PeerStep::$step };
    (@ $step:ident $($argument:ident)+) => { PeerStep::$step($($argument),+) };
}

steps! {
    /// The node sends its upgrade request.
    connect() => Connect;
    /// The other end sends something that is no HTTP.
    nonsense() => Nonsense;
    /// The application lets the node in.
    accept() => Accept;
    /// The application turns the node away.
    reject(status: u16) => Reject;
    /// The node registers.
    register() => Register;
    /// The node has taken a request.
    ack(name: Name) => Ack;
    /// The node has news of a request.
    update(name: Name, value: u8) => Update;
    /// The node has an answer.
    answer(name: Name, value: u8) => Answer;
    /// The node could not do it.
    fail(name: Name, value: u8) => Fail;
    /// The node is well.
    heartbeat() => Heartbeat;
    /// The node reports an error.
    error() => Error;
    /// The node sends a message of its application's own.
    weather() => Weather;
    /// The node sends something that is no message.
    garble() => Garble;
    /// The application has work for the node.
    request(name: Name, value: u8) => Request;
    /// The application has the answer.
    acknowledge(name: Name) => Acknowledge;
    /// The application sends a message of its own.
    custom() => Custom;
    /// The application sends a message of its own whose type is not its own.
    reserved() => Reserved;
    /// The node reads nothing for now.
    hold() => Hold;
    /// It reads again.
    release() => Release;
    /// The application closes the connection.
    close() => Close;
    /// The node's stream ends without a word.
    leave() => Leave;
    /// The connection breaks.
    cut() => Cut;
    /// The node closes the connection.
    goodbye() => Goodbye;
    /// The node falls silent until the gateway gives it up.
    die() => Die;
    /// Six seconds pass: a third of the time to connect or to register, and a bit more.
    pause() => Pause;
}
