use std::time::Duration;

use clawnode_gateway::Status;
use clawnode_gateway::client::{ClientError, Events, News};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{TOKEN, World, soon};

async fn next(events: &mut Events) -> String {
    let Some(event) = soon(events.next()).await.expect("no error") else { return "end".into() };
    let news = match event.news {
        News::Accepted { message } => format!("accepted {message:?}"),
        News::Update { job_id, update_type, data } => format!("{update_type} {job_id:?} {data}"),
        News::Answer { status, result, error, .. } => format!("{status} {result:?} {error:?}"),
        News::Lost { reason } => format!("lost {reason}"),
        other => format!("{other:?}"),
    };
    format!("{} {news}", event.id)
}

#[tokio::test]
async fn events_are_replayed_then_live_and_can_be_resumed() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    world.submit(json!({"workflow_id": "w", "request_id": "r"})).await;
    node.hear().await;
    node.accept("r").await;
    // JSON as a node may write it, with line breaks of every kind.
    node.say_text(
        "{\"type\":\"workflow_update\",\"request_id\":\"r\",\"update_type\":\"chunk\",\r\n\"data\":{\"a\":\r\n1,\r\"b\":\n2}}",
    )
    .await;
    world.until_status("r", Status::Running).await;

    let mut events = world.client.events("r", None).await.unwrap();
    assert_eq!(next(&mut events).await, r#"1 accepted Some("Taken")"#);
    assert_eq!(next(&mut events).await, "2 chunk None {\"a\":\n1,\n\"b\":\n2}");
    node.update("r", json!({"live": true})).await;
    assert_eq!(next(&mut events).await, r#"3 chunk Some("job-1") {"live":true}"#);
    assert_eq!(events.last_id(), Some(3));
    node.complete("r", json!({"x": 1})).await;
    assert_eq!(next(&mut events).await, r#"4 completed Some(RawValue({"x":1})) None"#);
    assert_eq!(next(&mut events).await, "end");

    let mut resumed = world.client.events("r", Some(2)).await.unwrap();
    assert_eq!(next(&mut resumed).await, r#"3 chunk Some("job-1") {"live":true}"#);
    assert_eq!(next(&mut resumed).await, r#"4 completed Some(RawValue({"x":1})) None"#);
    let mut over = world.client.events("r", Some(4)).await.unwrap();
    assert_eq!(next(&mut over).await, "end");
    let mut of_former_process = world.client.events("r", Some(99)).await.unwrap();
    assert_eq!(next(&mut of_former_process).await, r#"1 accepted Some("Taken")"#);

    match world.client.events("unheard", None).await {
        Err(ClientError::Refused { status: 404, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn quiet_streams_are_kept_alive() {
    let world = World::with(|config| config.timing.keep_alive = Duration::from_millis(20)).await;
    let mut node = world.node("a").await;
    world.submit(json!({"workflow_id": "w", "request_id": "r"})).await;
    node.hear().await;
    let mut stream = open(&world, "r").await;
    let mut text = String::new();
    soon(async {
        let mut buffer = [0; 1024];
        while text.matches(": still here\n\n").count() < 3 {
            let count = stream.read(&mut buffer).await.unwrap();
            assert_ne!(count, 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    })
    .await;
    assert!(text.contains("content-type: text/event-stream"), "{text}");
}

#[tokio::test]
async fn a_slow_reader_misses_events_and_hears_how_many() {
    let world = World::with(|config| {
        config.limits.events = 50;
        config.limits.event_bytes = 8 << 20;
    })
    .await;
    let mut node = world.node("a").await;
    world.submit(json!({"workflow_id": "w", "request_id": "r"})).await;
    node.hear().await;
    // Reads nothing at first.
    let mut slow = open(&world, "r").await;
    let filler = "y".repeat(60 << 10);
    for number in 0..600 {
        node.update("r", json!({"number": number, "filler": filler})).await;
    }
    node.complete("r", json!({"done": true})).await;
    let info = world.client.result("r", None).await.unwrap();
    assert_eq!((info.last_event_id, info.events_dropped), (601, 551));

    let mut text = String::new();
    soon(slow.read_to_string(&mut text)).await.unwrap();
    let data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let dropped: u64 = data
        .iter()
        .filter_map(|data| {
            data.strip_prefix(r#"{"dropped":"#)?.strip_suffix('}')?.parse::<u64>().ok()
        })
        .sum();
    let updates = data.iter().filter(|data| data.contains("update_type")).count() as u64;
    assert!(dropped > 0 && updates > 0, "{dropped} dropped, {updates} seen");
    assert_eq!(dropped + updates, 600, "every update was seen or counted");
    assert!(text.contains("event: answer"));
    let ids = text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse::<u64>().ok());
    assert!(ids.is_sorted_by(|one, other| one < other), "ids increase");
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_the_oldest_is_forgotten() {
    let world = World::with(|config| {
        config.limits.finished = 3;
        config.limits.kept_bytes = 3000;
    })
    .await;
    let mut node = world.node("a").await;
    let known = async |id: &str| world.client.result(id, None).await.is_ok();
    for id in ["r1", "r2", "r3", "r4"] {
        world.submit(json!({"workflow_id": "w", "request_id": id})).await;
        node.hear().await;
        node.complete(id, json!({"x": 1})).await;
    }
    assert!(!known("r1").await && known("r2").await && known("r4").await);
    world.submit(json!({"workflow_id": "w", "request_id": "big"})).await;
    node.hear().await;
    node.complete("big", json!({"x": "y".repeat(4000)})).await;
    assert!(known("big").await, "the latest is never forgotten");
    assert!(!known("r4").await, "the others gave way to it");
}

/// An event stream, of which nothing is read yet.
async fn open(world: &World, id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let address = world.address;
    // HTTP/1.0 has no chunks, so the text is as it is.
    let head = format!(
        "GET /api/requests/{id}/events HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}
