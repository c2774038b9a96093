//! Tests: a node finds out what its gateway speaks.

use std::time::Duration;

use super::Config;
use crate::dialect::openclaw::{Device, Identity};
use crate::dialect::{Name, nodetool, openclaw};
use crate::node::{Action, Deadline, Endpoint, Event, Input};
use crate::secret::Credentials;
use crate::websocket::{self, CloseCode, Connection};
use crate::{Node, Now, Timestamp};

/// A node that is prepared for both, and the other end of its connection.
struct Pair {
    node: Node,
    gateway: Connection,
    millis: u64,
    heard: Vec<String>,
    events: Vec<Event>,
}

impl Pair {
    fn new() -> Self {
        Self::remembering(None)
    }

    fn remembering(remembered: Option<Name>) -> Self {
        let device = Device::from(&Identity::from_seed([1; 32]));
        let mut either =
            Config::new(nodetool::Config::new("node-A"), openclaw::Config::node(device, "1"));
        either.remembered = remembered;
        let config = crate::node::Config::new(Endpoint::new("gateway.test", "/"), either);
        let mut pair = Self {
            node: Node::new(config, [3; 32]),
            gateway: Connection::server(websocket::Limits::default()),
            millis: 0,
            heard: Vec::new(),
            events: Vec::new(),
        };
        pair.give(Input::Start);
        pair
    }

    fn now(&self) -> Now {
        Now::new(Duration::from_millis(self.millis), Timestamp::default())
    }

    fn give(&mut self, input: Input<'_>) {
        self.node.handle(self.now(), input).unwrap();
        loop {
            while let Some(action) = self.node.poll_action() {
                let now = self.now();
                let reply = match action {
                    Action::Authenticate => Input::Credentials(Credentials::none()),
                    Action::Connect => {
                        self.gateway = Connection::server(websocket::Limits::default());
                        Input::Connected
                    }
                    Action::Sign(_) => Input::Signature("signature"),
                    Action::Notify(event) => {
                        self.events.push(event);
                        continue;
                    }
                    _ => continue,
                };
                self.node.handle(now, reply).unwrap();
            }
            if !self.carry() {
                return;
            }
        }
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
                    self.heard.push(text.to_owned());
                    if self.node.dialect() == Some(Name::Openclaw) {
                        clawnode_openclaw_schema::check(&serde_json::from_str(text).unwrap());
                    }
                }
                _ => {}
            }
        }
        if asked {
            self.gateway.accept().unwrap();
        }
        let back = self.gateway.transmit().to_vec();
        if !back.is_empty() {
            self.gateway.sent(back.len()).unwrap();
            self.node.handle(self.now(), Input::Received(&back)).unwrap();
        }
        !out.is_empty() || !back.is_empty()
    }

    fn say(&mut self, text: &str) {
        self.gateway.send_text(text).unwrap();
        self.carry();
        self.give(Input::Timeout);
    }

    /// Time goes on to the next deadline.
    fn wait(&mut self) -> Deadline {
        let (at, deadline) = self.node.deadline().unwrap();
        self.millis = u64::try_from(at.as_micros().div_ceil(1000)).unwrap();
        self.give(Input::Timeout);
        deadline
    }
}

const CHALLENGE: &str =
    r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n","ts":1795347600000}}"#;

#[test]
fn a_challenge_means_openclaw() {
    let mut pair = Pair::new();
    assert_eq!(pair.node.dialect(), None);
    assert_eq!(pair.heard, [""; 0]);
    pair.say(CHALLENGE);
    assert_eq!(pair.node.dialect(), Some(Name::Openclaw));
    assert!(pair.heard[0].contains(r#""method":"connect""#), "{:?}", pair.heard);
}

#[test]
fn a_second_of_silence_means_nodetool() {
    let mut pair = Pair::new();
    assert_eq!(pair.wait(), Deadline::Register);
    assert_eq!(pair.millis, 1000);
    assert_eq!(pair.node.dialect(), Some(Name::Nodetool));
    assert!(pair.heard[0].contains("node_registration"), "{:?}", pair.heard);
    assert!(matches!(pair.events.last(), Some(Event::Ready)), "{:?}", pair.events);
}

#[test]
fn any_other_first_word_means_nodetool() {
    let mut pair = Pair::new();
    pair.say(r#"{"type":"hello"}"#);
    assert_eq!(pair.node.dialect(), Some(Name::Nodetool));
    assert!(pair.heard[0].contains("node_registration"), "{:?}", pair.heard);
}

#[test]
fn a_slow_challenge_is_recognised_at_the_second_attempt() {
    let mut pair = Pair::new();
    pair.wait();
    assert_eq!(pair.node.dialect(), Some(Name::Nodetool));
    pair.gateway.close(CloseCode::POLICY_VIOLATION, "invalid request frame").unwrap();
    pair.carry();
    pair.give(Input::Timeout);
    assert_eq!(pair.node.dialect(), Some(Name::Openclaw));
    assert!(
        matches!(pair.events.last(), Some(Event::Lost { retry_in: Some(soon), .. }) if *soon < Duration::from_millis(300)),
        "{:?}",
        pair.events
    );
    pair.heard.clear();
    pair.wait();
    pair.say(CHALLENGE);
    assert!(pair.heard[0].contains(r#""method":"connect""#), "{:?}", pair.heard);
}

#[test]
fn a_choice_that_was_proved_is_kept() {
    let mut pair = Pair::new();
    pair.wait();
    pair.say(r#"{"type":"ack","request_id":"r"}"#);
    pair.gateway.close(CloseCode::POLICY_VIOLATION, "invalid request frame").unwrap();
    pair.carry();
    pair.give(Input::Timeout);
    assert_eq!(pair.node.dialect(), Some(Name::Nodetool));
}

#[test]
fn what_is_remembered_is_tried_at_once_and_corrected_like_any_guess() {
    let mut pair = Pair::remembering(Some(Name::Nodetool));
    assert_eq!(pair.millis, 0);
    assert!(pair.heard[0].contains("node_registration"), "{:?}", pair.heard);
    pair.gateway.close(CloseCode::POLICY_VIOLATION, "invalid request frame").unwrap();
    pair.carry();
    pair.give(Input::Timeout);
    assert_eq!(pair.node.dialect(), Some(Name::Openclaw));
}
