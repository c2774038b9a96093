use std::time::{Duration, Instant};

use clawnode_gateway::Status;
use clawnode_gateway::client::{Client, ClientError, Submission};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{Node, TOKEN, World, call};

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

#[tokio::test]
async fn a_workflow_goes_to_a_node_and_its_answer_comes_back() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    let reply =
        world.submit(json!({"workflow_id": "w", "params": {"x": 1}, "user_id": "ada"})).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let submitted = reply.json();
    assert_eq!((&submitted["node_id"], &submitted["status"]), (&json!("a"), &json!("sent")));
    let id = submitted["request_id"].as_str().unwrap();

    let request = node.hear().await;
    assert_eq!(request["type"], "workflow_request");
    assert_eq!(request["request_id"], id);
    assert_eq!(request["workflow_id"], "w");
    assert_eq!(request["params"], json!({"x": 1}));
    assert_eq!(request["user_id"], "ada");

    node.accept(id).await;
    world.until_status(id, Status::Accepted).await;
    node.update(id, json!({"content": "hi"})).await;
    let running = world.until_status(id, Status::Running).await;
    assert_eq!(running.job_id.as_deref(), Some("job-1"));
    assert_eq!(world.client.nodes().await.unwrap()[0].in_flight, 1);
    node.complete(id, json!({"greeting": "hello"})).await;

    let known = world.call("GET", &format!("/api/requests/{id}"), "").await.json();
    assert_eq!(known["status"], "completed");
    assert_eq!(known["result"], json!({"greeting": "hello"}));
    assert_eq!(known["error"], Value::Null);
    assert_eq!(known["job_id"], "job-1");
    assert_eq!((&known["kind"], &known["name"]), (&json!("workflow"), &json!("w")));
    assert_eq!(known["last_event_id"], 3);
    assert_eq!(known["finished_at"], known["updated_at"]);
    assert_eq!(world.client.nodes().await.unwrap()[0].in_flight, 0);
}

#[tokio::test]
async fn commands_and_graphs_through_the_client() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    let submission = Submission::command("echo").input(raw(r#"{"say":"é"}"#)).request_id("c/1 ü");
    let submitted = world.client.submit(&submission).await.unwrap();
    assert_eq!((submitted.node_id.as_str(), submitted.status), ("a", Status::Sent));
    let request = node.hear().await;
    assert_eq!((&request["command"], &request["args"]), (&json!("echo"), &json!({"say": "é"})));
    node.say(json!({
        "type": "command_response", "request_id": "c/1 ü", "status": "error",
        "result": {"part": 1}, "error": "no",
    }))
    .await;
    node.expect_ack("c/1 ü").await;
    let info = world.client.result("c/1 ü", None).await.unwrap();
    assert_eq!((info.status, info.error.as_deref()), (Status::Failed, Some("no")));
    assert_eq!(info.result.unwrap().get(), r#"{"part":1}"#);

    let graph = Submission::graph(raw(r#"{"nodes":[],"edges":[]}"#)).node_id("a");
    world.client.submit(&graph).await.unwrap();
    let request = node.hear().await;
    assert_eq!(request["graph"], json!({"nodes": [], "edges": []}));
    assert_eq!(request["params"], json!({}));
}

#[tokio::test]
async fn the_able_node_with_the_least_to_do_is_chosen() {
    let world = World::new().await;
    let (_b, _a) = (world.node("b").await, world.node("a").await);
    let mut other = Node::open(world.address, "/", Some(TOKEN)).await;
    other.register("other", false, &["special"]).await;
    world.until_connected("other").await;

    let mut chosen = Vec::new();
    for body in [
        json!({"workflow_id": "w"}),
        json!({"workflow_id": "w"}),
        json!({"command": "echo"}),
        json!({"command": "special"}),
        json!({"workflow_id": "w", "node_id": "b"}),
    ] {
        chosen.push(world.submit(body).await.json()["node_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(chosen, ["a", "b", "a", "other", "b"]);
    let unable = world.submit(json!({"workflow_id": "w", "node_id": "other"})).await;
    assert_eq!(unable.status, 409);
    assert!(unable.error().contains("does not serve workflows"), "{unable:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_what_to_do() {
    let world = World::new().await;
    let none = world.submit(json!({"workflow_id": "w"})).await;
    assert_eq!((none.status, none.header("retry-after")), (503, Some("5")));
    assert!(none.error().contains("no connected node serves workflows"));
    let _node = world.node("a").await;
    let none = world.submit(json!({"command": "unheard"})).await;
    assert_eq!(none.status, 503);
    assert!(none.error().contains(r#"command "unheard""#), "{none:?}");
    let unknown = world.submit(json!({"workflow_id": "w", "node_id": "x"})).await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.error().contains("GET /api/nodes"));

    for (body, text) in [
        ("", "must be a JSON object"),
        ("[1]", "must be a JSON object"),
        ("{", "EOF"),
        (r#"{"workflow":"w"}"#, "unknown field `workflow`"),
        (r#"{"workflow_id":1}"#, "expected a string"),
        (r#"{}"#, "`workflow_id`, `graph` or `command` is missing"),
        (r#"{"workflow_id":null}"#, "is missing"),
        (r#"{"workflow_id":"w","command":"c"}"#, "only one of"),
        (r#"{"workflow_id":"w","args":{}}"#, "a workflow takes `params`"),
        (r#"{"command":"c","params":{}}"#, "a command takes `args`"),
        (r#"{"workflow_id":"w","params":[]}"#, "`params` must be an object"),
        (r#"{"graph":"g"}"#, "`graph` must be an object"),
        (r#"{"workflow_id":"w","request_id":""}"#, "`request_id` must have 1 to 256 bytes"),
        (r#"{"workflow_id":"w","request_id":"a\nb"}"#, "no control characters"),
    ] {
        let reply = world.call("POST", "/api/requests", body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.error().contains(text), "{body}: {reply:?}");
    }
}

#[tokio::test]
async fn a_request_id_makes_submitting_safe_to_repeat() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    let body = json!({"workflow_id": "w", "params": {"x": 1}, "request_id": "r"});
    assert_eq!(world.submit(body.clone()).await.status, 202);
    node.hear().await;
    let again = world.submit(body.clone()).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("sent")));
    let other =
        world.submit(json!({"workflow_id": "w", "params": {"x": 2}, "request_id": "r"})).await;
    assert_eq!(other.status, 409);
    assert!(other.error().contains("was used for other content"));

    node.complete("r", json!({"y": 2})).await;
    let known = world.submit(body).await;
    assert_eq!((known.status, &known.json()["result"]), (200, &json!({"y": 2})));
    // A second answer changes nothing, and the node hears again that the first is kept.
    node.complete("r", json!({"y": 3})).await;
    let info = world.client.result("r", None).await.unwrap();
    assert_eq!(info.result.unwrap().get(), r#"{"y":2}"#);
}

#[tokio::test]
async fn a_long_poll_waits_for_the_answer() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    world.submit(json!({"workflow_id": "w", "request_id": "r"})).await;
    node.hear().await;

    let begun = Instant::now();
    let info = world.client.result("r", Some(Duration::from_millis(100))).await.unwrap();
    assert_eq!(info.status, Status::Sent);
    assert!(begun.elapsed() >= Duration::from_millis(100));

    let client = world.client.clone();
    let waiting =
        tokio::spawn(async move { client.result("r", Some(Duration::from_secs(8))).await });
    node.accept("r").await;
    node.complete("r", json!({})).await;
    let info = crate::support::soon(waiting).await.unwrap().unwrap();
    assert_eq!(info.status, Status::Completed);

    for wait in ["x", "-1", "NaN"] {
        let reply = world.call("GET", &format!("/api/requests/r?wait={wait}"), "").await;
        assert_eq!(reply.status, 400, "{wait}");
    }
    assert_eq!(world.call("GET", "/api/requests/unheard", "").await.status, 404);
    assert_eq!(world.call("GET", "/api/requests/%FF", "").await.status, 400);
}

#[tokio::test]
async fn only_health_is_open_to_everyone() {
    let world = World::new().await;
    assert_eq!(call(world.address, "GET", "/health", &[], b"").await.status, 200);
    for (method, path) in [
        ("GET", "/ready"),
        ("GET", "/api/nodes"),
        ("GET", "/api/requests"),
        ("POST", "/api/requests"),
        ("GET", "/api/requests/r"),
        ("GET", "/api/requests/r/events"),
        ("GET", "/nowhere"),
    ] {
        for token in [None, Some("Bearer wrong"), Some("Bearer "), Some("s3cret")] {
            let headers: Vec<_> =
                token.iter().map(|token| ("Authorization", (*token).to_owned())).collect();
            let reply = call(world.address, method, path, &headers, b"").await;
            assert_eq!(reply.status, 401, "{method} {path} {token:?}");
            assert!(reply.error().contains("Authorization: Bearer TOKEN"));
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(world.call("GET", "/nowhere", "").await.status, 404);
    assert_eq!(world.call("DELETE", "/api/nodes", "").await.status, 405);
}

#[tokio::test]
async fn a_large_body_is_refused_clearly() {
    let world = World::new().await;
    let _node = world.node("a").await;
    let large = json!({"workflow_id": "w", "params": {"x": "y".repeat(25 << 20)}}).to_string();
    let reply = world.call("POST", "/api/requests", &large).await;
    assert_eq!(reply.status, 413);
    assert!(reply.error().contains("larger than 26214400 bytes"), "{reply:?}");
    let submission =
        Submission::workflow("w").input(raw(&format!(r#"{{"x":"{}"}}"#, "y".repeat(25 << 20))));
    match world.client.submit(&submission).await {
        Err(ClientError::Refused { status: 413, error, .. }) => assert!(error.contains("larger")),
        other => panic!("{other:?}"),
    }

    // Small enough for the body, too large for a message with everything around it.
    let close =
        json!({"workflow_id": "w", "params": {"x": "y".repeat((25 << 20) - 100)}}).to_string();
    let reply = world.call("POST", "/api/requests", &close).await;
    assert_eq!(reply.status, 413);
    assert!(reply.error().contains("does not fit a message"), "{reply:?}");

    let chunked =
        [("Authorization", format!("Bearer {TOKEN}")), ("Transfer-Encoding", "chunked".to_owned())];
    let body = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let reply = call(world.address, "POST", "/api/requests", &chunked, body.as_bytes()).await;
    assert_eq!(reply.status, 413, "of unknown size, until it was too large");

    let expecting = [
        ("Authorization", format!("Bearer {TOKEN}")),
        ("Expect", "100-continue".to_owned()),
        ("Content-Length", "99999999".to_owned()),
    ];
    let reply = call(world.address, "POST", "/api/requests", &expecting, b"").await;
    assert_eq!(reply.status, 413, "without having been asked for the body");
}

#[tokio::test]
async fn requests_are_listed_in_pages() {
    let world = World::new().await;
    let mut node = world.node("a").await;
    for number in 0..5 {
        world.submit(json!({"workflow_id": "w", "request_id": format!("r{number}")})).await;
        node.hear().await;
    }
    node.complete("r2", json!({"large": true})).await;
    let ids = |page: &Value| {
        let requests = page["requests"].as_array().unwrap();
        requests
            .iter()
            .map(|one| one["request_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let page = world.call("GET", "/api/requests?limit=3", "").await.json();
    assert_eq!(ids(&page), ["r4", "r3", "r2"]);
    assert!(page["requests"][2].get("result").is_none());
    let next = page["next"].as_str().unwrap();
    let page = world.call("GET", &format!("/api/requests?limit=3&before={next}"), "").await.json();
    assert_eq!((ids(&page), &page["next"]), (vec!["r1".to_owned(), "r0".to_owned()], &Value::Null));

    let page = world.call("GET", "/api/requests?status=completed&node_id=a", "").await.json();
    assert_eq!(ids(&page), ["r2"]);
    assert_eq!(ids(&world.call("GET", "/api/requests?node_id=b", "").await.json()), [""; 0]);
    for query in ["status=odd", "limit=0", "limit=501", "before=x", "color=red"] {
        let reply = world.call("GET", &format!("/api/requests?{query}"), "").await;
        assert_eq!(reply.status, 400, "{query}: {reply:?}");
        reply.error();
    }
}

#[tokio::test]
async fn what_is_in_flight_is_bounded() {
    let world = World::with(|config| {
        config.limits.in_flight = 2;
        config.limits.unaccepted_bytes = 100;
    })
    .await;
    let mut node = world.node("a").await;
    let big = json!({"workflow_id": "w", "params": {"x": "y".repeat(100)}});
    let reply = world.submit(big).await;
    assert_eq!(reply.status, 503);
    assert!(reply.error().contains("too many bytes"), "{reply:?}");
    for id in ["r1", "r2"] {
        assert_eq!(world.submit(json!({"workflow_id": "w", "request_id": id})).await.status, 202);
        node.hear().await;
    }
    let reply = world.submit(json!({"workflow_id": "w"})).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));
    assert!(reply.error().contains("2 requests are in flight"), "{reply:?}");
    node.complete("r1", json!({})).await;
    assert_eq!(world.submit(json!({"workflow_id": "w"})).await.status, 202);
}

#[tokio::test]
async fn the_client_says_what_is_wrong_with_a_gateway() {
    let text = |url: &str| Client::new(url, None).unwrap_err().to_string();
    assert!(text("https://gateway.example").contains("does not speak https"));
    assert!(text("ws://gateway.example").contains("begins with http://"));
    assert!(text("gateway:8080").contains("begins with http://"));
    assert!(text("nonsense").contains("is not a URL like"));
    let bad_token = Client::new("http://x", Some("a\nb".to_owned().into())).unwrap_err();
    assert_eq!(bad_token, ClientError::Token);

    let world = World::new().await;
    let nobody = Client::new(&format!("http://{}", world.address), None).unwrap();
    match nobody.nodes().await {
        Err(ClientError::Refused { status: 401, error, .. }) => assert!(error.contains("no token")),
        other => panic!("{other:?}"),
    }
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let nowhere = Client::new(&format!("http://{address}"), None).unwrap();
    assert!(matches!(nowhere.nodes().await, Err(ClientError::Connect { .. })));
}
