use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use clawnode_gateway::Status;
use serde_json::json;
use tracing::Level;

use crate::support::{Node, TOKEN, World, call};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_tell_of_nodes_and_requests_but_not_of_tokens_and_contents() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // For all threads: with a default of one thread only, another thread that meets a log line first silences it for good.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let world = World::new().await;
    let mut node = Node::open(world.address, &format!("/?token={TOKEN}"), None).await;
    node.register("node-a", true, &["echo"]).await;
    world.until_connected("node-a").await;
    let params = json!({"x": "private-param"});
    world.submit(json!({"workflow_id": "w", "params": params, "request_id": "req-1"})).await;
    node.hear().await;
    node.accept("req-1").await;
    node.update("req-1", json!({"x": "private-news"})).await;
    node.complete("req-1", json!({"x": "private-result"})).await;
    world.submit(json!({"command": "echo", "args": params, "request_id": "req-2"})).await;
    world.submit(json!({"command": "echo", "args": "private-param"})).await;
    drop(node);
    world.until_status("req-2", Status::Lost).await;
    let wrong = [("Authorization", "Bearer wrong-token".to_owned())];
    call(world.address, "GET", &format!("/?token={TOKEN}"), &wrong, b"").await;
    let upgrade = [
        ("Upgrade", "websocket".to_owned()),
        ("Connection", "Upgrade".to_owned()),
        ("Sec-WebSocket-Version", "13".to_owned()),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
    ];
    call(world.address, "GET", "/?token=wrong-token", &upgrade, b"").await;
    world.stop().await.unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in [
        "gateway listening",
        "node registered node_id=\"node-a\"",
        "request submitted request_id=\"req-1\"",
        "request answered",
        "request lost with its node",
        "node turned away",
        "gateway stopping",
    ] {
        assert!(log.contains(told), "{told}:\n{log}");
    }
    for secret in [TOKEN, "wrong-token", "private"] {
        assert!(!log.contains(secret), "{secret}:\n{log}");
    }
}
