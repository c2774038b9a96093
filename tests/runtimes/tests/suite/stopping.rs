use std::time::{Duration, Instant};

use clawnode_protocol::dialect::openclaw::Fingerprint;
use clawnode_protocol::peer::LostReason;
use clawnode_protocol::websocket::{CloseCode, Closed};
use clawnode_runtime::{Connection, Context, Failed, NoArgs, StopReason};
use clawnode_runtimes::{Gateway, sleep, soon};
use macro_rules_attribute::apply;
use serde_json::json;

use super::handlers::{Endless, becomes};
use super::{Running, builder, describe};

fn assert_said_goodbye(reason: &LostReason) {
    let LostReason::Closed(Closed::Clean { code, .. }) = reason else { panic!("{reason:?}") };
    assert_eq!(*code, Some(CloseCode::GOING_AWAY));
}

#[apply(async_test)]
async fn a_stop_with_grace_lets_work_end() {
    let gateway = Gateway::bind().await;
    let node = Running::start(builder(&gateway).command(
        "slow",
        |context: Context, _: NoArgs| async move {
            while context.deadline().is_none() {
                sleep(Duration::from_millis(5)).await;
            }
            sleep(Duration::from_millis(100)).await;
            Ok::<_, Failed>(json!({ "left": context.deadline().unwrap() > Instant::now() }))
        },
    ));
    let mut connection = gateway.accept_node().await;
    connection.command("1", "slow", json!({}));
    connection.next().await;
    node.handle.stop(Duration::from_secs(30));
    assert_eq!(connection.answer("1").await.result(), json!({ "left": true }));
    assert_said_goodbye(&connection.closed().await);
    assert_eq!(node.stopped().await, StopReason::Requested);
}

#[apply(async_test)]
async fn a_stop_at_once_cancels_and_answers() {
    let gateway = Gateway::bind().await;
    let endless = Endless::default();
    let node = Running::start(endless.serve(builder(&gateway)));
    let mut connection = gateway.accept_node().await;
    connection.command("1", "endless", json!({}));
    connection.command("2", "endless-blocking", json!({}));
    becomes(&endless.started, 2).await;
    let started = Instant::now();
    node.handle.stop(Duration::from_secs(60));
    node.handle.stop(Duration::ZERO);
    for request in ["1", "2"] {
        let answer = connection.answer(request).await;
        assert_eq!(answer.error(), "the node stopped before the work was done");
    }
    assert_said_goodbye(&connection.closed().await);
    assert_eq!(node.stopped().await, StopReason::Requested);
    assert!(started.elapsed() < Duration::from_secs(2));
    becomes(&endless.dropped, 1).await;
    becomes(&endless.cancelled, 1).await;
}

#[apply(async_test)]
async fn a_stop_while_nobody_is_there_ends_soon() {
    let mut gateway = Gateway::bind().await;
    gateway.close();
    let node = Running::start(builder(&gateway));
    sleep(Duration::from_millis(50)).await;
    node.handle.stop(Duration::from_secs(60));
    assert_eq!(node.stopped().await, StopReason::Requested);
}

/// Whatever the attempt waits for: a credential, TLS, or the answer to the upgrade.
#[apply(async_test)]
async fn a_stop_while_connecting_ends_soon() {
    let gateway = Gateway::bind().await;
    let never = || async { std::future::pending::<Result<String, String>>().await };
    let tls = describe(&gateway.url().replace("ws://", "wss://"));
    let pinned = tls.tls_fingerprint(Fingerprint::of(b"none"));
    for (builder, connects) in
        [(builder(&gateway).credentials(never), false), (pinned, true), (builder(&gateway), true)]
    {
        let node = Running::start(builder);
        let silent = match connects {
            true => {
                let stream = gateway.accept_stream().await;
                // It has said something: hello to TLS, or the upgrade request.
                soon(stream.readable()).await.unwrap();
                Some(stream)
            }
            false => None,
        };
        while node.handle.connection() != Connection::Connecting {
            sleep(Duration::from_millis(1)).await;
        }
        node.handle.stop(Duration::from_secs(60));
        assert_eq!(node.stopped().await, StopReason::Requested);
        drop(silent);
    }
}

#[apply(async_test)]
async fn dropping_the_run_closes_the_socket_and_cancels_handlers() {
    let gateway = Gateway::bind().await;
    let endless = Endless::default();
    let node = Running::start(endless.serve(builder(&gateway)));
    let mut connection = gateway.accept_node().await;
    connection.command("1", "endless", json!({}));
    connection.command("2", "endless-blocking", json!({}));
    becomes(&endless.started, 2).await;
    let mut events = node.handle.events();
    node.abort();
    connection.closed().await;
    becomes(&endless.dropped, 1).await;
    becomes(&endless.cancelled, 1).await;
    while soon(events.next()).await.is_some() {}
}
