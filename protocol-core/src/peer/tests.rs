//! A peer against a bare WebSocket client that says what the test tells it to.

use std::time::Duration;

use serde_json::value::RawValue;

use super::*;
use crate::websocket::{ClientRequest, CloseCode, Event, Limits as WebSocketLimits};
use crate::work::Task;

struct Desk {
    peer: Peer,
    node: Connection,
    now: Duration,
    decision: Option<Decision<'static>>,
    /// What came out of the peer, and what the node read.
    heard: Vec<String>,
}

impl Desk {
    fn new(decision: Option<Decision<'static>>) -> Self {
        let request = ClientRequest::new("gateway.test", "/?token=s3cret").unwrap();
        let node = Connection::client(&request, WebSocketLimits::default(), [1; 32]);
        let peer = Peer::new(Config::new(Dialect::Nodetool), now(Duration::ZERO), [1; 32]);
        let mut desk = Self { peer, node, now: Duration::ZERO, decision, heard: Vec::new() };
        desk.play();
        desk
    }

    fn registered() -> Self {
        let mut desk = Self::new(Some(Decision::Accept));
        desk.node_says(r#"{"type":"node_registration","node_id":"n","capabilities":{"workflow_execution":true,"commands":["x"]}}"#);
        desk.heard.clear();
        desk
    }

    fn node_says(&mut self, text: &str) {
        self.node.send_text(text).unwrap();
        self.play();
    }

    fn input(&mut self, input: Input<'_>) -> Result<(), Misuse> {
        let result = self.peer.handle(now(self.now), input);
        self.play();
        result
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some((due, _)) = self.peer.deadline().filter(|(due, _)| *due <= end) {
            self.now = due;
            self.input(Input::Timeout).unwrap();
        }
        self.now = end;
    }

    fn play(&mut self) {
        loop {
            let before = self.heard.len();
            while let Some(action) = self.peer.poll_action() {
                self.heard.push(format!("{action:?}"));
                if let (Action::Authorize(_), Some(decision)) = (&action, self.decision) {
                    self.peer.handle(now(self.now), Input::Authorize(decision)).unwrap();
                }
            }
            let bytes = self.node.transmit().to_vec();
            self.node.sent(bytes.len()).unwrap();
            let received = !bytes.is_empty()
                && self.peer.handle(now(self.now), Input::Received(&bytes)).is_ok();
            let bytes = self.peer.transmit().to_vec();
            if !bytes.is_empty() {
                self.node.receive(&bytes);
                self.peer.handle(now(self.now), Input::Sent(bytes.len())).unwrap();
            }
            while let Some(event) = self.node.poll() {
                if !matches!(event, Event::Open) {
                    self.heard.push(format!("node: {event:?}"));
                }
            }
            if !received && bytes.is_empty() && self.heard.len() == before {
                return;
            }
        }
    }

    fn said(&self, what: &str) -> bool {
        self.heard.iter().any(|line| line.contains(what))
    }
}

fn now(monotonic: Duration) -> Now {
    Now::new(monotonic, Timestamp::from_micros(0))
}

fn command(request_id: &str) -> Request {
    let args = RawValue::from_string("{}".to_owned()).unwrap();
    Request::new(request_id, Task::Command { name: "x".to_owned(), args })
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_node_is_let_in_registers_and_gets_work() {
    let mut desk = Desk::new(Some(Decision::Accept));
    assert!(desk.said("Authorize"));
    assert!(!format!("{:?}", desk.heard).contains("s3cret"), "{:?}", desk.heard);
    assert_eq!(desk.input(Input::Request(&command("r"))), Err(Misuse::NotReady));
    desk.node_says(r#"{"type":"node_registration","node_id":"n"}"#);
    assert!(desk.said("Registered"));
    desk.input(Input::Request(&command("r"))).unwrap();
    assert!(desk.said("command_request"));
    desk.node_says(
        r#"{"type":"command_response","request_id":"r","status":"success","result":{"a":1}}"#,
    );
    assert!(desk.said("Answered"));
    desk.input(Input::Acknowledge("r")).unwrap();
    assert!(desk.said("Answer received"));
}

#[test]
fn a_node_is_turned_away() {
    let decision = Decision::Reject { status: 401, message: "give a token", retry_after: Some(7) };
    let desk = Desk::new(Some(decision));
    assert!(desk.said("Rejected(401)"));
    assert!(
        desk.heard.iter().any(|line| line.contains("Refused") && line.contains("401")),
        "{:?}",
        desk.heard
    );
    assert_eq!(desk.peer.deadline(), None);
}

#[test]
fn a_decision_or_a_request_that_never_comes_ends_the_connection() {
    let mut desk = Desk::new(None);
    desk.wait(15 * SECOND);
    assert!(desk.said("Closed(TimedOut(Open))"), "{:?}", desk.heard);
    let mut peer = Peer::new(Config::new(Dialect::Nodetool), now(Duration::ZERO), [1; 32]);
    peer.handle(now(15 * SECOND), Input::Timeout).unwrap();
    let mut last = None;
    while let Some(action) = peer.poll_action() {
        last = Some(action);
    }
    let lent = peer.transmit().len();
    if lent > 0 {
        peer.handle(now(15 * SECOND), Input::Sent(lent)).unwrap();
        last = std::iter::from_fn(|| peer.poll_action()).last();
    }
    assert!(matches!(last, Some(Action::Closed(LostReason::TimedOut(Deadline::Open)))), "{last:?}");
}

#[test]
fn a_node_that_does_not_register_is_closed() {
    let mut desk = Desk::new(Some(Decision::Accept));
    desk.wait(15 * SECOND);
    assert!(desk.said("no registration in time"), "{:?}", desk.heard);
    assert!(desk.said("Closed(TimedOut(Register))"), "{:?}", desk.heard);
}

#[test]
fn nothing_else_counts_before_registration() {
    let mut desk = Desk::new(Some(Decision::Accept));
    desk.node_says(r#"{"type":"heartbeat","node_id":"n","status":"active"}"#);
    assert!(desk.said("a node must register before it says anything else"));
    assert!(!desk.said("Alive"));
}

#[test]
fn a_silent_node_is_asked_then_lost() {
    let mut desk = Desk::registered();
    desk.wait(31 * SECOND);
    assert!(!desk.said("Ping"), "it spoke within the interval");
    desk.wait(30 * SECOND);
    assert!(desk.said("Ping"));
    desk.wait(120 * SECOND);
    assert!(!desk.said("Closed"), "its pongs are life enough");
    // From now on the network swallows what the node says.
    desk.node = Connection::upgraded(Role::Client, WebSocketLimits::default(), [0; 32]);
    desk.node.receive_eof();
    while desk.node.poll().is_some() {}
    desk.wait(90 * SECOND);
    assert!(desk.said("Closed(TimedOut(Liveness))"), "{:?}", desk.heard);
}

#[test]
fn faulty_messages_are_told_within_a_limit() {
    let mut desk = Desk::registered();
    for _ in 0..20 {
        desk.node_says("?");
    }
    assert_eq!(desk.heard.iter().filter(|line| line.contains("node: Text")).count(), 10);
    assert!(desk.said("Faulty"));
}

#[test]
fn what_waits_for_a_node_is_bounded() {
    let mut config = Config::new(Dialect::Nodetool);
    config.limits.transmit_bytes = 100;
    let mut peer = Peer::upgraded(config, now(Duration::ZERO), [0; 32]);
    while peer.poll_action().is_some() {}
    let mut node = Connection::upgraded(Role::Client, WebSocketLimits::default(), [0; 32]);
    while node.poll().is_some() {}
    node.send_text(r#"{"type":"node_registration","node_id":"n"}"#).unwrap();
    peer.handle(now(Duration::ZERO), Input::Received(node.transmit())).unwrap();
    while peer.poll_action().is_some() {}
    peer.handle(now(Duration::ZERO), Input::Request(&command("a"))).unwrap();
    let lent = peer.transmit().len();
    assert!(lent >= 100);
    assert_eq!(peer.handle(now(Duration::ZERO), Input::Request(&command("b"))), Err(Misuse::Full));
    peer.handle(now(Duration::ZERO), Input::Sent(lent)).unwrap();
    peer.handle(now(Duration::ZERO), Input::Request(&command("b"))).unwrap();
}

#[test]
fn closing_is_told_and_ends() {
    let mut desk = Desk::registered();
    desk.input(Input::Close(CloseCode::GOING_AWAY, "restart")).unwrap();
    assert!(desk.said("Closed(Clean"), "{:?}", desk.heard);
    assert!(desk.said("node: Closed(Clean"));
    assert_eq!(desk.input(Input::Timeout), Err(Misuse::WrongState));
}

#[test]
fn custom_messages_go_both_ways() {
    let mut desk = Desk::registered();
    desk.node_says(r#"{"type":"weather","rain":1}"#);
    assert!(desk.said("Custom { kind: \"weather\""));
    desk.input(Input::Custom(r#"{"type":"thanks"}"#)).unwrap();
    assert!(desk.said("thanks"));
    assert_eq!(desk.input(Input::Custom(r#"{"type":"ack"}"#)), Err(Misuse::NotACustomMessage));
}

/// A registered peer whose node reads nothing.
fn unread(limit: impl FnOnce(&mut Limits)) -> (Peer, Connection) {
    let mut config = Config::new(Dialect::Nodetool);
    limit(&mut config.limits);
    let mut peer = Peer::upgraded(config, now(Duration::ZERO), [0; 32]);
    while peer.poll_action().is_some() {}
    let mut node = Connection::upgraded(Role::Client, WebSocketLimits::default(), [0; 32]);
    while node.poll().is_some() {}
    says(&mut peer, &mut node, Duration::ZERO, r#"{"type":"node_registration","node_id":"n"}"#);
    (peer, node)
}

fn says(peer: &mut Peer, node: &mut Connection, at: Duration, text: &str) {
    node.send_text(text).unwrap();
    let bytes = node.transmit().to_vec();
    node.sent(bytes.len()).unwrap();
    peer.handle(now(at), Input::Received(&bytes)).unwrap();
    while peer.poll_action().is_some() {}
}

#[test]
fn a_node_that_sends_faults_and_reads_nothing_fills_no_memory() {
    let (mut peer, mut node) = unread(|limits| limits.transmit_bytes = 1000);
    for second in 0..1000 {
        says(&mut peer, &mut node, second * SECOND, "?");
    }
    assert!(peer.transmit().len() < 1000 + 200, "{}", peer.transmit().len());
    // Nothing is lost of what was to be told within the limit.
    let waiting = peer.transmit().len();
    peer.handle(now(1000 * SECOND), Input::Sent(waiting)).unwrap();
    while peer.poll_action().is_some() {}
    assert!(!peer.transmit().is_empty());
}

#[test]
fn fault_replies_at_the_bound_of_their_number_are_sent_and_one_past_it_is_not() {
    for (faults, told) in [(2, 2), (3, 2)] {
        let (mut peer, mut node) = unread(|limits| limits.fault_replies = 2);
        for _ in 0..faults {
            says(&mut peer, &mut node, Duration::ZERO, "?");
        }
        let sent = String::from_utf8_lossy(peer.transmit()).matches("not JSON").count();
        assert_eq!(sent, told);
    }
}

#[test]
fn a_request_that_no_node_could_read_is_not_sent() {
    let (mut peer, _) = unread(|limits| limits.websocket.max_message = 1000);
    let mut send = |length: usize| {
        let args = format!(r#"{{"a":"{}"}}"#, "x".repeat(length - r#"{"a":""}"#.len()));
        let args = RawValue::from_string(args).unwrap();
        let task = Task::Command { name: "\n".to_owned(), args };
        let request = Request::new("r".to_owned(), task);
        peer.handle(now(Duration::ZERO), Input::Request(&request))
    };
    // Beside its arguments: two bytes of its name, one of its id, and 256 around them.
    assert_eq!(send(1000 - 259), Ok(()));
    assert_eq!(send(1000 - 258), Err(Misuse::TooLarge));
    assert!(peer.transmit().len() <= 1000);
    let custom = |length: usize| format!(r#"{{"type":"x","a":"{}"}}"#, "x".repeat(length - 19));
    assert_eq!(custom(1000).len(), 1000);
    let mut send = |text: &str| peer.handle(now(Duration::ZERO), Input::Custom(text));
    assert_eq!(send(&custom(1000)), Ok(()));
    assert_eq!(send(&custom(1001)), Err(Misuse::TooLarge));
}

#[test]
fn an_acknowledgement_names_no_endless_request() {
    let (mut peer, _) = unread(|_| {});
    let mut acknowledge =
        |length| peer.handle(now(Duration::ZERO), Input::Acknowledge(&"r".repeat(length)));
    assert_eq!(acknowledge(1024), Ok(()));
    assert_eq!(acknowledge(1025), Err(Misuse::TooLarge));
}
