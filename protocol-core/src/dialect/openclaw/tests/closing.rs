//! Silent gateways, and how connections end.

use super::*;

#[test]
fn a_gateway_that_is_silent_for_two_ticks_is_given_up() {
    let mut stage = Stage::ready();
    stage.pass(3000);
    stage.event("tick", json!({ "ts": 1 }));
    stage.pass(4000);
    assert_eq!(stage.node.phase(), Phase::Ready, "two ticks are just enough");
    while stage.closed.is_none() {
        assert_eq!(stage.wait(), Deadline::Heartbeat);
    }
    let closed = format!("{:?}", stage.closed);
    assert!(closed.contains("4000") && closed.contains("tick timeout"), "{closed}");
    assert!(stage.millis <= 3000 + 3 * 2000 + 2000, "{}", stage.millis);
}

#[test]
fn a_gateway_that_says_when_it_is_back_is_tried_then() {
    let mut stage = Stage::ready();
    stage.event("shutdown", json!({ "reason": "gateway restarting", "restartExpectedMs": 1500 }));
    assert!(matches!(
        stage.events.last(),
        Some(Event::GoingAway { back_in: Some(time), .. }) if time.as_millis() == 1500
    ));
    stage.close(1012, "service restart");
    assert!((1500..=1688).contains(&stage.retry_in()), "{}", stage.retry_in());
}

#[test]
fn every_close_after_hello_is_followed_by_another_attempt_soon() {
    for (code, why) in [
        (1000, ""),
        (1008, "slow consumer"),
        (1009, ""),
        (1012, "service restart"),
        (1013, "gateway starting"),
        (4001, "device removed"),
    ] {
        let mut stage = Stage::ready();
        stage.close(code, why);
        assert!((500..=1000).contains(&stage.retry_in()), "{code}: {}", stage.retry_in());
    }
}

#[test]
fn a_gateway_that_stops_without_saying_when_it_is_back_is_tried_after_the_usual_delay() {
    let mut stage = Stage::ready();
    stage.event("shutdown", json!({ "reason": "gateway stopping" }));
    assert!(matches!(
        stage.events.last(),
        Some(Event::GoingAway { reason, back_in: None }) if reason == "gateway stopping"
    ));
    stage.close(1012, "service restart");
    assert!((500..=1000).contains(&stage.retry_in()), "{}", stage.retry_in());
}

/// The gateway gives up a handshake that takes it too long: under load, and to be tried again (openclaw page 9).
#[test]
fn a_close_without_a_word_before_hello_is_news_only_the_second_time() {
    let mut stage = Stage::new(Credentials::none(), |_| {});
    let lost = |stage: &Stage| {
        stage.events.iter().filter(|event| matches!(event, Event::Lost { .. })).count()
    };
    stage.challenge();
    stage.close(1000, "");
    assert_eq!((stage.node.phase(), lost(&stage)), (Phase::Waiting, 0));
    assert_eq!(stage.wait(), Deadline::Reconnect);
    assert!((500..=1000).contains(&stage.millis), "it is a failure nevertheless: {}", stage.millis);
    stage.close(1000, "");
    assert_eq!(lost(&stage), 1);
    assert!((1000..=2000).contains(&stage.retry_in()), "{}", stage.retry_in());
    // Once let in, it has another free.
    stage.wait();
    stage.hello(json!({}));
    stage.close(1000, "");
    assert_eq!(lost(&stage), 2, "after hello it is always news");
    stage.wait();
    stage.close(1000, "");
    assert_eq!((stage.node.phase(), lost(&stage)), (Phase::Waiting, 2));
}

#[test]
fn a_close_with_a_word_or_another_code_before_hello_is_news_at_once() {
    for (code, why) in [(1000, "bye"), (1001, ""), (1008, "invalid request frame")] {
        let mut stage = Stage::new(Credentials::none(), |_| {});
        stage.close(code, why);
        assert!((500..=1000).contains(&stage.retry_in()), "{code} {why}");
    }
}

#[test]
fn what_a_gateway_says_has_as_many_bytes_as_this_node_takes_and_not_one_more() {
    let filled = |bytes: usize| {
        let empty = json!({ "type": "event", "event": "health", "payload": "" }).to_string().len();
        json!({ "type": "event", "event": "health", "payload": "x".repeat(bytes - empty) })
    };
    let most = 70_000;
    // The gateway's own limit is about what it takes, not about what it sends.
    let mut stage = Stage::new(Credentials::none(), |config| {
        config.limits.websocket.max_message = most;
    });
    stage.hello(json!({ "policy": { "maxPayload": 1_000_000 } }));
    stage.say(filled(most));
    assert!(matches!(stage.events.last(), Some(Event::Custom { kind, .. }) if kind == "health"));
    stage.say(filled(most + 1));
    assert!(format!("{:?}", stage.closed).contains("1009"), "{:?}", stage.closed);
    assert!((500..=1000).contains(&stage.retry_in()));
}
