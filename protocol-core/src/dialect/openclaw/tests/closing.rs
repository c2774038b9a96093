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
