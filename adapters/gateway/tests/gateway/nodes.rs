use std::time::Duration;

use clawnode_gateway::{Config, Gateway};
use clawnode_protocol::websocket::{CloseCode, Closed};
use serde_json::json;

use crate::support::{Node, TOKEN, World, call};

/// The method, headers beside or instead of the right ones, and the status and text of the answer.
type Case = (&'static str, &'static [(&'static str, &'static str)], u16, &'static str);

fn upgrade(extra: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("Upgrade", "websocket".to_owned()),
        ("Connection", "keep-alive, Upgrade".to_owned()),
        ("Sec-WebSocket-Version", "13".to_owned()),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
        ("Authorization", format!("Bearer {TOKEN}")),
    ];
    for (name, value) in extra {
        headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            headers.push((name, (*value).to_owned()));
        }
    }
    headers
}

#[tokio::test]
async fn a_node_is_listed_with_what_it_says() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    node.say(json!({"type": "heartbeat", "node_id": "a", "status": "busy"})).await;
    crate::support::until(|| async {
        let nodes = world.client.nodes().await.unwrap();
        nodes[0].says.as_deref() == Some("busy")
    })
    .await;

    let nodes = world.call("GET", "/api/nodes", "").await.json();
    let node = &nodes["nodes"][0];
    assert_eq!(node["status"], "connected");
    assert_eq!(node["workflows"], true);
    assert_eq!(node["commands"], json!(["echo"]));
    assert_eq!(node["metadata"], json!({"user_id": "1"}));
    assert_eq!(node["in_flight"], 0);
    assert!(node["last_heartbeat_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(node["lost_at"], json!(null));
    assert_eq!(
        world.call("GET", "/ready", "").await.json(),
        json!({"status": "ready", "nodes": 1})
    );
}

#[tokio::test]
async fn nodes_connect_to_any_path_with_the_token_in_either_place() {
    let world = World::new().await;
    let mut header = Node::open(world.address, "/some/where?x=1", Some(TOKEN)).await;
    header.register("header", true, &[]).await;
    let mut query = Node::open(world.address, &format!("/?token={TOKEN}"), None).await;
    query.register("query", true, &[]).await;
    world.until_connected("header").await;
    world.until_connected("query").await;
}

#[tokio::test]
async fn a_bad_opening_handshake_is_answered_with_what_is_wrong() {
    let world = World::new().await;
    const KEY: &str = "Sec-WebSocket-Key";
    let cases: [Case; 8] = [
        ("GET", &[("Authorization", "")], 401, "no token: start the node with"),
        ("GET", &[("Authorization", "Bearer wrong")], 401, "wrong token: start the node with"),
        ("GET", &[("Sec-WebSocket-Version", "8")], 426, "version 13"),
        ("GET", &[("Sec-WebSocket-Version", "")], 426, "version 13"),
        ("GET", &[(KEY, "")], 400, "Sec-WebSocket-Key"),
        ("GET", &[(KEY, "short")], 400, "Sec-WebSocket-Key"),
        ("GET", &[("Connection", "keep-alive")], 400, "Connection: Upgrade"),
        ("POST", &[], 405, "GET"),
    ];
    for (method, extra, status, text) in cases {
        let reply = call(world.address, method, "/", &upgrade(extra), b"").await;
        assert_eq!(reply.status, status, "{extra:?}: {reply:?}");
        assert!(reply.body.contains(text), "{extra:?}: {reply:?}");
        if status == 401 {
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
        if status == 426 {
            assert_eq!(reply.header("sec-websocket-version"), Some("13"));
        }
    }
}

#[tokio::test]
async fn a_silent_node_is_lost() {
    let world = World::with(|config| config.timing.liveness = Duration::from_millis(100)).await;
    // The scripted node answers pings only while it is being driven, so now it is silent.
    let _node = world.node("a").await;
    world.until_node("a", "lost").await;
    let nodes = world.client.nodes().await.unwrap();
    assert_eq!(nodes[0].lost_reason.as_deref(), Some("the node is silent"));
    assert_eq!(world.call("GET", "/ready", "").await.json()["nodes"], 0);
}

#[tokio::test]
async fn a_node_that_does_not_register_is_closed() {
    let world = World::with(|config| config.timing.register = Duration::from_millis(50)).await;
    let mut node = Node::open(world.address, "/", Some(TOKEN)).await;
    assert_closed(node.closed().await, CloseCode::POLICY_VIOLATION, "no registration in time");
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older() {
    let world = World::new().await;
    let mut older = world.node("a").await;
    let mut newer = Node::open(world.address, "/", Some(TOKEN)).await;
    newer.register("a", true, &["echo", "new"]).await;
    let why = "a newer connection of this node_id replaced this one; stop the other node, or give it another id (--node-id)";
    assert_closed(older.closed().await, CloseCode::POLICY_VIOLATION, why);

    let reply = world.submit(json!({"command": "new", "request_id": "r"})).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(newer.hear().await["command"], "new");
    world.until_connected("a").await;
}

#[tokio::test]
async fn a_senseless_registration_is_refused() {
    let world = World::new().await;
    let mut node = Node::open(world.address, "/", Some(TOKEN)).await;
    node.register(&"x".repeat(300), true, &[]).await;
    let why = "node_id must have 1 to 256 bytes";
    assert_closed(node.closed().await, CloseCode::POLICY_VIOLATION, why);
}

#[tokio::test]
async fn more_nodes_than_allowed_are_told_to_try_later() {
    let world = World::with(|config| config.limits.nodes = 1).await;
    let first = world.node("a").await;
    let mut second = Node::open(world.address, "/", Some(TOKEN)).await;
    second.register("b", true, &[]).await;
    let why = "as many nodes are connected as this gateway takes";
    assert_closed(second.closed().await, CloseCode::TRY_AGAIN_LATER, why);

    drop(first);
    world.until_node("a", "lost").await;
    world.node("c").await;
    let nodes = world.client.nodes().await.unwrap();
    assert_eq!(nodes.len(), 1, "the lost node has given way: {nodes:?}");
}

#[tokio::test]
async fn without_a_token_only_loopback_will_do() {
    let error = Gateway::bind(Config::new("0.0.0.0:0".parse().unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("auth token is needed"), "{error}");

    let world = World::with(|config| config.auth_token = None).await;
    let mut node = Node::open(world.address, "/", None).await;
    node.register("a", true, &[]).await;
    world.until_connected("a").await;
    let page = [("Origin", "https://evil.example".to_owned())];
    assert_eq!(call(world.address, "GET", "/api/nodes", &page, b"").await.status, 403);
    let from_page = upgrade(&[("Origin", "https://evil.example")]);
    assert_eq!(call(world.address, "GET", "/", &from_page, b"").await.status, 403);
}

fn assert_closed(closed: Closed, expected: CloseCode, text: &str) {
    match closed {
        Closed::Clean { code, reason, .. } => {
            assert_eq!((code, reason.as_str()), (Some(expected), text));
        }
        other => panic!("{other:?}"),
    }
}
