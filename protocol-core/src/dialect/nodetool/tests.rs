//! What one side writes the other reads, and what the original sends is read.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::dialect::{
    FaultReply, FromGateway, GatewaySession, Heard, Message, NodeSession, TaskKind, ToGateway,
    ToNode,
};
use crate::peer::{FromNode, Request};
use crate::time::Timestamp;
use crate::websocket::{Connection, Event, Limits, Role};
use crate::work::{Failure, JobId, Outcome, Task, Update, WorkflowSource};

const TIME: Timestamp = Timestamp::from_micros(1_767_323_045_000_000);

fn node() -> Node {
    let mut config = Config::new("node-A");
    config.user_id = "user-1".to_owned();
    config.allowed_users = vec!["bob".to_owned()];
    Node::new(config)
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// The text that `write` puts on an open connection.
fn written(write: impl FnOnce(&mut Connection)) -> String {
    let mut sender = Connection::upgraded(Role::Server, Limits::default(), [0; 32]);
    let mut receiver = Connection::upgraded(Role::Client, Limits::default(), [0; 32]);
    assert_eq!(sender.poll(), Some(Event::Open));
    assert_eq!(receiver.poll(), Some(Event::Open));
    write(&mut sender);
    receiver.receive(sender.transmit());
    match receiver.poll() {
        Some(Event::Text(text)) => text.to_owned(),
        other => panic!("{other:?}"),
    }
}

fn from_node(words: ToGateway<'_>) -> String {
    written(|out| {
        let _ = node().write(TIME, words, out);
    })
}

fn from_gateway(words: ToNode<'_>) -> String {
    written(|out| Gateway.write(TIME, words, out).unwrap())
}

fn heard_by_node(text: &str) -> FromGateway {
    node().read(Message::Text(text))
}

fn heard_by_gateway(text: &str) -> FromNode {
    match Gateway.read(TIME, Message::Text(text)) {
        Heard::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_registration_says_more_of_the_node_but_nothing_else_of_its_own() {
    let mut config = Config::new("node-A");
    for (key, value) in [("commands", r#"{"echo":{"type":"object"}}"#), ("user_id", "\"bob\"")] {
        config.metadata.insert(key.to_owned(), raw(value));
    }
    let text = written(|out| {
        let instance = JobId::from_random([0xff; 16]);
        let words =
            ToGateway::Register { workflows: true, commands: &[], instance, signature: None };
        Node::new(config).write(TIME, words, out).unwrap();
    });
    let (_, metadata) = text.split_once(r#""metadata":"#).unwrap();
    assert_eq!(
        metadata,
        r#"{"user_id":"1","instance_id":"ffffffff-ffff-4fff-bfff-ffffffffffff","commands":{"echo":{"type":"object"}}}}"#
    );
}

#[test]
fn the_nine_messages_have_the_originals_fields_in_its_order() {
    let job_id = JobId::from_random([0xff; 16]);
    let kind = TaskKind::Command("echo".into());
    let update = Update::new("job_update", raw("{}"));
    let commands = ["echo".to_owned()];
    let request = |task| Request::new("r".to_owned(), task);
    let failed = Outcome::failed("no");
    for (text, expected) in [
        (
            from_node(ToGateway::Register {
                workflows: true,
                commands: &commands,
                instance: job_id,
                signature: None,
            }),
            r#"{"type":"node_registration","timestamp":"2026-01-02T03:04:05.000000Z","node_id":"node-A","capabilities":{"workflow_execution":true,"commands":["echo"]},"metadata":{"user_id":"user-1","instance_id":"ffffffff-ffff-4fff-bfff-ffffffffffff"}}"#,
        ),
        (
            from_node(ToGateway::Alive),
            r#"{"type":"heartbeat","timestamp":"2026-01-02T03:04:05.000000Z","node_id":"node-A","status":"active"}"#,
        ),
        (
            from_node(ToGateway::Accept { request_id: "r", kind: &kind, repeated: false }),
            r#"{"type":"ack","timestamp":"2026-01-02T03:04:05.000000Z","request_id":"r","message":"Executing command: echo"}"#,
        ),
        (
            from_node(ToGateway::Progress {
                request_id: "r",
                job_id,
                update: &update,
                sequence: &mut 0,
            }),
            r#"{"type":"workflow_update","timestamp":"2026-01-02T03:04:05.000000Z","request_id":"r","job_id":"ffffffff-ffff-4fff-bfff-ffffffffffff","update_type":"job_update","data":{}}"#,
        ),
        (
            from_node(ToGateway::Answer {
                request_id: "r",
                kind: &kind,
                job_id: Some(job_id),
                outcome: &failed,
            }),
            r#"{"type":"command_response","timestamp":"2026-01-02T03:04:05.000000Z","request_id":"r","status":"error","result":null,"error":"no"}"#,
        ),
        (
            from_node(ToGateway::Answer {
                request_id: "r",
                kind: &TaskKind::Workflow,
                job_id: None,
                outcome: &failed,
            }),
            r#"{"type":"workflow_response","timestamp":"2026-01-02T03:04:05.000000Z","request_id":"r","status":"failed","result":null,"error":"no","job_id":null}"#,
        ),
        (
            from_node(ToGateway::Error { error: "odd", request_id: Some("r") }),
            r#"{"type":"error","timestamp":"2026-01-02T03:04:05.000000Z","error":"odd","details":{"request_id":"r"}}"#,
        ),
        (
            from_gateway(ToNode::Request(&request(Task::Workflow {
                source: WorkflowSource::Id("w".to_owned()),
                params: raw("{}"),
            }))),
            r#"{"type":"workflow_request","timestamp":"2026-01-02T03:04:05.000000Z","request_id":"r","workflow_id":"w","graph":null,"params":{},"user_id":"1"}"#,
        ),
        (
            from_gateway(ToNode::Request(&request(Task::Command {
                name: "echo".to_owned(),
                args: raw("{}"),
            }))),
            r#"{"type":"command_request","timestamp":"2026-01-02T03:04:05.000000Z","request_id":"r","command":"echo","args":{}}"#,
        ),
        (
            from_gateway(ToNode::Acknowledge { request_id: "r" }),
            r#"{"type":"ack","timestamp":"2026-01-02T03:04:05.000000Z","request_id":"r","message":"Answer received"}"#,
        ),
    ] {
        assert_eq!(text, expected);
    }
}

#[test]
fn messages_of_the_original_are_read() {
    let registration = r#"{"type":"node_registration","timestamp":"2026-11-22T11:43:40.170128","node_id":"node-A","capabilities":{"workflow_execution":true,"commands":["list_workflows","get_workflow"]},"metadata":{"user_id":"1"}}"#;
    assert!(matches!(
        heard_by_gateway(registration),
        FromNode::Registered(registration) if registration.commands.len() == 2 && registration.workflows
    ));
    let response = r#"{"type":"workflow_response","timestamp":"2026-11-22T11:43:53.996104","request_id":"w1","status":"failed","result":null,"error":"Either workflow_id or graph must be provided","job_id":null}"#;
    assert!(matches!(
        heard_by_gateway(response),
        FromNode::Answered { outcome: Outcome::Failed(failure), job_id: None, .. }
            if failure.message == "Either workflow_id or graph must be provided"
    ));
    for timestamp in [
        "1767323045",
        "1767323045.5",
        "\"2026-01-02T03:04:05Z\"",
        "\"2026-01-02T03:04:05\"",
        "null",
    ] {
        let request = format!(
            r#"{{"type": "command_request", "timestamp": {timestamp}, "request_id": "c", "command": "nope", "extra": [1]}}"#
        );
        assert!(matches!(heard_by_node(&request), FromGateway::Work { .. }), "{request}");
    }
}

#[test]
fn the_default_user_is_the_nodes_own_and_strangers_are_refused() {
    let user = |fields: &str| match heard_by_node(&format!(
        r#"{{"type":"command_request","request_id":"c","command":"x"{fields}}}"#
    )) {
        FromGateway::Work { user_id, .. } => Ok(user_id),
        FromGateway::Fault { problem, reply: FaultReply::Answer { .. } } => Err(problem),
        other => panic!("{other:?}"),
    };
    for own in [
        "",
        r#","user_id":null"#,
        r#","user_id":"1""#,
        r#","user_id":"user-1""#,
        r#","args":{"user_id":"1"}"#,
        r#","args":{"user_id":null}"#,
    ] {
        assert_eq!(user(own).unwrap(), "user-1", "{own}");
    }
    assert_eq!(user(r#","user_id":"bob""#).unwrap(), "bob");
    assert_eq!(user(r#","args":{"user_id":"bob"}"#).unwrap(), "bob");
    for stranger in [
        r#","user_id":"eve""#,
        r#","args":{"user_id":"eve"}"#,
        r#","args":{"\u0075ser_id":"eve"}"#,
        r#","user_id":1"#,
    ] {
        assert!(user(stranger).is_err(), "{stranger}");
    }
}

#[test]
fn ids_and_names_are_bounded() {
    let request = |id: usize, name: usize| {
        let (id, name) = ("i".repeat(id), "n".repeat(name));
        heard_by_node(&format!(
            r#"{{"type":"command_request","request_id":"{id}","command":"{name}"}}"#
        ))
    };
    assert!(matches!(request(1024, 1024), FromGateway::Work { .. }), "at the bound");
    let one_past = request(1025, 1);
    assert!(matches!(
        one_past,
        FromGateway::Fault { reply: FaultReply::Error { request_id: None }, .. }
    ));
    assert!(matches!(
        request(1, 1025),
        FromGateway::Fault { reply: FaultReply::Answer { .. }, problem } if problem.contains("`command`")
    ));
}

#[test]
fn what_only_one_side_may_say_is_a_fault_from_the_other() {
    for text in
        [r#"{"type":"node_registration"}"#, r#"{"type":"command_response","request_id":"r"}"#]
    {
        assert!(matches!(heard_by_node(text), FromGateway::Fault { .. }), "{text}");
    }
    let request = r#"{"type":"command_request","request_id":"r","command":"x"}"#;
    assert!(matches!(Gateway.read(TIME, Message::Text(request)), Heard::Fault { .. }));
    let status = r#"{"type":"command_response","request_id":"r","status":"completed"}"#;
    assert!(matches!(Gateway.read(TIME, Message::Text(status)), Heard::Fault { .. }));
}

fn object() -> impl Strategy<Value = Box<RawValue>> {
    prop::collection::btree_map(any::<String>(), any::<Option<i64>>(), 0..4)
        .prop_map(|map| raw(&serde_json::to_string(&map).unwrap()))
}

proptest! {
    #[test]
    fn requests_survive_the_wire(
        id in ".+", name: String, workflow in prop::option::of(any::<bool>()), args in object(), graph in object(),
    ) {
        // `args` may by chance name a user; that rule has its own test.
        prop_assume!(!args.get().contains("user_id"));
        let task = match workflow {
            None => Task::Command { name: name.clone(), args: args.clone() },
            Some(true) => Task::Workflow { source: WorkflowSource::Id(name.clone()), params: args.clone() },
            Some(false) => Task::Workflow { source: WorkflowSource::Graph(graph), params: args.clone() },
        };
        let request = Request::new(id.clone(), task).for_user("bob".to_owned());
        match heard_by_node(&from_gateway(ToNode::Request(&request))) {
            FromGateway::Work { request_id, user_id, task, .. } => {
                prop_assert_eq!(request_id, id);
                prop_assert_eq!(user_id, "bob");
                let same = match (&task, &request.task) {
                    (Task::Command { name, args }, Task::Command { name: sent, args: sent_args }) =>
                        name == sent && args.get() == sent_args.get(),
                    (Task::Workflow { source: WorkflowSource::Id(id), params }, Task::Workflow { source: WorkflowSource::Id(sent), params: sent_params }) =>
                        id == sent && params.get() == sent_params.get(),
                    (Task::Workflow { source: WorkflowSource::Graph(graph), params }, Task::Workflow { source: WorkflowSource::Graph(sent), params: sent_params }) =>
                        graph.get() == sent.get() && params.get() == sent_params.get(),
                    _ => false,
                };
                prop_assert!(same, "{:?} became {:?}", request.task, task);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn answers_survive_the_wire(id: String, message: String, result in prop::option::of(object()), workflow: bool, bits: [u8; 16]) {
        let kind = if workflow { TaskKind::Workflow } else { TaskKind::Command("x".into()) };
        let job = JobId::from_random(bits);
        for outcome in [
            Outcome::Completed(result.clone().unwrap_or_else(|| raw("{}"))),
            Outcome::Failed(Failure { partial: result.clone(), ..Failure::new(message.clone()) }),
        ] {
            let text = from_node(ToGateway::Answer { request_id: &id, kind: &kind, job_id: Some(job), outcome: &outcome });
            let FromNode::Answered { request_id, job_id, outcome: heard } = heard_by_gateway(&text) else { panic!("{text}") };
            prop_assert_eq!(&request_id, &id);
            prop_assert_eq!(job_id, workflow.then(|| job.to_string()));
            match (heard, outcome) {
                (Outcome::Completed(heard), Outcome::Completed(sent)) => prop_assert_eq!(heard.get(), sent.get()),
                (Outcome::Failed(heard), Outcome::Failed(sent)) => {
                    prop_assert_eq!(heard.message, sent.message);
                    prop_assert_eq!(heard.partial.map(|part| part.get().to_owned()), sent.partial.map(|part| part.get().to_owned()));
                }
                _ => prop_assert!(false, "{}", text),
            }
        }
    }

    #[test]
    fn updates_acks_and_errors_survive_the_wire(id: String, text: String, data in object()) {
        let update = Update::new(text.clone(), data.clone());
        let job_id = JobId::from_random([1; 16]);
        let heard = heard_by_gateway(&from_node(ToGateway::Progress { request_id: &id, job_id, update: &update, sequence: &mut 0 }));
        let same = matches!(heard, FromNode::Progress { request_id, kind, data: heard, .. }
            if request_id == id && kind == text && heard.get() == data.get());
        prop_assert!(same);
        let kind = TaskKind::Command(text.as_str().into());
        let heard = heard_by_gateway(&from_node(ToGateway::Accept { request_id: &id, kind: &kind, repeated: false }));
        let same = matches!(heard, FromNode::Accepted { request_id, .. } if request_id == id);
        prop_assert!(same);
        let heard = heard_by_node(&from_gateway(ToNode::Error { error: &text, request_id: Some(&id) }));
        let same = matches!(heard, FromGateway::Error { error, .. } if error == text);
        prop_assert!(same);
    }

    #[test]
    fn any_text_is_understood_or_refused(text: String, kind in prop::sample::select(wire::TYPES.to_vec()), value in "[\\[\\]{}\",:0-9a-z_.-]{0,40}") {
        heard_by_node(&text);
        let _ = Gateway.read(TIME, Message::Text(&text));
        for text in [
            format!(r#"{{"type":"{kind}","request_id":"r","args":{value},"status":{value}}}"#),
            format!(r#"{{"type":"{kind}",{value}}}"#),
        ] {
            heard_by_node(&text);
            let _ = Gateway.read(TIME, Message::Text(&text));
        }
    }
}

#[test]
fn times_pass_through_every_message() {
    // Guards the format against a change of the time library: RFC 3339, UTC, microseconds.
    let late = Timestamp::from_micros(Duration::from_secs(4_102_444_800).as_micros() as i64);
    let text = written(|out| {
        let _ = node().write(late, ToGateway::Alive, out);
    });
    assert!(text.contains(r#""timestamp":"2100-01-01T00:00:00.000000Z""#), "{text}");
}

#[test]
fn a_user_id_is_quoted_only_when_it_is_short() {
    let asked = |length: usize| {
        let user = "u".repeat(length);
        let text = format!(
            r#"{{"type":"command_request","request_id":"r","command":"x","user_id":"{user}"}}"#
        );
        match heard_by_node(&text) {
            FromGateway::Fault { problem, .. } => problem,
            other => panic!("{other:?}"),
        }
    };
    assert!(asked(1024).contains("does not work for user `uuu"));
    assert_eq!(asked(1025), "`user_id` must have at most 1024 bytes");
}

#[test]
fn what_a_node_can_do_must_be_said_in_256_kib() {
    let registered = |length: usize| {
        let json =
            format!(r#"{{"commands":["{}"]}}"#, "x".repeat(length - r#"{"commands":[""]}"#.len()));
        let text = format!(r#"{{"type":"node_registration","node_id":"n","capabilities":{json}}}"#);
        Gateway.read(TIME, Message::Text(&text))
    };
    assert!(matches!(registered(256 << 10), Heard::Message(FromNode::Registered(_))));
    assert!(
        matches!(registered((256 << 10) + 1), Heard::Fault { problem, .. } if problem == "`capabilities` must be at most 256 KiB, not more")
    );
}
