//! What workflows may reach when the program runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a workflow of one node, whose first output is the result.
fn run(folder: &Path, node_type: &str, data: &str, options: &[&str]) -> Output {
    let output = match node_type.rsplit('.').next() {
        Some("Agent") => "text",
        Some("RunShellCommand") => "stdout",
        _ => "output",
    };
    let file = folder.join("workflow.json");
    let workflow = format!(
        r#"{{"nodes": [
            {{"id": "n", "type": "{node_type}", "data": {data}}},
            {{"id": "o", "type": "nodetool.output.Output", "data": {{"name": "r"}}}}
        ], "edges": [{{"source": "n", "sourceHandle": "{output}", "target": "o", "targetHandle": "value"}}]}}"#
    );
    fs::write(&file, workflow).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_clawnode"));
    command.arg("run").arg(&file).args(options).env_clear();
    command.output().unwrap()
}

#[test]
fn workflows_reach_what_is_allowed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let allowed = folder.path().join("allowed");
    fs::create_dir(&allowed).unwrap();
    fs::write(allowed.join("note"), "hello from a file").unwrap();
    let allowed = allowed.to_str().unwrap();
    let note = r#"{"path": "note"}"#;
    for (node_type, data, options, succeeds, said) in [
        ("nodetool.code.Code", r#"{"code": "return 6 * 7"}"#, &[][..], true, "42"),
        ("lib.os.ReadTextFile", note, &[], false, "--allow-folder"),
        ("lib.os.ReadTextFile", note, &["--allow-folder", allowed], true, "hello from a file"),
        (
            "lib.http.GetRequest",
            r#"{"url": "http://example.org"}"#,
            &[],
            false,
            "--allow-host example.org",
        ),
        (
            "lib.http.GetRequest",
            r#"{"url": "http://localhost:1"}"#,
            &["--allow-host", "localhost"],
            false,
            "--allow-private-addresses",
        ),
        (
            "nodetool.code.RunShellCommand",
            r#"{"command": "echo x"}"#,
            &[],
            false,
            "--allow-commands",
        ),
        ("nodetool.agents.Agent", r#"{"prompt": "x"}"#, &[], false, "--models-url"),
    ] {
        let output = run(folder.path(), node_type, data, options);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), succeeds, "{node_type} {options:?}: {shown}");
        assert!(shown.contains(said), "{node_type} {options:?}: {shown}");
    }
}
