use std::fmt::Write as _;
use std::time::Duration;

use serde_json::value::RawValue;

use super::super::{SECRET, assert_hides_the_secret};
use crate::dialect::nodetool::{self, Node};
use crate::dialect::{FromGateway, Message, NodeSession};
use crate::peer::{
    Action, Config, Deadline, Decision, Dialect, FromNode, Input, Limits, Misuse, Request, Timing,
};
use crate::websocket::{self, Closed, Connection, Event, Role};
use crate::work::{Task, WorkflowSource};
use crate::{Now, Peer, Timestamp};

/// How the surroundings of the peer behave of themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
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
    now: Duration,
    /// A node says nothing that counts before it registers.
    registered: bool,
    disconnected: bool,
    closed: bool,
    transcript: String,
}

impl Stage {
    pub(super) fn new(habits: Habits) -> Self {
        let mut config = Config::new(Dialect::Nodetool);
        if habits.small_limits {
            config.limits.websocket.max_message = 1000;
            config.limits.websocket.max_head = 700;
            config.limits.websocket.max_pending_pongs = 2;
            config.limits.transmit_bytes = 400;
            config.limits.fault_replies = 2;
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
            Err(Misuse::Full) => assert!(waits >= self.limits.transmit_bytes),
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
                    let mut node = Node::new(nodetool::Config::new("node-A"));
                    let heard = node.read(Message::Text(text));
                    assert!(!matches!(heard, FromGateway::Fault { .. }), "{heard:?}: {text}");
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
            Action::Authorize(_) if self.habits.admits_at_once => {
                let decision = Input::Authorize(Decision::Accept);
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
            self.limits.transmit_bytes + 1024 + faults + 131 * (websocket.max_pending_pongs + 8);
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

fn json(padding: &str) -> Box<RawValue> {
    RawValue::from_string(format!(r#"{{"a":"{padding}"}}"#)).expect("it is JSON")
}
