//! The program at a terminal: how it ends when it is interrupted, and that a terminal obeys nobody but its user.
#![allow(dead_code, reason = "not every test program uses all that they share")]

mod common;

#[cfg(unix)]
use std::io::Write as _;
#[cfg(unix)]
use std::process::{Command, Stdio};

use common::{Folder, stderr};
#[cfg(unix)]
use common::{clawnode, wait_until};
use serde_json::json;

/// A graph that passes a text through.
const ECHO: &str = r#"{"nodes": [
    {"id": "s", "type": "nodetool.input.StringInput", "data": {"name": "text"}},
    {"id": "o", "type": "nodetool.output.Output", "data": {"name": "said"}}
], "edges": [{"source": "s", "sourceHandle": "output", "target": "o", "targetHandle": "value"}]}"#;

/// More than a pipe holds: whoever has written this knows that it is read.
#[cfg(unix)]
const BEGUN: usize = 1 << 21;

#[cfg(unix)]
#[test]
fn what_waits_for_input_ends_at_once_when_interrupted() {
    let folder = Folder::new();
    let echo = folder.file("echo.json", ECHO);
    folder.text(&["workflow", "import", &echo]);
    for arguments in [
        &["run", "-"][..],
        &["run", &echo, "--param", "text=@/dev/stdin"],
        &["run", "-", "--gateway", "http://127.0.0.1:1"],
        &["workflow", "run", "echo", "--param", "text=@/dev/stdin"],
    ] {
        let mut command = clawnode(arguments);
        command.env("CLAWNODE_DATA_DIR", folder.data_dir());
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&vec![b' '; BEGUN]).unwrap();
        assert_eq!(code_when_interrupted(&mut child), Some(130), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_writes_to_keeps_nobody() {
    let folder = Folder::new();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    let echo = folder.file("echo.json", ECHO);
    for arguments in [
        &["run", pipe][..],
        #[cfg(feature = "models")]
        &["run", &echo, "--models-url", "http://127.0.0.1:1/v1", "--models-key-file", pipe],
        &["run", &echo, "--gateway", "http://127.0.0.1:1", "--auth-token-file", pipe],
    ] {
        let mut child = clawnode(arguments).spawn().unwrap();
        // This waits for the reader.
        let _writer = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
        assert_eq!(code_when_interrupted(&mut child), Some(130), "{arguments:?}");
    }
}

#[cfg(unix)]
fn code_when_interrupted(child: &mut std::process::Child) -> Option<i32> {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    wait_until("the program to end", || child.try_wait().unwrap()).code()
}

/// A text that clears a terminal in two ways, and has what terminals may have.
const HOSTILE: &str = "a\u{1b}[2Jb\u{9b}2Jc\td\ne\r\u{8}";
const CLEANED: &str = "a?[2Jb?2Jc\td\ne??";

fn assert_harmless(text: &str) {
    let bad = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert_eq!(bad, None, "{text:?}");
}

#[cfg(feature = "code")]
#[test]
fn what_a_workflow_says_is_shown_without_what_a_terminal_obeys() {
    let folder = Folder::new();
    let said = serde_json::to_string(HOSTILE).unwrap();
    let code = format!("console.log({said}); throw new Error({said})");
    let graph = json!({
        "id": "w\u{1b}[2J",
        "graph": {"nodes": [{"id": "n\u{1b}[2J", "type": "nodetool.code.Code", "data": {"code": code}}], "edges": []}
    });
    let file = folder.file("hostile.json", &graph.to_string());
    let (code, text) = folder.failure(&["workflow", "import", &file]);
    assert!(code == Some(0) && text.contains("imported w?[2J"), "{text:?}");
    let runs = [&["run", &*file][..], &["workflow", "run", "w\u{1b}[2J"]];
    for arguments in runs {
        let (code, text) = folder.failure(arguments);
        assert!(code == Some(1) && text.contains(CLEANED), "{arguments:?}: {text:?}");
        assert_harmless(&text);
    }
    let job = folder.json(&["jobs", "list"])["jobs"][0]["id"].as_str().unwrap().to_owned();
    for arguments in [
        &["jobs", "list"][..],
        &["jobs", "show", &job],
        &["jobs", "logs", &job],
        &["workflow", "list"],
        &["workflow", "show", "w\u{1b}[2J"],
        &["workflow", "validate", "w\u{1b}[2J"],
        &["workflow", "import", &file],
        &["workflow", "remove", "w\u{1b}[2J"],
    ] {
        let output = folder.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        assert_harmless(&stderr(&output));
        assert_harmless(std::str::from_utf8(&output.stdout).unwrap());
    }
}

#[test]
fn names_are_shown_without_what_a_terminal_obeys() {
    let folder = Folder::new();
    let name = "n\u{1b}[2J";
    let file = folder.file("text", "words");
    for arguments in [
        &["assets", "add", &*file, "--name", name][..],
        &["assets", "list"],
        &["collections", "create", name],
        &["collections", "add", name, &file],
        &["collections", "list"],
        &["collections", "search", name, "words"],
        &["collections", "search", name, "nothing"],
        &["collections", "remove", name],
        &["jobs", "list", "--user-id", name],
    ] {
        let output = folder.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        assert_harmless(&stderr(&output));
        assert_harmless(std::str::from_utf8(&output.stdout).unwrap());
    }
    let (code, text) = folder.failure(&["collections", "remove", name]);
    assert!(code == Some(2) && text.contains("has no collection n?[2J"), "{text:?}");
}
