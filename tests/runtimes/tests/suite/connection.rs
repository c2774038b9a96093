use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clawnode_protocol::dialect::openclaw::RefusalCode;
use clawnode_runtime::openclaw::{Identity, Openclaw};
use clawnode_runtime::{
    Approval, Connection, Event, Events, HostStats, Publication, StopReason, Timing,
};
use clawnode_runtimes::{Gateway, soon, yield_now};
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use tungstenite::Message;

use super::{Node, Running, builder};

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

/// What the node tells until it is `wanted`, which is the last.
async fn told(events: &mut Events, wanted: fn(&Event) -> bool) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let event = soon(events.next()).await.expect("the node goes on");
        match &event {
            // Whether there is time to see it depends on the other side.
            Event::Connection(Connection::Closing) => {}
            Event::Connection(connection) => told.push(connection.to_string()),
            other => told.push(format!("{other:?}")),
        }
        if wanted(&event) {
            return told;
        }
    }
}

#[apply(async_test)]
async fn the_connection_tells_whose_approval_is_missing() {
    let approved = Arc::new(Approved::default());
    let mut timing = Timing::default();
    timing.approval_delay = Duration::from_millis(20);
    timing.max_approval_delay = Duration::from_millis(20);
    let device = Openclaw::node(Identity::from_seed([7; 32]), "1");
    let builder = Node::builder(&gateway(Arc::clone(&approved))).unwrap().openclaw(device);
    let node = builder.timing(timing).token("t").build().unwrap();
    let mut events = node.handle().events();
    let before = Instant::now();
    let node = Running::run(node);
    let stats = HostStats {
        cpu_count: 1,
        load_average: [0.0; 3],
        memory_total_bytes: 1,
        memory_free_bytes: 1,
        disk_total_bytes: 1,
        disk_available_bytes: 1,
    };
    node.handle.publish(Publication::HostStats(stats)).await.unwrap();

    let device = |event: &Event| {
        matches!(event, Event::Connection(Connection::WaitingForApproval(Approval::Device { .. })))
    };
    let waiting = "waiting until the gateway's operator approves this device";
    let until = told(&mut events, device).await;
    assert_eq!(until, ["not started", "connecting", "registering", waiting]);
    loop {
        // Between two attempts.
        match node.handle.connection() {
            Connection::WaitingForApproval(Approval::Device { refusal, next_attempt }) => {
                assert_eq!(refusal.code(), &RefusalCode::PairingRequired);
                assert!(next_attempt > before);
                break;
            }
            _ => yield_now().await,
        }
    }

    approved.device.store(true, Ordering::SeqCst);
    let surface = |event: &Event| {
        matches!(event, Event::Connection(Connection::WaitingForApproval(Approval::Surface)))
    };
    let until = told(&mut events, surface).await;
    let waiting = "waiting until the gateway's operator approves what this node may do";
    assert!(until.ends_with(&["registering", "ready", waiting].map(str::to_owned)), "{until:?}");
    let connection = node.handle.connection();
    assert_eq!(connection, Connection::WaitingForApproval(Approval::Surface));
    assert!(connection.is_registered());

    approved.surface.store(true, Ordering::SeqCst);
    let until = told(&mut events, |event| matches!(event, Event::Approved)).await;
    assert_eq!(until, ["ready", "Approved"]);
    assert_eq!(node.handle.connection(), Connection::Ready);
    node.handle.stop(Duration::ZERO);
    node.stopped().await;
    assert_eq!(told(&mut events, over).await, ["stopped"]);
}

fn over(event: &Event) -> bool {
    matches!(event, Event::Connection(connection) if connection.is_over())
}

/// A user interface that comes late, and one that was there from the beginning.
#[apply(async_test)]
async fn events_begin_with_the_connection_as_it_is_and_tell_each_change() {
    let mut gateway = Gateway::bind().await;
    let node = builder(&gateway).build().unwrap();
    let handle = node.handle();
    assert_eq!(handle.connection(), Connection::Idle);
    let mut events = handle.events();
    let node = Running::run(node);
    let connection = gateway.accept_node().await;
    let is_ready = |event: &Event| matches!(event, Event::Connection(Connection::Ready));
    let until = told(&mut events, is_ready).await;
    assert_eq!(until, ["not started", "connecting", "registering", "ready"]);
    assert_eq!(told(&mut handle.events(), is_ready).await, ["ready"]);

    gateway.close();
    drop(connection);
    let before = Instant::now();
    let lost = soon(async {
        loop {
            if let Some(Event::Connection(Connection::Lost { next_attempt, .. })) =
                events.next().await
            {
                return next_attempt;
            }
        }
    });
    assert!(lost.await > before);

    node.abort();
    let until = told(&mut events, over).await;
    assert_eq!(until.last().unwrap(), "stopped", "it was dropped");
    assert_eq!(handle.connection(), Connection::Stopped);
}

#[apply(async_test)]
async fn a_refusal_for_good_is_the_last_that_is_told() {
    let gateway = Gateway::bind().await;
    gateway.guard(|_| Some(401));
    let node = Running::start(builder(&gateway).token("wrong"));
    let mut events = node.handle.events();
    let _connection = gateway.accept().await;
    let until = told(&mut events, over).await;
    let last = "stopped for good: HTTP 401 Unauthorized: no";
    assert_eq!(until.last().unwrap(), last);
    assert!(soon(events.next()).await.is_none());
    let connection = node.handle.connection();
    assert!(matches!(connection, Connection::Refused(StopReason::Refused(_))), "{connection:?}");
}
