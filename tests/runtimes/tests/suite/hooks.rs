use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use clawnode_runtime::openclaw::{Identity, Openclaw};
use clawnode_runtime::{
    Connection, Context, Event, Failed, InFlight, Limits, NoArgs, Request, RequestEvent,
    RequestOutcome, SendError, Update, to_object,
};
use clawnode_runtimes::{Gateway, soon};
use macro_rules_attribute::apply;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use super::handlers::{Endless, becomes};
use super::{NodeBuilder, Running, builder, echo};

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
    assert_eq!(states(&node), ["slow Authorizing", "never Authorizing"]);
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
    let node = Running::start(
        builder(&gateway)
            .command("echo", echo)
            .authorize(|_| async { pending::<Result<(), String>>().await })
            .authorization_timeout(Duration::from_millis(30)),
    );
    let mut connection = gateway.accept_node().await;
    let before = Instant::now();
    connection.command("1", "echo", json!({}));
    let answer = connection.answer("1").await;
    assert_eq!(
        answer.error(),
        "this node could not take the request: the authorization took too long"
    );
    assert!(before.elapsed() >= Duration::from_millis(30));
    assert!(node.handle.in_flight().is_empty());
}

/// As many decisions are under way as requests are owed, and one more request is refused without being asked about. A decision that
/// nobody waits for any more is dropped, and makes room.
#[apply(async_test)]
async fn as_many_decisions_as_the_bound_are_under_way_and_one_more_is_refused() {
    let gateway = Gateway::openclaw().await;
    let mut limits = Limits::default();
    limits.owed = 2;
    let (asked, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (asks, drops) = (Arc::clone(&asked), Arc::clone(&dropped));
    let node = Running::start(openclaw(&gateway).limits(limits).command("echo", echo).authorize(
        move |_| {
            asks.fetch_add(1, Ordering::SeqCst);
            let counts = CountsDrops(Arc::clone(&drops));
            async move {
                let _counts = counts;
                pending::<Result<(), String>>().await
            }
        },
    ));
    let mut connection = gateway.accept_node().await;
    for id in ["1", "2", "3"] {
        connection.command(id, "echo", json!({}));
    }
    let refusal = connection.answer("3").await;
    let most = "this node has 2 requests to answer already, as many as it takes; try again later";
    assert_eq!(refusal.error(), most);
    assert_eq!(states(&node), ["1 Authorizing", "2 Authorizing"]);
    becomes(&asked, 2).await;

    connection.cancel("1");
    becomes(&dropped, 1).await;
    assert_eq!(states(&node), ["2 Authorizing"]);
    connection.command("4", "echo", json!({}));
    becomes(&asked, 3).await;
    assert_eq!(states(&node), ["2 Authorizing", "4 Authorizing"]);
    node.handle.stop(Duration::ZERO);
    node.stopped().await;
}

fn openclaw(gateway: &Gateway) -> NodeBuilder {
    let device = Openclaw::node(Identity::from_seed([7; 32]), "1");
    builder(gateway).openclaw(device).token("t")
}

/// What is in flight, and how far.
fn states(node: &Running) -> Vec<String> {
    let in_flight = node.handle.in_flight();
    let shown = |one: &InFlight| format!("{} {:?}", one.request.request_id, one.state);
    in_flight.iter().map(shown).collect()
}

struct CountsDrops(Arc<AtomicUsize>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
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
        RequestEvent::Withdrawn(request) => format!("{} withdrawn", request.request_id),
        RequestEvent::Progress { request, kind, bytes } => {
            format!("{} {kind} of {bytes} bytes", request.request_id)
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
async fn an_observer_hears_of_progress_and_of_what_never_began() {
    let gateway = Gateway::openclaw().await;
    let mut limits = Limits::default();
    limits.running = 1;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&lines);
    let go = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&go);
    let described = openclaw(&gateway)
        .limits(limits)
        .command("work", move |context: Context, _: NoArgs| {
            let wait = Arc::clone(&wait);
            async move {
                for step in 1..=2 {
                    let news = to_object(&json!({ "step": step }))?;
                    context.progress(Update::new("step", news)).await?;
                }
                wait.acquire().await?.forget();
                Ok::<_, Failed>(json!({}))
            }
        })
        .observe(move |event| heard.lock().unwrap().push(told(event)));
    let node = Running::start(described);
    let mut connection = gateway.accept_node().await;
    connection.command("1", "work", json!({}));
    connection.command("2", "work", json!({}));
    are(&node, 2).await;
    connection.cancel("2");
    are(&node, 1).await;
    go.add_permits(1);
    connection.answer("1").await.result();
    node.handle.stop(Duration::ZERO);
    node.stopped().await;
    let lines = std::mem::take(&mut *lines.lock().unwrap());
    let (withdrawn, others): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.contains("withdrawn"));
    assert_eq!(withdrawn, ["2 withdrawn"]);
    let step = "1 step of 10 bytes";
    assert_eq!(others, ["1 started", step, step, "1 completed"]);
}

/// A handler with much to say to an observer that is busy.
#[apply(async_test)]
async fn progress_takes_half_of_the_room_and_one_more_is_missed() {
    const MOST: usize = 1024;
    for (updates, missed) in [(MOST, 0), (MOST + 1, 1)] {
        let gateway = Gateway::bind().await;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lines);
        let (block, blocked) = mpsc::channel::<()>();
        let begun = Arc::new(AtomicUsize::new(0));
        let (began, begins) = (Arc::clone(&begun), Arc::clone(&begun));
        let described = builder(&gateway)
            .command("work", move |context: Context, _: NoArgs| {
                let began = Arc::clone(&began);
                async move {
                    becomes(&began, 1).await;
                    for _ in 0..updates {
                        context.progress(Update::new("step", to_object(&json!({}))?)).await?;
                    }
                    Ok::<_, Failed>(json!({}))
                }
            })
            .observe(move |event| {
                begins.fetch_add(1, Ordering::SeqCst);
                // Until the other end is dropped.
                let _ = blocked.recv();
                heard.lock().unwrap().push(told(event));
            });
        let node = Running::start(described);
        let mut connection = gateway.accept_node().await;
        connection.command("1", "work", json!({}));
        connection.answer("1").await.result();
        drop(block);
        node.handle.stop(Duration::from_secs(5));
        node.stopped().await;
        let lines = std::mem::take(&mut *lines.lock().unwrap());
        let told = lines.iter().filter(|line| line.ends_with("bytes")).count();
        assert_eq!(told, MOST);
        let expected: &[&str] = match missed {
            0 => &["1 completed"],
            _ => &["Missed(1)", "1 completed"],
        };
        assert_eq!(lines[1 + MOST..], *expected);
    }
}

#[apply(async_test)]
async fn a_handle_lists_what_is_in_flight_and_how_far_it_is() {
    let gateway = Gateway::openclaw().await;
    let (go, decide) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (wait, decided) = (Arc::clone(&go), Arc::clone(&decide));
    let mut limits = Limits::default();
    limits.running = 2;
    let before = Instant::now();
    let described = openclaw(&gateway)
        .limits(limits)
        .command("wait", move |_, _: NoArgs| {
            let wait = Arc::clone(&wait);
            async move {
                wait.acquire().await.unwrap().forget();
                Ok::<_, Failed>(json!({}))
            }
        })
        .authorize(move |request: Arc<Request>| {
            let decided = Arc::clone(&decided);
            async move {
                if request.request_id == "5" {
                    decided.notified().await;
                }
                Ok::<_, Failed>(())
            }
        });
    let node = Running::start(described);
    let mut connection = gateway.accept_node().await;
    assert!(node.handle.in_flight().is_empty());
    for id in ["1", "2", "3", "4", "5"] {
        connection.command(id, "wait", json!({}));
        // One after the other, as what is decided first begins first.
        are(&node, id.parse().unwrap()).await;
    }
    let expected = ["1 Running", "2 Running", "3 Waiting", "4 Waiting", "5 Authorizing"];
    soon(async {
        while states(&node) != expected {
            clawnode_runtimes::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    for one in node.handle.in_flight() {
        assert_eq!(one.request.command.as_deref(), Some("wait"));
        assert!((before..=Instant::now()).contains(&one.since));
    }
    // What waits, and what is being decided, is gone when the gateway wants it no more.
    connection.cancel("3");
    connection.cancel("5");
    are(&node, 3).await;
    assert_eq!(states(&node), ["1 Running", "2 Running", "4 Waiting"]);
    go.add_permits(1);
    are(&node, 2).await;
    go.add_permits(2);
    connection.answer("4").await.result();
    are(&node, 0).await;
    decide.notify_one();
}

async fn are(node: &Running, count: usize) {
    soon(async {
        while node.handle.in_flight().len() != count {
            clawnode_runtimes::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
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
    while !matches!(soon(events.next()).await, Some(Event::Connection(Connection::Ready))) {}
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
