use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use clawnode_nodes::Access;
use futures_lite::future::{block_on, or};
use serde_json::json;
use tempfile::tempdir;

use crate::common::{all, error_of, last, limits, sleep, start};

const EXECUTE: &str = "nodetool.code.ExecuteCommand";
const SHELL: &str = "nodetool.code.RunShellCommand";

fn allowed() -> Access {
    Access::default().allow_commands()
}

#[test]
fn commands_are_off_until_they_are_allowed() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("made");
    let command = format!("touch {}", file.display());
    for (kind, data) in [
        (SHELL, json!({"command": command})),
        (EXECUTE, json!({"command": command, "execution_mode": "subprocess"})),
        (EXECUTE, json!({"command": command})),
    ] {
        let error = error_of(&Access::default(), kind, data);
        assert!(
            error.contains("commands are off") && error.contains("--allow-commands"),
            "{error}"
        );
    }
    assert!(!file.exists());
}

#[test]
fn commands_and_what_they_write() {
    for (command, out, err) in [
        ("echo größe; echo b", "größe\nb\n", ""),
        ("printf a; printf b >&2", "a", "b"),
        ("cat", "", ""),
        ("true", "", ""),
        ("printf 'a\\377b'", "a\u{fffd}b", ""),
    ] {
        let given = last(&allowed(), SHELL, json!({"command": command}), &["stdout", "stderr"]);
        assert_eq!(given, Ok(json!({"stdout": out, "stderr": err})), "{command}");
    }
    let data = json!({"command": "read a; echo $a; cat >&2; printf x", "stdin": "1\n2\n3", "execution_mode": "subprocess"});
    let given = all(&allowed(), EXECUTE, data, &["stdout", "stderr"]);
    assert_eq!(given, Ok(json!({"stdout": ["1", "x"], "stderr": ["2", "3"]})));
}

#[test]
fn errors_say_what_is_wrong() {
    for (kind, data, said) in [
        (
            SHELL,
            json!({"command": "echo oops >&2; exit 3"}),
            "the command failed (exit status: 3): oops",
        ),
        (SHELL, json!({"command": "no-such-program-here"}), "not found"),
        (SHELL, json!({"command": "  "}), "the command is empty"),
        (EXECUTE, json!({"command": "echo a"}), "set execution_mode to subprocess"),
        (
            EXECUTE,
            json!({"command": "exit 1", "execution_mode": "subprocess"}),
            "the command failed (exit status: 1)",
        ),
    ] {
        let error = error_of(&allowed(), kind, data);
        assert!(error.contains(said), "{error}");
    }
}

/// `ExecuteCommand` has given each line by then.
#[test]
fn a_shell_command_that_fails_tells_the_end_of_its_stdout() {
    let long = |letters: usize| "a".repeat(letters);
    for (command, said) in [
        (
            "echo hi; echo err >&2; exit 3".to_owned(),
            "the command failed (exit status: 3): err; it wrote to stdout: hi".to_owned(),
        ),
        (
            "printf 'a\\nb\\n'; exit 1".to_owned(),
            "the command failed (exit status: 1); it wrote to stdout: a\nb".to_owned(),
        ),
        (
            format!("echo {}; exit 1", long(500)),
            format!("the command failed (exit status: 1); it wrote to stdout: {}", long(500)),
        ),
        (
            format!("echo ö{}; exit 1", long(500)),
            format!("the command failed (exit status: 1); it wrote to stdout: ...{}", long(500)),
        ),
    ] {
        assert_eq!(error_of(&allowed(), SHELL, json!({"command": command})), said);
    }
    let access = allowed().limits(limits(|limits| limits.command_time = Duration::from_secs(1)));
    let error = error_of(&access, SHELL, json!({"command": "echo begun; sleep 60"}));
    assert_eq!(error, "the command took longer than 1 s and was ended; it wrote to stdout: begun");
}

#[test]
fn commands_run_in_the_first_allowed_folder() {
    let folder = tempdir().unwrap();
    let access = allowed().allow_folder(folder.path()).unwrap();
    let given = last(&access, SHELL, json!({"command": "pwd -P"}), &["stdout"]).unwrap();
    assert_eq!(
        Path::new(given.as_str().unwrap().trim_end()),
        folder.path().canonicalize().unwrap()
    );
}

#[test]
fn commands_get_no_secrets_of_this_program() {
    // Cargo gives its tests variables that are on no list of ours.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let given = last(&allowed(), SHELL, json!({"command": "env"}), &["stdout"]).unwrap();
    let names = given
        .as_str()
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name);
    let names: Vec<&str> = names.collect();
    assert!(names.contains(&"PATH"), "{names:?}");
    for name in names {
        assert!(
            !["CARGO", "CLAWNODE", "OPENCLAW", "CF_"].iter().any(|start| name.starts_with(start)),
            "{name}"
        );
    }
}

#[test]
fn a_command_may_take_its_time_and_no_more() {
    let access =
        allowed().limits(limits(|limits| limits.command_time = Duration::from_millis(300)));
    let begin = Instant::now();
    let error = error_of(&access, SHELL, json!({"command": "sleep 60"}));
    assert_eq!(error, "the command took longer than 0.3 s and was ended");
    assert!(begin.elapsed() < Duration::from_secs(50));
    assert!(last(&allowed(), SHELL, json!({"command": "true"}), &["stdout"]).is_ok());
}

#[test]
fn output_at_the_bound_is_given_and_more_ends_the_command() {
    let access = allowed().limits(limits(|limits| limits.command_output_bytes = 10));
    let given = last(
        &access,
        SHELL,
        json!({"command": "printf 0123; printf 456789 >&2"}),
        &["stdout", "stderr"],
    );
    assert_eq!(given, Ok(json!({"stdout": "0123", "stderr": "456789"})));
    for command in ["printf 0123; printf 4567890 >&2", "yes", "cat /dev/zero"] {
        let error = error_of(&access, SHELL, json!({"command": command}));
        // How much was read of it before depends on the time.
        let error = error.split("; it wrote to stdout: ").next();
        assert_eq!(error, Some("the command wrote more than 10 bytes and was ended"), "{command}");
    }
}

/// Whether something still writes to a file.
fn grows(file: &Path) -> bool {
    let size = || fs::metadata(file).map_or(0, |metadata| metadata.len());
    let before = size();
    thread::sleep(Duration::from_millis(400));
    size() != before
}

fn stops_growing(file: &Path) -> bool {
    (0..50).any(|_| !grows(file))
}

/// A command whose child of its child writes to a file for ever.
fn endless(file: &Path) -> String {
    format!(
        "sh -c '(while true; do echo x >> {0}; sleep 0.05; done) & wait' & wait",
        file.display()
    )
}

#[test]
fn all_that_a_command_started_ends_with_it() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("by-time");
    let access = allowed().limits(limits(|limits| limits.command_time = Duration::from_secs(3)));
    error_of(&access, SHELL, json!({"command": endless(&file)}));
    assert!(file.exists() && stops_growing(&file), "it goes on after its time");

    // What a command leaves running when it ends.
    let file = folder.path().join("left");
    let command = format!(
        "(while true; do echo x >> {0}; sleep 0.05; done) & while [ ! -e {0} ]; do sleep 0.05; done; echo done",
        file.display()
    );
    let given = last(&allowed(), SHELL, json!({"command": command}), &["stdout"]);
    assert_eq!(given, Ok(json!("done\n")));
    assert!(file.exists() && stops_growing(&file), "it goes on after its command");

    let file = folder.path().join("by-drop");
    let mut run = start(&allowed(), SHELL, json!({"command": endless(&file)}), &[]);
    let written = async {
        while !file.exists() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    block_on(or(async { while run.next_event().await.is_some() {} }, written));
    assert!((0..50).any(|_| grows(&file)));
    drop(run);
    assert!(stops_growing(&file), "it goes on after its run");
}

#[test]
fn as_many_commands_as_the_bound_run_and_one_more_waits() {
    let folder = tempdir().unwrap();
    let access = allowed()
        .limits(limits(|limits| limits.commands_at_once = 1))
        .allow_folder(folder.path())
        .unwrap();
    let engine = crate::common::engine(&access);
    let mut runs = Vec::new();
    for _ in 0..3 {
        let mut node = clawnode_workflows::Node::new("n", SHELL);
        // Fails if another is between its first and its last step.
        node.data.insert("command".to_owned(), "mkdir here && sleep 0.1 && rmdir here".into());
        let graph = clawnode_workflows::Graph {
            nodes: vec![node],
            edges: vec![],
            extra: Default::default(),
        };
        let run = engine.run(clawnode_workflows::RunRequest::new("job", graph)).unwrap();
        runs.push(thread::spawn(move || crate::common::finish(run).1.error));
    }
    for run in runs {
        assert_eq!(run.join().unwrap(), None);
    }
}
