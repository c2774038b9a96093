//! A node that records itself, and its recording played back.
#![allow(dead_code, reason = "not every test program uses all that they share")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Process, TOKEN, example, output, stderr};

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
