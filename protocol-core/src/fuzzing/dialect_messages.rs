use arbitrary::Unstructured;
use serde_json::value::RawValue;

use super::script::Script;
use super::wire::carried;
use crate::dialect::nodetool::{self, Config, Gateway};
use crate::dialect::{
    FaultReply, FromGateway, GatewaySession, Heard, Message, NodeSession, TaskKind, ToGateway,
    ToNode,
};
use crate::node::custom_kind;
use crate::peer::{FromNode, Request};
use crate::time::Timestamp;
use crate::websocket::Role;
use crate::work::{Outcome, Task, WorkflowSource};

/// One message of the nodetool dialect, in either direction: whatever it is, it means something, and what is understood and
/// written again means the same.
///
/// | Bytes | Meaning |
/// | --- | --- |
/// | 0 | bit 0: who reads it (0 a node, 1 a gateway) |
/// | 1.. | the message |
pub fn dialect_messages(input: &[u8]) {
    let mut script = Unstructured::new(input);
    let at_node = script.number() & 1 == 0;
    let bytes = script.take_rest();
    let binary = Message::Binary(bytes);
    let text = std::str::from_utf8(bytes).ok().map(Message::Text);
    if at_node {
        let understood = read_by_node(binary);
        if let Some(text) = text {
            assert_eq!(meaning(&read_by_node(text)), meaning(&understood), "text and binary");
        }
        check_fault_at_node(&understood, bytes);
        pass_on_to_node(understood);
    } else {
        let understood = Gateway.read(Timestamp::from_micros(0), binary);
        if let Some(text) = text {
            let told = told(&Gateway.read(Timestamp::from_micros(0), text));
            assert_eq!(told, self::told(&understood), "text and binary");
        }
        match understood {
            Heard::Message(message) => pass_on_to_gateway(message),
            Heard::Fault { problem, reply } => {
                check_problem(&problem, bytes);
                assert!(!matches!(reply, FaultReply::Answer { .. }), "only a node answers");
            }
            other => panic!("not of this dialect: {other:?}"),
        }
    }
}

fn config() -> Config {
    let mut config = Config::new("node-A");
    config.allowed_users = vec!["ann".to_owned()];
    config
}

fn read_by_node(message: Message<'_>) -> FromGateway {
    nodetool::Node::new(config()).read(message)
}

// At the node.

fn check_fault_at_node(understood: &FromGateway, bytes: &[u8]) {
    let FromGateway::Fault { problem, reply } = understood else { return };
    check_problem(problem, bytes);
    match reply {
        FaultReply::Answer { request_id, .. } => assert!(!request_id.is_empty()),
        FaultReply::Error { request_id } => assert_ne!(request_id.as_deref(), Some("")),
        FaultReply::Silence => {}
    }
}

/// What is said about a message is no longer than the message, but for the words around it.
fn check_problem(problem: &str, bytes: &[u8]) {
    assert!(!problem.is_empty() && problem.len() <= bytes.len() + 300, "{problem}");
}

fn pass_on_to_node(understood: FromGateway) {
    let expected = meaning(&understood);
    let request;
    let words = match &understood {
        FromGateway::Work { request_id, user_id, task, .. } => {
            assert!(!request_id.is_empty());
            let (request_id, user_id) = (request_id.clone(), Some(user_id.clone()));
            request = Request::new(request_id, task.clone()).for_user(user_id);
            ToNode::Request(&request)
        }
        FromGateway::Settled { request_id } => ToNode::Acknowledge { request_id },
        FromGateway::Error { error, .. } => ToNode::Error { error, request_id: None },
        FromGateway::Custom { kind, text } => {
            check_custom(kind, text, nodetool::reserves);
            ToNode::Custom(text)
        }
        FromGateway::Fault { .. } => return,
        other => panic!("not of this dialect: {other:?}"),
    };
    let text = carried(Role::Server, |out| {
        Gateway.write(Timestamp::from_micros(0), words, out).expect("the dialect has words for it");
    });
    let again = read_by_node(Message::Text(&text));
    match (&understood, &again) {
        // Its details are the gateway's own, and are not passed on.
        (FromGateway::Error { error, .. }, FromGateway::Error { error: again, .. }) => {
            assert_eq!(again, error);
        }
        _ => assert_eq!(meaning(&again), expected),
    }
}

fn check_custom(kind: &str, text: &str, reserves: impl Fn(&str) -> bool) {
    assert!(!reserves(kind), "`{kind}` is the dialect's own");
    if !kind.is_empty() {
        assert_eq!(custom_kind(text).as_deref(), Some(kind));
    }
}

/// All of it, where `Debug` shows no parameters.
fn meaning(understood: &FromGateway) -> String {
    let FromGateway::Work { request_id, user_id, task, .. } = understood else {
        return format!("{understood:?}");
    };
    let task = match task {
        Task::Workflow { source, params } => {
            let source = match source {
                WorkflowSource::Id(id) => format!("id {id:?}"),
                WorkflowSource::Graph(graph) => format!("graph {graph}"),
            };
            format!("workflow {source} {params}")
        }
        Task::Command { name, args } => format!("command {name:?} {args}"),
    };
    format!("{request_id:?} for {user_id:?}: {task}")
}

// At the gateway.

fn pass_on_to_gateway(message: FromNode) {
    let none: &[String] = &[];
    match &message {
        FromNode::Registered(registration) => {
            let words = ToGateway::Register {
                workflows: registration.workflows,
                commands: &registration.commands,
                instance: crate::work::JobId::from_random([0; 16]),
                signature: None,
            };
            let again = read_again(&registration.node_id, words);
            let FromNode::Registered(again) = again else { panic!("{again:?}") };
            assert_eq!(again.node_id, registration.node_id);
            assert_eq!(again.workflows, registration.workflows);
            assert_eq!(again.commands, registration.commands);
        }
        FromNode::Alive { .. } => {
            let again = read_again("node-A", ToGateway::Alive);
            assert!(matches!(again, FromNode::Alive { .. }));
            let words = ToGateway::Register {
                workflows: false,
                commands: none,
                instance: crate::work::JobId::from_random([0; 16]),
                signature: None,
            };
            assert!(matches!(read_again("", words), FromNode::Registered(_)));
        }
        FromNode::Accepted { request_id, .. } => {
            for kind in [TaskKind::Workflow, TaskKind::Command(request_id.as_str().into())] {
                let words = ToGateway::Accept { request_id, kind: &kind, repeated: false };
                let again = read_again("node-A", words);
                let FromNode::Accepted { request_id: again, message } = again else {
                    panic!("{again:?}")
                };
                assert_eq!(&again, request_id);
                assert!(message.is_some());
            }
        }
        FromNode::Progress { request_id, kind, data, .. } => {
            let update = crate::work::Update::new(kind.clone(), data.clone());
            let job_id = crate::work::JobId::from_random([5; 16]);
            let again = read_again(
                "node-A",
                ToGateway::Progress { request_id, job_id, update: &update, sequence: &mut 0 },
            );
            let expected = FromNode::Progress {
                request_id: request_id.clone(),
                job_id: Some(job_id.to_string()),
                kind: kind.clone(),
                data: data.clone(),
            };
            assert_eq!(all_of(&again), all_of(&expected));
        }
        FromNode::Answered { request_id, outcome, .. } => {
            for kind in [TaskKind::Workflow, TaskKind::Command("x".into())] {
                let words = ToGateway::Answer { request_id, kind: &kind, job_id: None, outcome };
                let expected = FromNode::Answered {
                    request_id: request_id.clone(),
                    job_id: None,
                    outcome: outcome.clone(),
                };
                assert_eq!(all_of(&read_again("node-A", words)), all_of(&expected));
            }
        }
        FromNode::Error { error, .. } => {
            let again = read_again("node-A", ToGateway::Error { error, request_id: None });
            let FromNode::Error { error: again, .. } = again else { panic!("{again:?}") };
            assert_eq!(&again, error);
        }
        FromNode::Custom { kind, text } => {
            check_custom(kind, text, nodetool::reserves);
            assert_eq!(all_of(&read_again("node-A", ToGateway::Custom(text))), all_of(&message));
        }
        other => panic!("not of this dialect: {other:?}"),
    }
}

fn read_again(node_id: &str, words: ToGateway<'_>) -> FromNode {
    let mut node = nodetool::Node::new(Config::new(node_id));
    let text = carried(Role::Client, |out| {
        let _ = node.write(Timestamp::from_micros(0), words, out);
    });
    match Gateway.read(Timestamp::from_micros(0), Message::Text(&text)) {
        Heard::Message(message) => message,
        other => panic!("{other:?}: {text}"),
    }
}

fn told(heard: &Heard) -> String {
    match heard {
        Heard::Message(message) => all_of(message),
        heard => format!("{heard:?}"),
    }
}

/// All of it, where `Debug` shows no results.
fn all_of(message: &FromNode) -> String {
    let json = |value: &RawValue| value.get().to_owned();
    match message {
        FromNode::Answered { request_id, job_id, outcome } => {
            let outcome = match outcome {
                Outcome::Completed(result) => format!("completed {result}"),
                Outcome::Failed(failure) => {
                    format!(
                        "failed {:?} {:?}",
                        failure.message,
                        failure.partial.as_deref().map(json)
                    )
                }
            };
            format!("{request_id:?} {job_id:?} {outcome}")
        }
        other => format!("{other:?}"),
    }
}
