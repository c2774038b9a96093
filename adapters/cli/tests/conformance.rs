//! The program checks itself: its node, its gateway, and something that is neither.
#![allow(dead_code, reason = "not every test program uses all that they share")]

mod common;

use common::{Process, TOKEN, clawnode, output, stderr, stdout_json};
use serde_json::Value;

#[test]
fn our_node_conforms() {
    let command_line = format!(
        "{} connect --url {{url}} --auth-token {{token}} --heartbeat-interval 0.5 --reconnect-delay 0.2 --log error",
        env!("CARGO_BIN_EXE_clawnode")
    );
    let output = output(&[
        "conformance",
        "--node",
        &command_line,
        "--auth-token",
        TOKEN,
        "--heartbeat-interval",
        "0.5",
        "--workflow",
        "--command",
        "list_nodes",
        "--args",
        r#"{"limit": 1}"#,
        "--settle",
        "0.3",
        "--jobs",
        "8",
        "--json",
    ]);
    let report = stdout_json(&output);
    assert_eq!(ids(&report, "failed"), [""; 0], "{report:#}");
    // It has no command that takes its time. The example of clawnode-conformance has, and is tested there.
    let needs_slow = ["node.ping-while-busy", "node.late-answer"];
    assert_eq!(ids(&report, "skipped"), needs_slow, "{report:#}");
    assert_eq!((report["passed"] == true, output.status.code()), (true, Some(0)));
}

#[test]
fn our_gateway_conforms() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let (nodes, http) = (format!("ws://{address}"), format!("http://{address}"));
    let arguments = ["conformance", "--gateway", &nodes, "--auth-token", TOKEN];
    let more = ["--settle", "0.3", "--jobs", "8", "--json"];

    let with_http = output(&[&arguments[..], &["--http", &http], &more].concat());
    let report = stdout_json(&with_http);
    assert_eq!((ids(&report, "failed"), ids(&report, "skipped")), (vec![], vec![]), "{report:#}");
    assert_eq!(with_http.status.code(), Some(0));

    // With a program that submits, only what needs the HTTP API is left out.
    let submit = format!(
        "{} run --workflow-id any --on-node {{node_id}} --request-id {{request_id}} --gateway {http} --auth-token {TOKEN}",
        env!("CARGO_BIN_EXE_clawnode")
    );
    let with_program = output(&[&arguments[..], &["--submit", &submit], &more].concat());
    let report = stdout_json(&with_program);
    assert_eq!(ids(&report, "failed"), [""; 0], "{report:#}");
    assert_eq!(ids(&report, "skipped"), ["gateway.failure"], "{report:#}");
}

#[test]
fn what_does_not_register_fails_at_once_and_says_what_it_said_last() {
    let output = output(&["conformance", "--node", "sh -c 'echo no such option >&2; exit 2'"]);
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{table}");
    let came =
        "came      the process ended (exit status: 2); its last line on stderr: no such option";
    assert!(table.contains("FAIL  node.registers") && table.contains(came), "{table}");
    assert!(table.contains("not tried, because node.registers failed"), "{table}");
    assert!(stderr(&output).contains("the node does not conform"), "{output:?}");
}

#[test]
fn the_list_and_wrong_usage() {
    let list = output(&["conformance", "--list"]);
    let text = String::from_utf8_lossy(&list.stdout);
    assert!(text.contains("node.registers\n") && text.contains("gateway.ping\n"), "{text}");
    let only_gateways =
        stdout_json(&output(&["conformance", "--list", "--json", "--gateway", "ws://h"]));
    let all = only_gateways.as_array().expect("a list");
    assert!(all.iter().all(|one| one["id"].as_str().unwrap_or("").starts_with("gateway.")));

    for (arguments, problem) in [
        (&["conformance"][..], "say what to check"),
        (&["conformance", "--list", "--only", "node.no-such"], "there is no check"),
        (&["conformance", "--gateway", "http://127.0.0.1:1"], "is not a ws:// URL"),
        (&["conformance", "--node", "x", "--args", "[]"], "give a JSON object"),
    ] {
        let output = clawnode(arguments).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(problem), "{arguments:?}: {output:?}");
    }
}

fn ids(report: &Value, status: &str) -> Vec<String> {
    let results = report["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    let such = results.iter().filter(|result| result["status"] == status);
    such.filter_map(|result| result["id"].as_str().map(str::to_owned)).collect()
}
