//! Futures dropped at every one of their waits.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use clawnode_protocol::peer::FromNode;
use clawnode_runtime::{
    CallFailed, Connection, Context, Event, Failed, HostStats, NoArgs, Publication, Runtime,
    Update, to_object,
};
use clawnode_runtimes::{Gateway, Said, soon, within, yield_now};
use futures_util::FutureExt;
use macro_rules_attribute::apply;
use serde_json::json;

use super::handlers::{Endless, becomes};
use super::{Running, builder, echo};
use crate::Tested;

/// Polls at most this often; `None` when the future was dropped before its end.
async fn at_most<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

#[apply(async_test)]
async fn a_run_dropped_at_any_wait_leaves_nothing_behind() {
    for polls in 0..24 {
        let gateway = Gateway::bind().await;
        let endless = Endless::default();
        let node = endless.serve(builder(&gateway)).build().unwrap();
        let handle = node.handle();
        let serve = async {
            let mut connection = gateway.accept().await;
            if let Said::Message(FromNode::Registered(_)) = connection.next().await {
                connection.command("1", "endless", json!({}));
                connection.closed().await;
            }
        };
        let run = at_most(polls, node.run());
        // Until it has idled for a while, or as long as the gateway still sees the connection.
        let run = async { within(Duration::from_millis(60), run).await.is_some() };
        let serve = within(Duration::from_millis(500), serve);
        let (_, _) = tokio::join!(serve, run);
        assert_eq!(handle.connection(), Connection::Stopped, "after {polls} polls");
        let mut late = handle.events();
        assert!(matches!(late.next().await, Some(Event::Connection(Connection::Stopped))));
        assert!(late.next().await.is_none());
        // Every handler that was started has gone.
        becomes(&endless.dropped, endless.started.load(Ordering::SeqCst)).await;
    }
}

#[apply(async_test)]
async fn an_update_is_sent_wholly_or_not_at_all() {
    let gateway = Gateway::bind().await;
    let _node = Running::start(builder(&gateway).command(
        "drop",
        |context: Context, _: NoArgs| async move {
            let mut sent = 0;
            for count in 0..300 {
                let update = Update::new("count", to_object(&json!({ "count": count }))?);
                if at_most(1, context.progress(update)).await.is_some() {
                    sent += 1;
                } else {
                    yield_now().await;
                }
            }
            Ok::<_, Failed>(json!({ "sent": sent }))
        },
    ));
    let mut connection = gateway.accept_node().await;
    connection.command("1", "drop", json!({}));
    let answer = connection.answer("1").await;
    assert_eq!(answer.result()["sent"], answer.progress.len());
    let counts: Vec<u64> =
        answer.progress.iter().map(|data| data["count"].as_u64().unwrap()).collect();
    assert!(counts.is_sorted());
}

#[apply(async_test)]
async fn dropped_waits_for_events_lose_none() {
    let gateway = Gateway::bind().await;
    let node = Running::start(builder(&gateway));
    let mut events = node.handle.events();
    let connection = gateway.accept_node().await;
    for count in 0..50 {
        connection.custom(&format!(r#"{{"type":"n","count":{count}}}"#));
    }
    let mut seen = 0;
    while seen < 50 {
        match at_most(1, events.next()).await {
            Some(Some(Event::Custom { text, .. })) => {
                assert!(text.ends_with(&format!(":{seen}}}")), "{text}");
                seen += 1;
            }
            Some(event) => assert!(matches!(event, Some(Event::Connection(_))), "{event:?}"),
            None => yield_now().await,
        }
    }
}

/// Dropped before it began, at each of its waits, or not at all: a message arrives once or never, and in its place.
#[apply(async_test)]
async fn dropped_custom_messages_are_sent_once_or_not_at_all() {
    let gateway = Gateway::bind().await;
    let node = Running::start(builder(&gateway));
    let mut connection = gateway.accept_node().await;
    while node.handle.connection() != Connection::Ready {
        yield_now().await;
    }
    let mut known = Vec::new();
    for count in 0..60_u64 {
        let text = format!(r#"{{"type":"n","count":{count}}}"#);
        let polls = usize::try_from(count % 4).unwrap();
        match at_most(polls, node.handle.send_custom(text)).await {
            Some(sent) => sent.map(|()| known.push((count, true))).unwrap(),
            None if polls == 0 => known.push((count, false)),
            None => {}
        }
    }
    soon(node.handle.send_custom(r#"{"type":"last"}"#)).await.unwrap();
    let mut counts: Vec<u64> = Vec::new();
    loop {
        if let Said::Message(FromNode::Custom { kind, text }) = connection.next().await {
            if kind == "last" {
                break;
            }
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
            counts.push(message["count"].as_u64().unwrap());
        }
    }
    assert!(counts.is_sorted_by(|a, b| a < b), "none twice, none out of order: {counts:?}");
    for (count, sent) in known {
        assert_eq!(counts.contains(&count), sent, "{count} in {counts:?}");
    }
}

/// What a nodetool gateway does not know of either disturbs nothing, wherever it is dropped.
#[apply(async_test)]
async fn dropped_calls_and_publications_break_nothing() {
    let gateway = Gateway::bind().await;
    let node = Running::start(builder(&gateway).command("echo", echo));
    let mut connection = gateway.accept_node().await;
    while node.handle.connection() != Connection::Ready {
        yield_now().await;
    }
    for polls in 0..4 {
        let call = node.handle.call::<str, serde_json::Value>("skills.bins", "");
        if let Some(called) = at_most(polls, call).await {
            assert!(matches!(called, Err(CallFailed::NoCalls)), "{called:?}");
        }
        let stats = Publication::HostStats(HostStats {
            cpu_count: 2,
            load_average: [0.0; 3],
            memory_total_bytes: 2,
            memory_free_bytes: 1,
            disk_total_bytes: 2,
            disk_available_bytes: 1,
        });
        if let Some(published) = at_most(polls, node.handle.publish(stats)).await {
            published.unwrap();
        }
    }
    connection.command("1", "echo", json!({}));
    connection.answer("1").await.result();
}

#[apply(async_test)]
async fn a_dropped_wait_for_cancellation_loses_nothing() {
    let gateway = Gateway::bind().await;
    let (seen, began) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, begin) = (Arc::clone(&seen), Arc::clone(&began));
    let node =
        Running::start(builder(&gateway).command("wait", move |context: Context, _: NoArgs| {
            let (count, begin) = (Arc::clone(&count), Arc::clone(&begin));
            async move {
                // A task beside the handler outlives it.
                Tested.spawn(async move {
                    for _ in 0..10 {
                        assert_eq!(context.cancelled().now_or_never(), None);
                    }
                    begin.fetch_add(1, Ordering::SeqCst);
                    context.cancelled().await;
                    context.cancelled().now_or_never().expect("it stays cancelled");
                    count.fetch_add(1, Ordering::SeqCst);
                });
                std::future::pending::<Result<serde_json::Value, Failed>>().await
            }
        }));
    let connection = gateway.accept_node().await;
    connection.command("1", "wait", json!({}));
    becomes(&began, 1).await;
    node.abort();
    becomes(&seen, 1).await;
}

#[apply(async_test)]
async fn cancelled_handlers_are_dropped_at_once() {
    let gateway = Gateway::bind().await;
    let endless = Endless::default();
    let node = Running::start(endless.serve(builder(&gateway)));
    let connection = gateway.accept_node().await;
    for request in 0..10 {
        connection.command(&request.to_string(), "endless", json!({}));
    }
    becomes(&endless.started, 10).await;
    node.abort();
    becomes(&endless.dropped, 10).await;
}
