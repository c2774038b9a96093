use std::time::Duration;

use arbitrary::Unstructured;
use serde_json::value::RawValue;

use super::script::Script;
use super::wire::carried;
use crate::dialect::openclaw::{
    Config, Device, Gateway, GatewayConfig, Hello, Identity, Node, Policy,
};
use crate::dialect::{
    FromGateway, GatewaySession, Heard, Message, NodeSession, TaskKind, ToGateway, ToNode,
};
use crate::peer::{FromNode, Request};
use crate::secret::Credentials;
use crate::time::Timestamp;
use crate::websocket::Role;
use crate::work::{JobId, Outcome, Task};

/// One message of the openclaw dialect, in either direction: whatever it is, it means something, what is answered is an answer, and
/// what is understood and written again means the same.
///
/// | Bytes | Meaning |
/// | --- | --- |
/// | 0 | bit 0: who reads it (0 a node, 1 a gateway); bit 1: it is the first message |
/// | 1.. | the message |
pub fn openclaw_messages(input: &[u8]) {
    let mut script = Unstructured::new(input);
    let flags = script.number();
    let bytes = script.take_rest();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (at_node, first) = (flags & 1 == 0, flags & 2 != 0);
    if at_node {
        let read = || {
            let mut node = if first { new_node() } else { pair().0 };
            node.read(Message::Text(text))
        };
        let understood = read();
        assert_eq!(format!("{:?}", read()), format!("{understood:?}"));
        pass_on_to_node(&understood, bytes.len());
    } else {
        let (mut node, mut gateway) = if first { (new_node(), new_gateway()) } else { pair() };
        let heard = gateway.read(TIME, Message::Text(text));
        if let Some(reply) = gateway.take_reply() {
            let reply = String::from_utf8(reply).expect("JSON is text");
            match node.read(Message::Text(&reply)) {
                // Whoever asks to be let in twice is answered twice.
                FromGateway::Fault { problem, .. } => {
                    assert_eq!(problem, "a second reply to `connect`", "{reply}");
                }
                FromGateway::Nothing
                | FromGateway::Denied { .. }
                | FromGateway::Reply { .. }
                | FromGateway::Error { .. } => {}
                other => panic!("{other:?} is no reply: {reply}"),
            }
        }
        pass_on_to_gateway(heard, bytes.len());
    }
}

fn pass_on_to_node(understood: &FromGateway, length: usize) {
    match understood {
        FromGateway::Work { request_id, task, time, .. } => {
            let mut request = Request::new(request_id.as_str(), task.clone());
            request.time = *time;
            let (mut node, mut gateway) = pair();
            let text = carried(Role::Server, |out| {
                gateway.write(TIME, ToNode::Request(&request), out).expect("a command");
            });
            let again = node.read(Message::Text(&text));
            let FromGateway::Work { request_id: id, task: again, time: limit, .. } = again else {
                panic!("{again:?}: {text}");
            };
            assert_eq!((&id, limit), (request_id, *time));
            assert_eq!(all_of(&again), all_of(task));
        }
        FromGateway::Fault { problem, .. } => {
            assert!(!problem.is_empty() && problem.len() <= length + 300, "{problem}");
        }
        _ => {}
    }
}

fn pass_on_to_gateway(heard: Heard, length: usize) {
    match heard {
        Heard::Message(FromNode::Answered { request_id, outcome, .. }) => {
            let (mut node, mut gateway) = pair();
            let kind = TaskKind::Command("echo".into());
            let text = carried(Role::Client, |out| {
                let (request_id, outcome) = (request_id.as_str(), &outcome);
                let words = ToGateway::Answer { request_id, kind: &kind, job_id: None, outcome };
                node.write(TIME, words, out).expect("it can be said");
            });
            let again = gateway.read(TIME, Message::Text(&text));
            let Heard::Message(FromNode::Answered { outcome: again, .. }) = again else {
                panic!("{again:?}: {text}");
            };
            match (&again, &outcome) {
                (Outcome::Completed(again), Outcome::Completed(result)) => {
                    assert_eq!(again.get(), result.get());
                }
                (Outcome::Failed(again), Outcome::Failed(failure)) => {
                    assert_eq!(again.message, failure.message);
                    let code = failure.code.as_deref().unwrap_or("UNAVAILABLE");
                    assert_eq!(again.code.as_deref(), Some(code));
                }
                _ => panic!("{again:?} is not {outcome:?}"),
            }
        }
        Heard::Fault { problem, .. } | Heard::Offence { problem, .. } => {
            assert!(!problem.is_empty() && problem.len() <= length + 1500, "{problem}");
        }
        _ => {}
    }
}

fn all_of(task: &Task) -> String {
    let Task::Command { name, args } = task else { panic!("not of this dialect: {task:?}") };
    format!("{name} {args}")
}

/// A node and a gateway that have let each other in, and one request that is open.
fn pair() -> (Node, Gateway) {
    let (mut node, mut gateway) = (new_node(), new_gateway());
    let challenge = carried(Role::Server, |out| gateway.begin(TIME, out));
    let sign = match node.read(Message::Text(&challenge)) {
        FromGateway::Challenge { sign: Some(sign) } => sign,
        other => panic!("{other:?}"),
    };
    let signature = identity().sign(sign.expose());
    let commands = ["echo".to_owned()];
    let connect = carried(Role::Client, |out| {
        let words = ToGateway::Register {
            workflows: false,
            commands: &commands,
            instance: JobId::from_random([0; 16]),
            signature: Some(&signature),
        };
        node.write(TIME, words, out).expect("it is short");
    });
    let applicant = gateway.read(TIME, Message::Text(&connect));
    assert!(matches!(applicant, Heard::Applicant(_)), "{applicant:?}");
    let hello = carried(Role::Server, |out| {
        gateway.write(TIME, ToNode::Welcome(&Hello::new("token")), out).expect("it was asked for");
    });
    let welcome = node.read(Message::Text(&hello));
    assert!(matches!(welcome, FromGateway::Welcome(_)), "{welcome:?}");
    let registered = gateway.resume();
    assert!(matches!(registered, Some(Heard::Message(FromNode::Registered(_)))));
    let args = RawValue::from_string("{}".to_owned()).expect("it is JSON");
    let request = Request::new("r1", Task::Command { name: "echo".to_owned(), args });
    carried(Role::Server, |out| {
        gateway.write(TIME, ToNode::Request(&request), out).expect("there is room");
    });
    (node, gateway)
}

fn new_node() -> Node {
    let mut node = Node::new(Config::node(Device::from(&identity()), "1"));
    node.begin(&Credentials::none());
    node
}

fn new_gateway() -> Gateway {
    let policy = Policy {
        max_message: 25 << 20,
        transmit_bytes: 64 << 20,
        tick: Duration::from_secs(30),
        open_requests: 2,
    };
    Gateway::new(GatewayConfig::default(), policy, [5; 32])
}

fn identity() -> Identity {
    Identity::from_seed([1; 32])
}

const TIME: Timestamp = Timestamp::from_micros(0);
