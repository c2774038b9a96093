//! Our node passes. A node that does one thing wrong fails exactly the checks that are about it.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clawnode_conformance::{Call, NodeUnderTest, Report, Selection, Status, check_node};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

/// A fault of `examples/wrong_node.rs`, and the checks that catch it, without `node.`.
const FAULTS: &[(&str, &[&str])] = &[
    ("speaks-first", &["registers"]),
    ("wrong-types", &["registration-fields"]),
    ("no-token", &["token"]),
    ("local-time", &["timestamps"]),
    ("naive-time", &["timestamp-zone"]),
    ("no-heartbeats", &["heartbeat", "one-heartbeat"]),
    ("doubled-heartbeats", &["one-heartbeat"]),
    ("knows-everything", &["unknown-command"]),
    (
        "answers-twice",
        &["unknown-command", "command", "extra-fields", "repeated-request", "pipelined"],
    ),
    ("no-ack", &["ack-first"]),
    ("anonymous-errors", &["invalid-request"]),
    ("ignores-malformed", &["malformed-json"]),
    ("closes-on-malformed", &["malformed-json", "not-an-object", "binary-message"]),
    ("closes-on-unknown-type", &["unknown-type"]),
    ("strict-fields", &["extra-fields"]),
    ("refuses-naive-times", &["timestamp-forms"]),
    ("mangles-unicode", &["unicode"]),
    ("runs-twice", &["repeated-request"]),
    ("small-messages", &["big-message"]),
    ("forgets-the-many", &["pipelined"]),
    ("completes-everything", &["workflow", "workflow-failure"]),
    ("ignores-pings", &["ping", "ping-while-busy"]),
    ("blocks", &["ping-while-busy"]),
    ("no-fragments", &["fragmented"]),
    ("unmasked", &["masked"]),
    ("one-mask", &["masked"]),
    ("invalid-utf8", &["frames"]),
    ("reads-masked", &["refuses-masked"]),
    ("reads-invalid-utf8", &["refuses-invalid-utf8"]),
    ("no-close-frame", &["close-handshake"]),
    ("new-names", &["reconnects"]),
    ("hammers", &["backoff", "unauthorized"]),
    ("loses-late-answers", &["late-answer"]),
    ("trusts-the-network", &["unconfirmed-answer"]),
    ("dies-on-sigterm", &["sigterm"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_node_passes_every_check_of_nodes_with_commands() {
    let mut node = NodeUnderTest::new(format!("{} {{url}}", example("echo_node").display()));
    node.heartbeat_interval = Some(Duration::from_millis(500));
    node.pace.jobs = 8;
    let report = check_node(with_commands(node), &Selection::all()).await;
    let skipped: Vec<_> = report.with(Status::Skipped).map(|result| result.check.id).collect();
    assert!(report.passed && report.count(Status::Failed) == 0, "{report}");
    assert_eq!(skipped, ["node.workflow", "node.workflow-failure"], "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_caught_by_the_checks_of_its_matter_and_no_others() {
    // Without a fault nothing fails, and nothing is left out.
    let right = check("").await;
    assert!(right.passed && right.count(Status::Passed) == right.results.len(), "{right}");

    let reports = FAULTS.iter().map(|(fault, expected)| async move {
        let report = check(fault).await;
        let expected = expected.iter().map(|id| format!("node.{id}")).collect::<BTreeSet<_>>();
        (failed(&report) != expected).then(|| format!("{fault}, not {expected:?}:\n{report}"))
    });
    let surprises: Vec<String> =
        stream::iter(reports).buffer_unordered(6).filter_map(|one| async { one }).collect().await;
    assert!(surprises.is_empty(), "{}", surprises.join("\n\n"));

    // Every check has a fault that it catches.
    let caught: BTreeSet<_> = FAULTS.iter().flat_map(|(_, checks)| *checks).copied().collect();
    let all: BTreeSet<_> = clawnode_conformance::node_checks()
        .map(|check| check.id.trim_start_matches("node."))
        .collect();
    assert_eq!(caught, all);
}

async fn check(fault: &str) -> Report {
    let mut node =
        NodeUnderTest::new(format!("{} {{url}} {fault}", example("wrong_node").display()));
    node.heartbeat_interval = Some(Duration::from_millis(200));
    node.workflows = true;
    node.pace.patience = Duration::from_secs(10);
    node.pace.settle = Duration::from_millis(150);
    node.pace.jobs = 8;
    check_node(with_commands(node), &Selection::all()).await
}

/// What both examples serve, and a token that a URL or a shell could spoil.
fn with_commands(mut node: NodeUnderTest) -> NodeUnderTest {
    node.token = Some("s3/cr+t=".to_owned().into());
    node.quick = Some(Call::new("echo", json!({"text": "hello"})));
    node.slow = Some(Call::new("sleep", json!({"seconds": 1.0})));
    node.unique = Some(Call::new("count", json!({})));
    node
}

fn failed(report: &Report) -> BTreeSet<String> {
    report.with(Status::Failed).map(|result| result.check.id.to_owned()).collect()
}

/// `cargo test` builds the examples beside the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a place");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    let program = folder.join("examples").join(name);
    assert!(program.exists(), "first: cargo build -p clawnode-conformance --examples");
    program
}
