//! The program as its users run it: separate processes, real sockets.
#![allow(dead_code, reason = "not every test program uses all that they share")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};

use common::{
    Process, TOKEN, clawnode, example, http, output, stderr, stdout_json, temporary_file,
    wait_until,
};
use serde_json::{Value, json};

fn examples() -> String {
    example("")
}

fn run_on(address: &str, more: &[&str]) -> std::process::Output {
    let url = format!("http://{address}");
    let mut arguments = vec!["run", "--gateway", &url, "--auth-token", TOKEN];
    arguments.extend(more);
    output(&arguments)
}

/// A list long enough for something to happen in the middle of it.
fn long_workflow(items: usize) -> String {
    let values: Vec<usize> = (0..items).collect();
    json!({
        "nodes": [
            {"id": "list", "type": "nodetool.constant.List", "data": {"value": values}},
            {"id": "each", "type": "nodetool.control.ForEach"},
            {"id": "text", "type": "nodetool.text.FormatText", "data": {"template": "item {{ item }}"}, "dynamic_properties": {"item": null}},
            {"id": "all", "type": "nodetool.control.Collect"},
            {"id": "out", "type": "nodetool.output.Output", "data": {"name": "all"}}
        ],
        "edges": [
            {"source": "list", "sourceHandle": "output", "target": "each", "targetHandle": "input_list"},
            {"source": "each", "sourceHandle": "output", "target": "text", "targetHandle": "item"},
            {"source": "text", "sourceHandle": "output", "target": "all", "targetHandle": "input_item"},
            {"source": "all", "sourceHandle": "output", "target": "out", "targetHandle": "value"}
        ]
    })
    .to_string()
}

#[test]
fn the_demo_runs_a_workflow_through_every_layer() {
    let output = output(&["demo"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = &stdout_json(&output)["result"]["report"][0];
    assert_eq!(*report, "alarm: True (hot True, cold False) - 31 DEGREES: OPEN THE WINDOWS.");
    assert!(stderr(&output).contains("update   output report"));
}

#[test]
fn workflows_run_by_id_and_inline_with_their_updates() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let _node = Process::node(
        &address,
        &["--node-id", "my-node", "--user-id", "user-1", "--workflows", &examples()],
    );
    for (by_id, inline, param, name, expected) in [
        (
            "threshold-report",
            "threshold_report.json",
            &["--param", "temperature=3"][..],
            "report",
            json!(["alarm: True (hot False, cold True) - 3 DEGREES: TURN THE HEATING UP."]),
        ),
        (
            "batch-a-list",
            "batch_a_list.json",
            &[],
            "groups",
            json!([
                ["harbour", "market", "museum", "park"],
                ["station", "theatre", "university", "zoo"],
                ["airport", "depot"]
            ]),
        ),
    ] {
        for run in [
            run_on(&address, &[&["--workflow-id", by_id], param].concat()),
            run_on(&address, &[&[example(inline).as_str()], param].concat()),
        ] {
            assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
            let result = stdout_json(&run);
            assert_eq!(result["result"][name], expected);
            assert_eq!(result["job_id"].as_str().map(str::len), Some(36));
            let updates = stderr(&run);
            for expected in
                ["on node my-node", "Workflow execution started", "job running", "job completed"]
            {
                assert!(updates.contains(expected), "{expected} is missing in {updates}");
            }
        }
    }
}

#[test]
fn workflows_of_a_folder_given_by_the_environment_run_too() {
    let Ok(folder) = std::env::var("CLAWNODE_WORKFLOWS_DIR") else { return };
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let _node = Process::node(&address, &["--workflows", &folder]);
    for file in std::fs::read_dir(&folder).expect("CLAWNODE_WORKFLOWS_DIR is a folder").flatten() {
        let path = file.path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("file names are UTF-8")
            .to_owned();
        for run in [
            run_on(&address, &["--workflow-id", &stem]),
            run_on(&address, &[path.to_str().expect("UTF-8")]),
        ] {
            assert_eq!(run.status.code(), Some(0), "{stem}: {}", stderr(&run));
            let result = stdout_json(&run);
            assert!(
                !result["result"].as_object().expect("an object").is_empty(),
                "{stem}: {result}"
            );
        }
    }
}

#[test]
fn a_failing_workflow_ends_with_code_1_and_its_reason() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let _node = Process::node(&address, &[]);
    let wrong = json!({
        "nodes": [
            {"id": "a", "type": "nodetool.text.Nonsense"},
            {"id": "b", "type": "nodetool.text.Concat"},
            {"id": "c", "type": "nodetool.text.Concat"}
        ],
        "edges": [
            {"source": "b", "sourceHandle": "output", "target": "c", "targetHandle": "a"},
            {"source": "c", "sourceHandle": "output", "target": "b", "targetHandle": "a"}
        ]
    });
    let file = temporary_file("wrong.json", &wrong.to_string());
    let run = run_on(&address, &[file.to_str().expect("UTF-8")]);
    assert_eq!(run.status.code(), Some(1));
    let reason = stderr(&run);
    assert!(reason.contains("nodetool.text.Nonsense") && reason.contains("cycle"), "{reason}");

    let run = run_on(&address, &["--workflow-id", "missing"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("missing"), "{}", stderr(&run));
}

#[test]
fn the_gateway_is_killed_in_mid_run_and_the_answer_still_arrives() {
    let (mut gateway, address) = Process::gateway("127.0.0.1:0");
    let node = Process::node(&address, &["--node-id", "steady"]);
    let file = temporary_file("long.json", &long_workflow(60_000));
    let url = format!("http://{address}");
    let client = clawnode(&[
        "run",
        file.to_str().expect("UTF-8"),
        "--gateway",
        &url,
        "--auth-token",
        TOKEN,
        "--request-id",
        "long-1",
        "--quiet",
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("the program starts");
    node.wait_for("request_id=\"long-1\"");
    gateway.kill();
    node.wait_for("not connected");
    assert!(
        !node.log().contains("outcome=\"completed\""),
        "the gateway should have been killed in mid-run"
    );
    node.wait_for("outcome=\"completed\"");
    let (_gateway, _) = Process::gateway(&address);
    let client = client.wait_with_output().expect("it ends");
    assert_eq!(client.status.code(), Some(0), "{}", stderr(&client));
    assert_eq!(stdout_json(&client)["result"]["all"][0].as_array().map(Vec::len), Some(60_000));

    let fetched =
        output(&["result", "long-1", "--gateway", &url, "--auth-token", TOKEN, "--wait", "20"]);
    assert_eq!(fetched.status.code(), Some(0), "{}", stderr(&fetched));
    assert_eq!(stdout_json(&fetched)["result"]["all"][0][59_999], "item 59999");
}

#[test]
fn refusals_stop_the_node_with_code_3_and_a_cure() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let url = format!("ws://{address}");
    let refused =
        output(&["connect", "--url", &url, "--auth-token", "wr0ng-t0ken", "--log", "trace"]);
    assert_eq!(refused.status.code(), Some(3));
    let log = stderr(&refused);
    assert!(log.contains("HTTP 401") && log.contains("--auth-token-file"), "{log}");
    assert!(!log.contains("wr0ng-t0ken"), "{log}");
}

/// What a proxy was asked that wants another login, each time.
fn refusing_proxy(times: usize) -> (String, std::thread::JoinHandle<Vec<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let proxy = format!("http://ada:s3cret-l0gin@{}", listener.local_addr().expect("it is bound"));
    let heads = std::thread::spawn(move || {
        let head = |stream: std::io::Result<TcpStream>| {
            let mut stream = stream.expect("the node connects");
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            stream.write_all(b"HTTP/1.1 407 Who are you\r\n\r\n").expect("the node listens");
            head
        };
        listener.incoming().take(times).map(head).collect::<Vec<_>>()
    });
    (proxy, heads)
}

/// By its option, and by the environment.
#[test]
fn a_proxy_that_refuses_stops_the_node_with_code_3_and_a_cure() {
    let (proxy, heads) = refusing_proxy(2);
    let arguments = ["connect", "--url", "wss://gate.invalid/x", "--log", "trace"];
    let mut by_option = clawnode(&arguments);
    let mut by_environment = clawnode(&arguments);
    by_option.args(["--proxy", &proxy]).env("HTTPS_PROXY", "http://127.0.0.1:1");
    by_environment.env("HTTPS_PROXY", &proxy).env_remove("https_proxy");
    for command in [&mut by_option, &mut by_environment] {
        command.env_remove("NO_PROXY").env_remove("no_proxy");
        let refused = command.output().expect("the program runs");
        let log = stderr(&refused);
        assert_eq!(refused.status.code(), Some(3), "{log}");
        assert!(log.contains("407 Who are you") && log.contains("--proxy http://user"), "{log}");
        assert!(!log.contains("s3cret-l0gin") && !log.contains("YWRh"), "{log}");
    }
    for head in heads.join().expect("it saw both") {
        assert_eq!(head[0], "CONNECT gate.invalid:443 HTTP/1.1");
        let login = "Proxy-Authorization: Basic YWRhOnMzY3JldC1sMGdpbg==";
        assert!(head.iter().any(|line| line == login), "{head:?}");
    }
}

/// An operator, a doctor, and a device that fetches its setup code.
#[test]
fn every_way_to_a_gateway_goes_through_the_proxy() {
    let (proxy, heads) = refusing_proxy(5);
    let url = "wss://gate.invalid/x";
    let link = "https://gate.invalid/j/abcdefghijklmnopqrst-_";
    let mut said = Vec::new();
    for (arguments, code) in [
        (vec!["openclaw", "--url", url, "nodes", "--log", "trace"], 3),
        (vec!["doctor", "--url", url, "--json"], 1),
        (vec!["connect", "--pair", link, "--log", "trace"], 4),
    ] {
        let mut command = clawnode(&arguments);
        command.env("HTTPS_PROXY", &proxy).env_remove("https_proxy");
        command.env_remove("NO_PROXY").env_remove("no_proxy");
        let output = command.output().expect("the program runs");
        let text = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(!text.contains("s3cret-l0gin") && !text.contains("YWRh"), "{text}");
        said.push(text);
    }
    for arguments in [
        ["openclaw", "--proxy", &proxy, "--url", url, "nodes"],
        ["doctor", "--proxy", &proxy, "--url", url, "--json"],
    ] {
        let mut command = clawnode(&arguments);
        command.env("HTTPS_PROXY", "http://127.0.0.1:1");
        let output = command.output().expect("the program runs");
        said.push(stderr(&output) + &String::from_utf8_lossy(&output.stdout));
    }
    for said in [&said[0], &said[1], &said[3], &said[4]] {
        assert!(said.contains("407 Who are you") && said.contains("--proxy http://user"), "{said}");
    }
    for head in heads.join().expect("it saw all") {
        assert_eq!(head[0], "CONNECT gate.invalid:443 HTTP/1.1");
        let login = "YWRhOnMzY3JldC1sMGdpbg==";
        let shown = |line: &String| {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            let (scheme, shown) = value.split_once(' ').unwrap_or_default();
            name.eq_ignore_ascii_case("proxy-authorization")
                && scheme.eq_ignore_ascii_case("basic")
                && shown == login
        };
        assert!(head.iter().any(shown), "{head:?}");
    }
}

/// A proxy that opens tunnels, and where it was asked to open one to.
fn opening_proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let proxy = format!("http://{}", listener.local_addr().expect("it is bound"));
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("somebody connects");
            let mut reader = BufReader::new(stream.try_clone().expect("a stream has two ends"));
            let mut lines = reader.by_ref().lines().map_while(Result::ok);
            let first = lines.next().expect("there is a request");
            assert!(lines.any(|line| line.is_empty()), "it has an end");
            let to = first.split(' ').nth(1).expect("it names a place").to_owned();
            let mut gateway = TcpStream::connect(&to).expect("there is a gateway");
            tell.send(to).expect("the test goes on");
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("somebody listens");
            let mut back = gateway.try_clone().expect("a stream has two ends");
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut back, &mut stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut reader, &mut gateway);
                let _ = gateway.shutdown(Shutdown::Write);
            });
        }
    });
    (proxy, told)
}

#[test]
fn a_doctor_looks_at_a_gateway_behind_a_proxy() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let (proxy, told) = opening_proxy();
    let url = format!("ws://{address}");
    let arguments = ["doctor", "--url", &url, "--proxy", &proxy, "--auth-token", TOKEN, "--json"];
    let said = stdout_json(&output(&arguments));
    let status = |name: &str| {
        let mut checks = said["checks"].as_array().expect("there are checks").iter();
        checks.find(|check| check["check"] == name).map(|check| check["status"].clone())
    };
    for check in ["proxy", "http upgrade", "connect"] {
        assert_eq!(status(check), Some("ok".into()), "{check}: {said:#}");
    }
    assert_eq!((status("name resolution"), status("tcp")), (None, None));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), vec![address; 2], "each connection");
}

#[test]
fn wrong_usage_ends_with_code_2_and_says_what_to_do() {
    let threshold = example("threshold_report.json");
    for (arguments, hint) in [
        (vec!["connect"], "--url"),
        (vec!["connect", "--url", "http://x"], "ws://"),
        (
            vec!["connect", "--url", "ws://127.0.0.1:1", "--heartbeat-interval", "soon"],
            "number of seconds",
        ),
        (
            vec!["connect", "--url", "ws://127.0.0.1:1", "--workflows", "/nowhere/at/all"],
            "/nowhere/at/all",
        ),
        (vec!["connect", "--url", "ws://127.0.0.1:1", "--auth-token-file", "/nowhere"], "/nowhere"),
        (vec!["connect", "--url", "ws://127.0.0.1:1", "--auth-token", " "], "empty"),
        (
            vec!["connect", "--url", "ws://gate.invalid", "--proxy", "socks5://127.0.0.1:1"],
            "--proxy: only HTTP proxies",
        ),
        (vec!["gateway", "--listen", "0.0.0.0:0"], "token"),
        (vec!["run", "/nowhere.json"], "/nowhere.json"),
        (vec!["run"], "<FILE|--example <NAME>|--workflow-id <ID>>"),
        (vec!["run", &threshold, "--param", "temp=3"], "it has temperature"),
        (vec!["run", &threshold, "--param", "temperature=3", "--param", "temperature=4"], "twice"),
    ] {
        let output = output(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(hint), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn an_absent_gateway_ends_a_run_with_code_4() {
    let output = output(&["run", &example("batch_a_list.json"), "--gateway", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
}

#[test]
fn no_secret_is_ever_logged_and_log_lines_can_be_json() {
    let (gateway, address) = Process::gateway("127.0.0.1:0");
    let node =
        Process::node(&address, &["--log", "trace", "--log-format", "json", "--token-in", "both"]);
    let run = run_on(&address, &[&example("batch_a_list.json"), "--log", "trace"]);
    assert_eq!(run.status.code(), Some(0));
    for log in [gateway.log(), node.log(), stderr(&run)] {
        assert!(!log.contains(TOKEN), "{log}");
    }
    for line in node.log().lines() {
        let line: Value = serde_json::from_str(line).expect("every line is JSON");
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

#[test]
fn signals_stop_a_node_gracefully() {
    let (gateway, address) = Process::gateway("127.0.0.1:0");
    for signal in ["-TERM", "-INT"] {
        let mut node = Process::node(&address, &["--node-id", "mortal"]);
        node.signal(signal);
        assert_eq!(node.exit_code(), Some(0), "{}", node.log());
        wait_until("the gateway to hear of it", || {
            gateway.log().lines().any(|line| line.contains("1001")).then_some(())
        });
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let mut node = Process::node(&address, &[]);
    let file = temporary_file("busy.json", &long_workflow(90_000));
    let url = format!("http://{address}");
    let mut client =
        clawnode(&["run", file.to_str().expect("UTF-8"), "--gateway", &url, "--auth-token", TOKEN])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
    node.wait_for("command=None");
    node.signal("-INT");
    node.wait_for("stopping");
    // Two signals within a tenth of a second count as one.
    std::thread::sleep(std::time::Duration::from_millis(300));
    node.signal("-INT");
    assert_eq!(node.exit_code(), Some(130), "{}", node.log());
    let _ = client.kill();
    let _ = client.wait();
}

#[test]
fn a_gateway_tells_of_its_nodes_and_its_health() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let health = http(&address, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    let _node = Process::node(&address, &["--node-id", "listed", "--heartbeat-interval", "0.2"]);
    let url = format!("http://{address}");
    wait_until("a heartbeat", || {
        let nodes = output(&["nodes", "--gateway", &url, "--auth-token", TOKEN]);
        let list = String::from_utf8_lossy(&nodes.stdout).into_owned();
        assert!(list.contains("\nlisted   connected          0  "), "{list} {}", stderr(&nodes));
        assert!(list.contains(
            "get_asset get_collection get_job get_job_logs get_node_info get_workflow list_assets list_collections list_jobs list_models list_nodes list_workflows run_workflow search_nodes start_background_job system.which validate_workflow"
        ));
        (!list.contains("none yet")).then_some(())
    });
}

#[test]
fn a_message_of_ten_megabytes_passes_both_ways() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let _node = Process::node(&address, &[]);
    let text = "x".repeat(10 << 20);
    let graph = json!({
        "nodes": [
            {"id": "text", "type": "nodetool.constant.String", "data": {"value": text}},
            {"id": "out", "type": "nodetool.output.Output", "data": {"name": "text"}}
        ],
        "edges": [{"source": "text", "sourceHandle": "output", "target": "out", "targetHandle": "value"}]
    });
    let file = temporary_file("large.json", &graph.to_string());
    let run = run_on(&address, &[file.to_str().expect("UTF-8"), "--quiet"]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(stdout_json(&run)["result"]["text"][0].as_str().map(str::len), Some(10 << 20));
}

#[test]
fn a_token_that_is_a_word_is_warned_of_and_leaves_the_log_readable() {
    let refusing = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("ws://{}", refusing.local_addr().expect("it has an address"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = refusing.accept().expect("a node comes");
        let mut request = BufReader::new(stream.try_clone().expect("it can be cloned")).lines();
        while request.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let answer = "HTTP/1.1 403 nodetool knows no node\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).expect("it reads");
    });
    let node =
        output(&["connect", "--url", &url, "--auth-token", "node", "--protocol", "nodetool"]);
    server.join().expect("it answered");
    let said = stderr(&node);
    assert!(said.contains("openssl rand -hex 32"), "{said}");
    assert!(said.contains("nodetool knows no [hidden]"), "{said}");
}
