//! The opposite of what the original client gets wrong. `tests/DEFECTS.md` lists it all; what had no test elsewhere has it here.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{Config, Endpoint, Input, Misuse, Phase};
use clawnode_protocol::websocket::CloseCode;
use clawnode_protocol::{Outcome, Update};
use clawnode_tests::{Scene, json};
use serde_json::Value;

fn ready() -> Scene {
    let mut config =
        Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node-A"));
    config.commands = vec!["echo".to_owned()];
    config.workflows = true;
    let mut scene = Scene::new(config);
    scene.start();
    scene.skip();
    scene
}

/// What the gateway heard since the last time it was asked for.
fn heard(scene: &mut Scene) -> Vec<Value> {
    let transcript = scene.take_transcript();
    let messages = transcript.lines().filter_map(|line| line.split_once("wire: {"));
    messages.map(|(_, json)| serde_json::from_str(&format!("{{{json}")).expect("JSON")).collect()
}

#[test]
fn updates_and_the_answer_of_a_run_name_its_job() {
    let mut scene = ready();
    scene.gateway_says(r#"{"type":"workflow_request","request_id":"w1","workflow_id":"w"}"#);
    let job = scene.work("w1").job_id.to_string();
    scene.progress("w1", Update::new("job_update", json(r#"{"status":"running"}"#)));
    scene.answer("w1", Outcome::failed("it broke"));
    let named: Vec<Value> =
        heard(&mut scene).into_iter().filter(|message| message["type"] != "ack").collect();
    assert_eq!(named.len(), 2);
    assert!(named.iter().all(|message| message["job_id"] == *job), "{named:?}");
}

#[test]
fn a_faulty_request_fails_under_its_own_id_in_one_line() {
    let mut scene = ready();
    for (request, about) in [
        (r#"{"type":"command_request","request_id":"r"}"#, "command"),
        (r#"{"type":"command_request","request_id":"r","command":"echo","args":7}"#, "args"),
        (r#"{"type":"workflow_request","request_id":"r","workflow_id":"w","params":[]}"#, "params"),
        (
            r#"{"type":"workflow_request","request_id":"r","workflow_id":"w","timestamp":"noon"}"#,
            "timestamp",
        ),
    ] {
        scene.gateway_says(request);
        let said = heard(&mut scene);
        let [answer] = &said[..] else { panic!("{request}: {said:?}") };
        assert_eq!(answer["request_id"], "r");
        assert!(answer["status"] == "error" || answer["status"] == "failed", "{answer}");
        let error = answer["error"].as_str().expect("a failure has a reason");
        assert!(
            error.contains(about) && !error.contains('\n') && !error.contains("://"),
            "{error}"
        );
    }
    // An id that is no string cannot be quoted, but what is wrong with it can.
    scene.gateway_says(r#"{"type":"command_request","request_id":7,"command":"echo"}"#);
    let said = heard(&mut scene);
    assert_eq!((said.len(), &said[0]["type"]), (1, &"error".into()));
    assert!(said[0]["error"].as_str().is_some_and(|error| error.contains("request_id")));
}

#[test]
fn absent_and_null_arguments_are_the_same() {
    let mut scene = ready();
    for (id, args) in [("none", ""), ("null", r#","args":null"#)] {
        scene.gateway_says(&format!(
            r#"{{"type":"command_request","request_id":"{id}","command":"echo"{args}}}"#
        ));
    }
    assert_eq!(scene.running(), ["none", "null"]);
}

#[test]
fn no_message_is_passed_over_in_silence() {
    let mut scene = ready();
    for message in ["nonsense", "[]", r#""text""#, "null", "7", r#"{"type":"heartbeat"}"#] {
        scene.gateway_says(message);
        let said = heard(&mut scene);
        assert_eq!((said.len(), &said[0]["type"]), (1, &"error".into()), "{message}");
    }
    scene.gateway().send_binary(&[0xff, 0xfe]).expect("it is open");
    scene.play();
    assert_eq!(heard(&mut scene)[0]["type"], "error");
    for message in [r#"{"no":"type"}"#, r#"{"type":[1]}"#, r#"{"type":"weather"}"#] {
        scene.gateway_says(message);
        let transcript = scene.take_transcript();
        assert!(transcript.contains("node: Custom"), "{message}: {transcript}");
    }
}

#[test]
fn a_workflow_id_beside_a_graph_is_refused_and_an_empty_graph_is_a_graph() {
    let mut scene = ready();
    for graph in ["{}", r#"{"nodes":[],"edges":[]}"#] {
        scene.gateway_says(&format!(
            r#"{{"type":"workflow_request","request_id":"both","workflow_id":"w","graph":{graph}}}"#
        ));
        let said = heard(&mut scene);
        assert_eq!((said.len(), &said[0]["status"]), (1, &"failed".into()));
        assert!(said[0]["error"].as_str().is_some_and(|error| error.contains("both")));
    }
    scene.gateway_says(r#"{"type":"workflow_request","request_id":"empty","graph":{}}"#);
    assert_eq!(scene.running(), ["empty"], "the engine judges what is in it");
}

#[test]
fn the_first_answer_waits_for_no_later_request() {
    let mut scene = ready();
    for index in 0..200 {
        scene.gateway_says_quietly(&format!(
            r#"{{"type":"command_request","request_id":"r{index}","command":"echo"}}"#
        ));
        if index == 0 {
            scene.answer("r0", Outcome::Completed(json("{}")));
        }
    }
    let said = heard(&mut scene);
    let place = |kind: &str| said.iter().position(|message| message["type"] == *kind);
    assert_eq!((place("ack"), place("command_response")), (Some(0), Some(1)));
    assert_eq!(scene.running().len(), 64, "the rest waits its turn");
}

#[test]
fn many_reconnects_leave_one_heartbeat_an_interval() {
    let mut scene = ready();
    for _ in 0..4 {
        scene.cut();
        scene.run_for(Duration::from_secs(61));
    }
    assert_eq!(scene.node.phase(), Phase::Ready);
    scene.skip();
    scene.run_for(Duration::from_secs(300));
    let beats = heard(&mut scene).iter().filter(|said| said["type"] == "heartbeat").count();
    assert_eq!(beats, 10);
}

#[test]
fn after_a_normal_close_the_node_knows_that_it_is_not_connected() {
    let mut scene = ready();
    scene.gateway_says(r#"{"type":"command_request","request_id":"r","command":"echo"}"#);
    scene.gateway_closes(CloseCode::NORMAL, "");
    assert_eq!(scene.node.phase(), Phase::Waiting);
    let refused = scene.try_input(Input::Custom(r#"{"type":"weather"}"#));
    assert_eq!(refused, Err(Misuse::NotSendable));
    scene.answer("r", Outcome::Completed(json("{}")));
    scene.skip();
    scene.run_for(Duration::from_secs(6));
    let said = heard(&mut scene);
    assert_eq!(said[0]["type"], "node_registration");
    assert_eq!(said[1]["type"], "command_response", "kept for the next connection");
}

/// Each row of the table names a test that exists, and no row is missing.
#[test]
fn the_table_of_defects_names_tests_that_exist() {
    let table = include_str!("../DEFECTS.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut rows = BTreeSet::new();
    for line in table.lines().filter(|line| line.starts_with("| D")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _, tests] = &cells[..] else { panic!("three cells: {line}") };
        assert!(rows.insert(number[1..].parse::<u8>().expect("a number")), "twice: {line}");
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {line}");
        for test in named {
            let (file, name) = test.split_once("::").expect("file::test");
            let source = std::fs::read_to_string(root.join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            let found = source.find(&format!("fn {name}(")).is_some_and(|at| {
                let before = &source[..at];
                let from = before.rfind('}').unwrap_or_default();
                ["test]", "async_test)]", "proptest!"]
                    .iter()
                    .any(|mark| before[from..].contains(mark))
            });
            assert!(found, "there is no test {name} in {file}");
        }
    }
    let all: BTreeSet<u8> = (1..=18).chain(20..=38).collect();
    assert_eq!(rows, all);
}
