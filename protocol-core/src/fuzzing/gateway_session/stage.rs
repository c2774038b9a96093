use std::fmt::Write as _;
use std::time::Duration;

use serde_json::value::RawValue;

use super::super::{SECRET, assert_hides_the_secret};
use crate::dialect::openclaw::{
    self, Device, DevicePayload, GatewayConfig, Hello, Identity, Refusal, RefusalCode,
};
use crate::dialect::{FromGateway, Message, NodeSession, nodetool};
use crate::peer::{
    Action, Applicant, Config, Deadline, Decision, Dialect, FromNode, Input, Limits, Misuse,
    Request, Surface, Timing,
};
use crate::websocket::{self, Closed, Connection, Event, Role};
use crate::work::{Task, WorkflowSource};
use crate::{Credentials, Now, Peer, Timestamp};

/// How the surroundings of the peer behave of themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) openclaw: bool,
    pub(super) small_limits: bool,
    pub(super) admits_at_once: bool,
    pub(super) carries_at_once: bool,
    pub(super) upgraded: bool,
    pub(super) short_times: bool,
    pub(super) single_bytes: bool,
}

pub(super) struct Stage {
    habits: Habits,
    limits: Limits,
    peer: Peer,
    node: Connection,
    /// What the node makes of what it hears, and what it was asked.
    ears: Box<dyn NodeSession>,
    challenge: Option<(String, u64)>,
    news: u64,
    now: Duration,
    /// A node says nothing that counts before it registers.
    registered: bool,
    disconnected: bool,
    closed: bool,
    transcript: String,
}

impl Stage {
    pub(super) fn new(habits: Habits) -> Self {
        let dialect = match habits.openclaw {
            true => Dialect::Openclaw(GatewayConfig::default()),
            false => Dialect::Nodetool,
        };
        let mut config = Config::new(dialect);
        if habits.small_limits {
            config.limits.websocket.max_message = 1000;
            config.limits.websocket.max_head = 700;
            config.limits.websocket.max_pending_pongs = 2;
            config.limits.transmit_bytes = 400;
            config.limits.fault_replies = 2;
            config.limits.open_requests = 2;
        }
        if habits.short_times {
            let short = Duration::from_millis(3);
            config.timing =
                Timing { open: short, register: short, liveness: short, tick: short, close: short };
        }
        let limits = config.limits;
        let now = Now::new(Duration::ZERO, Timestamp::default());
        let (peer, node) = if habits.upgraded {
            let node = Connection::upgraded(Role::Client, websocket::Limits::default(), [7; 32]);
            (Peer::upgraded(config, now, [1; 32]), node)
        } else {
            (Peer::new(config, now, [1; 32]), asking_node())
        };
        let mut stage = Self {
            habits,
            limits,
            peer,
            node,
            ears: ears(habits.openclaw),
            challenge: None,
            news: 0,
            now: Duration::ZERO,
            registered: false,
            disconnected: false,
            closed: false,
            transcript: String::new(),
        };
        stage.drain();
        stage
    }

    /// One input, right or wrong, and all that follows from it.
    pub(super) fn give(&mut self, input: Input<'_>) {
        let before = self.look();
        let over = self.closed;
        let result = self.peer.handle(self.clock(), input);
        assert!(!over || result == Err(Misuse::WrongState), "an input after the end: {result:?}");
        if result.is_err() {
            assert_eq!(self.look(), before, "a misuse changed something");
        }
        self.drain();
    }

    pub(super) fn received(&mut self, bytes: &[u8]) {
        if self.habits.single_bytes && !bytes.is_empty() {
            for byte in bytes {
                self.give(Input::Received(&[*byte]));
            }
        } else {
            self.give(Input::Received(bytes));
        }
    }

    pub(super) fn sent_too_much(&mut self) {
        let most = self.peer.transmit().len();
        let result = self.peer.handle(self.clock(), Input::Sent(most + 1));
        assert!(matches!(result, Err(Misuse::SentTooMuch | Misuse::WrongState)));
        assert_eq!(self.peer.transmit().len(), most);
    }

    // The application.

    pub(super) fn accept(&mut self) {
        self.give(Input::Authorize(Decision::Accept));
        if self.habits.openclaw {
            self.give(Input::Authorize(Decision::Welcome(&hello())));
        }
    }

    pub(super) fn refuse(&mut self, what: u8) {
        if !self.habits.openclaw {
            return;
        }
        let code = match what & 3 {
            0 => RefusalCode::PairingRequired,
            1 => RefusalCode::AuthTokenMismatch,
            2 => RefusalCode::Starting,
            _ => RefusalCode::Draining,
        };
        let refusal = Refusal::new(code, "no").with_request_id("r-1");
        self.give(Input::Authorize(Decision::Refuse(&refusal)));
    }

    pub(super) fn acknowledge(&mut self, id: u8) {
        let name = format!("r{}", id % 8);
        match id >> 5 {
            _ if !self.habits.openclaw => self.give(Input::Acknowledge(&format!("r{id}"))),
            0 => self.give(Input::Acknowledge(&name)),
            1 => self.give(Input::Surface(Surface::Unapproved)),
            2 => self.give(Input::Surface(Surface::Approved { request_id: Some(&name) })),
            3 => {
                let back_in = Some(Duration::from_millis(id.into()));
                self.give(Input::GoingAway { reason: "gateway restarting", back_in });
            }
            _ => self.give(Input::Cancel(&name)),
        }
    }

    pub(super) fn request(&mut self, what: u8, id: u8) {
        let padding = json(&"x".repeat(usize::from(what >> 3) * 8));
        let task = match what & 3 {
            0 => Task::Workflow { source: WorkflowSource::Id("w1".to_owned()), params: padding },
            1 => Task::Workflow { source: WorkflowSource::Graph(padding.clone()), params: padding },
            _ => Task::Command { name: "echo".to_owned(), args: padding },
        };
        let user_id = (what & 4 != 0).then(|| "1".to_owned());
        let request = Request::new(format!("r{id}"), task).for_user(user_id);
        let ready = self.peer.is_ready();
        let waits = self.peer.transmit().len();
        let result = self.peer.handle(self.clock(), Input::Request(&request));
        match result {
            Ok(()) => assert!(ready && self.peer.transmit().len() > waits),
            Err(Misuse::NotReady) => assert!(!ready),
            Err(Misuse::Full) => {
                let full = waits >= self.limits.transmit_bytes;
                assert!(full || self.habits.openclaw && self.limits.open_requests == 2);
            }
            Err(Misuse::Unsayable) => assert!(self.habits.openclaw && what & 3 < 2),
            Err(Misuse::TooLarge) => assert!(self.habits.openclaw && self.habits.small_limits),
            Err(Misuse::WrongState) => assert!(self.closed),
            Err(other) => panic!("{other:?} upon a request"),
        }
        self.drain();
    }

    // The node.

    pub(super) fn node_does(
        &mut self,
        act: impl FnOnce(&mut Connection) -> Result<(), websocket::Misuse>,
    ) {
        // It may not be open yet, or closing already.
        let _ = act(&mut self.node);
    }

    pub(super) fn node_speaks(&mut self, what: u8, id: u8) {
        if self.habits.openclaw {
            return self.openclaw_node_speaks(what, id);
        }
        let about = format!(r#""request_id":"r{}""#, id % 8);
        let padding = "y".repeat(usize::from(what >> 3) * 8);
        let text = match what & 7 {
            0 => r#"{"type":"node_registration","node_id":"node-A"}"#.to_owned(),
            1 => r#"{"type":"heartbeat","node_id":"node-A","status":"active"}"#.to_owned(),
            2 => format!(r#"{{"type":"ack",{about},"message":"{padding}"}}"#),
            3 => {
                format!(r#"{{"type":"workflow_update",{about},"update_type":"note","data":{{}}}}"#)
            }
            4 => format!(
                r#"{{"type":"command_response",{about},"status":"success","result":{{"a":"{padding}"}}}}"#
            ),
            5 => format!(r#"{{"type":"workflow_response",{about},"status":"failed"}}"#),
            6 => r#"{"type":"node_registration"}"#.to_owned(),
            _ => format!(r#"{{"type":"news","text":"{padding}"}}"#),
        };
        self.node_does(|node| node.send_text(&text));
    }

    fn openclaw_node_speaks(&mut self, what: u8, id: u8) {
        let identity = identity();
        let about = format!(r#"Id":"r{}","nodeId":"{}""#, id % 8, identity.device_id());
        let padding = "y".repeat(usize::from(what >> 3) * 8);
        let (method, params) = match what & 7 {
            0 => ("connect", self.connect(id)),
            1 => {
                let stats =
                    format!(r#"{{"event":"node.host.stats","payload":{{"a":"{padding}"}}}}"#);
                ("node.event", stats)
            }
            2 => {
                // Now and then one is missing, or comes again.
                let seq = self.news.saturating_sub(u64::from(id >> 6));
                self.news += u64::from(id >> 5 & 1);
                (
                    "node.invoke.progress",
                    format!(r#"{{"invoke{about},"seq":{seq},"chunk":"{padding}"}}"#),
                )
            }
            3 => {
                self.news = 0;
                let result =
                    format!(r#"{{"i{},"ok":true,"payloadJSON":"{padding}"}}"#, &about[1..]);
                ("node.invoke.result", result)
            }
            4 => {
                let error = format!(r#""error":{{"code":"UNAVAILABLE","message":"{padding}"}}"#);
                ("node.invoke.result", format!(r#"{{"i{},"ok":false,{error}}}"#, &about[1..]))
            }
            5 => ("node.pluginTools.update", format!(r#"{{"tools":["{padding}"]}}"#)),
            6 => ("node.list", "{}".to_owned()),
            _ => ("health", format!(r#"{{"a":"{padding}"}}"#)),
        };
        // Only the first is the handshake's.
        let id = if method == "connect" && !self.registered { "connect" } else { "i1" };
        let text = format!(r#"{{"type":"req","id":"{id}","method":"{method}","params":{params}}}"#);
        self.node_does(|node| node.send_text(&text));
    }

    /// A `connect` that is right, or not quite.
    fn connect(&self, what: u8) -> String {
        let identity = identity();
        let (nonce, at_ms) = self.challenge.clone().unwrap_or_default();
        let signed_at_ms = at_ms + if what & 1 == 0 { 0 } else { 120_000 + u64::from(what >> 1) };
        let payload = DevicePayload {
            device_id: identity.device_id(),
            client_id: "node-host",
            client_mode: "node",
            role: "node",
            scopes: &[],
            signed_at_ms,
            token: SECRET,
            nonce: &nonce,
            platform: "linux",
            device_family: "",
        };
        let text = if what & 2 == 0 { payload.v3() } else { payload.v2() };
        let version = if what & 4 == 0 { 4 } else { 3 };
        serde_json::json!({
            "minProtocol": version, "maxProtocol": version,
            "client": { "id": "node-host", "version": "1", "platform": "linux", "mode": "node" },
            "role": "node", "scopes": [], "commands": ["echo"], "auth": { "token": SECRET },
            "device": {
                "id": identity.device_id(), "publicKey": identity.public_key(), "signature": identity.sign(&text),
                "signedAt": signed_at_ms, "nonce": nonce,
            },
        })
        .to_string()
    }

    // Time.

    pub(super) fn wait(&mut self, millis: u16) {
        self.now += Duration::from_millis(u64::from(millis) * 4);
        self.give(Input::Timeout);
    }

    pub(super) fn serve_deadline(&mut self) {
        let Some((due, deadline)) = self.peer.deadline() else { return };
        self.now = self.now.max(due);
        self.give(Input::Timeout);
        if let Some((next, kind)) = self.peer.deadline() {
            assert!(next > self.now, "{deadline:?} was served, and {kind:?} is due at once");
        }
    }

    // The network.

    pub(super) fn carry_if_it_is_a_habit(&mut self) {
        if !self.habits.carries_at_once {
            return;
        }
        for _ in 0..1000 {
            if self.peer.transmit().is_empty() && self.node.transmit().is_empty() {
                return;
            }
            self.carry_to_node(usize::MAX);
            self.carry_to_gateway(usize::MAX);
        }
        panic!("the two ends never stop talking");
    }

    pub(super) fn carry_to_node(&mut self, most: usize) {
        let lent = self.peer.transmit();
        let bytes = lent[..lent.len().min(most)].to_vec();
        self.node.receive(&bytes);
        self.listen();
        self.give(Input::Sent(bytes.len()));
    }

    pub(super) fn carry_to_gateway(&mut self, most: usize) {
        let lent = self.node.transmit();
        let bytes = lent[..lent.len().min(most)].to_vec();
        self.node.sent(bytes.len()).expect("they were lent");
        if !bytes.is_empty() {
            self.received(&bytes);
        }
    }

    /// What the node hears is always right, whatever it says itself.
    fn listen(&mut self) {
        while let Some(event) = self.node.poll() {
            match event {
                Event::Text(text) => {
                    let heard = self.ears.read(Message::Text(text));
                    match heard {
                        // Whoever asks to be let in twice is answered twice.
                        FromGateway::Fault { problem, .. }
                            if problem == "a second reply to `connect`" => {}
                        FromGateway::Fault { .. } => panic!("{heard:?}: {text}"),
                        FromGateway::Challenge { .. } => self.challenge = challenge(text),
                        _ => {}
                    }
                }
                Event::Refused(refusal) => assert!(refusal.status() >= 300),
                Event::Closed(closed) => assert!(
                    matches!(closed, Closed::Clean { .. } | Closed::Lost),
                    "a node sees {closed:?}"
                ),
                Event::Open | Event::Ping(_) | Event::Pong(_) => {}
                other => panic!("a gateway does not say {other:?}"),
            }
        }
    }

    // The peer.

    fn drain(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.peer.poll_action() {
            actions += 1;
            assert!(actions < 10_000, "the peer never has enough");
            assert!(!self.closed, "{action:?} after the last action");
            let shown = format!("{action:?}");
            assert_hides_the_secret(&shown);
            writeln!(self.transcript, "{shown}").expect("strings take text");
            self.act(&action);
        }
        self.check();
    }

    fn act(&mut self, action: &Action) {
        assert!(!self.disconnected || matches!(action, Action::Closed(_)), "{action:?}");
        match action {
            Action::Authorize(applicant) if self.habits.admits_at_once => {
                let hello = hello();
                let decision = match applicant {
                    Applicant::Upgrade(_) => Decision::Accept,
                    Applicant::Connect(_) => Decision::Welcome(&hello),
                };
                let decision = Input::Authorize(decision);
                self.peer.handle(self.clock(), decision).expect("it was asked for");
            }
            Action::Message(FromNode::Registered(_)) => self.registered = true,
            Action::Message(message) => assert!(
                self.registered
                    || matches!(message, FromNode::Faulty { .. } | FromNode::Error { .. }),
                "{message:?} before the registration"
            ),
            Action::Disconnect => self.disconnected = true,
            Action::Closed(_) => {
                assert!(self.disconnected, "the stream is dropped first");
                self.closed = true;
            }
            _ => {}
        }
    }

    fn check(&self) {
        let websocket = &self.limits.websocket;
        // A request, and what faults are answered with, may come on top of what is full but for a byte.
        let faults = self.limits.fault_replies as usize * (websocket.max_message * 6 + 600);
        let most =
            self.limits.transmit_bytes + 4096 + faults + 131 * (websocket.max_pending_pongs + 8);
        let waits = self.peer.transmit().len();
        assert!(waits <= most, "{waits} bytes wait");
        if self.peer.is_ready() {
            assert!(self.registered);
        }
        if self.closed {
            assert_eq!((self.peer.deadline(), waits), (None, 0));
            assert!(!self.peer.is_ready());
        } else {
            assert!(self.peer.deadline().is_some(), "nothing will wake the peer: {:?}", self.peer);
        }
    }

    fn look(&self) -> (Vec<u8>, Option<(Duration, Deadline)>, bool) {
        (self.peer.transmit().to_vec(), self.peer.deadline(), self.peer.is_ready())
    }

    /// Whatever has happened, a peer that nobody writes to, and nobody hears, ends.
    pub(super) fn end(mut self) -> String {
        assert_hides_the_secret(&format!("{:?}", self.peer));
        for _ in 0..8 {
            self.serve_deadline();
        }
        assert!(self.closed, "the peer does not end: {:?}", self.peer);
        self.transcript
    }

    fn clock(&self) -> Now {
        let micros = i64::try_from(self.now.as_micros()).unwrap_or(i64::MAX);
        Now::new(self.now, Timestamp::from_micros(micros))
    }
}

/// A node whose upgrade request, with the secret, is still to be carried.
fn asking_node() -> Connection {
    let request = websocket::ClientRequest::new("gateway.test", "/ws?token=s3cret-Zq9%21vWx7")
        .and_then(|request| request.header("Authorization", &format!("Bearer {SECRET}")))
        .expect("a valid request");
    Connection::client(&request, websocket::Limits::default(), [7; 32])
}

/// What a node of the dialect makes of what it hears.
fn ears(openclaw: bool) -> Box<dyn NodeSession> {
    if !openclaw {
        return Box::new(nodetool::Node::new(nodetool::Config::new("node-A")));
    }
    let device = Device::from(&identity());
    let mut node = openclaw::Node::new(openclaw::Config::node(device, "1"));
    node.begin(&Credentials::none());
    Box::new(node)
}

fn identity() -> Identity {
    Identity::from_seed([1; 32])
}

fn hello() -> Hello {
    let mut hello = Hello::new("token");
    hello.device_token = Some(openclaw::DeviceToken::new(SECRET, "node"));
    hello
}

/// What a node is to sign, and when it says it is.
fn challenge(text: &str) -> Option<(String, u64)> {
    let frame: serde_json::Value = serde_json::from_str(text).ok()?;
    let payload = &frame["payload"];
    Some((payload["nonce"].as_str()?.to_owned(), payload["ts"].as_u64()?))
}

fn json(padding: &str) -> Box<RawValue> {
    RawValue::from_string(format!(r#"{{"a":"{padding}"}}"#)).expect("it is JSON")
}
