//! The commands and the folder they read.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clawnode_workflows::{
    WorkflowDirectory,
    commands::{
        Commands, GetNodeInfo, GetWorkflow, ListNodes, ListWorkflows, RunWorkflow,
        ValidateWorkflow, parse,
    },
    limits::{MAX_LIST_LIMIT, MAX_WORKFLOW_FILE, MAX_WORKFLOW_FILES},
};
use common::{engine, finish};
use serde_json::{Value, json};

/// A folder that is removed at the end of its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("clawnode-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, content: impl ToString) {
        fs::write(self.0.join(file), content.to_string()).unwrap();
    }

    fn commands(&self) -> Commands {
        Commands::new(engine(), Some(Arc::new(WorkflowDirectory::new(&self.0))))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn workflow(id: &str, name: &str) -> Value {
    json!({
        "id": id, "name": name, "description": format!("about {name}"), "tags": ["t"],
        "graph": {
            "nodes": [
                {"id": "i", "type": "nodetool.input.StringInput",
                 "data": {"name": "who", "value": "world"}},
                {"id": "o", "type": "nodetool.output.Output", "data": {"name": "r"}}
            ],
            "edges": [{"source": "i", "sourceHandle": "output", "target": "o",
                       "targetHandle": "value"}]
        },
        "etag": "kept"
    })
}

fn list(commands: &Commands, args: Value) -> Value {
    let params: ListWorkflows = parse(args).unwrap();
    json!(commands.list_workflows(&params).unwrap())
}

fn ids(list: &Value) -> Vec<&str> {
    list["workflows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn workflows_are_listed_filtered_and_paged() {
    let folder = Folder::new("list");
    let commands = folder.commands();
    assert_eq!(
        list(&commands, json!({})),
        json!({"workflows": [], "next": "", "total": 0, "broken": []})
    );
    folder.write("a.json", workflow("one", "Alpha"));
    folder.write("b.json", workflow("", "Beta"));
    folder.write("c.json", json!({"nodes": [], "edges": []}));
    folder.write("notes.txt", "not a workflow");

    let all = list(&commands, json!({}));
    assert_eq!(ids(&all), ["one", "b", "c"]);
    assert_eq!((&all["total"], &all["next"]), (&json!(3), &json!("")));
    assert_eq!(all["workflows"][0]["workflow_type"], "user");
    assert!(all["workflows"][0]["updated_at"].as_str().unwrap().ends_with('Z'));

    let first = list(&commands, json!({"limit": 1, "user_id": "7"}));
    assert_eq!((ids(&first), &first["next"]), (vec!["one"], &json!("b")));
    // The query comes before the limit.
    assert_eq!(ids(&list(&commands, json!({"query": "BETA", "limit": 1}))), ["b"]);
    assert_eq!(list(&commands, json!({"workflow_type": "all"}))["next"], json!(null));
    for kind in ["example", "bogus"] {
        assert_eq!(list(&commands, json!({"workflow_type": kind}))["total"], 0);
    }
}

#[test]
fn a_broken_file_is_reported_and_hides_nothing() {
    let folder = Folder::new("broken");
    folder.write("a.json", "{ nonsense");
    folder.write("b.json", json!({"name": "no graph"}));
    folder.write("c.json", workflow("good", "Good"));
    folder.write("d.json", workflow("good", "Twin"));
    folder.write("e.json", json!({"graph": {"nodes": [{}], "edges": []}}));
    fs::create_dir(folder.0.join("f.json")).unwrap();
    let file = fs::File::create(folder.0.join("g.json")).unwrap();
    file.set_len(MAX_WORKFLOW_FILE + 1).unwrap();
    let file = fs::File::create(folder.0.join("h.json")).unwrap();
    file.set_len(MAX_WORKFLOW_FILE).unwrap();

    let commands = folder.commands();
    let found = list(&commands, json!({}));
    assert_eq!(ids(&found), ["good"]);
    let broken: Vec<String> = found["broken"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {}", row["file"].as_str().unwrap(), row["reason"].as_str().unwrap()))
        .collect();
    insta::assert_snapshot!(broken.join("\n"), @r#"
a.json not valid JSON: key must be a string at line 1 column 3
b.json the workflow has no graph: expected the key graph, or nodes and edges
d.json its id "good" is also that of c.json
e.json graph: nodes[0]: missing field `id`
g.json the file is larger than 25 MiB
h.json not valid JSON: expected value at line 1 column 1
"#);
    let params: GetWorkflow = parse(json!({"workflow_id": "b"})).unwrap();
    assert_eq!(
        commands.get_workflow(&params).unwrap_err().to_string(),
        "Workflow b not found; its file b.json is broken: the workflow has no graph: expected the \
         key graph, or nodes and edges"
    );
}

#[test]
fn changes_are_seen() {
    let folder = Folder::new("changes");
    let commands = folder.commands();
    folder.write("a.json", workflow("", "First"));
    assert_eq!(list(&commands, json!({}))["workflows"][0]["name"], "First");
    folder.write("a.json", workflow("", "Another"));
    folder.write("b.json", workflow("", "Second"));
    let found = list(&commands, json!({}));
    assert_eq!(found["workflows"][0]["name"], "Another");
    assert_eq!(found["total"], 2);
    fs::remove_file(folder.0.join("a.json")).unwrap();
    assert_eq!(ids(&list(&commands, json!({}))), ["b"]);
}

#[test]
fn the_number_of_files_is_bounded() {
    let folder = Folder::new("many");
    for index in 0..=MAX_WORKFLOW_FILES {
        folder.write(&format!("{index:05}.json"), r#"{"nodes":[],"edges":[]}"#);
    }
    let directory = WorkflowDirectory::new(&folder.0);
    let listing = directory.list().unwrap();
    assert_eq!(listing.workflows.len(), MAX_WORKFLOW_FILES);
    assert_eq!(listing.broken[0].reason, "the folder has more than 10000 workflow files");
    fs::remove_file(folder.0.join("00000.json")).unwrap();
    let listing = directory.list().unwrap();
    assert_eq!((listing.workflows.len(), listing.broken.len()), (MAX_WORKFLOW_FILES, 0));
}

#[test]
fn a_missing_folder_is_an_error() {
    let directory = WorkflowDirectory::new(Path::new("/nonexistent/workflows"));
    let commands = Commands::new(engine(), Some(Arc::new(directory)));
    let error = commands.list_workflows(&ListWorkflows::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read the workflow folder /nonexistent/workflows: "),
        "{error}"
    );
}

#[test]
fn a_workflow_is_described_with_schemas() {
    let folder = Folder::new("get");
    folder.write("a.json", workflow("w", "W"));
    let mut own = workflow("own", "Own");
    own["input_schema"] = json!({"type": "object", "properties": {}});
    folder.write("b.json", &own);
    let commands = folder.commands();
    let get = |id: &str| {
        let params: GetWorkflow = parse(json!({"workflow_id": id, "user_id": "1"})).unwrap();
        json!(commands.get_workflow(&params).unwrap())
    };
    let found = get("w");
    assert_eq!(
        found["input_schema"],
        json!({
            "type": "object",
            "properties": {"who": {"type": "string", "default": "world", "label": ""}},
            "required": ["who"]
        })
    );
    assert_eq!(
        found["output_schema"],
        json!({
            "type": "object",
            "properties": {"r": {"type": "any", "label": ""}},
            "required": ["r"]
        })
    );
    assert_eq!(found["created_at"], json!(null));
    assert_eq!(get("own")["input_schema"], json!({"type": "object", "properties": {}}));
    let missing: GetWorkflow = parse(json!({"workflow_id": "x"})).unwrap();
    assert_eq!(commands.get_workflow(&missing).unwrap_err().to_string(), "Workflow x not found");
}

#[test]
fn number_inputs_have_the_bounds_of_their_nodes() {
    let graph = json!({
        "nodes": [
            {"id": "a", "type": "nodetool.input.IntegerInput", "data": {"name": "n"}},
            {"id": "b", "type": "nodetool.input.FloatInput",
             "data": {"min": -1.5, "max": 2, "value": 0.5}},
            {"id": "c", "type": "nodetool.input.BooleanInput", "data": {"name": "flag"}},
            {"id": "d", "type": "nodetool.input.ColorInput", "data": {"name": "left out"}}
        ],
        "edges": []
    });
    let workflow = clawnode_workflows::Workflow::from_json(graph, "w").unwrap();
    assert_eq!(
        workflow.input_schema,
        json!({
            "type": "object",
            "properties": {
                "n": {"type": "integer", "minimum": 0, "maximum": 99999, "default": 0, "label": ""},
                "b": {"type": "number", "minimum": -1.5, "maximum": 2, "default": 0.5, "label": ""},
                "flag": {"type": "boolean", "default": false, "label": ""}
            },
            "required": ["n", "b", "flag"]
        })
    );
}

#[test]
fn a_workflow_runs_by_its_id() {
    let folder = Folder::new("run");
    folder.write("a.json", workflow("w", "W"));
    folder.write("bad.json", json!({"nodes": [{"id": "x", "type": "no.Such"}], "edges": []}));
    let commands = folder.commands();
    let run = |args: Value| commands.run_workflow(parse::<RunWorkflow>(args).unwrap(), "job-7");
    let (events, outcome) =
        finish(run(json!({"workflow_id": "w", "params": {"who": "Ada"}})).unwrap());
    assert_eq!(
        outcome.to_result(),
        json!({
            "status": "completed", "result": {"r": ["Ada"]}, "preview": {}, "save": {},
            "workflow_id": "w", "job_id": "job-7"
        })
    );
    assert_eq!(events[0].data["job_id"], "job-7");
    assert_eq!(run(json!({"workflow_id": "w", "params": null})).unwrap().workflow_id(), Some("w"));
    assert_eq!(
        run(json!({"workflow_id": "none"})).unwrap_err().to_string(),
        "Workflow none not found"
    );
    assert_eq!(
        run(json!({"workflow_id": "bad"})).unwrap_err().to_string(),
        "the graph cannot run: unknown node type no.Such (node x)"
    );
}

#[test]
fn a_workflow_is_validated() {
    let folder = Folder::new("validate");
    folder.write("good.json", workflow("good", "Good"));
    folder.write("bad.json", json!({"nodes": [{"id": "x", "type": "no.Such"}], "edges": []}));
    let commands = folder.commands();
    let validate = |id: &str| {
        let params: ValidateWorkflow = parse(json!({"workflow_id": id})).unwrap();
        json!(commands.validate_workflow(&params).unwrap())
    };
    assert_eq!(
        validate("good"),
        json!({
            "valid": true, "workflow_id": "good", "workflow_name": "Good",
            "summary": {"total_nodes": 2, "total_edges": 1, "errors": 0, "warnings": 0,
                        "suggestions": 0},
            "errors": [], "warnings": [], "suggestions": [],
            "message": "Workflow is valid and ready to run"
        })
    );
    let bad = validate("bad");
    assert_eq!(bad["errors"], json!(["unknown node type no.Such (node x)"]));
    assert_eq!(bad["warnings"], json!(["node x (no.Such) is not connected to anything"]));
    assert_eq!(bad["message"], "Workflow has validation errors - please fix before running");
}

#[test]
fn node_types_are_listed_and_described() {
    let commands = Commands::new(engine(), None);
    let list =
        |args: Value| json!(commands.list_nodes(&parse::<ListNodes>(args).unwrap()).unwrap());
    assert_eq!(list(json!({}))["count"], 44);
    let text = list(json!({"namespace": "NODETOOL.Text", "limit": 1}));
    assert_eq!(text["count"], 1);
    assert_eq!(text["nodes"][0]["type"], "nodetool.text.Concat");
    assert_eq!(text["nodes"][0]["title"], "Concatenate Text");
    assert_eq!(list(json!({"namespace": "none"})), json!({"nodes": [], "count": 0}));

    let info = |node_type: &str| {
        let params: GetNodeInfo = parse(json!({"node_type": node_type})).unwrap();
        commands.get_node_info(&params).map(|info| json!(info))
    };
    let compare = info("nodetool.boolean.Compare").unwrap();
    assert_eq!(
        compare["properties"][2],
        json!({
            "name": "comparison",
            "type": {
                "type": "enum", "optional": false, "values": ["==", "!=", ">", "<", ">=", "<="],
                "type_args": [], "type_name": null
            },
            "default": "==", "title": "Comparison", "description": "How they are compared.",
            "min": null, "max": null, "json_schema_extra": null, "required": false
        })
    );
    assert_eq!(compare["outputs"][0]["name"], "output");
    assert_eq!(compare["installed"], true);
    assert_eq!(
        info("nodetool.text.Conct").unwrap_err().to_string(),
        "Node type nodetool.text.Conct not found; did you mean nodetool.text.Concat?"
    );
}

#[test]
fn wrong_arguments_are_named() {
    for (error, expected) in [
        (parse::<GetWorkflow>(json!({})).unwrap_err(), "missing argument `workflow_id`"),
        (
            parse::<GetNodeInfo>(json!({"node_type": "x", "nope": 1})).unwrap_err(),
            "unknown argument `nope`, expected `node_type` or `user_id`",
        ),
        (
            parse::<ListNodes>(json!({"limit": "ten"})).unwrap_err(),
            "invalid type: string \"ten\", expected u32",
        ),
        (parse::<ListNodes>(json!([])).unwrap_err(), "the arguments must be a JSON object"),
    ] {
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(parse::<ListNodes>(Value::Null).unwrap(), ListNodes::default());
    let commands = Commands::new(engine(), None);
    for (limit, fits) in
        [(0, false), (1, true), (MAX_LIST_LIMIT, true), (MAX_LIST_LIMIT + 1, false)]
    {
        let nodes = ListNodes { limit, ..ListNodes::default() };
        assert_eq!(commands.list_nodes(&nodes).is_ok(), fits);
        let workflows = ListWorkflows { limit, ..ListWorkflows::default() };
        assert_eq!(commands.list_workflows(&workflows).is_ok(), fits);
    }
}
