//! Commands that the gateway asks for.

use super::*;

#[test]
fn a_command_is_answered_with_its_result_as_text() {
    let mut stage = Stage::ready();
    stage.invoke("i1", json!(r#"{"bins":["ls"]}"#), 0);
    stage.answer(stage.started[0], completed(r#"{"bins":{"ls":"/bin/ls"}}"#));
    let device = Device::from(&Identity::from_seed([1; 32]));
    let expected = json!({
        "id": "i1", "nodeId": device.id(), "ok": true, "payloadJSON": r#"{"bins":{"ls":"/bin/ls"}}"#,
    });
    assert_eq!(stage.result(), &expected);
    assert_eq!(stage.settled, stage.started, "nothing more is owed");
    assert_eq!(stage.node.tally(), node::Tally::default());
}

#[test]
fn a_failure_has_a_code_and_a_message_and_nothing_else() {
    let mut stage = Stage::ready();
    let partial = RawValue::from_string("{}".to_owned()).unwrap();
    let mut failure = Failure::new("no").with_code("LAB");
    failure.partial = Some(partial);
    for (failure, code) in [(failure, "LAB"), (Failure::new("no"), "UNAVAILABLE")] {
        stage.invoke("i1", Value::Null, 0);
        stage.answer(*stage.started.last().unwrap(), Outcome::Failed(failure));
        assert_eq!(stage.result()["error"], json!({ "code": code, "message": "no" }));
        assert_eq!(stage.result()["ok"], false);
        assert_eq!(stage.result()["payloadJSON"], Value::Null);
    }
}

#[test]
fn a_failure_without_words_sends_no_empty_ones() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    stage.answer(stage.started[0], Outcome::Failed(Failure::new("").with_code("")));
    assert_eq!(stage.result()["error"], json!({ "code": "UNAVAILABLE" }));
}

#[test]
fn parameters_are_an_object_in_a_string_or_nothing() {
    let mut stage = Stage::ready();
    for params in [Value::Null, json!(""), json!("null"), json!("{}"), json!(" {} ")] {
        stage.invoke("good", params.clone(), 0);
        assert_eq!(stage.results(), 0, "{params}");
    }
    assert_eq!(stage.started.len(), 5);
    for params in [json!("{"), json!("[]"), json!("7"), json!(7), json!({}), json!("{} {}")] {
        stage.invoke("bad", params.clone(), 0);
        assert_eq!(stage.result()["error"]["code"], "INVALID_REQUEST", "{params}");
    }
    assert_eq!(stage.started.len(), 5);
}

#[test]
fn what_is_cancelled_is_stopped_and_never_heard_of_again() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    let work = stage.started[0];
    stage.event("node.invoke.cancel", json!({ "invokeId": "i1", "nodeId": "x" }));
    assert_eq!(stage.cancelled, [work]);
    let data = RawValue::from_string("{}".to_owned()).unwrap();
    stage.give(Input::Progress(work, Update::new("x", data)));
    stage.answer(work, completed("{}"));
    assert_eq!(stage.heard, [Value::Null; 0]);
    stage.event("node.invoke.cancel", json!({ "invokeId": "unknown" }));
    assert_eq!(stage.node.tally(), node::Tally::default());
}

#[test]
fn the_same_id_again_is_new_work_in_the_place_of_the_old() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    stage.invoke("i1", Value::Null, 0);
    assert_eq!(stage.cancelled, [stage.started[0]]);
    stage.answer(stage.started[0], completed(r#"{"old":1}"#));
    stage.answer(stage.started[1], completed(r#"{"new":1}"#));
    assert_eq!(stage.results(), 1);
    assert_eq!(stage.result()["payloadJSON"], r#"{"new":1}"#);
    // And so it is when the first has its answer: an idempotency key is no reason to give that again.
    stage.invoke("i1", Value::Null, 0);
    assert_eq!(stage.started.len(), 3);
}

#[test]
fn work_is_stopped_when_nobody_waits_for_it_any_more() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 1500);
    stage.invoke("i2", Value::Null, 0);
    assert_eq!(stage.wait(), Deadline::Answer);
    assert_eq!((stage.millis, &*stage.cancelled), (1500, &stage.started[..1]));
    stage.answer(stage.started[0], completed("{}"));
    assert_eq!(stage.results(), 0);
    stage.invoke("i3", Value::Null, 1500);
    stage.answer(stage.started[2], completed("{}"));
    assert_eq!(stage.results(), 1);
    assert!(!matches!(stage.node.deadline(), Some((_, Deadline::Answer))), "it is answered");
}

#[test]
fn a_disconnect_stops_everything_and_no_answer_survives_it() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 9000);
    stage.invoke("i2", Value::Null, 0);
    stage.give(Input::Disconnected("cut"));
    assert_eq!(stage.cancelled, stage.started);
    stage.answer(stage.started[0], completed("{}"));
    stage.wait();
    stage.hello(json!({}));
    assert_eq!((stage.results(), stage.node.tally()), (0, node::Tally::default()));
}

#[test]
fn a_node_that_is_stopping_or_full_says_that_another_time_is_better() {
    let mut stage = Stage::ready_with(|config| config.limits.owed = 1);
    stage.invoke("i1", Value::Null, 0);
    stage.invoke("i2", Value::Null, 0);
    assert_eq!(stage.result()["error"]["code"], "NODE_NOT_READY");
    stage.give(Input::Stop(Duration::from_secs(9)));
    stage.invoke("i3", Value::Null, 0);
    assert_eq!(stage.result()["error"]["code"], "NODE_NOT_READY");
    stage.answer(stage.started[0], completed("{}"));
    assert_eq!(stage.stopped, Some(StopReason::Requested), "it did what it had to do first");
    assert_eq!(stage.result()["id"], "i1");
}

#[test]
fn a_result_goes_as_text_as_it_is_or_not_at_all_as_the_gateway_has_room() {
    let most = 70_000;
    let mut stage = Stage::new(Credentials::none(), |_| {});
    stage.hello(json!({ "policy": { "maxPayload": most } }));
    let room = most - 512 - "i1".len();
    let mut sent = |json: String| {
        stage.invoke("i1", Value::Null, 0);
        stage.answer(*stage.started.last().unwrap(), completed(&json));
        assert!(stage.heard.last().unwrap().to_string().len() <= most);
        let result = stage.result();
        ["payloadJSON", "payload", "error"].map(|name| !result[name].is_null())
    };
    let sized = |len: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(len - 8));
    // Six quotes grow by one byte each, and the string has two more.
    let as_text = room - 4 - 2;
    assert_eq!(sent(sized(as_text)), [true, false, false]);
    assert_eq!(sent(sized(as_text + 1)), [false, true, false]);
    assert_eq!(sent(sized(room)), [false, true, false]);
    assert_eq!(sent(sized(room + 1)), [false, false, true]);
}

#[test]
fn progress_goes_in_numbered_pieces_of_16384_units() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    let mut sent = |text: &str| {
        stage.heard.clear();
        let data = RawValue::from_string(format!("\"{text}\"")).unwrap();
        stage.give(Input::Progress(stage.started[0], Update::new("x", data)));
        let pieces = stage.heard.iter().map(|frame| {
            let params = &frame["params"];
            let chunk = params["chunk"].as_str().unwrap();
            (params["seq"].as_u64().unwrap(), chunk.encode_utf16().count())
        });
        pieces.collect::<Vec<_>>()
    };
    assert_eq!(sent(&"x".repeat(16_382)), [(0, 16_384)]);
    assert_eq!(sent(&"x".repeat(16_383)), [(1, 16_384), (2, 1)]);
    // A character of two units is never parted.
    assert_eq!(sent(&"😀".repeat(8192)), [(3, 16_383), (4, 3)]);
}

#[test]
fn without_a_time_or_with_none_that_is_one_nobody_is_in_a_hurry() {
    for time in [None, Some(json!(0)), Some(json!(null)), Some(json!(-5)), Some(json!("soon"))] {
        let mut stage = Stage::ready();
        let mut payload =
            json!({ "id": "i1", "nodeId": "x", "command": "system.which", "paramsJSON": "{}" });
        if let Some(time) = &time {
            payload["timeoutMs"] = time.clone();
        }
        stage.event("node.invoke.request", payload);
        assert!(
            !matches!(stage.node.deadline(), Some((_, Deadline::Answer))),
            "{time:?}: {:?}",
            stage.node.deadline()
        );
        stage.answer(stage.started[0], completed("{}"));
        assert_eq!(stage.results(), 1, "{time:?}");
    }
}

#[test]
fn the_same_idempotency_key_twice_is_two_pieces_of_work() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    stage.invoke("i2", Value::Null, 0);
    assert_eq!((stage.started.len(), stage.cancelled.len()), (2, 0));
    stage.answer(stage.started[0], completed(r#""preflight""#));
    stage.answer(stage.started[1], completed(r#""done""#));
    let said = stage.heard.iter().map(|frame| &frame["params"]["payloadJSON"]);
    assert_eq!(said.collect::<Vec<_>>(), [r#""preflight""#, r#""done""#]);
}

#[test]
fn a_request_for_another_node_is_answered_in_this_nodes_name() {
    let mut stage = Stage::ready();
    let payload =
        json!({ "id": "i1", "nodeId": "another", "command": "system.which", "paramsJSON": "{}" });
    stage.event("node.invoke.request", payload);
    stage.answer(stage.started[0], completed("{}"));
    // A gateway refuses a result in another's name (openclaw page 11.2).
    let device = Device::from(&Identity::from_seed([1; 32]));
    assert_eq!(stage.result()["nodeId"], device.id());
}

#[test]
fn a_result_that_came_too_late_for_the_gateway_is_no_news() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    stage.answer(stage.started[0], completed("{}"));
    let events = stage.events.len();
    let id = stage.heard[0]["id"].clone();
    stage.say(
        json!({ "type": "res", "id": id, "ok": true, "payload": { "ok": true, "ignored": true } }),
    );
    assert_eq!(stage.events.len(), events);
}

#[test]
fn what_is_asked_while_the_device_token_is_being_kept_is_done_and_answered_once_it_is() {
    let mut stage = Stage::new(Credentials::none(), |_| {});
    stage.keeps_tokens = false;
    stage.hello(json!({ "auth": { "deviceToken": "kept-token" } }));
    assert_eq!(stage.node.phase(), Phase::Registering);
    stage.heard.clear();
    stage.invoke("i1", Value::Null, 0);
    stage.answer(stage.started[0], completed("{}"));
    assert_eq!(stage.results(), 0);
    stage.give(Input::DeviceTokenKept);
    assert_eq!((stage.node.phase(), stage.results()), (Phase::Ready, 1));
}
