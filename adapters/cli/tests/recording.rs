//! A node that records itself, and its recording played back.
#![allow(dead_code, reason = "not every test program uses all that they share")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::{self, Device, Identity};
use clawnode_protocol::node::{Action, Config, Endpoint, Input};
use clawnode_protocol::recording::{End, Recorder};
use clawnode_protocol::websocket::{self, Connection};
use clawnode_protocol::{Credentials, Now, Outcome, Secret, Timestamp};
use common::{Process, TOKEN, example, output, stderr, temporary_file};

/// A recording of a node that ran a workflow and was stopped, and the gateway's address.
fn recorded(name: &str, more: &[&str]) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{}-{name}.recording", std::process::id()));
    let path = file.to_str().expect("the path is UTF-8");
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let mut arguments = vec!["--record", path];
    arguments.extend(more);
    let mut node = Process::node(&address, &arguments);
    let url = format!("http://{address}");
    let workflow = example("threshold_report.json");
    let run = output(&[
        "run",
        &workflow,
        "--gateway",
        &url,
        "--auth-token",
        TOKEN,
        "--param",
        "temperature=31",
    ]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    node.signal("-TERM");
    assert_eq!(node.exit_code(), Some(0), "{}", node.log());
    file
}

fn path(file: &Path) -> &str {
    file.to_str().expect("the path is UTF-8")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_recorded_run_replays_to_the_byte_and_can_be_looked_at() {
    let file = recorded("whole", &["--token-in", "both"]);
    let page = file.with_extension("html");
    let replay = output(&["replay", path(&file), "--transcript", "--html", path(&page)]);
    let text = String::from_utf8_lossy(&replay.stdout).into_owned();
    assert_eq!(replay.status.code(), Some(0), "{text}{}", stderr(&replay));
    for expected in [
        "identical, to the byte",
        "begins        with the node's life",
        "covers        20",
        "complete: the node ran no longer",
        "connections   1",
        "1 admitted, 1 answered",
        "\"node_registration\"",
        "workflow_response",
        "31 DEGREES",
        "stopped: stopped as asked",
    ] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    let page = fs::read_to_string(page).expect("the page is there");
    assert!(page.contains("workflow_response") && !page.contains("%DATA%"));
    assert!(!page.contains("src=") && !page.contains("href="), "the page needs nothing else");

    let bytes = fs::read(&file).expect("the recording is there");
    assert!(!contains(&bytes, TOKEN) && contains(&bytes, "a1aaaa-a1aaa"));
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&file).expect("it is there").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    let replay = output(&["replay", path(&file), "--until", "0"]);
    assert_eq!(replay.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&replay.stdout).contains("played as far as asked"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_problem() {
    let file = recorded("head", &["--log", "info"]);
    let replay = ["replay", path(&file), "--transcript"];
    for arguments in [&replay[..], &["nodes", "--json"], &["commands"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clawnode"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        drop(command.stdout.take());
        let done = command.wait_with_output().expect("it ends");
        let told = (done.status.code(), stderr(&done));
        assert_eq!(told, (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn a_recording_that_is_cut_off_changed_or_none_at_all_is_told_apart() {
    let file = recorded("changed", &["--node-id", "node-before"]);
    let bytes = fs::read(&file).expect("the recording is there");

    let cut = file.with_extension("cut");
    fs::write(&cut, &bytes[..bytes.len() - 100]).expect("it can be written");
    let replay = output(&["replay", path(&cut)]);
    assert_eq!(replay.status.code(), Some(0), "{}", stderr(&replay));
    assert!(String::from_utf8_lossy(&replay.stdout).contains("cut off"));

    let damaged = file.with_extension("damaged");
    let at = bytes.windows(11).position(|bytes| bytes == b"node-before").expect("it is there");
    let mut other = bytes.clone();
    other[at..at + 11].copy_from_slice(b"node-behind");
    fs::write(&damaged, other).expect("it can be written");
    let replay = output(&["replay", path(&damaged)]);
    assert_eq!(replay.status.code(), Some(2), "{}", stderr(&replay));
    assert!(stderr(&replay).contains("the recording is damaged near byte"));

    let replay = output(&["replay", &example("threshold_report.json")]);
    assert_eq!(replay.status.code(), Some(2));
    assert!(stderr(&replay).contains("this is not a recording"));
    assert_eq!(output(&["replay", "/nowhere/at/all"]).status.code(), Some(2));
}

#[test]
fn an_older_recording_is_kept_beside_the_new_one() {
    let file = recorded("twice", &[]);
    let first = fs::read(&file).expect("the recording is there");
    recorded("twice", &[]);
    let older = format!("{}.1", path(&file));
    assert_eq!(fs::read(older).expect("the older one is kept"), first);
    assert_ne!(fs::read(&file).expect("the new one is there"), first);
}

#[test]
fn a_node_without_a_place_to_record_to_does_not_start() {
    let run = output(&["connect", "--url", "ws://127.0.0.1:1", "--record", "/nowhere/at/all"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr(&run).contains("--record: /nowhere/at/all cannot be written"));
}

/// A workflow that gives back the text it is given.
const ECHO: &str = r#"{
  "id": "echo-text", "name": "Echo", "description": "Gives back a text.",
  "graph": {
    "nodes": [
      {"id": "text", "type": "nodetool.input.StringInput", "data": {"name": "text", "value": ""}},
      {"id": "out", "type": "nodetool.output.Output", "data": {"name": "text"}}
    ],
    "edges": [{"id": "e1", "source": "text", "sourceHandle": "output", "target": "out", "targetHandle": "value"}]
  }
}"#;

#[test]
fn the_newest_is_kept_when_a_file_is_full_and_each_file_is_replayed() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{}-full.recording", std::process::id()));
    let workflow = temporary_file("echo.json", ECHO);
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let mut node = Process::node(&address, &["--record", path(&file), "--record-limit", "1"]);
    let url = format!("http://{address}");
    let (older, older_still) = (format!("{}.1", path(&file)), format!("{}.1.1", path(&file)));
    for run in 0..12 {
        let text = format!("text={run}:{}", "x".repeat(100_000));
        let run = output(&[
            "run",
            path(&workflow),
            "--gateway",
            &url,
            "--auth-token",
            TOKEN,
            "--param",
            &text,
        ]);
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    }
    node.signal("-TERM");
    assert_eq!(node.exit_code(), Some(0), "{}", node.log());
    assert!(!Path::new(&older_still).exists());

    let replay = |file: &str| {
        let page = format!("{file}.html");
        let replay = output(&["replay", file, "--html", &page]);
        let text = String::from_utf8_lossy(&replay.stdout).into_owned();
        assert_eq!(replay.status.code(), Some(0), "{text}{}", stderr(&replay));
        assert!(text.contains("identical, to the byte"), "{text}");
        let page = fs::read_to_string(page).expect("the page is there");
        assert!(!page.contains("bytes of binary message"), "the stream is read from its middle");
        (text, page)
    };
    let (newest, page) = replay(path(&file));
    assert!(newest.contains("begins        with checkpoint"), "{newest}");
    assert!(newest.contains("complete: the node ran no longer"), "{newest}");
    assert!(page.contains("11:xxx") && page.contains("workflow_response"), "the last run is in it");
    let (before, page) = replay(&older);
    assert!(before.contains("complete: the part was full"), "{before}");
    assert!(page.contains("workflow_response"));
    for file in [path(&file), &older] {
        let size = fs::metadata(file).expect("it is there").len();
        assert!(size <= 1 << 20, "{size}");
        assert!(!contains(&fs::read(file).expect("it is there"), TOKEN));
    }
}

/// What a node of an openclaw gateway lives through that lets it in and asks for a command.
fn openclaw_recording() -> Vec<u8> {
    let identity = Identity::from_seed([1; 32]);
    let dialect = openclaw::Config::node(Device::from(&identity), "1.0");
    let config = Config::new(Endpoint::new("gateway.test", "/"), dialect);
    let mut node = Recorder::on(config, [7; 32], 1 << 20);
    let mut gateway = Connection::server(websocket::Limits::default());
    let now = Now::new(Duration::ZERO, Timestamp::from_micros(1_767_323_045_000_000));
    let mut to_say = vec![
        r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n","ts":1767323045000}}"#,
        r#"{"type":"res","id":"connect","ok":true,"payload":{"type":"hello-ok","protocol":4,"auth":{"deviceToken":"dev1ce-T0ken","role":"node"}}}"#,
        r#"{"type":"event","event":"node.invoke.request","payload":{"id":"i1","command":"system.which","paramsJSON":"{}"}}"#,
    ]
    .into_iter();
    node.handle(now, Input::Start).expect("it has not started");
    loop {
        while let Some(action) = node.poll_action() {
            let signature;
            let input = match action {
                Action::Authenticate => {
                    Input::Credentials(Credentials::token(Secret::new("sh4red-token")))
                }
                Action::Connect => Input::Connected,
                Action::Sign(text) => {
                    signature = identity.sign(text.expose());
                    Input::Signature(&signature)
                }
                Action::KeepDeviceToken(_) => Input::DeviceTokenKept,
                Action::Admit(work) => Input::Admitted(work.id),
                Action::Start(work) => Input::Answer(work.id, Outcome::failed("no such program")),
                Action::Record(answer) => Input::Recorded(answer.work),
                _ => continue,
            };
            node.handle(now, input).expect("it was asked for");
        }
        let sent = node.transmit().len();
        gateway.receive(node.transmit());
        node.handle(now, Input::Sent(sent)).expect("they were lent");
        while node.poll_action().is_some() {}
        let mut asked = false;
        while let Some(event) = gateway.poll() {
            asked |= matches!(event, websocket::Event::Request(_));
        }
        if asked {
            gateway.accept().expect("it asked");
        }
        if gateway.is_open() && !asked {
            let Some(text) = to_say.next() else { break };
            gateway.send_text(text).expect("it is open");
        }
        let bytes = gateway.transmit().to_vec();
        gateway.sent(bytes.len()).expect("they were lent");
        node.handle(now, Input::Received(&bytes)).expect("it is connected");
    }
    node.end(End::Closed);
    let mut recording = Vec::new();
    node.take(&mut recording);
    recording
}

#[test]
fn what_an_openclaw_gateway_says_is_told_in_its_words() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{}-openclaw.recording", std::process::id()));
    fs::write(&file, openclaw_recording()).expect("it can be written");
    let page = file.with_extension("html");
    let replay = output(&["replay", path(&file), "--transcript", "--html", path(&page)]);
    let text = String::from_utf8_lossy(&replay.stdout).into_owned();
    assert_eq!(replay.status.code(), Some(0), "{text}{}", stderr(&replay));
    for expected in [
        "credentials: token, as stand-ins",
        "asks for a signature",
        "keep the device token of the role node",
        "1 admitted, 1 answered",
        "identical, to the byte",
    ] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    let page = fs::read_to_string(page).expect("the page is there");
    for expected in [
        "event connect.challenge",
        "req connect connect",
        "res connect ok hello-ok",
        "event node.invoke.request i1 system.which",
        "req i1 node.invoke.result i1 UNAVAILABLE no such program",
    ] {
        assert!(page.contains(expected), "{expected} is missing");
    }
    for secret in ["sh4red-token", "dev1ce-T0ken"] {
        assert!(!text.contains(secret) && !page.contains(secret));
    }
}
