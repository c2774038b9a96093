use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clawnode_runtime::openclaw::{Identity, Openclaw};
use clawnode_runtime::{Approval, Event, Events, HostStats, NodeEvent, Publication, Timing};
use clawnode_runtimes::soon;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use tungstenite::Message;

use super::{Node, Running};

/// What the operator of the gateway has approved.
#[derive(Default)]
struct Approved {
    device: AtomicBool,
    surface: AtomicBool,
}

/// An openclaw gateway that lets in and takes only what is approved.
fn gateway(approved: Arc<Approved>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut websocket = tungstenite::accept(stream).unwrap();
            let challenge = json!({
                "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 1 }
            });
            websocket.send(Message::text(challenge.to_string())).unwrap();
            while let Ok(message) = websocket.read() {
                let text = message.to_text().unwrap();
                let Ok(request) = serde_json::from_str::<Value>(text) else { continue };
                let connects = request["method"] == "connect";
                let which = if connects { &approved.device } else { &approved.surface };
                let mut answer = if which.load(Ordering::SeqCst) {
                    json!({ "ok": true, "payload": { "type": "hello-ok", "protocol": 4 } })
                } else if connects {
                    json!({ "ok": false, "error": { "details": { "code": "PAIRING_REQUIRED" } } })
                } else {
                    json!({ "ok": false, "error": { "code": "UNAVAILABLE", "message": "no" } })
                };
                answer["type"] = json!("res");
                answer["id"] = request["id"].clone();
                let sent = websocket.send(Message::text(answer.to_string()));
                if sent.is_err() || (connects && answer["ok"] == false) {
                    break;
                }
            }
        }
    });
    url
}

async fn until(events: &mut Events, wanted: fn(&NodeEvent) -> bool) {
    loop {
        match soon(events.next()).await {
            Some(Event::Node(event)) if wanted(&event) => return,
            Some(_) => {}
            None => panic!("the node ended"),
        }
    }
}

#[apply(async_test)]
async fn the_status_tells_whose_approval_is_missing() {
    let approved = Arc::new(Approved::default());
    let mut timing = Timing::default();
    timing.approval_delay = Duration::from_millis(20);
    timing.max_approval_delay = Duration::from_millis(20);
    let device = Openclaw::node(Identity::from_seed([7; 32]), "1");
    let builder = Node::builder(&gateway(Arc::clone(&approved))).unwrap().openclaw(device);
    let node = Running::start(builder.timing(timing).token("t"));
    let mut events = node.handle.events();
    let stats = HostStats {
        cpu_count: 1,
        load_average: [0.0; 3],
        memory_total_bytes: 1,
        memory_free_bytes: 1,
        disk_total_bytes: 1,
        disk_available_bytes: 1,
    };
    node.handle.publish(Publication::HostStats(stats)).await.unwrap();
    let awaits = || node.handle.status().awaits;
    assert_eq!(awaits(), None);
    until(&mut events, |event| matches!(event, NodeEvent::Lost { .. })).await;
    assert_eq!(awaits(), Some(Approval::Device));
    approved.device.store(true, Ordering::SeqCst);
    until(&mut events, |event| matches!(event, NodeEvent::AwaitingApproval)).await;
    assert_eq!(awaits(), Some(Approval::Surface));
    approved.surface.store(true, Ordering::SeqCst);
    until(&mut events, |event| matches!(event, NodeEvent::Approved)).await;
    assert_eq!(awaits(), None);
    node.handle.stop(Duration::ZERO);
    node.stopped().await;
}
