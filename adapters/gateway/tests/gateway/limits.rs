//! Bounds of the HTTP side: at the bound and one past it. Those of the book are tested beside it.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{World, call};

#[tokio::test]
async fn a_body_at_the_bound_is_taken_and_one_byte_more_is_not() {
    let body = json!({"workflow_id": "w"}).to_string();
    let world = World::with(|config| config.limits.body_bytes = body.len()).await;
    let _node = world.node("a").await;
    assert_eq!(world.call("POST", "/api/requests", &body).await.status, 202);
    let reply = world.call("POST", "/api/requests", &(body + " ")).await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn a_page_has_at_most_five_hundred_requests() {
    let world = World::new().await;
    for (limit, status) in [(500, 200), (501, 400)] {
        let reply = world.call("GET", &format!("/api/requests?limit={limit}"), "").await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn as_many_connections_as_the_bound_are_served_and_one_more_waits_its_turn() {
    let world = World::with(|config| config.limits.connections = 2).await;
    // One that says nothing, and beside it one at a time.
    let silent = TcpStream::connect(world.address).await.unwrap();
    for _ in 0..3 {
        assert_eq!(call(world.address, "GET", "/health", &[], b"").await.status, 200);
    }
    let second = TcpStream::connect(world.address).await.unwrap();
    let mut third = TcpStream::connect(world.address).await.unwrap();
    third.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
    let mut first_byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(200), third.read(&mut first_byte));
    assert!(early.await.is_err(), "it was answered before its turn");
    drop((silent, second));
    assert_eq!(third.read(&mut first_byte).await.unwrap(), 1);
}
