use std::time::{Duration, Instant};

use clawnode_gateway::client::ClientError;
use clawnode_gateway::{Status, StopError};
use clawnode_protocol::websocket::{CloseCode, Closed};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{Node, TOKEN, World, soon};

#[tokio::test]
async fn a_stopping_gateway_ends_everything_properly() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    let mut unregistered = Node::open(world.address, "/", Some(TOKEN)).await;
    world.submit(json!({"workflow_id": "w", "request_id": "r"})).await;
    node.hear().await;
    let mut events = world.client.events("r", None).await.unwrap();
    let client = world.client.clone();
    let poll = tokio::spawn(async move { client.result("r", Some(Duration::from_secs(60))).await });
    let mut idle = TcpStream::connect(world.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;

    let begun = Instant::now();
    world.begin_stop();
    let address = world.address;
    for node in [&mut node, &mut unregistered] {
        match node.closed().await {
            Closed::Clean { code, reason, .. } => {
                assert_eq!(
                    (code, reason.as_str()),
                    (Some(CloseCode::GOING_AWAY), "the gateway is stopping")
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(soon(poll).await.unwrap(), Ok(info) if info.status != Status::Completed));
    assert!(matches!(soon(events.next()).await, Err(ClientError::Broken(_)) | Ok(Some(_))));
    assert_eq!(soon(idle.read(&mut [0; 16])).await.unwrap_or(0), 0);
    assert_eq!(world.stop().await, Ok(()));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}

#[tokio::test]
async fn a_node_that_does_not_close_is_cut() {
    let world = World::with(|config| {
        config.timing.close = Duration::from_secs(60);
        config.timing.shutdown = Duration::from_millis(100);
    })
    .await;
    let _deaf = world.node("a").await;
    assert_eq!(
        world.stop().await.map_err(|StopError { nodes, clients, .. }| (nodes, clients)),
        Err((1, 0))
    );
}

#[tokio::test]
async fn dropping_the_gateway_cuts_everything() {
    let mut config = clawnode_gateway::Config::new("127.0.0.1:0".parse().unwrap());
    config.auth_token = Some(TOKEN.to_owned().into());
    let gateway = clawnode_gateway::Gateway::bind(config).await.unwrap();
    let address = gateway.local_addr();
    let running = tokio::spawn(gateway.run(std::future::pending()));
    let mut node = Node::open(address, "/", Some(TOKEN)).await;
    running.abort();
    assert_eq!(node.closed().await, Closed::Lost);
}
