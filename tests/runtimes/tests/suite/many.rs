//! Many requests, and many nodes, at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::Outcome;
use clawnode_protocol::peer::FromNode;
use clawnode_runtime::{Context, Failed, Limits, NoArgs, StopReason};
use clawnode_runtimes::{Gateway, Said};
use macro_rules_attribute::apply;
use serde_json::json;
use tokio::sync::Barrier;

use super::{Running, builder, echo};

/// None ends before all have begun, so all of them run at once.
#[apply(async_test)]
async fn a_thousand_requests_run_at_once_and_each_is_answered_once() {
    const ALL: usize = 1000;
    let gateway = Gateway::bind().await;
    let mut limits = Limits::default();
    limits.running = ALL;
    let all_there = Arc::new(Barrier::new(ALL));
    let patient = builder(&gateway).heartbeat_interval(Duration::from_secs(5)).limits(limits);
    let node = Running::start(patient.command("meet", move |context: Context, _: NoArgs| {
        let all_there = Arc::clone(&all_there);
        async move {
            all_there.wait().await;
            Ok::<_, Failed>(json!({ "request": context.request_id() }))
        }
    }));
    let mut connection = gateway.accept_node().await;
    for request in 0..ALL {
        connection.command(&request.to_string(), "meet", json!({}));
    }
    let mut answers = BTreeMap::new();
    while answers.len() < ALL {
        match connection.next().await {
            Said::Message(FromNode::Answered { request_id, outcome, .. }) => {
                let Outcome::Completed(result) = outcome else { panic!("{outcome:?}") };
                assert_eq!(result.get(), json!({ "request": request_id }).to_string());
                assert!(answers.insert(request_id.clone(), ()).is_none(), "{request_id} again");
            }
            Said::Message(_) => {}
            Said::Closed(reason) => panic!("{reason}"),
        }
    }
    // Nothing follows that would be an answer twice.
    connection.command("last", "none", json!({}));
    connection.answer("last").await;
    assert_eq!(node.handle.status().tally.running, 0);
}

#[apply(async_test)]
async fn two_nodes_live_in_one_process_and_die_alone() {
    let gateways = [Gateway::bind().await, Gateway::bind().await];
    let [one, other] = [0, 1].map(|index| {
        let node = builder(&gateways[index]).node_id(format!("node-{index}"));
        Running::start(
            node.command("echo", echo).command("which", move |_, _: NoArgs| async move {
                Ok::<_, Failed>(json!({ "node": index }))
            }),
        )
    });
    let (mut first, registered) = gateways[0].accept_registered().await;
    assert_eq!(registered.node_id, "node-0");
    let (mut second, registered) = gateways[1].accept_registered().await;
    assert_eq!(registered.node_id, "node-1");
    // The same id to both is two requests.
    first.command("1", "which", json!({}));
    second.command("1", "which", json!({}));
    assert_eq!(first.answer("1").await.result(), json!({ "node": 0 }));
    assert_eq!(second.answer("1").await.result(), json!({ "node": 1 }));

    one.handle.stop(Duration::ZERO);
    first.closed().await;
    assert_eq!(one.stopped().await, StopReason::Requested);
    second.command("2", "echo", json!({ "still": "there" }));
    assert_eq!(second.answer("2").await.result(), json!({ "echo": { "still": "there" } }));
    drop(other);
    second.closed().await;
}
