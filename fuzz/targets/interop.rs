//! The harness for other implementations, with our own two ends as the other: the example to copy.
#![no_main]

use std::time::Duration;

use clawnode_fuzz::{Other, a_gateway, a_node, clock};
use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{self, Endpoint};
use clawnode_protocol::peer::{self, Decision, FromNode, Request};
use clawnode_protocol::{Credentials, Node, Outcome, Peer, Task};
use serde_json::value::RawValue;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, steps)) = input.split_first() else { return };
    if first & 1 == 0 {
        a_gateway(&mut OurGateway::new(), steps);
    } else {
        a_node(&mut OurNode::new(), steps);
    }
});

/// A gateway that asks for something as soon as a node is there, and again after each answer.
struct OurGateway {
    peer: Peer,
    asked: u32,
    time: Duration,
}

impl OurGateway {
    fn new() -> Self {
        Self { peer: peer(Duration::ZERO), asked: 0, time: Duration::ZERO }
    }

    fn give(&mut self, input: peer::Input<'_>) {
        let _ = self.peer.handle(clock(self.time), input);
        while let Some(action) = self.peer.poll_action() {
            match action {
                peer::Action::Authorize(_) => {
                    let decision = peer::Input::Authorize(Decision::Accept);
                    self.peer.handle(clock(self.time), decision).expect("it was asked for");
                }
                peer::Action::Message(FromNode::Registered(_) | FromNode::Answered { .. }) => {
                    let task = Task::Command { name: "echo".to_owned(), args: object() };
                    self.asked += 1;
                    let request_id = format!("r{}", self.asked % 32);
                    let request = Request::new(request_id, task);
                    let _ = self.peer.handle(clock(self.time), peer::Input::Request(&request));
                }
                _ => {}
            }
        }
    }
}

impl Other for OurGateway {
    fn connect(&mut self) {
        self.peer = peer(self.time);
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.give(peer::Input::Received(bytes));
    }

    fn transmit(&mut self) -> Vec<u8> {
        let bytes = self.peer.transmit().to_vec();
        self.give(peer::Input::Sent(bytes.len()));
        bytes
    }

    fn pass(&mut self, time: Duration) {
        self.time += time;
        self.give(peer::Input::Timeout);
    }
}

/// A node that answers at once.
struct OurNode {
    node: Node,
    time: Duration,
    asked_for_stream: bool,
}

impl OurNode {
    fn new() -> Self {
        let endpoint = Endpoint::new("gateway.test", "/ws");
        let mut config = node::Config::new(endpoint, nodetool::Config::new("node-A"));
        config.commands = vec!["echo".to_owned()];
        config.timing.reconnect_delay = Duration::from_millis(1);
        config.timing.max_reconnect_delay = Duration::from_millis(1);
        let mut node = Self {
            node: Node::new(config, [2; 32]),
            time: Duration::ZERO,
            asked_for_stream: false,
        };
        node.give(node::Input::Start);
        node
    }

    fn give(&mut self, input: node::Input<'_>) {
        let _ = self.node.handle(clock(self.time), input);
        while let Some(action) = self.node.poll_action() {
            let answer = match action {
                node::Action::Authenticate => node::Input::Credentials(Credentials::none()),
                node::Action::Connect => {
                    self.asked_for_stream = true;
                    continue;
                }
                node::Action::Admit(work) => node::Input::Admitted(work.id),
                node::Action::Start(work) => {
                    node::Input::Answer(work.id, Outcome::Completed(object()))
                }
                node::Action::Record(answer) => node::Input::Recorded(answer.work),
                _ => continue,
            };
            self.node.handle(clock(self.time), answer).expect("it was asked for");
        }
    }
}

impl Other for OurNode {
    fn connect(&mut self) {
        self.give(node::Input::Disconnected("cut"));
        self.pass(Duration::from_millis(2));
        if std::mem::take(&mut self.asked_for_stream) {
            self.give(node::Input::Connected);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.give(node::Input::Received(bytes));
    }

    fn transmit(&mut self) -> Vec<u8> {
        let bytes = self.node.transmit().to_vec();
        self.give(node::Input::Sent(bytes.len()));
        bytes
    }

    fn pass(&mut self, time: Duration) {
        self.time += time;
        self.give(node::Input::Timeout);
    }
}

fn peer(time: Duration) -> Peer {
    Peer::new(peer::Config::new(peer::Dialect::Nodetool), clock(time), [1; 32])
}

fn object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("it is JSON")
}
