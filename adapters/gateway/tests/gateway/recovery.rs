use clawnode_gateway::Status;
use clawnode_gateway::client::News;
use serde_json::json;

use crate::support::{Node, TOKEN, World};

#[tokio::test]
async fn work_of_a_lost_node_is_lost_until_the_node_delivers() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    world.submit(json!({"workflow_id": "w", "request_id": "r"})).await;
    node.hear().await;
    node.accept("r").await;
    world.until_status("r", Status::Accepted).await;
    drop(node);
    let lost = world.until_status("r", Status::Lost).await;
    assert!(lost.error.is_some_and(|error| !error.is_empty()));
    assert!(lost.finished_at.is_none());

    let mut node = world.node("a").await;
    node.complete("r", json!({"late": true})).await;
    let info = world.client.result("r", None).await.unwrap();
    assert_eq!((info.status, info.error), (Status::Completed, None));
    assert_eq!(info.result.unwrap().get(), r#"{"late":true}"#);

    let mut events = world.client.events("r", None).await.unwrap();
    let mut names = Vec::new();
    while let Some(event) = events.next().await.unwrap() {
        names.push(match event.news {
            News::Accepted { .. } => "accepted",
            News::Lost { .. } => "lost",
            News::Answer { .. } => "answer",
            _ => "other",
        });
    }
    // It was not sent again: the node had accepted it.
    assert_eq!(names, ["accepted", "lost", "answer"]);
}

#[tokio::test]
async fn accepted_work_fails_when_its_node_comes_back_as_another_process() {
    let world = World::new().await;
    let instance = async |instance_id: &str| {
        let mut node = Node::open(world.address, &format!("/?token={TOKEN}"), None).await;
        node.register_instance("a", instance_id).await;
        world.until_connected("a").await;
        node
    };
    let mut node = instance("first").await;
    for request_id in ["taken", "unheard"] {
        world.submit(json!({"workflow_id": "w", "request_id": request_id})).await;
        node.hear().await;
    }
    node.accept("taken").await;
    world.until_status("taken", Status::Accepted).await;
    drop(node);
    world.until_status("taken", Status::Lost).await;

    let node = instance("first").await;
    assert_eq!(world.client.result("taken", None).await.unwrap().status, Status::Lost);
    drop(node);
    let mut node = instance("second").await;
    let taken = world.until_status("taken", Status::Failed).await;
    assert!(taken.error.unwrap().contains("the node was restarted"));
    assert_eq!(node.hear().await["request_id"], "unheard");
}

#[tokio::test]
async fn what_was_never_accepted_is_sent_again_but_not_forever() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    world.submit(json!({"workflow_id": "w", "params": {"x": 1}, "request_id": "r"})).await;
    let first = node.hear().await;
    for _ in 0..2 {
        drop(node);
        world.until_status("r", Status::Lost).await;
        node = world.node("a").await;
        let again = node.hear().await;
        assert_eq!(again["request_id"], "r");
        assert_eq!(again["params"], first["params"]);
    }
    drop(node);
    world.until_status("r", Status::Lost).await;
    let mut node = world.node("a").await;
    let info = world.client.result("r", None).await.unwrap();
    assert_eq!(info.status, Status::Lost);
    assert!(info.error.unwrap().contains("sent 3 times"));
    // Should it have it all the same, its answer counts.
    node.complete("r", json!({})).await;
    world.until_status("r", Status::Completed).await;
}

#[tokio::test]
async fn a_lost_request_that_makes_progress_again_is_running() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    world.submit(json!({"workflow_id": "w", "request_id": "r"})).await;
    node.hear().await;
    node.accept("r").await;
    world.until_status("r", Status::Accepted).await;
    drop(node);
    world.until_status("r", Status::Lost).await;
    assert_eq!(world.client.nodes().await.unwrap()[0].in_flight, 0);
    let mut node = world.node("a").await;
    node.update("r", json!({"n": 1})).await;
    let info = world.until_status("r", Status::Running).await;
    assert_eq!(info.error, None);
    assert_eq!(world.client.nodes().await.unwrap()[0].in_flight, 1);
}

#[tokio::test]
async fn an_answer_nobody_here_asked_for_is_kept() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    // As after a restart of the gateway.
    node.complete("before", json!({"kept": true})).await;
    let info = world.client.result("before", None).await.unwrap();
    assert_eq!((info.status, info.kind, info.node_id.as_str()), (Status::Completed, None, "a"));
    assert_eq!(info.result.unwrap().get(), r#"{"kept":true}"#);
    let again = world.submit(json!({"workflow_id": "w", "request_id": "before"})).await;
    assert_eq!((again.status, &again.json()["result"]), (200, &json!({"kept": true})));

    node.update("running", json!({})).await;
    let info = world.until_status("running", Status::Running).await;
    assert_eq!(info.kind, None);
}

#[tokio::test]
async fn another_node_cannot_answer_for_a_connected_one() {
    let world = World::new().await;
    let (mut a, mut b) = (world.node("a").await, world.node("b").await);
    world.submit(json!({"workflow_id": "w", "node_id": "a", "request_id": "r"})).await;
    a.hear().await;
    b.complete("r", json!({"from": "b"})).await;
    assert_eq!(world.client.result("r", None).await.unwrap().status, Status::Sent);
    drop(a);
    world.until_status("r", Status::Lost).await;
    // A node that took another name when it restarted may.
    b.complete("r", json!({"from": "b"})).await;
    let info = world.client.result("r", None).await.unwrap();
    assert_eq!((info.status, info.node_id.as_str()), (Status::Completed, "b"));
}

#[tokio::test]
async fn faulty_messages_do_not_end_a_connection() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    node.say_text("nonsense").await;
    assert_eq!(node.hear().await["type"], "error");
    node.say(json!({"type": "workflow_response", "request_id": "r", "status": "odd"})).await;
    assert_eq!(node.hear().await["type"], "error");
    node.say(json!({"type": "of the application's own"})).await;
    node.say(json!({"type": "error", "error": "something"})).await;
    world.submit(json!({"command": "echo", "request_id": "r"})).await;
    assert_eq!(node.hear().await["request_id"], "r");
}
