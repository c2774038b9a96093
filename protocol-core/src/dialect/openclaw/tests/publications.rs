//! What a node makes known.

use super::*;

const STATS: HostStats = HostStats {
    cpu_count: 2,
    load_average: [0.5, 0.25, 0.125],
    memory_total_bytes: 8,
    memory_free_bytes: 4,
    disk_total_bytes: 2,
    disk_available_bytes: 1,
};

#[test]
fn host_stats_are_published_on_each_connection() {
    let mut stage = Stage::ready();
    stage.give(Input::Publish(Publication::HostStats(STATS)));
    assert_eq!(
        stage.heard,
        [json!({
            "type": "req", "id": "p0", "method": "node.event",
            "params": { "event": "node.host.stats", "payload": {
                "cpuCount": 2, "loadAverage": [0.5, 0.25, 0.125], "memoryTotalBytes": 8, "memoryFreeBytes": 4,
                "diskTotalBytes": 2, "diskAvailableBytes": 1,
            } },
        })]
    );
    stage.say(json!({ "type": "res", "id": "p0", "ok": true }));
    assert!(matches!(stage.events.last(), Some(Event::Approved)));
    stage.close(1012, "service restart");
    stage.wait();
    stage.heard.clear();
    stage.hello(json!({}));
    assert_eq!(stage.heard.last().unwrap()["id"], "p0");
}

#[test]
fn what_is_said_too_early_is_said_again_and_a_missing_approval_is_told() {
    let mut stage = Stage::ready();
    stage.give(Input::Publish(Publication::HostStats(STATS)));
    let too_early = json!({ "type": "res", "id": "p0", "ok": false, "error": { "code": "UNAVAILABLE", "message": "changed" } });
    let mut delays = Vec::new();
    for refusals in 1..=7 {
        stage.say(too_early.clone());
        let told = stage.events.iter().filter(|event| matches!(event, Event::WaitingForApproval));
        assert_eq!(told.count(), usize::from(refusals >= 4));
        let before = stage.millis;
        while stage.heard.len() <= refusals {
            stage.event("tick", json!({}));
            stage.wait();
        }
        delays.push(stage.millis - before);
    }
    assert_eq!(delays, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    // Approval makes it be said at once.
    stage.say(too_early);
    let heard = stage.heard.len();
    let device = Device::from(&Identity::from_seed([1; 32]));
    let resolved =
        |id: &str| json!({ "requestId": "r", "nodeId": id, "decision": "approved", "ts": 1 });
    stage.event("node.pair.resolved", resolved("another"));
    assert_eq!(stage.heard.len(), heard);
    stage.event("node.pair.resolved", resolved(device.id()));
    assert_eq!(stage.heard.len(), heard + 1);
    assert!(stage.events.iter().any(|event| matches!(event, Event::Approved)));
}

#[test]
fn what_the_gateway_does_not_understand_is_not_said_again() {
    let mut stage = Stage::ready();
    stage.give(Input::Publish(Publication::HostStats(STATS)));
    let error = json!({ "code": "INVALID_REQUEST", "message": "what?" });
    stage.say(json!({ "type": "res", "id": "p0", "ok": false, "error": error }));
    assert!(
        matches!(stage.events.last(), Some(Event::GatewayError { error, .. }) if error.contains("what?"))
    );
    stage.event("tick", json!({}));
    stage.pass(1900);
    assert_eq!(stage.heard.len(), 1);
}
