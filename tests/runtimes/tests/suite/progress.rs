use crate::Tested;
use clawnode_runtime::{Context, Failed, NoArgs, ProgressError, Runtime, Update, to_object};
use clawnode_runtimes::{Gateway, Said, sleep, yield_now};
use macro_rules_attribute::apply;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Running, builder};

#[derive(Deserialize)]
struct Count {
    to: usize,
}

fn update(count: usize, padding: &str) -> Update {
    Update::new("count", to_object(&json!({ "count": count, "padding": padding })).unwrap())
}

fn counts(progress: &[Value]) -> Vec<u64> {
    progress.iter().map(|data| data["count"].as_u64().unwrap()).collect()
}

#[apply(async_test)]
async fn updates_keep_their_order_and_none_follows_the_answer() {
    let gateway = Gateway::bind().await;
    let _node = Running::start(
        builder(&gateway)
            .command("count", |context: Context, args: Count| async move {
                let late = context.clone();
                Tested.spawn(async move {
                    loop {
                        yield_now().await;
                        if late.progress(update(usize::MAX, "")).await == Err(ProgressError::Ended)
                        {
                            break;
                        }
                        sleep(std::time::Duration::from_millis(1)).await;
                    }
                });
                for count in 0..args.to {
                    context.progress(update(count, "")).await?;
                }
                Ok::<_, ProgressError>(json!({}))
            })
            .blocking_command("count-blocking", |context: Context, args: Count| {
                for count in 0..args.to {
                    context.progress_blocking(update(count, ""))?;
                }
                Ok::<_, ProgressError>(json!({}))
            }),
    );
    let mut connection = gateway.accept_node().await;
    for (name, extra) in [("count", true), ("count-blocking", false)] {
        connection.command(name, name, json!({ "to": 500 }));
        let answer = connection.answer(name).await;
        let seen = counts(&answer.progress);
        let own: Vec<u64> = seen.iter().copied().filter(|count| *count < 500).collect();
        assert_eq!(own, (0..500).collect::<Vec<u64>>());
        assert!(extra || own.len() == seen.len());
    }
    for _ in 0..3 {
        let said = connection.next().await;
        assert!(
            !matches!(said, Said::Message(clawnode_protocol::peer::FromNode::Progress { .. })),
            "{said:?}"
        );
    }
}

/// More than any buffer between them holds, and more than the node keeps for one request: handlers wait instead.
#[apply(async_test)]
async fn a_slow_gateway_makes_handlers_wait_and_loses_no_update() {
    let gateway = Gateway::bind().await;
    let node = Running::start(
        builder(&gateway).heartbeat_interval(std::time::Duration::from_secs(5)).command(
            "count",
            |context: Context, args: Count| async move {
                let padding = "x".repeat(16 << 10);
                for count in 0..args.to {
                    context.progress(update(count, &padding)).await?;
                }
                Ok::<_, ProgressError>(json!({}))
            },
        ),
    );
    let mut connection = gateway.accept_node().await;
    connection.read(false);
    connection.command("1", "count", json!({ "to": 1000 }));
    sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(node.handle.status().tally.running, 1, "the handler waits");
    connection.read(true);
    let answer = connection.answer("1").await;
    assert_eq!(counts(&answer.progress), (0..1000).collect::<Vec<u64>>());
    assert_eq!(node.handle.status().tally.updates_dropped, 0);
}

#[apply(async_test)]
async fn updates_must_be_objects() {
    let gateway = Gateway::bind().await;
    let _node = Running::start(builder(&gateway).command(
        "bad",
        |context: Context, _: NoArgs| async move {
            let array = serde_json::value::to_raw_value(&[1])?;
            let error = context.progress(Update::new("x", array)).await.unwrap_err();
            assert_eq!(error, ProgressError::NotAnObject);
            context.try_progress(update(1, ""))?;
            Ok::<_, Failed>(json!({}))
        },
    ));
    let mut connection = gateway.accept_node().await;
    connection.command("1", "bad", json!({}));
    let answer = connection.answer("1").await;
    assert_eq!((counts(&answer.progress), answer.result()), (vec![1], json!({})));
}
