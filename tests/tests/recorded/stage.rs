//! A node in virtual time, and the bare end of its connection.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::{self, Device, Identity};
use clawnode_protocol::node::{Action, Config, Endpoint, Event, Input, Phase, StopReason};
use clawnode_protocol::websocket::{self, Closed, Connection};
use clawnode_protocol::{Credentials, Failure, Node, Now, Outcome, Secret, Timestamp, WorkId};
use serde_json::Value;

/// What the node sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    /// The head of its HTTP upgrade.
    Upgrade(String),
    Message(Value),
    Pong,
    Close(Option<u16>, String),
}

/// A node, its application, and whoever reads what it sends.
pub(crate) struct Stage {
    node: Node,
    identity: Identity,
    credentials: Credentials,
    now_ms: u64,
    wire: Option<Wire>,
    /// Whether the node waits for a byte stream.
    pub(crate) wants_stream: bool,
    /// Oldest first.
    pub(crate) heard: VecDeque<Heard>,
    /// What its device was to sign last.
    pub(crate) signed: String,
    running: BTreeMap<String, WorkId>,
    /// The requests of all the work that was started, and of all that was stopped.
    pub(crate) started: Vec<String>,
    pub(crate) cancelled: Vec<String>,
    /// Whether each command is refused as one that the node does not serve.
    pub(crate) serves_nothing: bool,
    pub(crate) events: Vec<Event>,
    pub(crate) stopped: Option<StopReason>,
    /// When the node closed a connection last.
    pub(crate) closed_at_ms: u64,
    pub(crate) forgot_device_token: bool,
}

struct Wire {
    /// It takes what the node sends apart. What it would answer itself is not used.
    reader: Connection,
    is_open: bool,
}

impl Stage {
    /// A node that says of itself what was said in a recorded `connect`.
    pub(crate) fn new(connect: &Value, credentials: Credentials) -> Self {
        let identity = Self::identity();
        let mut dialect =
            openclaw::Config::node(Device::from(&identity), text(&connect["client"]["version"]));
        let client = &mut dialect.client;
        for (field, name) in
            [(&mut client.id, "id"), (&mut client.mode, "mode"), (&mut client.platform, "platform")]
        {
            *field = text(&connect["client"][name]);
        }
        for (field, name) in [
            (&mut client.device_family, "deviceFamily"),
            (&mut client.display_name, "displayName"),
            (&mut client.instance_id, "instanceId"),
        ] {
            *field = connect["client"][name].as_str().map(str::to_owned);
        }
        dialect.caps = words(&connect["caps"]);
        dialect.path_env = connect["pathEnv"].as_str().map(str::to_owned);
        dialect.trusted_endpoint = true;
        let mut config = Config::new(Endpoint::new("127.0.0.1:18801", "/"), dialect);
        config.commands = words(&connect["commands"]);
        let mut stage = Self {
            node: Node::new(config, [9; 32]),
            identity,
            credentials,
            now_ms: 0,
            wire: None,
            wants_stream: false,
            heard: VecDeque::new(),
            signed: String::new(),
            running: BTreeMap::new(),
            started: Vec::new(),
            cancelled: Vec::new(),
            serves_nothing: false,
            events: Vec::new(),
            stopped: None,
            closed_at_ms: 0,
            forgot_device_token: false,
        };
        stage.give(Input::Start);
        stage
    }

    /// The device in place of the recorded ones.
    pub(crate) fn identity() -> Identity {
        Identity::from_seed([5; 32])
    }

    pub(crate) fn phase(&self) -> Phase {
        self.node.phase()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.wire.is_some()
    }

    pub(crate) fn give(&mut self, input: Input<'_>) {
        self.node.handle(self.now(), input).expect("the stage plays by the rules");
        self.drain();
    }

    /// Time passes, and every deadline on the way is served.
    pub(crate) fn advance_to(&mut self, ms: u64) {
        while let Some(due) = self.next_deadline_ms().filter(|due| *due <= ms) {
            self.now_ms = self.now_ms.max(due);
            self.give(Input::Timeout);
        }
        self.now_ms = self.now_ms.max(ms);
    }

    /// Time passes up to the next deadline. False if there is none up to `ms`.
    pub(crate) fn step(&mut self, ms: u64) -> bool {
        match self.next_deadline_ms() {
            Some(due) if due <= ms => {
                self.advance_to(due);
                true
            }
            _ => false,
        }
    }

    fn next_deadline_ms(&self) -> Option<u64> {
        let (due, _) = self.node.deadline()?;
        Some(u64::try_from(due.as_micros().div_ceil(1000)).expect("recordings are short"))
    }

    /// There is a byte stream.
    pub(crate) fn connect(&mut self) {
        assert!(std::mem::take(&mut self.wants_stream), "the node wants a stream");
        let reader = Connection::server(websocket::Limits::default());
        self.wire = Some(Wire { reader, is_open: false });
        self.give(Input::Connected);
    }

    /// Bytes of the gateway. A node that is done with its connection does not listen any more.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if self.wire.is_some() {
            self.give(Input::Received(bytes));
        }
    }

    pub(crate) fn receive_message(&mut self, text: &str) {
        self.receive(&frame(1, text.as_bytes()));
    }

    pub(crate) fn receive_ping(&mut self) {
        self.receive(&frame(9, b""));
    }

    pub(crate) fn receive_close(&mut self, code: Option<u16>, reason: &str) {
        let mut payload = code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec());
        payload.extend_from_slice(reason.as_bytes());
        self.receive(&frame(8, &payload));
    }

    pub(crate) fn receive_end(&mut self) {
        if self.wire.is_some() {
            self.give(Input::ReceivedEof);
        }
    }

    /// The byte stream breaks.
    pub(crate) fn cut(&mut self) {
        if self.wire.is_some() {
            self.give(Input::Disconnected("connection reset by peer"));
        }
    }

    /// The application answers, if the work still runs.
    pub(crate) fn answer(&mut self, request_id: &str, outcome: Outcome) {
        if let Some(work) = self.running.remove(request_id) {
            self.give(Input::Answer(work, outcome));
        }
    }

    /// How long after the last loss the node tries again, in milliseconds.
    pub(crate) fn retry_in_ms(&self) -> Option<u64> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Lost { retry_in: Some(delay), .. } => u64::try_from(delay.as_millis()).ok(),
            _ => None,
        })
    }

    fn now(&self) -> Now {
        Now::new(Duration::from_millis(self.now_ms), Timestamp::from_micros(1_795_347_600_000_000))
    }

    fn drain(&mut self) {
        loop {
            while let Some(action) = self.node.poll_action() {
                self.act(action);
            }
            let bytes = self.node.transmit().to_vec();
            if bytes.is_empty() {
                return;
            }
            self.node.handle(self.now(), Input::Sent(bytes.len())).expect("they were lent");
            self.hear(&bytes);
        }
    }

    fn act(&mut self, action: Action) {
        let credentials = self.credentials.clone();
        let signature;
        let reply = match action {
            Action::Authenticate => Input::Credentials(credentials),
            Action::Connect => {
                self.wants_stream = true;
                return;
            }
            Action::Disconnect => {
                self.wire = None;
                self.wants_stream = false;
                return;
            }
            Action::Sign(text) => {
                text.expose().clone_into(&mut self.signed);
                signature = self.identity.sign(text.expose());
                Input::Signature(&signature)
            }
            Action::KeepDeviceToken(given) => {
                self.credentials.device_token = Some(given.token);
                Input::DeviceTokenKept
            }
            Action::ForgetDeviceToken => {
                self.credentials.device_token = None;
                self.forgot_device_token = true;
                return;
            }
            Action::Admit(work) => Input::Admitted(work.id),
            Action::Record(answer) => Input::Recorded(answer.work),
            Action::Start(work) if self.serves_nothing => {
                self.started.push(work.request_id.clone());
                let failure = Failure::new("command not supported").with_code("UNAVAILABLE");
                Input::Answer(work.id, Outcome::Failed(failure))
            }
            Action::Start(work) => {
                self.started.push(work.request_id.clone());
                self.running.insert(work.request_id.clone(), work.id);
                return;
            }
            Action::Cancel(id) => {
                let stopped = self.running.iter().find(|(_, work)| **work == id);
                let request_id = stopped.map(|(request_id, _)| request_id.clone());
                if let Some(request_id) = request_id {
                    self.running.remove(&request_id);
                    self.cancelled.push(request_id);
                }
                return;
            }
            Action::Notify(event) => return self.events.push(event),
            Action::Stopped(reason) => {
                self.stopped = Some(reason);
                return;
            }
            _ => return,
        };
        self.node.handle(self.now(), reply).expect("the stage plays by the rules");
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Some(Wire { reader, is_open }) = &mut self.wire else { return };
        if !*is_open {
            *is_open = true;
            let head = String::from_utf8(bytes.to_vec()).expect("a head is text");
            self.heard.push_back(Heard::Upgrade(head));
        }
        reader.receive(bytes);
        let mut asked = false;
        while let Some(event) = reader.poll() {
            match event {
                websocket::Event::Request(_) => asked = true,
                websocket::Event::Text(text) => {
                    let message = serde_json::from_str(text).expect("messages are JSON");
                    clawnode_openclaw_schema::check(&message);
                    self.heard.push_back(Heard::Message(message));
                }
                websocket::Event::Pong(payload) => {
                    assert_eq!(payload, b"");
                    self.heard.push_back(Heard::Pong);
                }
                websocket::Event::Closed(Closed::Clean { code, reason, .. }) => {
                    self.closed_at_ms = self.now_ms;
                    self.heard.push_back(Heard::Close(code.map(|code| code.get()), reason));
                }
                websocket::Event::Closed(closed) => panic!("the node broke the protocol: {closed}"),
                _ => {}
            }
        }
        if asked {
            reader.accept().expect("a request came");
        }
    }
}

/// The ranges of the delays that the node documents, by what they follow.
pub(crate) mod delays {
    use super::RangeInclusive;

    /// After so many failures since the gateway last let the node in: 1 s, doubling up to 30 s, and of that the upper half.
    pub(crate) fn usual(failures: u32) -> RangeInclusive<u64> {
        let full = usual_full(failures);
        full / 2..=full
    }

    pub(crate) fn usual_full(failures: u32) -> u64 {
        (1000 << failures.min(5)).min(30_000)
    }

    /// What somebody asked for, and up to an eighth more.
    pub(crate) fn about(asked: u64) -> RangeInclusive<u64> {
        asked..=asked + asked / 8 + 1
    }

    /// The next attempt is another than the last.
    pub(crate) const DIFFERENTLY: u64 = 250;

    /// Somebody has to approve of the device first.
    pub(crate) const APPROVAL: u64 = 7000;
}

/// The credentials that a recorded `connect` shows, and the device token that the recording knows of beside them.
pub(crate) fn credentials(connect: &Value, device_token: Option<&str>) -> Credentials {
    let shown = |name: &str| connect["auth"][name].as_str().map(Secret::new);
    let mut credentials = Credentials::token(shown("token"));
    credentials.password = shown("password");
    credentials.bootstrap_token = shown("bootstrapToken");
    credentials.device_token = shown("deviceToken").or_else(|| device_token.map(Secret::new));
    credentials
}

/// A frame of a server, which masks nothing (RFC 6455 section 5.2).
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => bytes.push(u8::try_from(short).unwrap()),
        medium @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend_from_slice(&u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}
