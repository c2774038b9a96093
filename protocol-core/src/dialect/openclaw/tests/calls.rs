//! What a node or an operator asks of the gateway.

use super::*;

fn call(stage: &mut Stage, id: u64, millis: u64) -> Result<(), Misuse> {
    traced_call(stage, id, millis, None)
}

fn traced_call(
    stage: &mut Stage,
    id: u64,
    millis: u64,
    traceparent: Option<TraceParent>,
) -> Result<(), Misuse> {
    let params = RawValue::from_string("{}".to_owned()).unwrap();
    let timeout = Duration::from_millis(millis);
    let call =
        Call { id: CallId(id), method: "skills.bins", params: &params, timeout, traceparent };
    let result = stage.node.handle(stage.now(), Input::Call(call));
    stage.drain();
    result
}

#[test]
fn a_call_has_one_reply() {
    let mut stage = Stage::ready();
    call(&mut stage, 7, 1000).unwrap();
    assert_eq!(
        stage.heard,
        [json!({ "type": "req", "id": "c7", "method": "skills.bins", "params": {} })]
    );
    assert_eq!(call(&mut stage, 7, 1000), Err(Misuse::RepeatedCall));
    let reply = json!({ "type": "res", "id": "c7", "ok": true, "payload": { "bins": [] } });
    stage.say(reply.clone());
    stage.say(reply);
    assert_eq!(stage.replies.len(), 1);
    assert!(matches!(&stage.replies[0], (CallId(7), Ok(json)) if json == r#"{"bins":[]}"#));
}

#[test]
fn a_call_says_which_trace_it_belongs_to() {
    let mut stage = Stage::ready();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    traced_call(&mut stage, 7, 1000, Some(trace.parse().unwrap())).unwrap();
    assert_eq!(
        stage.heard,
        [
            json!({ "type": "req", "id": "c7", "method": "skills.bins", "params": {}, "traceparent": trace })
        ]
    );
}

#[test]
fn a_call_may_be_refused_come_to_nothing_or_be_cut_off() {
    let mut stage = Stage::ready();
    for id in 0..3 {
        call(&mut stage, id, 1000 + id).unwrap();
    }
    let error = json!({ "code": "FORBIDDEN", "message": "no", "retryable": true, "retryAfterMs": 5, "details": { "a": 1 } });
    stage.say(json!({ "type": "res", "id": "c0", "ok": false, "error": error }));
    assert_eq!(stage.wait(), Deadline::Answer);
    stage.give(Input::Disconnected("cut"));
    match &*stage.replies {
        [
            (CallId(0), Err(CallError::Refused { code, message, details, retryable, retry_after })),
            (CallId(1), Err(CallError::TimedOut)),
            (CallId(2), Err(CallError::Disconnected)),
        ] => {
            assert_eq!((code.as_str(), message.as_str()), ("FORBIDDEN", "no"));
            assert_eq!(details.as_ref().unwrap().get(), r#"{"a":1}"#);
            assert_eq!((*retryable, *retry_after), (true, Some(Duration::from_millis(5))));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(call(&mut stage, 3, 1000), Err(Misuse::NotSendable), "there is no connection");
}

#[test]
fn calls_without_a_reply_are_bounded() {
    let mut stage = Stage::ready_with(|config| config.limits.calls = 2);
    call(&mut stage, 0, 1000).unwrap();
    call(&mut stage, 1, 1000).unwrap();
    assert_eq!(call(&mut stage, 2, 1000), Err(Misuse::NotSendable));
    stage.say(json!({ "type": "res", "id": "c0", "ok": true }));
    call(&mut stage, 2, 1000).unwrap();
}

#[test]
fn a_call_is_no_larger_than_a_result() {
    let mut stage = Stage::ready_with(|config| config.limits.result_bytes = 13);
    assert_eq!(call(&mut stage, 0, 1000), Ok(()));
    let mut stage = Stage::ready_with(|config| config.limits.result_bytes = 12);
    assert_eq!(call(&mut stage, 0, 1000), Err(Misuse::TooLarge));
}
