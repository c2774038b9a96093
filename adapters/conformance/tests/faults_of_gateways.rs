//! A gateway that does one thing wrong fails exactly the checks that are about it. The wrong gateway is a right one behind a proxy.

mod proxy;

use std::collections::BTreeSet;
use std::time::Duration;

use clawnode_conformance::{GatewayUnderTest, Report, Selection, Status, Submit, check_gateway};
use clawnode_gateway::{Config, Gateway};
use futures_util::{StreamExt as _, stream};

const TOKEN: &str = "s3cret";

/// A fault of the proxy, and the checks that catch it, without `gateway.`.
const FAULTS: &[(&str, &[&str])] = &[
    ("refuses-nodes", &["registration"]),
    ("accepts-any-token", &["wrong-token"]),
    ("header-only", &["token-in-query"]),
    ("accepts-any-upgrade", &["bad-upgrade"]),
    ("errors-at-heartbeats", &["heartbeats", "timestamp-forms", "extra-fields", "fragmented"]),
    ("refuses-naive-times", &["timestamp-forms"]),
    ("strict-fields", &["extra-fields"]),
    ("closes-on-unknown-type", &["unknown-type"]),
    ("closes-on-malformed", &["malformed-message"]),
    ("closes-on-unasked", &["unasked-answer"]),
    ("one-node", &["several-nodes"]),
    ("two-of-a-name", &["same-node-id"]),
    ("cuts-second-registration", &["register-again"]),
    ("ignores-long-pings", &["ping"]),
    ("no-fragments", &["fragmented"]),
    ("reads-unmasked", &["unmasked"]),
    ("reads-reserved", &["reserved-bits"]),
    ("reads-invalid-utf8", &["invalid-utf8"]),
    ("waits-for-the-oversize", &["oversize"]),
    ("masks", &["no-masks"]),
    ("keeps-tcp-open", &["close-handshake"]),
    ("args-as-text", &["request"]),
    ("loses-answers", &["answer", "failure", "acknowledges", "repeated-answer", "late-answer"]),
    ("completes-everything", &["failure"]),
    ("no-acks", &["acknowledges"]),
    ("last-answer-wins", &["repeated-answer"]),
    ("forgets-unaccepted", &["repeats-unaccepted"]),
    ("forgets-late", &["late-answer"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_gateway_passes_every_check() {
    let address = gateway().await;
    let report = check(format!("ws://{address}"), address, 8).await;
    assert!(report.passed && report.count(Status::Passed) == report.results.len(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_caught_by_the_checks_of_its_matter_and_no_others() {
    let right = check_fault("").await;
    assert!(right.passed && right.count(Status::Passed) == right.results.len(), "{right}");

    let reports = FAULTS.iter().map(|(fault, expected)| async move {
        let report = check_fault(fault).await;
        let failed: BTreeSet<_> = report.with(Status::Failed).map(|one| one.check.id).collect();
        let expected: BTreeSet<_> = expected.iter().map(|id| format!("gateway.{id}")).collect();
        (!failed.iter().eq(expected.iter()))
            .then(|| format!("{fault}, not {expected:?}:\n{report}"))
    });
    let surprises: Vec<String> =
        stream::iter(reports).buffer_unordered(4).filter_map(|one| async { one }).collect().await;
    assert!(surprises.is_empty(), "{}", surprises.join("\n\n"));

    // Every check has a fault that it catches.
    let caught: BTreeSet<_> = FAULTS.iter().flat_map(|(_, checks)| *checks).copied().collect();
    let all: BTreeSet<_> = clawnode_conformance::gateway_checks()
        .map(|check| check.id.trim_start_matches("gateway."))
        .collect();
    assert_eq!(caught, all);
}

async fn check_fault(fault: &'static str) -> Report {
    let address = gateway().await;
    let proxy = proxy::start(address, TOKEN, fault).await;
    // That one ends connections of other checks.
    let jobs = if fault == "one-node" { 1 } else { 8 };
    check(format!("ws://{proxy}/nodes?tenant=7"), address, jobs).await
}

async fn check(url: String, http: std::net::SocketAddr, jobs: usize) -> Report {
    let mut gateway = GatewayUnderTest::new(url);
    gateway.token = Some(TOKEN.to_owned().into());
    gateway.submit = Some(Submit::Http(format!("http://{http}")));
    gateway.pace.patience = Duration::from_secs(15);
    gateway.pace.settle = Duration::from_millis(200);
    gateway.pace.jobs = jobs;
    check_gateway(gateway, &Selection::all()).await.expect("a ws:// URL")
}

async fn gateway() -> std::net::SocketAddr {
    let mut config = Config::new(([127, 0, 0, 1], 0).into());
    config.auth_token = Some(TOKEN.to_owned().into());
    let gateway = Gateway::bind(config).await.expect("a free port");
    let address = gateway.local_addr();
    tokio::spawn(gateway.run(std::future::pending()));
    address
}
