//! Somebody else's gateway or node, fuzzed against ours: the fuzzer chooses how bytes are cut, when time passes, what is asked
//! and answered, and when the connection breaks; ours is the judge of what the other says.
//!
//! Implement [`Other`] around yours and call [`a_gateway`] or [`a_node`] from a fuzz target of your own. The target `interop`
//! does so with our own two ends, and is the example to copy.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{self, Endpoint, Event, StopReason};
use clawnode_protocol::peer::{self, Decision, FromNode, Request};
use clawnode_protocol::websocket::Closed;
use clawnode_protocol::{Credentials, Node, Now, Outcome, Peer, Secret, Task, Timestamp, Update, WorkId};
use serde_json::value::RawValue;

/// The implementation under test: one end of a byte stream, with a clock that stands still between calls.
pub trait Other {
    /// There is a new stream; whatever the last one held is gone.
    fn connect(&mut self);
    /// Bytes have come.
    fn receive(&mut self, bytes: &[u8]);
    /// The bytes it has to send, all of them, each once.
    fn transmit(&mut self) -> Vec<u8>;
    /// This much time has passed.
    fn pass(&mut self, time: Duration);
}

/// Fuzzes a gateway, which should ask for the command `echo` now and then.
///
/// # Panics
///
/// When it says what a node does not understand, or breaks HTTP or WebSocket.
pub fn a_gateway(other: &mut impl Other, input: &[u8]) {
    let endpoint = Endpoint::new("gateway.test", "/ws");
    let mut config = node::Config::new(endpoint, nodetool::Config::new("fuzz-node"));
    config.commands = vec!["echo".to_owned()];
    let mut host = Host {
        node: Node::new(config, [1; 32]),
        running: VecDeque::new(),
        reconnected: false,
        to_node: Vec::new(),
        time: Duration::ZERO,
    };
    host.give(node::Input::Start);
    for step in input {
        let amount = usize::from(step >> 3) + 1;
        if std::mem::take(&mut host.reconnected) {
            host.to_node.clear();
            other.connect();
        }
        host.to_node.extend(other.transmit());
        match step & 7 {
            0 => carry(&mut host, other, amount * 8),
            1 | 2 => {
                let bytes: Vec<u8> =
                    host.to_node.drain(..host.to_node.len().min(amount * 8)).collect();
                host.give(node::Input::Received(&bytes));
            }
            3 => {
                let time = Duration::from_millis(500 * amount as u64);
                host.time += time;
                other.pass(time);
                host.give(node::Input::Timeout);
            }
            4 => {
                if let Some(&work) = host.running.front() {
                    host.give(node::Input::Progress(work, Update::new("note", object(amount))));
                }
            }
            5 | 6 => {
                if let Some(work) = host.running.pop_front() {
                    let outcome = match step & 8 {
                        0 => Outcome::Completed(object(amount)),
                        _ => Outcome::failed("it went wrong"),
                    };
                    host.give(node::Input::Answer(work, outcome));
                }
            }
            _ if amount == 1 => host.give(node::Input::Disconnected("cut")),
            _ => carry(&mut host, other, usize::MAX),
        }
    }
}

fn carry(host: &mut Host, other: &mut impl Other, most: usize) {
    let lent = host.node.transmit();
    let bytes = lent[..lent.len().min(most)].to_vec();
    other.receive(&bytes);
    host.give(node::Input::Sent(bytes.len()));
}

struct Host {
    node: Node,
    running: VecDeque<WorkId>,
    reconnected: bool,
    to_node: Vec<u8>,
    time: Duration,
}

impl Host {
    fn give(&mut self, input: node::Input<'_>) {
        // What does not fit now, such as bytes without a connection, is refused and changes nothing.
        let _ = self.node.handle(clock(self.time), input);
        while let Some(action) = self.node.poll_action() {
            let answer = match action {
                node::Action::Authenticate => node::Input::Credentials(Credentials::token(Secret::new("fuzz"))),
                node::Action::Connect => {
                    self.reconnected = true;
                    node::Input::Connected
                }
                node::Action::Admit(work) => node::Input::Admitted(work.id),
                node::Action::Record(answer) => node::Input::Recorded(answer.work),
                node::Action::Start(work) => {
                    self.running.push_back(work.id);
                    continue;
                }
                node::Action::Cancel(id) => {
                    self.running.retain(|running| *running != id);
                    continue;
                }
                node::Action::Notify(Event::Faulty { problem }) => {
                    panic!("the gateway sent what is no message: {problem}");
                }
                node::Action::Notify(Event::Lost { reason, .. }) => {
                    if let node::LostReason::Closed(
                        closed @ (Closed::Fault(_) | Closed::Handshake(_)),
                    ) = &reason
                    {
                        assert!(is_end(closed), "the gateway broke the protocol: {closed}");
                    }
                    continue;
                }
                node::Action::Stopped(StopReason::NotAGateway(closed)) => {
                    assert!(is_end(&closed), "the gateway broke the protocol: {closed}");
                    continue;
                }
                _ => continue,
            };
            self.node.handle(clock(self.time), answer).expect("it was asked for");
        }
    }
}

/// Fuzzes a node, which should serve the command `echo`.
///
/// # Panics
///
/// When it says what a gateway does not understand, breaks HTTP or WebSocket, or answers what it was not asked.
pub fn a_node(other: &mut impl Other, input: &[u8]) {
    let mut time = Duration::ZERO;
    let mut gateway = Judge::new(time);
    let mut to_gateway = Vec::new();
    other.connect();
    for (index, step) in input.iter().enumerate() {
        let amount = usize::from(step >> 3) + 1;
        to_gateway.extend(other.transmit());
        match step & 7 {
            0 => {
                let bytes: Vec<u8> = to_gateway.drain(..to_gateway.len().min(amount * 8)).collect();
                gateway.give(time, peer::Input::Received(&bytes));
            }
            1 => {
                let bytes = std::mem::take(&mut to_gateway);
                gateway.give(time, peer::Input::Received(&bytes));
            }
            2 | 3 => {
                let lent = gateway.peer.transmit();
                let most = if step & 1 == 0 { usize::MAX } else { amount * 8 };
                let bytes = lent[..lent.len().min(most)].to_vec();
                other.receive(&bytes);
                gateway.give(time, peer::Input::Sent(bytes.len()));
            }
            4 => {
                let passed = Duration::from_millis(500 * amount as u64);
                time += passed;
                other.pass(passed);
                gateway.give(time, peer::Input::Timeout);
            }
            5 | 6 => {
                // Few ids, so that some are asked again.
                let request_id = format!("r{}", amount % 8);
                let task = Task::Command { name: "echo".to_owned(), args: object(amount % 8) };
                let request = Request::new(request_id.clone(), task);
                if gateway.give(time, peer::Input::Request(&request)) {
                    *gateway.asked.entry(request_id).or_default() += 1;
                }
            }
            _ if amount == 1 || gateway.is_over => {
                let asked = std::mem::take(&mut gateway.asked);
                gateway = Judge { asked, ..Judge::new(time) };
                to_gateway.clear();
                other.connect();
            }
            _ => {
                let id = format!("r{}", index % 8);
                gateway.give(time, peer::Input::Acknowledge(&id));
            }
        }
    }
}

/// Our end of a connection with the node under test.
struct Judge {
    peer: Peer,
    /// How often each request was asked, on any connection.
    asked: BTreeMap<String, u32>,
    is_over: bool,
}

impl Judge {
    fn new(time: Duration) -> Self {
        let peer = Peer::new(peer::Config::new(peer::Dialect::Nodetool), clock(time), [1; 32]);
        Self { peer, asked: BTreeMap::new(), is_over: false }
    }

    fn give(&mut self, time: Duration, input: peer::Input<'_>) -> bool {
        let taken = self.peer.handle(clock(time), input).is_ok();
        while let Some(action) = self.peer.poll_action() {
            match action {
                peer::Action::Authorize(_) => {
                    let decision = peer::Input::Authorize(Decision::Accept);
                    self.peer.handle(clock(time), decision).expect("it was asked for");
                }
                peer::Action::Message(FromNode::Faulty { problem }) => {
                    panic!("the node sent what is no message: {problem}");
                }
                peer::Action::Message(
                    FromNode::Answered { request_id, .. }
                    | FromNode::Progress { request_id, .. }
                    | FromNode::Accepted { request_id, .. },
                ) => {
                    assert!(self.asked.contains_key(&request_id), "nobody asked for {request_id}");
                }
                peer::Action::Closed(peer::LostReason::Closed(closed)) => {
                    assert!(is_end(&closed), "the node broke the protocol: {closed}");
                    self.is_over = true;
                }
                peer::Action::Closed(_) => self.is_over = true,
                _ => {}
            }
        }
        taken
    }
}

/// Whether a connection ended as connections do.
fn is_end(closed: &Closed) -> bool {
    use clawnode_protocol::websocket::HandshakeFault;
    !matches!(closed, Closed::Fault(_) | Closed::Handshake(_))
        || matches!(closed, Closed::Handshake(HandshakeFault::Disconnected))
}

fn object(size: usize) -> Box<RawValue> {
    let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(size * 8));
    RawValue::from_string(text).expect("it is JSON")
}

/// A reading of both clocks after this time.
pub fn clock(time: Duration) -> Now {
    Now::new(time, Timestamp::from_micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)))
}
