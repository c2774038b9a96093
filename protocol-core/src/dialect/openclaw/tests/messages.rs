//! Messages of no other topic.

use super::*;

#[test]
fn other_events_reach_the_application_and_nonsense_changes_nothing() {
    let mut stage = Stage::ready();
    stage.event("voicewake.changed", json!({ "a": 1 }));
    assert!(
        matches!(stage.events.last(), Some(Event::Custom { kind, .. }) if kind == "voicewake.changed")
    );
    for frame in [
        json!([]),
        json!({ "type": "req", "id": "x", "method": "y" }),
        json!({ "type": "other" }),
        json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 1 } }),
        json!({ "type": "event", "event": "node.invoke.request", "payload": { "command": "x" } }),
        json!({ "type": "event", "event": "node.invoke.cancel", "payload": {} }),
        json!({ "type": "res", "id": "connect", "ok": true, "payload": {} }),
    ] {
        stage.events.clear();
        stage.say(frame.clone());
        assert!(matches!(&*stage.events, [Event::Faulty { .. }]), "{frame}: {:?}", stage.events);
    }
    assert_eq!(
        (stage.heard.len(), stage.node.phase()),
        (0, Phase::Ready),
        "and nothing is said to it"
    );
}

#[test]
fn a_nonce_and_an_id_have_at_most_1024_bytes() {
    for (bytes, taken) in [(1024, true), (1025, false)] {
        let mut stage = Stage::new(Credentials::none(), |_| {});
        stage.event("connect.challenge", json!({ "nonce": "n".repeat(bytes), "ts": 1 }));
        assert_eq!(stage.heard.len(), usize::from(taken));
        let mut stage = Stage::ready();
        stage.invoke(&"i".repeat(bytes), Value::Null, 0);
        assert_eq!(stage.started.len(), usize::from(taken));
    }
}

#[test]
fn an_operator_needs_no_device_and_serves_nothing() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |config| {
        config.dialect = Config::operator(None, "1.0", vec!["operator.read".to_owned()]).into();
    });
    stage.hello(json!({}));
    let params = &stage.heard[0]["params"];
    assert_eq!(
        (&params["role"], &params["scopes"]),
        (&json!("operator"), &json!(["operator.read"]))
    );
    assert_eq!((&params["device"], &params["commands"]), (&Value::Null, &Value::Null));
    assert_eq!(stage.node.phase(), Phase::Ready);
}
