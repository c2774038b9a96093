use clawnode_tokio::Connection;
use clawnode_tokio::openclaw::operator::OperatorEvent;
use serde_json::{Value, json};

use crate::gateway::{self, Reply};
use crate::{operator, soon};

fn event(name: &str, payload: Value) -> Value {
    json!({ "type": "event", "event": name, "payload": payload, "seq": 1 })
}

#[tokio::test]
async fn what_a_gateway_tells_comes_as_types_and_the_rest_as_it_is() {
    let url = gateway::start(
        vec![
            event(
                "node.pair.requested",
                json!({ "requestId": "r1", "nodeId": "n1", "commands": ["system.which"], "ts": 1 }),
            ),
            event(
                "node.pair.resolved",
                json!({ "requestId": "r1", "nodeId": "n1", "decision": "approved", "ts": 2 }),
            ),
            event(
                "device.pair.requested",
                json!({ "requestId": "r2", "deviceId": "d1", "role": "node", "publicKey": "k", "ts": 3 }),
            ),
            event(
                "device.pair.resolved",
                json!({ "requestId": "r2", "deviceId": "d1", "decision": "rejected", "ts": 4 }),
            ),
            event("node.presence", json!({ "nodeId": "n1", "idleSeconds": 5 })),
            event(
                "node.hostStats",
                json!({ "nodeId": "n1", "hostStats": { "cpuCount": 2, "updatedAtMs": 9 } }),
            ),
            event("tick", json!({ "ts": 5 })),
            event("health", json!({ "ok": true })),
            event("node.pair.resolved", json!({ "decision": "approved" })),
            json!({ "type": "event", "event": "brand.new" }),
            event("shutdown", json!({ "reason": "gateway restarting", "restartExpectedMs": 1500 })),
        ],
        |_, _| Reply::Silence,
    );
    let (operator, run) = operator(&url);
    let mut events = operator.events();
    let mut next = async || soon(events.next()).await.expect("there is another event");
    loop {
        match next().await {
            OperatorEvent::Connection(Connection::Ready) => break,
            OperatorEvent::Connection(_) => {}
            other => panic!("{other:?} before it is connected"),
        }
    }
    let OperatorEvent::NodePairRequested(request) = next().await else { panic!("a request") };
    assert_eq!(
        (request.request_id.as_str(), &*request.commands),
        ("r1", &["system.which".to_owned()][..])
    );
    let OperatorEvent::NodePairResolved(resolved) = next().await else { panic!("a decision") };
    assert_eq!(
        (resolved.id.as_str(), resolved.decision.as_str(), &resolved.more["ts"]),
        ("n1", "approved", &json!(2))
    );
    let OperatorEvent::DevicePairRequested(request) = next().await else { panic!("a request") };
    assert_eq!((request.device_id.as_str(), &request.more["publicKey"]), ("d1", &json!("k")));
    let OperatorEvent::DevicePairResolved(resolved) = next().await else { panic!("a decision") };
    assert_eq!((resolved.id.as_str(), resolved.decision.as_str()), ("d1", "rejected"));
    let OperatorEvent::NodePresence(presence) = next().await else { panic!("presence") };
    assert_eq!((presence.node_id.as_str(), &presence.more["idleSeconds"]), ("n1", &json!(5)));
    let OperatorEvent::HostStats(report) = next().await else { panic!("stats") };
    assert_eq!((report.host_stats.cpu_count, report.host_stats.updated_at_ms), (2, 9));
    // A tick is a sign of life, and no news. What does not say whom it is about stays as it came.
    for (name, said) in [
        ("health", r#"{"ok":true}"#),
        ("node.pair.resolved", r#"{"decision":"approved"}"#),
        ("brand.new", "null"),
    ] {
        match next().await {
            OperatorEvent::Other { event, payload } => {
                assert_eq!((event.as_str(), payload.get()), (name, said))
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let OperatorEvent::Shutdown { reason, back_in } = next().await else { panic!("a shutdown") };
    assert_eq!(
        (reason.as_str(), back_in.map(|time| time.as_millis())),
        ("gateway restarting", Some(1500))
    );
    operator.handle().stop(std::time::Duration::ZERO);
    loop {
        match next().await {
            OperatorEvent::Connection(Connection::Stopped) => break,
            OperatorEvent::Connection(Connection::Closing) => {}
            other => panic!("{other:?} at the end"),
        }
    }
    assert!(soon(events.next()).await.is_none());
    soon(run).await.unwrap();
}
