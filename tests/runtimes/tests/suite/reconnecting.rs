use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::websocket::CloseCode;
use clawnode_runtime::{Connection, Context, Event, Failed, NoArgs};
use clawnode_runtimes::{Gateway, sleep, soon};
use macro_rules_attribute::apply;
use serde_json::json;
use tokio::sync::Notify;

use super::{Running, builder, echo};

#[apply(async_test)]
async fn an_answer_arrives_after_the_gateway_restarted() {
    let mut gateway = Gateway::bind().await;
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let node = Running::start(builder(&gateway).command("slow", move |_, _: NoArgs| {
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            Ok::<_, Failed>(json!({ "done": true }))
        }
    }));
    let mut events = node.handle.events();
    let connection = gateway.accept_node().await;
    connection.command("1", "slow", json!({}));
    let mut connection = connection;
    // The acknowledgement shows that it runs.
    connection.next().await;
    drop(connection);
    gateway.close();
    go.notify_one();
    // At least one attempt meets no gateway.
    let mut failed = 0;
    while failed < 2 {
        if let Some(Event::Connection(Connection::Lost { .. })) = soon(events.next()).await {
            failed += 1;
        }
    }
    gateway.reopen().await;
    let mut connection = gateway.accept_node().await;
    let answer = connection.answer("1").await;
    assert_eq!(answer.result(), json!({ "done": true }));
    assert_eq!(node.handle.status().tally.running, 0);
}

#[apply(async_test)]
async fn a_closed_connection_is_made_again() {
    let gateway = Gateway::bind().await;
    let _node = Running::start(builder(&gateway).command("echo", echo));
    for code in [CloseCode::NORMAL, CloseCode::SERVICE_RESTART, CloseCode::GOING_AWAY] {
        let mut connection = gateway.accept_node().await;
        connection.close(code);
        connection.closed().await;
    }
    let mut connection = gateway.accept_node().await;
    connection.command("1", "echo", json!({}));
    connection.answer("1").await.result();
}

/// Both sides have more to write than sockets hold, so each must read while it writes.
#[apply(async_test)]
async fn two_writers_do_not_stop_each_other() {
    let gateway = Gateway::bind().await;
    let patient = builder(&gateway).heartbeat_interval(Duration::from_secs(5));
    let _node = Running::start(patient.command("echo", echo));
    let mut connection = gateway.accept_node().await;
    let text = "x".repeat(3 << 20);
    for index in 0..4 {
        connection.command(&index.to_string(), "echo", json!({ "text": text }));
    }
    for index in 0..4 {
        let result = connection.answer(&index.to_string()).await.result();
        assert_eq!(result["echo"]["text"].as_str().map(str::len), Some(3 << 20));
    }
}

#[apply(async_test)]
async fn a_slow_reader_gets_a_large_answer() {
    let gateway = Gateway::bind().await;
    let patient = builder(&gateway).heartbeat_interval(Duration::from_millis(400));
    let _node = Running::start(patient.command("large", |_: Context, _: NoArgs| async {
        Ok::<_, Failed>(json!({ "text": "y".repeat(10 << 20) }))
    }));
    let mut connection = gateway.accept_node().await;
    connection.command("1", "large", json!({}));
    // Longer than the heartbeat interval, in short sips.
    for _ in 0..10 {
        connection.read(false);
        sleep(Duration::from_millis(60)).await;
        connection.read(true);
        sleep(Duration::from_millis(2)).await;
    }
    let result = connection.answer("1").await.result();
    assert_eq!(result["text"].as_str().map(str::len), Some(10 << 20));
}
