//! Transcripts of one node against a gateway that says what the test tells it to.

use std::time::Duration;

use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{Config, Endpoint, Input};
use clawnode_protocol::websocket::CloseCode;
use clawnode_protocol::{Outcome, Update};
use clawnode_tests::{Answering, Scene, json};
use insta::assert_snapshot;

fn config() -> Config {
    let mut dialect = nodetool::Config::new("node-A");
    dialect.user_id = "user-1".to_owned();
    let mut config = Config::new(Endpoint::new("gateway.test", "/"), dialect);
    config.commands = vec!["echo".to_owned(), "list_nodes".to_owned()];
    config.workflows = true;
    config
}

fn ready() -> Scene {
    let mut scene = Scene::new(config());
    scene.start();
    scene.skip();
    scene
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const COMMAND: &str =
    r#"{"type":"command_request","request_id":"c1","command":"echo","args":{"text":"hi"}}"#;

#[test]
fn first_connect_registers_and_beats() {
    let mut scene = Scene::new(config());
    scene.token = Some("s3cret");
    scene.start();
    scene.run_for(secs(65));
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_command_is_acked_then_answered_once() {
    let mut scene = ready();
    scene.gateway_says(COMMAND);
    scene.answer("c1", Outcome::Completed(json(r#"{"text":"hi"}"#)));
    scene.run_for(secs(2));
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_workflow_streams_updates_in_order_before_its_answer() {
    let mut scene = ready();
    scene.gateway_says(
        r#"{"type":"workflow_request","timestamp":"2026-01-02T03:04:05","request_id":"w1","workflow_id":null,"graph":{"nodes":[],"edges":[]},"params":{"value":120},"user_id":"1"}"#,
    );
    scene.progress("w1", Update::new("job_update", json(r#"{"status":"running"}"#)));
    scene.progress("w1", Update::new("output_update", json(r#"{"value":1}"#)));
    scene.answer("w1", Outcome::Completed(json(r#"{"result":{}}"#)));
    scene.gateway_says(r#"{"type":"ack","request_id":"w1","message":null}"#);
    assert_snapshot!(scene.transcript());
}

#[test]
fn failures_carry_their_reason() {
    let mut scene = ready();
    for (request_id, kind) in [
        ("f1", "command_request\",\"command\":\"echo"),
        ("f2", "workflow_request\",\"workflow_id\":\"x"),
    ] {
        scene.gateway_says(&format!(r#"{{"type":"{kind}","request_id":"{request_id}"}}"#));
        scene.answer(request_id, Outcome::failed("division by zero"));
    }
    assert_snapshot!(scene.transcript());
}

#[test]
fn faulty_requests_fail_with_a_reason_and_the_connection_stays() {
    let mut scene = ready();
    for text in [
        r#"{"type":"workflow_request","request_id":"both","workflow_id":"a","graph":{"nodes":[],"edges":[]}}"#,
        r#"{"type":"workflow_request","request_id":"neither"}"#,
        r#"{"type":"workflow_request","request_id":"graph","graph":[]}"#,
        r#"{"type":"command_request","request_id":"args","command":"echo","args":[1]}"#,
        r#"{"type":"command_request","request_id":"name"}"#,
        r#"{"type":"command_request","request_id":"time","command":"echo","timestamp":"yesterday"}"#,
        r#"{"type":"command_request","request_id":"user","command":"echo","args":{"user_id":"mallory"}}"#,
        r#"{"type":"command_request","request_id":7,"command":"echo"}"#,
        r#"{"type":"command_request","command":"echo"}"#,
        "not json",
        "[1,2]",
        r#"{"type":"heartbeat","node_id":"x"}"#,
        r#"{"type":"workflow_request","request_id":"twice","request_id":"twice","workflow_id":"x"}"#,
    ] {
        scene.gateway_says(text);
    }
    assert_snapshot!(scene.transcript());
}

#[test]
fn errors_and_acks_are_never_answered() {
    let mut scene = ready();
    for text in [
        r#"{"type":"error","error":"you are odd","details":{"why":1}}"#,
        r#"{"type":"error"}"#,
        r#"{"type":"error","error":[1]}"#,
        r#"{"type":"ack"}"#,
        r#"{"type":"ack","request_id":9}"#,
        r#"{"type":"ack","request_id":"unknown"}"#,
    ] {
        scene.gateway_says(text);
    }
    let transcript = scene.take_transcript();
    assert!(!transcript.contains("wire:"), "{transcript}");
    assert_snapshot!(transcript);
}

#[test]
fn error_replies_are_limited() {
    let mut scene = ready();
    for _ in 0..50 {
        scene.gateway_says("?");
    }
    assert_eq!(scene.transcript().matches(r#"wire: {"type":"error""#).count(), 10);
    scene.run_for(secs(3));
    for _ in 0..50 {
        scene.gateway_says("?");
    }
    assert_eq!(scene.transcript().matches(r#"wire: {"type":"error""#).count(), 13);
}

#[test]
fn unknown_types_reach_the_application_and_its_own_are_sent() {
    let mut scene = ready();
    scene.gateway_says(r#"{"type":"weather","sky":"blue"}"#);
    scene.gateway_says(r#"{"no":"type"}"#);
    scene.gateway().send_binary(br#"{"type":"weather","sky":"grey"}"#).unwrap();
    scene.play();
    scene.input(Input::Custom(r#"{"type":"weather_report","rain":0.5}"#));
    for wrong in [r#"{"type":"heartbeat"}"#, "[]", "{}", r#"{"type":1}"#, "nonsense"] {
        scene.try_input(Input::Custom(wrong)).unwrap_err();
    }
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_binary_message_with_a_request_is_a_request() {
    let mut scene = ready();
    scene.gateway().send_binary(COMMAND.as_bytes()).unwrap();
    scene.play();
    assert_eq!(scene.running(), ["c1"]);
}

#[test]
fn the_same_id_joins_running_work_and_replays_its_answer() {
    let mut scene = ready();
    scene.gateway_says(COMMAND);
    scene.gateway_says(COMMAND);
    scene.answer("c1", Outcome::Completed(json("{}")));
    scene.run_for(secs(2));
    scene.gateway_says(COMMAND);
    scene.gateway_says(&COMMAND.replace("hi", "other"));
    assert_snapshot!(scene.transcript());
}

#[test]
fn work_goes_on_during_a_cut_and_its_answer_is_delivered_afterwards() {
    let mut scene = ready();
    scene.gateway_says(COMMAND);
    scene.cut();
    scene.progress("c1", Update::new("note", json(r#"{"half":"done"}"#)));
    scene.answer("c1", Outcome::Completed(json(r#"{"text":"hi"}"#)));
    scene.run_for(secs(10));
    assert_snapshot!(scene.transcript());
}

#[test]
fn an_answer_that_was_written_but_not_confirmed_is_sent_again_after_a_cut() {
    let mut scene = ready();
    scene.gateway_says(COMMAND);
    scene.answer("c1", Outcome::Completed(json("{}")));
    scene.cut();
    scene.run_for(secs(10));
    assert_eq!(scene.transcript().matches("command_response").count(), 2);
    assert_eq!(scene.transcript().matches("settled").count(), 1);
    scene.cut();
    scene.run_for(secs(20));
    assert_eq!(scene.transcript().matches("command_response").count(), 2, "confirmed by a pong");
}

#[test]
fn refusals_that_time_does_not_cure_stop_a_node_that_was_never_ready() {
    for status in [401, 403, 404] {
        let mut scene = Scene::new(config());
        scene.token = Some("wr0ng-token");
        scene.answering = Answering::Reject(status, vec![], "no such token\nmore text");
        scene.start();
        assert_snapshot!(format!("refused_{status}"), scene.transcript());
        assert!(!format!("{:?}", scene.node).contains("wr0ng-token"));
    }
}

#[test]
fn a_node_that_was_ready_before_keeps_trying_at_the_longest_delay() {
    let mut scene = ready();
    scene.answering = Answering::Reject(401, vec![], "the token was rotated");
    scene.cut();
    scene.run_for(secs(100));
    scene.answering = Answering::Accept;
    scene.run_for(secs(60));
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_busy_gateway_says_when_to_come_back() {
    let mut scene = Scene::new(config());
    scene.answering = Answering::Reject(429, vec![("Retry-After", "90")], "slow down");
    scene.start();
    scene.answering =
        Answering::Reject(503, vec![("Retry-After", "Fri, 02 Jan 2026 03:08:05 GMT")], "");
    scene.run_for(secs(95));
    scene.answering = Answering::Reject(500, vec![], "oops");
    scene.run_for(secs(146));
    scene.answering = Answering::Accept;
    scene.run_for(secs(30));
    assert_snapshot!(scene.transcript());
}

#[test]
fn backoff_doubles_to_its_longest_and_resets_after_a_good_connection() {
    let mut scene = Scene::new(config());
    scene.answering = Answering::Unreachable;
    scene.start();
    scene.run_for(secs(400));
    scene.answering = Answering::Accept;
    scene.run_for(secs(120));
    scene.cut();
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_short_connection_does_not_reset_the_backoff() {
    let mut scene = ready();
    let mut delays = Vec::new();
    for _ in 0..5 {
        scene.skip();
        scene.cut();
        let (due, _) = scene.node.deadline().unwrap();
        delays.push(due - scene.now());
        scene.run_for(due - scene.now());
    }
    for (delay, full) in delays.iter().zip([5, 10, 20, 40, 60]) {
        assert!(secs(full) / 2 <= *delay && *delay <= secs(full), "{delays:?}");
    }
}

#[test]
fn deadlines_end_what_hangs() {
    let mut scene = Scene::new(config());
    scene.answering = Answering::Silence;
    scene.start();
    scene.run_for(secs(25));
    scene.answering = Answering::Accept;
    scene.gateway_reads = false;
    scene.run_for(secs(30));
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_dead_gateway_is_noticed_within_two_intervals() {
    let mut scene = ready();
    scene.run_for(secs(31));
    scene.gateway_reads = false;
    scene.run_for(secs(58));
    assert!(!scene.transcript().contains("lost"));
    scene.run_for(secs(2));
    assert_snapshot!(scene.transcript());
}

#[test]
fn the_gateway_closes_and_the_node_comes_back() {
    let mut scene = ready();
    scene.gateway_closes(CloseCode::SERVICE_RESTART, "back soon");
    scene.run_for(secs(6));
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_graceful_stop_finishes_running_work_and_refuses_new() {
    let mut scene = ready();
    scene.gateway_says(COMMAND);
    scene.input(Input::Stop(secs(20)));
    scene.gateway_says(&COMMAND.replace("c1", "c2"));
    scene.run_for(secs(5));
    scene.answer("c1", Outcome::Completed(json("{}")));
    scene.run_for(secs(5));
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_stop_whose_time_is_over_cancels_what_still_runs() {
    let mut scene = ready();
    scene.gateway_says(COMMAND);
    scene.input(Input::Stop(secs(20)));
    scene.run_for(secs(30));
    assert_snapshot!(scene.transcript());
}

#[test]
fn stopping_without_a_connection_is_immediate_unless_answers_are_owed() {
    let mut scene = Scene::new(config());
    scene.answering = Answering::Unreachable;
    scene.start();
    scene.input(Input::Stop(secs(20)));
    assert!(
        scene.transcript().ends_with("node: stopped: stopped as asked\n"),
        "{}",
        scene.transcript()
    );

    let mut scene = ready();
    scene.gateway_says(COMMAND);
    scene.cut();
    scene.answer("c1", Outcome::Completed(json("{}")));
    scene.input(Input::Stop(secs(20)));
    scene.run_for(secs(20));
    assert_snapshot!(scene.transcript());
}

#[test]
fn work_waits_for_its_admission() {
    let mut scene = ready();
    scene.journal = false;
    scene.gateway_says(COMMAND);
    scene.run_for(secs(3));
    assert!(!scene.transcript().contains("wire"), "{}", scene.transcript());
    scene.admit("c1");
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_slow_connection_drops_updates_oldest_first_but_never_answers() {
    let mut config = config();
    config.limits.updates = 3;
    let mut scene = Scene::new(config);
    scene.start();
    scene.gateway_says(COMMAND);
    scene.cut();
    scene.skip();
    for number in 0..10 {
        scene.progress("c1", Update::new("note", json(&format!(r#"{{"number":{number}}}"#))));
    }
    let mut edge = Update::new("edge_update", json(r#"{"counter":1}"#));
    edge.key = Some("e1".to_owned());
    scene.progress("c1", edge.clone());
    edge.data = json(r#"{"counter":2}"#);
    scene.progress("c1", edge);
    scene.answer("c1", Outcome::Completed(json("{}")));
    scene.run_for(secs(6));
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_token_in_the_query_is_encoded_and_merged() {
    for (name, token_in, target, token) in [
        ("alone", nodetool::TokenIn::Query, "/", "a&admin=1"),
        ("merged", nodetool::TokenIn::Query, "/node?tenant=7", "a+b/c=="),
        ("in_both_places", nodetool::TokenIn::Both, "/node?", "with space#x"),
        ("beyond_ascii", nodetool::TokenIn::Query, "/", "schlüssel"),
    ] {
        let mut dialect = nodetool::Config::new("node-A");
        dialect.token_in = token_in;
        let mut scene = Scene::new(Config::new(Endpoint::new("gateway.test", target), dialect));
        scene.token = Some(token);
        scene.start();
        let request =
            scene.transcript().lines().find(|line| line.contains("GET")).unwrap().to_owned();
        assert_snapshot!(format!("token_{name}"), request);
    }
}

#[test]
fn a_token_that_no_header_can_carry_stops_the_node_without_showing_it() {
    let mut scene = Scene::new(config());
    scene.token = Some("line\nbreak");
    scene.start();
    assert_snapshot!(scene.transcript());
}

#[test]
fn a_token_that_a_gateway_quotes_is_hidden() {
    const TOKEN: &str = "s3cret/token";
    let mut scene = Scene::new(config());
    scene.token = Some(TOKEN);
    let body = "no token s3cret/token, nor ?token=s3cret%2Ftoken";
    scene.answering = Answering::Reject(503, vec![], body);
    scene.start();
    scene.answering = Answering::Accept;
    scene.run_for(secs(6));
    scene.gateway_says_quietly(r#"{"type":"error","error":"odd: s3cret/token"}"#);
    scene.gateway().close(CloseCode::POLICY_VIOLATION, "bye s3cret/token").unwrap();
    scene.play();
    let transcript = scene.take_transcript();
    assert!(!transcript.contains(TOKEN) && !format!("{:?}", scene.node).contains(TOKEN));
    assert_snapshot!(transcript);
}

#[test]
fn without_a_credential_the_attempt_fails_and_is_repeated() {
    let mut node = clawnode_protocol::Node::new(config(), [1; 32]);
    let now = |secs| clawnode_protocol::Now::new(Duration::from_secs(secs), Default::default());
    node.handle(now(0), Input::Start).unwrap();
    let mut seen = String::new();
    for time in [0, 6] {
        node.handle(now(time), Input::Timeout).unwrap();
        while let Some(action) = node.poll_action() {
            if matches!(action, clawnode_protocol::node::Action::Authenticate) {
                node.handle(now(time), Input::CredentialsFailed("token.txt is gone")).unwrap();
            }
            seen += &format!("{action:?}\n");
        }
    }
    assert_eq!(seen.matches("Authenticate").count(), 2, "{seen}");
    assert!(
        seen.contains("NoCredential(\"token.txt is gone\")") && !seen.contains("Connect\n"),
        "{seen}"
    );
}

#[test]
fn one_byte_at_a_time_gives_the_same_transcript() {
    let play = |chunk| {
        let mut scene = Scene::new(config());
        scene.chunks = vec![chunk];
        scene.start();
        scene.gateway_says(COMMAND);
        scene.gateway_says(r#"{"type":"weather","sky":"blue"}"#);
        scene.answer("c1", Outcome::Completed(json("{}")));
        scene.run_for(secs(40));
        scene.gateway_closes(CloseCode::NORMAL, "");
        scene.run_for(secs(6));
        scene.take_transcript()
    };
    let whole = play(0);
    for chunk in 1..40 {
        assert_eq!(play(chunk), whole, "chunks of {chunk}");
    }
}

#[test]
fn one_seed_and_one_script_give_the_same_bytes() {
    let play = || {
        let mut scene = Scene::new(config());
        scene.start();
        scene.gateway_says(COMMAND);
        scene.cut();
        scene.run_for(secs(300));
        format!("{}{:?}", scene.transcript(), scene.node.transmit())
    };
    assert_eq!(play(), play());
}
