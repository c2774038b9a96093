//! What is kept in the data folder: workflows, jobs and assets, by the program as its users run it.
#![allow(dead_code, reason = "not every test program uses all that they share")]

mod common;

use std::fs;
use std::process::Stdio;

use clawnode_store::{Level, LogRow, NewJob, Store};
use common::{Folder, Process, TOKEN, clawnode, stderr, stdout_json, wait_until};
use serde_json::json;

/// A workflow in the form that NodeTool exports, with keys that this program has no use for, in an order of their own.
const EXPORTED: &str = r#"{
  "id": "8f3c1f6e0c5b4f6f9c1d2a7be0a1c2d3",
  "access": "private",
  "created_at": "2026-03-01T10:00:00.000000",
  "updated_at": "2026-03-02T11:30:00.000000",
  "name": "Shout",
  "tool_name": null,
  "description": "Says a text louder.",
  "tags": ["text", "start"],
  "thumbnail": "",
  "thumbnail_url": null,
  "graph": {
    "nodes": [
      {"id": "in", "parent_id": null, "type": "nodetool.input.StringInput",
       "data": {"name": "text", "value": "hello", "description": "What to say."},
       "ui_properties": {"selected": false, "position": {"x": 48, "y": 96}, "zIndex": 0, "width": 200, "selectable": true},
       "dynamic_properties": {}, "dynamic_outputs": {}, "sync_mode": "on_any"},
      {"id": "shout", "parent_id": null, "type": "nodetool.text.FormatText",
       "data": {"template": "{{ text|upper }}!"},
       "ui_properties": {"position": {"x": 320, "y": 96}}, "dynamic_properties": {"text": ""}, "dynamic_outputs": {}, "sync_mode": "on_any"},
      {"id": "out", "parent_id": null, "type": "nodetool.output.Output",
       "data": {"name": "shouted", "description": ""},
       "ui_properties": {"position": {"x": 620, "y": 96}}, "dynamic_properties": {}, "dynamic_outputs": {}, "sync_mode": "on_any"}
    ],
    "edges": [
      {"id": "e1", "source": "in", "sourceHandle": "output", "target": "shout", "targetHandle": "text", "ui_properties": {"className": "str"}},
      {"id": "e2", "source": "shout", "sourceHandle": "output", "target": "out", "targetHandle": "value", "ui_properties": {"className": "str"}}
    ]
  },
  "input_schema": null,
  "output_schema": null,
  "settings": {"hide_ui": false},
  "package_name": null, "path": null, "run_mode": "workflow", "required_providers": null, "required_models": [], "html_app": "", "etag": "a1"
}
"#;
const ID: &str = "8f3c1f6e0c5b4f6f9c1d2a7be0a1c2d3";

#[test]
fn an_exported_workflow_comes_back_to_the_byte() {
    let folder = Folder::new();
    let file = folder.file("shout.json", EXPORTED);
    let imported = folder.json(&["workflow", "import", &file]);
    assert_eq!(imported["workflows"][0], json!({"id": ID, "name": "Shout", "done": "imported"}));
    assert_eq!(folder.text(&["workflow", "export", ID]), EXPORTED);
    let shown = folder.json(&["workflow", "show", ID]);
    assert_eq!(shown["settings"], json!({"hide_ui": false}));
    assert_eq!(shown["graph"]["edges"][0]["ui_properties"]["className"], "str");
    let text = folder.text(&["workflow", "show", ID]);
    assert!(
        text.contains("takes        text (string, default \"hello\"): What to say.\n"),
        "{text}"
    );
    folder.text(&["workflow", "validate", ID]);

    let again = folder.json(&["workflow", "import", &file]);
    assert_eq!(again["workflows"][0]["done"], "unchanged");
    let changed = folder.file("changed.json", &EXPORTED.replace("\"Shout\"", "\"Cry\""));
    let (code, text) = folder.failure(&["workflow", "import", &changed]);
    assert!(code == Some(2) && text.contains("--replace"), "{text}");
    let (code, text) = folder.failure(&["workflow", "import", &changed, &file, "--user-id", "new"]);
    let both = format!("{file} is another workflow {ID} than {changed}; give one of them");
    assert!(code == Some(2) && text.contains(&both), "{text}");
    let (code, text) = folder.failure(&["workflow", "import", "--replace", &changed, &file]);
    assert!(code == Some(2) && text.contains(&both), "{text}");
    folder.text(&["workflow", "import", "--replace", &changed]);
    let list = folder.text(&["workflow", "list"]);
    assert!(
        list.starts_with("ID ") && list.contains("Cry") && list.contains("text, start"),
        "{list}"
    );
    assert!(!list.contains("Shout"));
}

#[test]
fn a_bare_graph_is_known_by_its_file_and_a_broken_one_stops_all() {
    let folder = Folder::new();
    let bare = folder
        .file("my graph.json", r#"{"nodes": [{"id": "a", "type": "no.such.Type"}], "edges": []}"#);
    let broken = folder.file("broken.json", "{\"nodes\": 7}");
    let (code, text) = folder.failure(&["workflow", "import", &bare, &broken]);
    assert!(code == Some(2) && text.contains("broken.json is no workflow"), "{text}");
    assert_eq!(folder.json(&["workflow", "list"])["workflows"], json!([]));
    let imported = folder.run(&["workflow", "import", &bare]);
    assert_eq!(imported.status.code(), Some(0));
    let warned = stderr(&imported);
    assert!(
        warned.contains("warning: my graph cannot run as it is: unknown node type no.such.Type"),
        "{warned}"
    );
    let output = folder.run(&["workflow", "validate", "my graph"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("error: ") && said.contains("no.such.Type"), "{said}");
    folder.text(&["workflow", "remove", "my graph"]);
    for command in ["show", "export", "validate", "run", "remove"] {
        let (code, text) = folder.failure(&["workflow", command, "my graph"]);
        assert!(code == Some(2) && text.contains("has no workflow my graph"), "{text}");
    }
}

#[test]
fn a_mark_before_a_file_is_none_of_it_and_a_folder_is_no_file() {
    let folder = Folder::new();
    let file = folder.file("marked.json", &format!("\u{feff}{EXPORTED}"));
    folder.text(&["workflow", "import", &file]);
    assert_eq!(folder.text(&["workflow", "export", ID]), EXPORTED);
    folder.text(&["run", &file, "--quiet"]);
    let path = folder.path().to_str().unwrap();
    let (code, text) = folder.failure(&["workflow", "import", path]);
    let said = format!("{path} is a folder; give its files, such as {path}/*.json");
    assert!(code == Some(2) && text.contains(&said), "{text}");
    let bare = r#"{"id": "w1", "name": "Mine", "nodes": [], "edges": []}"#;
    let imported = folder.json(&["workflow", "import", &folder.file("bare.json", bare)]);
    assert_eq!(imported["workflows"][0], json!({"id": "w1", "name": "Mine", "done": "imported"}));
}

#[test]
fn a_run_is_a_job_with_a_log() {
    let folder = Folder::new();
    folder.text(&["workflow", "import", &folder.file("shout.json", EXPORTED)]);
    let output = folder.run(&["workflow", "run", ID, "--param", "text=1.10"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let result = stdout_json(&output);
    assert_eq!(result["result"]["shouted"], json!(["1.10!"]));
    assert!(stderr(&output).contains("output shouted"));
    let job_id = result["job_id"].as_str().unwrap();

    let jobs = folder.json(&["jobs", "list", "--workflow-id", ID]);
    assert_eq!(jobs["jobs"][0]["id"], job_id);
    let job = folder.json(&["jobs", "show", job_id]);
    assert_eq!((&job["status"], &job["params"]), (&json!("completed"), &json!({"text": "1.10"})));
    assert_eq!(job["result"], json!({"shouted": ["1.10!"]}));
    assert!(folder.text(&["jobs", "list"]).contains("completed"));
    assert!(folder.text(&["jobs", "show", job_id]).contains("result    {\"shouted\":[\"1.10!\"]}"));
    assert!(folder.text(&["jobs", "show", job_id]).contains("params    {\"text\":\"1.10\"}"));
    folder.text(&["jobs", "logs", job_id]);
    let (code, text) = folder.failure(&["jobs", "cancel", job_id]);
    assert!(code == Some(1) && text.contains("had ended already"), "{text}");

    let (code, text) = folder.failure(&["workflow", "run", ID, "--param", "txt=x"]);
    assert!(code == Some(2) && text.contains("it has text"), "{text}");
}

/// A graph with an input of each of three types.
const INPUTS: &str = r#"{"nodes": [
    {"id": "i", "type": "nodetool.input.IntegerInput", "data": {"name": "degrees", "min": -40, "max": 60, "value": 21, "label": "Degrees"}},
    {"id": "b", "type": "nodetool.input.BooleanInput", "data": {"name": "loud"}},
    {"id": "s", "type": "nodetool.input.StringInput", "data": {"name": "text", "description": "What to\nsay."}},
    {"id": "o", "type": "nodetool.output.Output", "data": {"name": "said"}}
], "edges": [{"source": "s", "sourceHandle": "output", "target": "o", "targetHandle": "value"}]}"#;

#[test]
fn parameters_that_do_not_fit_are_wrong_usage() {
    let folder = Folder::new();
    let file = folder.file("inputs.json", INPUTS);
    folder.text(&["workflow", "import", &file]);
    for (param, said) in [
        ("loud=yes", "--param loud: give true or false"),
        ("loud=1", "--param loud: give true or false"),
        ("degrees=hot", "parameter \"degrees\" (node i) expects int but got str (\"hot\")"),
        ("degrees=61", "must be from -40 to 60 but is 61"),
        ("text=@/nowhere/at/all", "cannot read /nowhere/at/all"),
    ] {
        for command in [&["run", &file][..], &["workflow", "run", "inputs"]] {
            let (code, text) = folder.failure(&[command, &["--param", param]].concat());
            assert!(code == Some(2) && text.contains(said), "{command:?} {param}: {text}");
        }
    }
    folder.text(&["run", &file, "--param", "loud=true", "--param", "degrees=60"]);
}

#[test]
fn a_parameter_may_be_in_a_file() {
    let folder = Folder::new();
    let file = folder.file("inputs.json", INPUTS);
    let text = "x".repeat(5_000_000);
    let at_text = format!("text=@{}", folder.file("text", &text));
    let at_degrees = format!("degrees=@{}", folder.file("degrees", "7\n"));
    let run = |param: &str| {
        let output = folder.run(&["run", "-q", &file, "--param", param]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout_json(&output)["result"]["said"][0].as_str().unwrap().to_owned()
    };
    assert!(run(&at_text) == text);
    assert_eq!(run(&at_degrees), "");
    assert_eq!(run("text=@@home"), "@home");
}

#[test]
fn a_failed_run_prints_its_error() {
    let folder = Folder::new();
    let unknown = r#"{"nodes": [{"id": "a", "type": "no.such.Type"}], "edges": []}"#;
    let failing = r#"{"nodes": [
        {"id": "n", "type": "lib.os.ReadTextFile", "data": {"path": "x"}},
        {"id": "o", "type": "nodetool.output.Output", "data": {"name": "said"}}
    ], "edges": [{"source": "n", "sourceHandle": "output", "target": "o", "targetHandle": "value"}]}"#;
    let unknown = folder.file("unknown.json", unknown);
    let failing = folder.file("failing.json", failing);
    folder.text(&["workflow", "import", &failing, &unknown]);
    for (arguments, why) in [
        (&["run", &unknown][..], "no.such.Type"),
        (&["run", &failing], "--allow-folder"),
        (&["workflow", "run", "unknown"], "no.such.Type"),
        (&["workflow", "run", "failing"], "--allow-folder"),
    ] {
        let output = folder.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        let shown = stdout_json(&output);
        assert_eq!(shown["status"], "failed", "{arguments:?}");
        let error = shown["error"].as_str().unwrap();
        assert!(error.contains(why) && stderr(&output).contains(error), "{arguments:?}: {error}");
    }
}

#[test]
fn a_file_is_checked_without_importing_it() {
    let folder = Folder::new();
    let file = folder.file("inputs.json", INPUTS);
    let output = folder.run(&["workflow", "validate", "--file", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("inputs is valid"), "{}", stderr(&output));
    let broken = folder.file("broken.json", &INPUTS.replace("IntegerInput", "IntegrInput"));
    let checked = folder.run(&["workflow", "validate", "--json", "--file", &broken]);
    assert_eq!((checked.status.code(), &stdout_json(&checked)["valid"]), (Some(1), &json!(false)));
    assert_eq!(folder.json(&["workflow", "list"])["workflows"], json!([]));
    let (code, text) = folder.failure(&["workflow", "validate", &file]);
    assert!(code == Some(2) && text.contains("--file"), "{text}");
}

#[test]
fn what_a_workflow_takes_is_shown_with_its_bounds_defaults_and_meaning() {
    let folder = Folder::new();
    folder.text(&["workflow", "import", &folder.file("inputs.json", INPUTS)]);
    let shown = folder.text(&["workflow", "show", "inputs"]);
    let takes = "takes    degrees (integer, -40 to 60, default 21): Degrees
         loud (boolean, default false)
         text (string, default \"\"): What to say.
";
    assert!(shown.contains(takes), "{shown}");
}

#[test]
fn the_examples_are_listed_and_shown() {
    let folder = Folder::new();
    let listed = folder.text(&["workflow", "list", "--examples"]);
    assert!(listed.lines().count() == 11 && listed.contains("\ngreet "), "{listed}");
    let json = folder.json(&["workflow", "list", "--examples"]);
    assert_eq!(json["workflows"][0]["id"], "fizz-buzz");
    assert!(folder.text(&["workflow", "show", "greet"]).contains("gives        greeting"));
    folder.text(&["workflow", "validate", "greet"]);
    let help = folder.text(&["run", "--help"]);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("`clawnode workflow list --examples`"), "{help}");
    let (code, text) = folder.failure(&["run"]);
    assert!(
        code == Some(2) && text.contains("<FILE|--example <NAME>|--workflow-id <ID>>"),
        "{text}"
    );
    let (code, text) = folder.failure(&["run", "--workflow-id", "greet"]);
    assert!(code == Some(2), "{text}");
    for way in ["--gateway", "--example", "a file", "`clawnode workflow run greet`"] {
        assert!(text.contains(way), "{way}: {text}");
    }
}

#[test]
fn an_empty_list_says_whose_it_is() {
    let folder = Folder::new();
    folder.text(&["workflow", "import", &folder.file("shout.json", EXPORTED), "--user-id", "ann"]);
    let said = format!("nothing here for user 1 in {}", folder.data_dir().display());
    for list in ["workflow", "jobs", "assets", "models", "collections"] {
        let (code, text) = folder.failure(&[list, "list"]);
        assert!(code == Some(0) && text.contains(&said), "{list}: {text}");
        let (_, text) = folder.failure(&[list, "list", "--json"]);
        assert_eq!(text, "", "{list}");
    }
    let (_, text) = folder.failure(&["workflow", "list", "--user-id", "ann"]);
    assert_eq!(text, "");
    let (code, text) = folder.failure(&["nodes", "--search", "zzz"]);
    assert!(code == Some(0) && text.contains("no node type matches \"zzz\""), "{text}");
    for text in ["javascript", "JavaScript"] {
        assert!(
            folder.text(&["nodes", "--search", text]).contains("nodetool.code.Code "),
            "{text}"
        );
    }
}

/// A name of which no generation is known.
const REROUTE_ALIAS: &str = "nodetool.workflows.base_node.Reroute";

#[test]
fn node_types_are_listed_by_their_names_in_a_generation() {
    let folder = Folder::new();
    let names = |arguments: &[&str]| -> Vec<String> {
        let text = folder.text(&[&["nodes"], arguments].concat());
        text.lines().map(|line| line.split("  ").next().unwrap().to_owned()).collect()
    };
    for (generation, has, has_not) in [
        ("python", "nodetool.workspace.ReadTextFile", "lib.os.ReadTextFile"),
        ("typescript", "lib.os.ReadTextFile", "nodetool.workspace.ReadTextFile"),
    ] {
        let names = names(&["--generation", generation]);
        let contains = |name: &str| names.iter().any(|known| known.trim() == name);
        assert!(contains(has) && !contains(has_not), "{names:?}");
        assert!(contains("nodetool.text.Concat") && !contains(REROUTE_ALIAS), "{names:?}");
    }
    // Each word fits many types, of which only the best are shown, whatever their generation.
    let found = names(&["--search", "text", "--generation", "typescript"]);
    assert_eq!(found.len(), 10, "{found:?}");
    let (code, text) = folder.failure(&["nodes", "--search", "zip", "--generation", "python"]);
    assert!(code == Some(0) && text.contains("no node type of Python matches \"zip\""), "{text}");
    let row = &folder.json(&["nodes", "--search", "ReadTextFile"])["nodes"][0];
    assert_eq!(
        row["names"],
        json!([
            {"name": "nodetool.workspace.ReadTextFile", "generations": ["python"]},
            {"name": "lib.os.ReadTextFile", "generations": ["typescript"]}
        ])
    );
    let text = folder.text(&["nodes", "lib.os.ReadTextFile"]);
    for line in ["nodetool.workspace.ReadTextFile  Python", "lib.os.ReadTextFile  TypeScript"] {
        let is_line = |shown: &str| shown.split_whitespace().eq(line.split_whitespace());
        assert!(text.lines().any(is_line), "{line}: {text}");
    }
    let text = folder.text(&["nodes", REROUTE_ALIAS]);
    assert!(text.contains("generation not known"), "{text}");
}

#[test]
fn what_reads_makes_nothing() {
    let folder = Folder::new();
    let said = format!("nothing is kept in {} yet", folder.data_dir().display());
    for list in ["workflow", "jobs", "assets", "models", "collections"] {
        let (code, text) = folder.failure(&[list, "list"]);
        assert!(code == Some(0) && text.trim() == said, "{list}: {text}");
    }
    for read in [
        &["workflow", "show", "x"][..],
        &["workflow", "export", "x"],
        &["jobs", "show", "x"],
        &["jobs", "logs", "x"],
        &["jobs", "cancel", "x"],
        &["assets", "get", "x"],
        &["collections", "search", "x", "y"],
        &["backup", "x"],
    ] {
        let (code, text) = folder.failure(read);
        assert!(code == Some(2) && text.contains(&said), "{read:?}: {text}");
    }
    assert!(!folder.data_dir().exists());
}

#[test]
fn a_data_folder_that_cannot_be_one_is_a_fault_of_usage() {
    let folder = Folder::new();
    let file = folder.file("file", EXPORTED);
    for command in [&["jobs", "list"][..], &["workflow", "import", &file], &["identity", "show"]] {
        let (code, text) = folder.failure(&[command, &["--data-dir", &file]].concat());
        assert!(code == Some(2) && text.contains("file is a file; give a folder"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn without_a_home_nobody_elses_is_taken() {
    let mut command = clawnode(&["jobs", "list"]);
    for name in ["HOME", "XDG_DATA_HOME", "CLAWNODE_DATA_DIR"] {
        command.env_remove(name);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = stderr(&output);
    assert!(output.status.code() == Some(2) && said.contains("HOME is not set; give"), "{said}");
}

#[test]
fn all_that_is_to_be_removed_is_removed_or_nothing() {
    let folder = Folder::new();
    let file = folder.file("shout.json", EXPORTED);
    folder.text(&["workflow", "import", &file]);
    let (code, text) = folder.failure(&["workflow", "remove", ID, "nope", "none", "greet"]);
    assert!(code == Some(2) && text.contains("user 1 has no workflow nope, none;"), "{text}");
    assert!(text.contains("greet comes with the program and cannot be removed\n"), "{text}");
    assert!(text.ends_with("nothing is removed\n") && !text.contains("removed 8f3c"), "{text}");
    assert_eq!(folder.text(&["workflow", "export", ID]), EXPORTED);
    folder.text(&["workflow", "remove", ID, ID]);
    assert_eq!(folder.json(&["workflow", "list"])["workflows"], json!([]));

    let added = folder.json(&["assets", "add", &file]);
    let asset = added["assets"][0]["id"].as_str().unwrap();
    let (code, text) = folder.failure(&["assets", "remove", asset, "nope"]);
    assert!(code == Some(2) && text.contains("user 1 has no asset nope;"), "{text}");
    assert_eq!(folder.json(&["assets", "list"])["assets"][0]["id"], asset);
    folder.text(&["collections", "create", "notes"]);
    let (code, text) = folder.failure(&["collections", "remove", "notes", "nope"]);
    assert!(code == Some(2) && text.contains("user 1 has no collection nope;"), "{text}");
    assert_eq!(folder.json(&["collections", "list"])["collections"][0]["name"], "notes");
}

#[test]
fn an_example_is_the_start_of_an_own_workflow() {
    let folder = Folder::new();
    let (code, text) = folder.failure(&["workflow", "remove", "greet"]);
    assert!(code == Some(2) && text.contains("greet comes with the program"), "{text}");
    let exported = folder.text(&["workflow", "export", "greet"]);
    let own = exported.replace("Hello, ", "Hi, ");
    assert_ne!(own, exported);
    folder.text(&["workflow", "import", &folder.file("own.json", &own)]);
    assert_eq!(folder.text(&["workflow", "export", "greet"]), own);
    let run = folder.text(&["workflow", "run", "greet", "--param", "name=Ada"]);
    assert!(run.contains("Hi, Ada!"), "{run}");
    folder.text(&["workflow", "remove", "greet"]);
    assert_eq!(folder.text(&["workflow", "export", "greet"]), exported);
}

#[test]
fn a_warning_of_an_import_is_in_its_json() {
    let folder = Folder::new();
    let bare = folder
        .file("bare.json", r#"{"nodes": [{"id": "a", "type": "no.such.Type"}], "edges": []}"#);
    let output = folder.run(&["workflow", "import", &bare, "--json"]);
    let row = &stdout_json(&output)["workflows"][0];
    let warning = row["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("bare cannot run as it is: unknown node type"), "{row}");
    assert!(stderr(&output).contains(&format!("warning: {warning}\n")), "{}", stderr(&output));
}

#[test]
fn what_is_to_be_checked_must_be_said() {
    let folder = Folder::new();
    let (code, text) = folder.failure(&["workflow", "validate"]);
    assert!(code == Some(2) && text.contains("<ID|--file <FILE>>"), "{text}");
    let (code, text) = folder.failure(&["workflow", "validate", "greet", "--file", "x"]);
    assert!(code == Some(2) && text.contains("cannot be used with"), "{text}");
}

#[test]
fn an_empty_variable_of_a_switch_is_not_set() {
    let folder = Folder::new();
    let file = folder.file("inputs.json", INPUTS);
    let run = |value: &str| {
        let mut command = clawnode(&["run", &file]);
        command.env("CLAWNODE_ALLOW_COMMANDS", value).env("CLAWNODE_QUIET", value);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let output = run("");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!output.stderr.is_empty(), "it is not quiet");
    let quiet = run("yes");
    assert_eq!((quiet.status.code(), &*quiet.stderr), (Some(0), &b""[..]));
    let output = run("perhaps");
    assert!(output.status.code() == Some(2), "{}", stderr(&output));
}

#[test]
fn one_user_sees_nothing_of_another() {
    let folder = Folder::new();
    let file = folder.file("shout.json", EXPORTED);
    folder.text(&["workflow", "import", &file, "--user-id", "ann"]);
    folder.text(&["workflow", "run", ID, "--user-id", "ann", "--quiet"]);
    folder.text(&["assets", "add", &file, "--user-id", "ann"]);
    assert_eq!(folder.json(&["workflow", "list"])["workflows"], json!([]));
    assert_eq!(folder.json(&["jobs", "list"])["jobs"], json!([]));
    assert_eq!(folder.json(&["assets", "list"])["assets"], json!([]));
    let theirs = folder.json(&["assets", "list", "--user-id", "ann"]);
    let id = theirs["assets"][0]["id"].as_str().unwrap();
    let (code, text) = folder.failure(&["assets", "get", id]);
    assert!(code == Some(2) && text.contains("user 1 has no asset"), "{text}");
}

#[test]
fn a_file_is_kept_as_an_asset() {
    let folder = Folder::new();
    let file = folder.file("note.txt", "remember the milk");
    let (code, text) = folder.failure(&["assets", "add", &file, "no-such-file"]);
    assert!(code == Some(2) && text.contains("cannot read no-such-file"), "{text}");
    assert_eq!(folder.json(&["assets", "list"])["assets"], json!([]));
    let made = folder.json(&["assets", "folder", "Notes"]);
    let notes = made["assets"][0]["id"].as_str().unwrap();
    let added = folder.json(&["assets", "add", &file, "--folder", notes]);
    let id = added["assets"][0]["id"].as_str().unwrap();
    assert_eq!(added["assets"][0]["content_type"], "text/plain");
    assert_eq!(folder.text(&["assets", "get", id]), "remember the milk");
    let copy = folder.path().join("copy.txt");
    let get = ["assets", "get", id, "--output", copy.to_str().unwrap()];
    folder.text(&get);
    assert_eq!(fs::read_to_string(&copy).unwrap(), "remember the milk");
    let (code, text) = folder.failure(&get);
    assert!(code == Some(1) && text.contains("exists"), "{text}");
    let list = folder.text(&["assets", "list", "--folder", notes]);
    assert!(list.contains("note.txt") && !list.contains("Notes"), "{list}");
    let (code, text) = folder.failure(&["assets", "remove", notes]);
    assert!(code == Some(2) && text.contains("not empty"), "{text}");
    folder.text(&["assets", "remove", id, notes]);
    assert_eq!(folder.json(&["assets", "list"])["assets"], json!([]));
}

#[test]
fn a_long_list_comes_in_parts() {
    let folder = Folder::new();
    for name in ["a", "b", "c"] {
        let file = folder.file(&format!("{name}.json"), r#"{"nodes": [], "edges": []}"#);
        folder.text(&["workflow", "import", &file]);
    }
    let output = folder.run(&["workflow", "list", "--limit", "2"]);
    let said = stderr(&output);
    let cursor = said.trim().rsplit(' ').next().unwrap();
    assert!(said.contains("there are more: --start"), "{said}");
    let rest = folder.text(&["workflow", "list", "--start", cursor]);
    assert_eq!(rest.lines().count(), 2, "{rest}");
    assert!(rest.lines().nth(1).unwrap().starts_with("a "), "{rest}");
    let (code, text) = folder.failure(&["workflow", "list", "--start", "x"]);
    assert!(code == Some(2) && text.contains("no cursor of this list"), "{text}");
}

#[test]
fn a_held_store_can_be_read_and_copied_and_not_written() {
    let folder = Folder::new();
    let file = folder.file("shout.json", EXPORTED);
    folder.text(&["workflow", "import", &file]);
    let store = Store::open(&folder.data_dir()).unwrap();
    store.create_job(NewJob::new("job", "1")).unwrap();
    store.start_job("job").unwrap();
    store.log("job", LogRow::new(Level::Info, "half of it"));
    store.flush().unwrap();

    for write in
        [&["workflow", "import", &file][..], &["workflow", "remove", ID], &["assets", "add", &file]]
    {
        let (code, text) = folder.failure(write);
        let holder = format!("process {} holds the store", std::process::id());
        assert!(code == Some(2) && text.contains(&holder), "{text}");
    }
    let (code, text) = folder.failure(&["workflow", "run", ID]);
    let advice = format!("clawnode run --gateway ... --workflow-id {ID}");
    assert!(
        code == Some(2) && text.contains("holds the store") && text.contains(&advice),
        "{text}"
    );
    assert_eq!(folder.text(&["workflow", "export", ID]), EXPORTED);
    assert_eq!(folder.json(&["jobs", "show", "job"])["status"], "running");
    assert!(folder.text(&["jobs", "logs", "job"]).contains("INFO     half of it"));
    let copy = folder.path().join("copy");
    folder.text(&["backup", copy.to_str().unwrap()]);
    assert_eq!(
        folder.text(&["workflow", "export", ID, "--data-dir", copy.to_str().unwrap()]),
        EXPORTED
    );

    // Nobody heeds the request here: the job does not end.
    let (code, text) = folder.failure(&["jobs", "cancel", "job"]);
    assert!(code == Some(1) && text.contains("has not ended yet"), "{text}");
    assert_eq!(store.cancel_requests().unwrap(), ["job"]);
    drop(store);
    let job = folder.json(&["jobs", "show", "job"]);
    assert_eq!(
        (&job["status"], &job["error"]),
        (&json!("failed"), &json!("the node ended while the job ran"))
    );
}

#[test]
fn a_parameter_that_the_workflow_does_not_know_is_said_by_the_node() {
    let folder = Folder::new();
    folder.text(&["workflow", "import", &folder.file("shout.json", EXPORTED)]);
    let data_dir = folder.data_dir();
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let _node = Process::node(&address, &["--data-dir", data_dir.to_str().unwrap()]);
    let url = format!("http://{address}");
    let ask = ["run", "--gateway", &url, "--auth-token", TOKEN, "--workflow-id", ID];
    let ran = wait_until("the node to be there", || {
        let ran = folder.run(&[&ask[..], &["--param", "txt=hi"]].concat());
        (ran.status.code() != Some(4)).then_some(ran)
    });
    let said = stderr(&ran);
    let warning = "parameter \"txt\" is ignored: no input of the graph has that name; it has text";
    assert!(ran.status.success() && said.contains(warning), "{said}");
    let job_id = &stdout_json(&ran)["job_id"];
    let logs = folder.text(&["jobs", "logs", job_id.as_str().unwrap()]);
    assert!(logs.contains("WARNING") && logs.contains(warning), "{logs}");
}

/// A workflow that is busy for minutes.
fn endless() -> String {
    let values: Vec<usize> = (0..5_000).collect();
    let template = "{% for i in range(20000) %}{% endfor %}{{ item }}";
    json!({
        "id": "endless",
        "graph": {
            "nodes": [
                {"id": "list", "type": "nodetool.constant.List", "data": {"value": values}},
                {"id": "each", "type": "nodetool.control.ForEach"},
                {"id": "text", "type": "nodetool.text.FormatText", "data": {"template": template}, "dynamic_properties": {"item": null}},
                {"id": "out", "type": "nodetool.output.Output", "data": {"name": "text"}}
            ],
            "edges": [
                {"source": "list", "sourceHandle": "output", "target": "each", "targetHandle": "input_list"},
                {"source": "each", "sourceHandle": "output", "target": "text", "targetHandle": "item"},
                {"source": "text", "sourceHandle": "output", "target": "out", "targetHandle": "value"}
            ]
        }
    })
    .to_string()
}

#[test]
fn a_job_of_a_running_node_is_seen_and_cancelled_from_outside() {
    let folder = Folder::new();
    folder.text(&["workflow", "import", &folder.file("endless.json", &endless())]);
    let data_dir = folder.data_dir();
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let mut node = Process::node(&address, &["--data-dir", data_dir.to_str().unwrap()]);
    let url = format!("http://{address}");
    let ask = ["run", "--gateway", &url, "--auth-token", TOKEN, "--workflow-id", "endless"];
    let running = || {
        wait_until("a running job", || {
            let jobs = folder.json(&["jobs", "list"]);
            let job = &jobs["jobs"][0];
            (job["status"] == "running").then(|| job["id"].as_str().unwrap().to_owned())
        })
    };

    let mut asking = clawnode(&ask).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let job_id = running();
    let (code, text) = folder.failure(&["jobs", "cancel", &job_id]);
    assert!(code == Some(0) && text.contains("is cancelled"), "{text}");
    assert_eq!(folder.json(&["jobs", "show", &job_id])["status"], "cancelled");
    assert_eq!(asking.wait().unwrap().code(), Some(1));

    let mut asking = clawnode(&ask).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let job_id = running();
    node.kill();
    let job = folder.json(&["jobs", "show", &job_id]);
    assert_eq!(job["status"], "failed");
    assert_eq!(job["error"], "the node ended while the job ran");
    asking.kill().unwrap();
    asking.wait().unwrap();
}

#[test]
fn the_log_of_a_running_script_is_there_and_stays_when_its_job_is_cancelled() {
    let folder = Folder::new();
    let code = "console.log('begun'); output('output', 1); while (true) {}";
    let busy = json!({
        "id": "busy",
        "graph": {
            "nodes": [
                {"id": "code", "type": "nodetool.code.Code", "data": {"code": code, "timeout": 300}},
                {"id": "out", "type": "nodetool.output.Output", "data": {"name": "given"}}
            ],
            "edges": [{"source": "code", "sourceHandle": "output", "target": "out", "targetHandle": "value"}]
        }
    });
    folder.text(&["workflow", "import", &folder.file("busy.json", &busy.to_string())]);
    let data_dir = folder.data_dir();
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let _node = Process::node(&address, &["--data-dir", data_dir.to_str().unwrap()]);
    let url = format!("http://{address}");
    let ask = ["run", "--gateway", &url, "--auth-token", TOKEN, "--workflow-id", "busy"];
    let mut asking = clawnode(&ask).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let job_id = wait_until("a line of a running job", || {
        let jobs = folder.json(&["jobs", "list"]);
        let job_id = jobs["jobs"][0]["id"].as_str()?.to_owned();
        folder.text(&["jobs", "logs", &job_id]).contains("begun").then_some(job_id)
    });
    assert_eq!(folder.json(&["jobs", "show", &job_id])["status"], "running");
    folder.text(&["jobs", "cancel", &job_id]);
    assert_eq!(asking.wait().unwrap().code(), Some(1));
    assert_eq!(folder.json(&["jobs", "show", &job_id])["status"], "cancelled");
    assert!(folder.text(&["jobs", "logs", &job_id]).contains("begun"));
}
