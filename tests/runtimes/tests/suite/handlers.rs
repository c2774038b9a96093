use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use clawnode_protocol::Outcome;
use clawnode_protocol::peer::FromNode;
use clawnode_runtime::{Context, Failed, Limits, NoArgs};
use clawnode_runtimes::{Gateway, Said, sleep};
use macro_rules_attribute::apply;
use serde_json::json;

use super::{NodeBuilder, Running, builder, echo};

/// Every core gets four handlers that block, until others have been answered and the node has shown that it lives.
#[apply(async_test)]
async fn blockers_stop_neither_heartbeats_nor_other_commands() {
    let gateway = Gateway::bind().await;
    let blockers = 4 * std::thread::available_parallelism().unwrap().get();
    let running = Arc::new(AtomicUsize::new(0));
    let blocking = Arc::clone(&running);
    let (block, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let mut limits = Limits::default();
    limits.running = limits.running.max(blockers + 1);
    let _node = Running::start(
        builder(&gateway)
            .limits(limits)
            .heartbeat_interval(Duration::from_millis(50))
            .blocking_command("block", move |_, _: NoArgs| {
                blocking.fetch_add(1, Ordering::SeqCst);
                // Until the other end is dropped.
                let _ = blocked.lock().unwrap().recv();
                Ok::<_, Failed>(json!({}))
            })
            .command("echo", echo),
    );
    let mut connection = gateway.accept_node().await;
    for index in 0..blockers {
        connection.command(&format!("block-{index}"), "block", json!({}));
    }
    becomes(&running, blockers).await;
    connection.command("quick", "echo", json!({ "a": 1 }));
    assert_eq!(connection.answer("quick").await.result(), json!({ "echo": { "a": 1 } }));
    let mut heartbeats = 0;
    while heartbeats < 5 {
        match connection.next().await {
            Said::Message(FromNode::Alive { .. }) => heartbeats += 1,
            Said::Message(FromNode::Answered { request_id, .. }) => {
                panic!("{request_id} is blocked")
            }
            Said::Message(_) => {}
            Said::Closed(reason) => panic!("{reason}"),
        }
    }
    drop(block);
    let mut answers = 0;
    while answers < blockers {
        if let Said::Message(FromNode::Answered { .. }) = connection.next().await {
            answers += 1;
        }
    }
}

/// Two commands that never end: one waits and is dropped, the other blocks and looks whether it is cancelled.
#[derive(Clone, Default)]
pub(super) struct Endless {
    pub(super) started: Arc<AtomicUsize>,
    pub(super) dropped: Arc<AtomicUsize>,
    pub(super) cancelled: Arc<AtomicUsize>,
}

impl Endless {
    pub(super) fn serve(&self, builder: NodeBuilder) -> NodeBuilder {
        let (waiting, blocking) = (self.clone(), self.clone());
        builder
            .command("endless", move |_, _: NoArgs| {
                waiting.started.fetch_add(1, Ordering::SeqCst);
                let guard = CountDrop(Arc::clone(&waiting.dropped));
                async move {
                    let _guard = guard;
                    std::future::pending::<Result<serde_json::Value, Failed>>().await
                }
            })
            .blocking_command("endless-blocking", move |context: Context, _: NoArgs| {
                blocking.started.fetch_add(1, Ordering::SeqCst);
                while !context.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(5));
                }
                blocking.cancelled.fetch_add(1, Ordering::SeqCst);
                Err::<serde_json::Value, _>(Failed::new("cancelled"))
            })
    }
}

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) async fn becomes(counter: &AtomicUsize, expected: usize) {
    let reached = async {
        while counter.load(Ordering::SeqCst) != expected {
            sleep(Duration::from_millis(5)).await;
        }
    };
    super::soon(reached).await;
}

/// Only another thread holds what ends the wait, and it takes its time; the node alone holds the handler.
#[apply(async_test)]
async fn a_handler_that_waits_for_something_outside_is_answered() {
    let gateway = Gateway::bind().await;
    let (waiting, waits) = mpsc::channel();
    let _node = Running::start(builder(&gateway).command("wait", move |_, _: NoArgs| {
        let waiting = waiting.clone();
        async move {
            let (end, ended) = tokio::sync::oneshot::channel();
            waiting.send(end).expect("the other thread is there");
            Ok::<i32, Failed>(ended.await.expect("the other thread ends it"))
                .map(|it| json!({ "it": it }))
        }
    }));
    let other = std::thread::spawn(move || {
        for end in waits.iter().take(20).collect::<Vec<_>>() {
            end.send(7).expect("the handler waits");
        }
    });
    let mut connection = gateway.accept_node().await;
    for index in 0..20 {
        connection.command(&format!("wait-{index}"), "wait", json!({}));
    }
    let mut answers = 0;
    while answers < 20 {
        if let Said::Message(FromNode::Answered { outcome, .. }) = connection.next().await {
            assert!(matches!(outcome, Outcome::Completed(result) if result.get() == r#"{"it":7}"#));
            answers += 1;
        }
    }
    other.join().expect("it ends");
}
