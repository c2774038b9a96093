//! The recorded operators: this one asks the same, and understands what they were told.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clawnode_tokio::openclaw::operator::{OperatorError, OperatorEvent};
use serde_json::{Value, json};

use crate::gateway::{self, Reply};
use crate::{connected, soon};

/// Methods, their parameters, and the replies.
type Answers = VecDeque<(String, Value, Value)>;

/// What was asked and answered after the operator was let in, and what it was told unasked.
struct Recording {
    answers: Answers,
    events: Vec<Value>,
}

fn read(file: &str) -> Recording {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/openclaw").join(file);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let messages = text.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        serde_json::from_str::<Value>(line["text"].as_str()?).ok()
    });
    let mut recording = Recording { answers: VecDeque::new(), events: Vec::new() };
    let mut asked = Vec::new();
    for message in messages {
        match message["type"].as_str() {
            Some("req") => asked.push(message),
            Some("res") => {
                let index =
                    asked.iter().position(|request| request["id"] == message["id"]).unwrap();
                let request = asked.remove(index);
                let method = request["method"].as_str().unwrap().to_owned();
                if method != "connect" {
                    recording.answers.push_back((method, request["params"].clone(), message));
                }
            }
            _ if message["event"] != "connect.challenge" => recording.events.push(message),
            _ => {}
        }
    }
    recording
}

/// A gateway that gives the recorded answers, in their order, to the recorded requests and no others.
fn play(recording: Recording) -> (String, Arc<Mutex<Answers>>) {
    let answers = Arc::new(Mutex::new(recording.answers));
    let left = Arc::clone(&answers);
    let url = gateway::start(recording.events, move |method, params| {
        let (recorded, mut expected, answer) =
            left.lock().unwrap().pop_front().expect("it was asked no more");
        let mut params = params.clone();
        if method == "node.invoke" {
            // The recorded operator left the time out where it wanted the usual one.
            for params in [&mut params, &mut expected] {
                params["idempotencyKey"] = json!("another");
            }
            if expected.get("timeoutMs").is_none() {
                expected["timeoutMs"] = json!(30_000);
            }
        }
        assert_eq!((method, &params), (recorded.as_str(), &expected));
        match answer["ok"].as_bool() {
            Some(true) => Reply::Done(answer["payload"].clone()),
            _ => Reply::Refused(answer["error"].clone()),
        }
    });
    (url, answers)
}

const NODE: &str = "59793535f8d801828c2f04e93434e57560f1dc247c73474119f2925c833355fa";

#[tokio::test]
async fn a_device_is_approved() {
    let (url, left) = play(read("20-operator-approve-device.jsonl"));
    let operator = connected(&url).await;
    let devices = soon(operator.devices()).await.unwrap();
    let request = &devices.pending[0];
    assert_eq!((request.device_id.as_str(), request.role.as_deref()), (NODE, Some("node")));
    let device = soon(operator.approve_device(&request.request_id)).await.unwrap();
    assert_eq!((device.device_id.as_str(), device.tokens[0].role.as_str()), (NODE, "node"));
    assert_eq!(soon(operator.node_pairings()).await.unwrap().pending.len(), 0);
    let nodes = soon(operator.nodes()).await.unwrap();
    assert_eq!(nodes[0].approval_state.as_deref(), Some("unapproved"));
    assert!(nodes[0].paired && !nodes[0].connected);
    assert_eq!(left.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_surface_is_approved() {
    let recording = read("21-operator-approve-surface.jsonl");
    let events = recording.events.clone();
    let (url, left) = play(recording);
    let operator = connected(&url).await;
    let pending = soon(operator.node_pairings()).await.unwrap().pending.remove(0);
    assert_eq!(pending.required_approve_scopes, ["operator.pairing", "operator.admin"]);
    let node = soon(operator.approve_node(&pending.request_id)).await.unwrap();
    assert_eq!((node.node_id.as_str(), node.commands.len()), (NODE, 11));
    let nodes = soon(operator.nodes()).await.unwrap();
    assert!(nodes[0].connected && nodes[0].commands.contains(&"system.which".to_owned()));
    assert_eq!(left.lock().unwrap().len(), 0);
    assert!(events.iter().any(|event| event["event"] == "node.pair.resolved"));
}

#[tokio::test]
async fn nodes_are_listed_and_asked() {
    let (url, left) = play(read("22-operator-connect-list-invoke.jsonl"));
    let (operator, _run) = crate::operator(&url);
    let mut events = operator.events();
    soon(operator.connected()).await.unwrap();
    let nodes = soon(operator.nodes()).await.unwrap();
    let node = nodes.iter().find(|node| node.node_id == NODE).unwrap();
    assert_eq!(node.host_stats.unwrap().cpu_count, 2);
    assert_eq!(node.more["nodePluginTools"][0]["name"], "lab_add");
    assert_eq!(soon(operator.node(NODE)).await.unwrap().commands, node.commands);
    let usual = Duration::from_secs(30);
    let found: Value =
        soon(operator.invoke(NODE, "system.which", &json!({ "bins": ["ls"] }), usual))
            .await
            .unwrap();
    assert_eq!(found, json!({ "bins": { "ls": "/usr/bin/ls" } }));
    let command = json!({ "command": ["sh", "-c", "exit 3"] });
    let ran: Value =
        soon(operator.invoke(NODE, "system.run", &command, Duration::from_secs(5))).await.unwrap();
    assert_eq!((&ran["exitCode"], &ran["success"]), (&json!(3), &json!(false)));
    let failed = soon(operator.invoke::<_, Value>(NODE, "system.which", &json!({}), usual)).await;
    let Err(OperatorError::Refused(refused)) = failed else { panic!("{failed:?}") };
    assert_eq!(refused.node_error.unwrap().message, "Error: INVALID_REQUEST: bins required");
    let devices = soon(operator.devices()).await.unwrap();
    assert!(devices.paired.iter().any(|device| device.display_name.as_deref() == Some("mini3")));
    let pairings = soon(operator.node_pairings()).await.unwrap();
    assert!(pairings.paired.iter().any(|node| node.node_id == NODE));
    assert_eq!(left.lock().unwrap().len(), 0);
    loop {
        if let OperatorEvent::HostStats(report) = soon(events.next()).await.unwrap() {
            assert_eq!(
                (report.node_id.as_str(), report.host_stats.updated_at_ms),
                (NODE, 1_795_352_152_745)
            );
            break;
        }
    }
}
