//! The commands and the folder they read.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clawnode_commands::{
    Commands, GetAsset, GetCollection, GetNodeInfo, GetWorkflow, ListAssets, ListCollections,
    ListNodes, ListWorkflows, SearchNodes, ValidateWorkflow, catalog,
    limits::{MAX_COLLECTIONS_LIMIT, MAX_LIST_LIMIT},
    parse,
};
use clawnode_store::{Document, NewAsset, Store};
use clawnode_workflows::{
    NodeLibrary, Workflow, WorkflowDirectory,
    limits::{MAX_WORKFLOW_FILE, MAX_WORKFLOW_FILES},
};
use common::engine;
use serde_json::{Map, Value, json};

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
        Commands::new(engine(), Store::in_memory().unwrap())
            .workflow_directory(Arc::new(WorkflowDirectory::new(&self.0)))
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
    json!(commands.list_workflows("1", &params).unwrap())
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
    assert_eq!(ids(&all), ["b", "c", "one"]);
    assert_eq!((&all["total"], &all["next"]), (&json!(3), &json!("")));
    assert_eq!(all["workflows"][0]["workflow_type"], "user");
    assert!(all["workflows"][0]["updated_at"].as_str().unwrap().ends_with('Z'));

    let first = list(&commands, json!({"limit": 2, "user_id": "1"}));
    assert_eq!(ids(&first), ["b", "c"]);
    let rest = list(&commands, json!({"limit": 2, "start_key": first["next"]}));
    assert_eq!((ids(&rest), &rest["next"]), (vec!["one"], &json!("")));
    // The query comes before the limit.
    assert_eq!(ids(&list(&commands, json!({"query": "BETA", "limit": 1}))), ["b"]);
    assert_eq!(list(&commands, json!({"workflow_type": "all"}))["next"], json!(null));
    assert_eq!(list(&commands, json!({"workflow_type": "bogus"}))["total"], 0);
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
        commands.get_workflow("1", &params).unwrap_err().to_string(),
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
    let commands = Commands::new(engine(), Store::in_memory().unwrap())
        .workflow_directory(Arc::new(directory));
    let error = commands.list_workflows("1", &ListWorkflows::default()).unwrap_err().to_string();
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
        json!(commands.get_workflow("1", &params).unwrap())
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
    assert_eq!(
        commands.get_workflow("1", &missing).unwrap_err().to_string(),
        "Workflow x not found"
    );
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
fn a_workflow_is_validated() {
    let folder = Folder::new("validate");
    folder.write("good.json", workflow("good", "Good"));
    folder.write("bad.json", json!({"nodes": [{"id": "x", "type": "no.Such"}], "edges": []}));
    let commands = folder.commands();
    let validate = |id: &str| {
        let params: ValidateWorkflow = parse(json!({"workflow_id": id})).unwrap();
        json!(commands.validate_workflow("1", &params).unwrap())
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
    let commands = Commands::new(engine(), Store::in_memory().unwrap());
    let list =
        |args: Value| json!(commands.list_nodes("1", &parse::<ListNodes>(args).unwrap()).unwrap());
    assert_eq!(list(json!({}))["count"], NodeLibrary::standard().len());
    let first = list(json!({"namespace": "NODETOOL.Boolean", "limit": 1}));
    assert_eq!(first["count"], 1);
    assert_eq!(first["nodes"][0]["type"], "nodetool.boolean.Compare");
    assert_eq!(first["nodes"][0]["title"], "Compare");
    assert_eq!(
        first["nodes"][0]["names"],
        json!([{"name": "nodetool.boolean.Compare", "generations": ["python"]}])
    );
    assert_eq!(list(json!({"namespace": "none"})), json!({"nodes": [], "count": 0}));

    let info = |node_type: &str| {
        let params: GetNodeInfo = parse(json!({"node_type": node_type})).unwrap();
        commands.get_node_info("1", &params).map(|info| json!(info))
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
        info("nodetool.control.Reroute").unwrap()["names"],
        json!([
            {"name": "nodetool.control.Reroute", "generations": ["python", "typescript"]},
            {"name": "nodetool.workflows.base_node.Reroute", "generations": []}
        ])
    );
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
    let commands = Commands::new(engine(), Store::in_memory().unwrap());
    for (limit, fits) in
        [(0, false), (1, true), (MAX_LIST_LIMIT, true), (MAX_LIST_LIMIT + 1, false)]
    {
        let nodes = ListNodes { limit, ..ListNodes::default() };
        assert_eq!(commands.list_nodes("1", &nodes).is_ok(), fits);
        let workflows = ListWorkflows { limit, ..ListWorkflows::default() };
        assert_eq!(commands.list_workflows("1", &workflows).is_ok(), fits);
    }
}

fn plain() -> Commands {
    Commands::new(engine(), Store::in_memory().unwrap())
}

#[test]
fn examples_are_listed_and_found_by_words() {
    let commands = plain();
    let all = list(&commands, json!({"workflow_type": "example"}));
    assert_eq!((&all["total"], &all["next"]), (&json!(10), &Value::Null));
    let greet = all["workflows"].as_array().unwrap().iter().find(|row| row["id"] == "greet");
    assert_eq!(
        *greet.unwrap(),
        json!({
            "workflow_type": "example", "id": "greet", "name": "Greet", "package_name": "clawnode",
            "description": "Greets somebody by name.", "tags": ["text"], "thumbnail_url": null,
            "path": "greet.json", "required_providers": [], "required_models": []
        })
    );
    assert_eq!(list(&commands, json!({"workflow_type": "example", "limit": 2}))["total"], 2);
    let found = list(&commands, json!({"workflow_type": "all", "query": "WORDS and characters"}));
    assert_eq!(ids(&found), ["word-count"]);
    // The original leaves these out where a query was given.
    assert_eq!(found["workflows"][0].get("required_models"), None);
}

#[test]
fn workflows_of_the_folder_come_before_those_of_the_store() {
    let folder = Folder::new("beside");
    folder.write("a.json", workflow("both", "In the folder"));
    folder.write("b.json", workflow("first", "First"));
    let commands = folder.commands();
    for id in ["both", "second", "third"] {
        let stored = Workflow::from_json(workflow(id, "Stored"), id).unwrap();
        commands.store().put_workflow("1", &stored).unwrap();
    }
    let theirs = Workflow::from_json(workflow("theirs", "Theirs"), "theirs").unwrap();
    commands.store().put_workflow("2", &theirs).unwrap();
    assert_eq!(ids(&list(&commands, json!({}))), ["both", "first", "third", "second"]);
    for limit in 1..=4 {
        let mut found = Vec::new();
        let mut start = json!("");
        loop {
            let page = list(&commands, json!({"limit": limit, "start_key": start}));
            found.extend(ids(&page).into_iter().map(str::to_owned));
            start = page["next"].clone();
            if start == "" {
                break;
            }
            assert_eq!(page["total"], limit);
        }
        assert_eq!(found, ["both", "first", "third", "second"], "{limit}");
    }
    let get = |user: &str, id: &str| {
        let params: GetWorkflow = parse(json!({"workflow_id": id})).unwrap();
        commands.get_workflow(user, &params).map(|found| found.name)
    };
    assert_eq!(get("1", "both").unwrap(), "In the folder");
    assert_eq!(get("1", "second").unwrap(), "Stored");
    assert_eq!(get("1", "greet").unwrap(), "Greet");
    assert_eq!(get("1", "theirs").unwrap_err().to_string(), "Workflow theirs not found");
    for key in ["nonsense", "store:nonsense", "7"] {
        let params: ListWorkflows = parse(json!({"start_key": key})).unwrap();
        assert!(commands.list_workflows("1", &params).is_err(), "{key}");
    }
}

#[test]
fn a_request_is_made_for_its_own_user() {
    let commands = plain();
    let named = |user: &str, user_id: Value| {
        let params: ListWorkflows = parse(json!({"user_id": user_id})).unwrap();
        commands.list_workflows(user, &params).map(|list| list.total)
    };
    for user_id in [json!("ada"), json!("1"), Value::Null] {
        assert_eq!(named("ada", user_id).unwrap(), 0);
    }
    assert_eq!(
        named("ada", json!("bob")).unwrap_err().to_string(),
        "argument `user_id` is \"bob\", but the request is made for user \"ada\"; leave it out"
    );
}

#[test]
fn node_types_are_found_by_words() {
    let commands = plain();
    let search = |args: Value| {
        let params: SearchNodes = parse(args).unwrap();
        commands.search_nodes("1", &params).map(|found| json!(found))
    };
    let types = |args: Value| -> Vec<String> {
        let found = search(args).unwrap();
        let rows = found["nodes"].as_array().unwrap();
        assert_eq!(found["count"], rows.len());
        rows.iter().map(|row| row["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(types(json!({"query": ["format", "text"]}))[0], "nodetool.text.FormatText");
    // One text is a phrase, not the list of its letters.
    assert_eq!(types(json!({"query": "format text"})), types(json!({"query": ["format", "text"]})));
    assert_eq!(types(json!({"query": ["concat"], "n_results": 1})), ["nodetool.text.Concat"]);
    assert_eq!(types(json!({"query": "xylophone"})), [""; 0]);
    let inputs = types(json!({"query": "input", "n_results": 100}));
    assert!(inputs.iter().any(|found| found.starts_with("nodetool.input.")));
    let rest = types(json!({
        "query": "input", "n_results": 100, "exclude_namespaces": ["nodetool.Input"]
    }));
    assert!(!rest.iter().any(|found| found.starts_with("nodetool.input.")));
    let texts = types(json!({"query": "text", "n_results": 100, "output_type": "str"}));
    assert!(texts.contains(&"nodetool.text.Concat".to_owned()));
    let lists = types(json!({"query": "list", "n_results": 100, "input_type": "list"}));
    assert!(lists.contains(&"nodetool.control.ForEach".to_owned()), "{lists:?}");
    let full = search(json!({"query": "concat", "include_metadata": true})).unwrap();
    assert_eq!(full["nodes"][0]["node_type"], "nodetool.text.Concat");
    assert_eq!(full["nodes"][0]["properties"][0]["name"], "a");
    for (args, problem) in [
        (json!({"query": []}), "argument `query` has no word to look for"),
        (json!({"query": "x", "n_results": 0}), "argument `n_results` must be from 1 to 10000"),
    ] {
        let error = search(args).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
    let wrong = parse::<SearchNodes>(json!({"query": 7})).unwrap_err().to_string();
    assert_eq!(wrong, "expected a list of texts, or one text");
    assert_eq!(
        parse::<SearchNodes>(json!({})).unwrap_err().to_string(),
        "missing argument `query`"
    );
}

#[test]
fn assets_are_listed_by_folder_type_and_text() {
    let commands = plain();
    let store = commands.store();
    let folder = store.create_folder("ada", "Photos", None).unwrap();
    store.add_asset(NewAsset::new("ada", "note.txt"), &b"hello"[..]).unwrap();
    let mut inside = NewAsset::new("ada", "Cat.png");
    inside.parent_id = Some(folder.id.clone());
    let cat = store.add_asset(inside, &b"png"[..]).unwrap();
    store.add_asset(NewAsset::new("bob", "cat.txt"), &b"bob's"[..]).unwrap();
    let list = |user: &str, args: Value| {
        let params: ListAssets = parse(args).unwrap();
        commands.list_assets(user, &params).map(|found| json!(found))
    };
    let names = |args: Value| -> Vec<String> {
        let found = list("ada", args).unwrap();
        let rows = found["assets"].as_array().unwrap();
        assert_eq!(found["total"], rows.len());
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(json!({})), ["note.txt", "Photos"]);
    assert_eq!(names(json!({"parent_id": "ada"})), ["note.txt", "Photos"]);
    assert_eq!(names(json!({"parent_id": folder.id})), ["Cat.png"]);
    assert_eq!(names(json!({"content_type": "image/"})), ["Cat.png"]);
    assert_eq!(names(json!({"query": "cat"})), ["Cat.png"]);
    assert_eq!(names(json!({"source": "package"})), [""; 0]);
    assert_eq!(names(json!({"source": "anything"})), ["note.txt", "Photos"]);
    let page = list("ada", json!({"limit": 1})).unwrap();
    assert_eq!(names(json!({"limit": 1, "start_key": page["next"]})), ["Photos"]);

    let found = list("ada", json!({"query": "cat"})).unwrap()["assets"][0].clone();
    assert_eq!(found["folder_name"], "Photos");
    assert_eq!(found["source"], "user");
    assert_eq!(page["assets"][0].get("folder_name"), None);
    for query in ["", "c", " c "] {
        let error = list("ada", json!({"query": query})).unwrap_err().to_string();
        assert_eq!(error, "Search query must be at least 2 characters long");
    }

    let get = |user: &str| {
        let params: GetAsset = parse(json!({"asset_id": cat.id})).unwrap();
        commands.get_asset(user, &params).map(|asset| json!(asset))
    };
    let keys: Vec<String> = get("ada").unwrap().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 12, "{keys:?}");
    assert_eq!(get("bob").unwrap_err().to_string(), format!("Asset {} not found", cat.id));
}

#[test]
fn collections_are_listed_counted_and_found_by_their_user_only() {
    let commands = plain();
    let store = commands.store();
    let metadata = json!({"workflow": "greet", "kind": "notes"});
    store.create_collection("ada", "notes", metadata.as_object().unwrap()).unwrap();
    store.create_collection("ada", "empty", &Map::new()).unwrap();
    store.add_documents("ada", "notes", vec![Document::new("a", "hello world")]).unwrap();
    let list = |user: &str, args: Value| {
        let params: ListCollections = parse(args).unwrap();
        commands.list_collections(user, &params).map(|found| json!(found))
    };
    assert_eq!(
        list("ada", json!({})).unwrap(),
        json!({"collections": [
            {"name": "empty", "metadata": {}, "workflow_name": null, "count": 0},
            {"name": "notes", "metadata": metadata, "workflow_name": "Greet", "count": 1}
        ], "count": 2})
    );
    assert_eq!(list("bob", json!({})).unwrap(), json!({"collections": [], "count": 0}));
    assert_eq!(list("ada", json!({"limit": 1})).unwrap()["count"], 1);
    assert!(list("ada", json!({"limit": MAX_COLLECTIONS_LIMIT})).is_ok());
    assert!(list("ada", json!({"limit": MAX_COLLECTIONS_LIMIT + 1})).is_err());
    let get = |user: &str| {
        let params: GetCollection = parse(json!({"name": "notes"})).unwrap();
        commands.get_collection(user, &params).map(|found| json!(found))
    };
    assert_eq!(get("ada").unwrap(), json!({"name": "notes", "metadata": metadata, "count": 1}));
    assert_eq!(get("bob").unwrap_err().to_string(), "Collection [notes] does not exist");
}

#[test]
fn all_sixteen_commands_have_a_schema_of_their_arguments() {
    let all = catalog::commands();
    assert_eq!(all.len(), 16);
    for command in &all {
        assert!(!command.description.is_empty());
        let schema = &command.parameters;
        assert_eq!(
            (&schema["type"], &schema["additionalProperties"]),
            (&json!("object"), &json!(false))
        );
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{}: {name}", command.name);
        }
        assert!(schema["properties"].get("user_id").is_some(), "{}", command.name);
    }
    let search = all.iter().find(|command| command.name == "search_nodes").unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&search.parameters).unwrap());
}
