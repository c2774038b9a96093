use std::future::pending;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use clawnode_runtime::{
    Context, Event, Failed, NoArgs, Request, RequestEvent, RequestOutcome, SendError,
};
use clawnode_runtimes::{Gateway, Said, soon};
use macro_rules_attribute::apply;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use super::handlers::{Endless, becomes};
use super::{Running, builder, echo};

#[apply(async_test)]
async fn an_authorization_lets_in_refuses_and_never_takes_the_node_with_it() {
    let gateway = Gateway::bind().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let _node = Running::start(
        builder(&gateway)
            .user_id("owner")
            .command("echo", echo)
            .command("shutdown", echo)
            .command("panic", echo)
            .workflows(|_, _| async { Ok::<Value, Failed>(json!({ "ran": true })) })
            .authorize(move |request: Arc<Request>| {
                seen.lock().unwrap().push(Arc::clone(&request));
                async move {
                    match (request.command.as_deref(), request.workflow_id.as_deref()) {
                        (Some("shutdown"), _) => Err(format!("{} may not", request.user_id)),
                        (Some("panic"), _) => panic!("undecided"),
                        (None, Some("forbidden")) => Err("not this workflow".to_owned()),
                        _ => Ok(()),
                    }
                }
            }),
    );
    let mut connection = gateway.accept_node().await;
    for (name, error) in [
        ("shutdown", "this node could not take the request: owner may not"),
        ("panic", "this node could not take the request: the authorization failed"),
    ] {
        connection.command(name, name, json!({ "a": 1 }));
        let answer = connection.answer(name).await;
        assert_eq!((answer.accepted, answer.error()), (false, error));
    }
    connection.workflow("forbidden", "forbidden", json!({}));
    let answer = connection.answer("forbidden").await;
    assert_eq!(answer.error(), "this node could not take the request: not this workflow");
    connection.workflow("allowed", "allowed", json!({}));
    assert_eq!(connection.answer("allowed").await.result(), json!({ "ran": true }));
    connection.command("echo", "echo", json!({ "a": 1 }));
    assert_eq!(connection.answer("echo").await.result(), json!({ "echo": { "a": 1 } }));
    assert_eq!(asked.lock().unwrap().len(), 5, "each once");
}

#[apply(async_test)]
async fn a_decision_that_takes_its_time_keeps_nobody_else_waiting() {
    let gateway = Gateway::bind().await;
    let decide = Arc::new(Notify::new());
    let decided = Arc::clone(&decide);
    let node = Running::start(
        builder(&gateway).command("slow", echo).command("quick", echo).authorize(move |request| {
            let decided = Arc::clone(&decided);
            async move {
                match request.command.as_deref() {
                    Some("slow") => decided.notified().await,
                    Some("never") => pending().await,
                    _ => {}
                }
                Ok::<_, Failed>(())
            }
        }),
    );
    let mut connection = gateway.accept_node().await;
    connection.command("slow", "slow", json!({}));
    connection.command("never", "never", json!({}));
    connection.command("quick", "quick", json!({}));
    connection.answer("quick").await.result();
    assert!(node.handle.in_flight().is_empty(), "what is not let in does not run");
    decide.notify_one();
    connection.answer("slow").await.result();
    node.handle.stop(Duration::ZERO);
    let answer = connection.answer("never").await;
    assert_eq!(answer.error(), "the node stopped before the work was done");
    node.stopped().await;
}

#[apply(async_test)]
async fn a_decision_that_never_comes_is_a_refusal() {
    let gateway = Gateway::bind().await;
    let _node = Running::start(
        builder(&gateway)
            .command("echo", echo)
            .authorize(|_| async { pending::<Result<(), String>>().await }),
    );
    let mut connection = gateway.accept_node().await;
    let before = Instant::now();
    connection.command("1", "echo", json!({}));
    let answer = connection.answer("1").await;
    assert_eq!(
        answer.error(),
        "this node could not take the request: the authorization took too long"
    );
    assert!(before.elapsed() >= Duration::from_secs(10));
}

fn told(event: RequestEvent) -> String {
    match event {
        RequestEvent::Started(request) => format!("{} started", request.request_id),
        RequestEvent::Refused { request, reason, .. } => {
            format!("{} refused: {reason}", request.request_id)
        }
        RequestEvent::Ended { request, outcome, .. } => {
            let how = match outcome {
                RequestOutcome::Completed => "completed",
                RequestOutcome::Failed => "failed",
                _ => "cancelled",
            };
            format!("{} {how}", request.request_id)
        }
        other => format!("{other:?}"),
    }
}

#[apply(async_test)]
async fn an_observer_hears_of_every_request_and_may_panic_and_block() {
    let gateway = Gateway::bind().await;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&lines);
    let (block, blocked) = mpsc::channel::<()>();
    let endless = Endless::default();
    let described = builder(&gateway)
        .command("echo", echo)
        .command("fail", |_, _: NoArgs| async { Err::<Value, _>(Failed::new("no")) })
        .command("forbidden", echo)
        .authorize(|request: Arc<Request>| async move {
            match request.command.as_deref() {
                Some("forbidden") => Err("not you"),
                _ => Ok(()),
            }
        })
        .observe(move |event| {
            let line = told(event);
            // Until the other end is dropped.
            let _ = blocked.recv();
            heard.lock().unwrap().push(line.clone());
            assert_ne!(line, "echo started", "a panic");
        });
    let node = Running::start(endless.serve(described));
    let mut connection = gateway.accept_node().await;
    for name in ["echo", "fail", "forbidden", "none"] {
        connection.command(name, name, json!({}));
        connection.answer(name).await;
    }
    connection.command("endless", "endless", json!({}));
    becomes(&endless.started, 1).await;
    node.handle.stop(Duration::ZERO);
    connection.closed().await;
    assert!(lines.lock().unwrap().is_empty(), "it has blocked so far, and stopped nobody");
    drop(block);
    node.stopped().await;
    let unknown = "unknown command `none`; this node serves: echo, endless, endless-blocking, fail, forbidden";
    assert_eq!(
        *lines.lock().unwrap(),
        [
            "echo started".to_owned(),
            "echo completed".to_owned(),
            "fail started".to_owned(),
            "fail failed".to_owned(),
            "forbidden refused: not you".to_owned(),
            format!("none refused: {unknown}"),
            "endless started".to_owned(),
            "endless cancelled".to_owned(),
        ]
    );
}

#[apply(async_test)]
async fn a_handle_lists_what_runs() {
    let gateway = Gateway::bind().await;
    let go = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&go);
    let before = Instant::now();
    let node = Running::start(builder(&gateway).user_id("owner").command(
        "wait",
        move |context: Context, _: NoArgs| {
            let wait = Arc::clone(&wait);
            async move {
                wait.acquire().await.unwrap().forget();
                Ok::<_, Failed>(json!({ "user": context.request().user_id }))
            }
        },
    ));
    let mut connection = gateway.accept_node().await;
    assert!(node.handle.in_flight().is_empty());
    for id in ["1", "2"] {
        connection.command(id, "wait", json!({}));
        connection.next().await;
    }
    let running = async {
        while node.handle.in_flight().len() < 2 {
            clawnode_runtimes::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(running).await;
    for (running, id) in node.handle.in_flight().iter().zip(["1", "2"]) {
        let Request { request_id, user_id, command, .. } = &*running.request;
        let about = (request_id.as_str(), user_id.as_str(), command.as_deref());
        assert_eq!(about, (id, "owner", Some("wait")));
        assert!((before..=Instant::now()).contains(&running.since));
    }
    go.add_permits(2);
    for _ in 0..2 {
        while !matches!(
            connection.next().await,
            Said::Message(clawnode_protocol::peer::FromNode::Answered { .. })
        ) {}
    }
    assert!(node.handle.in_flight().is_empty());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Own {
    Question { text: String, weight: f64 },
}

#[apply(async_test)]
async fn messages_of_ones_own_types_go_both_ways() {
    let gateway = Gateway::bind().await;
    let node = Running::start(builder(&gateway));
    let mut events = node.handle.events();
    let connection = gateway.accept_node().await;
    let question = |weight| Own::Question { text: "why".to_owned(), weight };
    while !matches!(
        soon(events.next()).await,
        Some(Event::Node(clawnode_runtime::NodeEvent::Ready))
    ) {}
    node.handle.send_message(&question(0.5)).await.unwrap();
    connection.custom(r#"{"type":"question","text":"why","weight":0.5}"#);
    connection.custom(r#"{"type":"other"}"#);
    let mut messages = Vec::new();
    while messages.len() < 2 {
        messages.extend(soon(events.next()).await.unwrap().message::<Own>());
    }
    assert_eq!(messages[0].as_ref().unwrap(), &question(0.5));
    let error = messages[1].as_ref().unwrap_err().to_string();
    assert!(error.contains("unknown variant `other`"), "{error}");
    let nan = node.handle.send_message(&question(f64::NAN)).await.unwrap_err();
    assert_eq!(
        nan.to_string(),
        "the message cannot be sent: it holds a number that JSON cannot express (NaN or infinity)"
    );
    assert_eq!(node.handle.send_message(&json!({})).await, Err(SendError::Invalid));
}
