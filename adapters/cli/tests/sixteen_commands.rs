//! All sixteen commands, asked through a gateway of a node that keeps things.
#![allow(dead_code, reason = "not every test program uses all that they share")]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clawnode_gateway::client::{Client, Submission};
use clawnode_protocol::Secret;
use clawnode_store::{Document, JobStatus, NewAsset, Query, Store};
use clawnode_workflows::Workflow;
use common::{Process, TOKEN, output, stderr, stdout_json, wait_until};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};

/// A gateway, and a node of it with a store of its own.
struct World {
    data_dir: PathBuf,
    _gateway: Process,
    address: String,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(name: &str) -> Self {
        let data_dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{}-{name}", std::process::id()));
        let (gateway, address) = Process::gateway("127.0.0.1:0");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        Self { data_dir, _gateway: gateway, address, runtime }
    }

    fn store(&self) -> Store {
        Store::open(&self.data_dir).expect("nobody else holds it")
    }

    fn put(&self, store: &Store, id: &str, graph: Value) {
        let workflow = json!({ "id": id, "name": id, "graph": graph });
        let workflow = Workflow::from_json(workflow, id).expect("it is a workflow");
        store.put_workflow("ada", &workflow).expect("it can be kept");
    }

    fn node(&self, more: &[&str]) -> Process {
        let data_dir = self.data_dir.to_str().expect("the path is UTF-8");
        let mut arguments = vec!["--data-dir", data_dir, "--node-id", "node", "--user-id", "ada"];
        arguments.extend(more);
        let node = Process::node(&self.address, &arguments);
        // The node is ready once its registration is written, which is before the gateway has read it.
        wait_until("the gateway to know the node", || {
            let nodes = self.runtime.block_on(self.client().nodes()).expect("the gateway answers");
            nodes.iter().any(|node| node.status == "connected").then_some(())
        });
        node
    }

    fn client(&self) -> Client {
        let url = format!("http://{}", self.address);
        Client::new(&url, Some(Secret::new(TOKEN))).expect("the URL is one")
    }

    /// The answer of a command, or why it failed.
    fn ask(&self, command: &str, args: Value) -> Result<Value, String> {
        self.ask_for("ada", command, args)
    }

    fn ask_for(&self, user: &str, command: &str, args: Value) -> Result<Value, String> {
        self.runtime.block_on(async {
            let client = self.client();
            let args = to_raw_value(&args).expect("it is JSON");
            let submission = Submission::command(command).input(args).user_id(user);
            let submitted = client.submit(&submission).await.expect("the gateway takes it");
            let wait = Some(Duration::from_secs(60));
            let answer = client.result(&submitted.request_id, wait).await.expect("it is known");
            match answer.error {
                Some(error) => Err(error),
                None => {
                    let result = answer.result.expect("an answer has a result");
                    Ok(serde_json::from_str(result.get()).expect("it is JSON"))
                }
            }
        })
    }

    fn eventually(&self, job_id: &str, status: &str) -> Value {
        wait_until(&format!("the job to be {status}"), || {
            let job = self.ask("get_job", json!({ "job_id": job_id })).expect("there is the job");
            (job["status"] == status).then_some(job)
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data_dir);
    }
}

/// A graph that is at work for a long time.
fn long_graph() -> Value {
    graph_of(90_000)
}

/// A graph that is at work for some moments with each of as many items.
fn graph_of(items: usize) -> Value {
    let values: Vec<usize> = (0..items).collect();
    json!({
        "nodes": [
            {"id": "list", "type": "nodetool.constant.List", "data": {"value": values}},
            {"id": "each", "type": "nodetool.control.ForEach"},
            {"id": "again", "type": "nodetool.control.ForEach", "data": {"input_list": values}},
            {"id": "text", "type": "nodetool.text.FormatText", "data": {"template": "{% for a in range(300) %}{{ a }}{{ item }}{% endfor %}"}, "dynamic_properties": {"item": null}},
            {"id": "shown", "type": "nodetool.workflows.base_node.Preview"}
        ],
        "edges": [
            {"source": "list", "sourceHandle": "output", "target": "each", "targetHandle": "input_list"},
            {"source": "each", "sourceHandle": "output", "target": "text", "targetHandle": "item"},
            {"source": "text", "sourceHandle": "output", "target": "shown", "targetHandle": "value"}
        ]
    })
}

#[test]
fn each_of_the_sixteen_answers_as_documented() {
    let world = World::new("sixteen");
    let asset_id = {
        let store = world.store();
        let graph = json!({
            "nodes": [
                {"id": "i", "type": "nodetool.input.StringInput", "data": {"name": "who"}},
                {"id": "o", "type": "nodetool.output.Output", "data": {"name": "r"}}
            ],
            "edges": [{"source": "i", "sourceHandle": "output", "target": "o",
                       "targetHandle": "value"}]
        });
        world.put(&store, "mine", graph);
        store.create_collection("ada", "notes", &Map::new()).expect("it is new");
        let document = Document::new("a", "hello world");
        store.add_documents("ada", "notes", vec![document]).expect("there is room");
        let asset = NewAsset::new("ada", "note.txt");
        store.add_asset(asset, &b"hello"[..]).expect("there is room").id
    };
    let _node = world.node(&["--allow-user", "bob"]);
    let ask = |command: &str, args: Value| {
        world.ask(command, args).unwrap_or_else(|error| panic!("{command}: {error}"))
    };

    let registered = world.runtime.block_on(world.client().nodes()).expect("the gateway answers");
    let metadata: Value = serde_json::from_str(registered[0].metadata.get()).expect("it is JSON");
    let described = metadata["commands"].as_object().expect("the commands are described");
    assert_eq!(described.len(), 16);
    assert!(described.keys().all(|name| registered[0].commands.contains(name)));
    assert_eq!(described["get_job"]["parameters"]["required"], json!(["job_id"]));

    let found = ask("list_workflows", json!({}));
    assert_eq!(
        (&found["workflows"][0]["id"], &found["total"], &found["next"]),
        (&json!("mine"), &json!(1), &json!(""))
    );
    let found = ask("list_workflows", json!({"workflow_type": "example"}));
    assert_eq!(found["total"], 10);

    let found = ask("get_workflow", json!({"workflow_id": "mine"}));
    assert_eq!(found["input_schema"]["required"], json!(["who"]));

    let ran = ask("run_workflow", json!({"workflow_id": "mine", "params": {"who": "Ada"}}));
    assert_eq!((&ran["status"], &ran["result"]), (&json!("completed"), &json!({"r": ["Ada"]})));

    let found = ask("validate_workflow", json!({"workflow_id": "mine"}));
    assert_eq!(found["valid"], true);

    let found = ask("list_jobs", json!({"workflow_id": "mine"}));
    assert_eq!((&found["jobs"][0]["id"], &found["next_start_key"]), (&ran["job_id"], &json!("")));
    assert_eq!(found["jobs"][0]["user_id"], "ada");

    let found = ask("get_job", json!({"job_id": ran["job_id"]}));
    assert_eq!(found["status"], "completed");

    let found = ask("get_job_logs", json!({"job_id": ran["job_id"]}));
    assert_eq!(found["job_id"], ran["job_id"]);
    let messages: Vec<&Value> =
        found["logs"].as_array().unwrap().iter().map(|row| &row["message"]).collect();
    assert_eq!(messages, ["the job began", "the job completed"]);

    let started = ask("start_background_job", json!({"workflow_id": "greet"}));
    assert_eq!(
        (&started["status"], &started["workflow_id"]),
        (&json!("scheduled"), &json!("greet"))
    );
    let ended = world.eventually(started["job_id"].as_str().expect("an id"), "completed");
    assert_eq!(ended["result"], json!({"greeting": ["Hello, world!"]}));

    let found = ask("list_assets", json!({}));
    assert_eq!(
        (&found["assets"][0]["id"], &found["assets"][0]["source"]),
        (&json!(asset_id), &json!("user"))
    );
    assert_eq!(ask("get_asset", json!({"asset_id": asset_id}))["content_type"], "text/plain");

    let found = ask("list_nodes", json!({"namespace": "nodetool.text"}));
    assert!(found["nodes"].as_array().is_some_and(|nodes| nodes.len() >= 2), "{found}");
    let found = ask("search_nodes", json!({"query": ["format", "text"]}));
    assert_eq!(found["nodes"][0]["type"], "nodetool.text.FormatText");
    let found = ask("get_node_info", json!({"node_type": "nodetool.text.FormatText"}));
    assert_eq!((&found["package"], &found["installed"]), (&json!("clawnode"), &json!(true)));

    assert_eq!(
        ask("list_models", json!({})),
        json!({"models": [], "count": 0, "reachable": false, "seen_at": null, "warning": null})
    );
    assert_eq!(ask("list_collections", json!({}))["collections"][0]["count"], 1);
    assert_eq!(
        ask("get_collection", json!({"name": "notes"})),
        json!({"name": "notes", "metadata": {}, "count": 1})
    );

    for (command, args, problem) in [
        ("get_workflow", json!({}), "missing argument `workflow_id`"),
        ("list_jobs", json!({"limt": 1}), "unknown argument `limt`"),
        ("get_job", json!({"job_id": "none"}), "Job none not found"),
        ("get_job_logs", json!({"job_id": "none"}), "Job none not found"),
        ("get_asset", json!({"asset_id": "none"}), "Asset none not found"),
        ("get_collection", json!({"name": "none"}), "Collection [none] does not exist"),
        ("run_workflow", json!({"workflow_id": "none"}), "Workflow none not found"),
        ("list_workflows", json!({"user_id": "bob"}), "the request is made for user \"ada\""),
    ] {
        let error = world.ask(command, args).unwrap_err();
        assert!(error.contains(problem), "{command}: {error}");
    }

    // Of all this another user sees nothing.
    for (command, list) in [
        ("list_workflows", "workflows"),
        ("list_jobs", "jobs"),
        ("list_assets", "assets"),
        ("list_collections", "collections"),
    ] {
        let found = world.ask_for("bob", command, json!({})).expect("bob is allowed to ask");
        assert_eq!(found[list], json!([]), "{command}");
    }
    for (command, args) in [
        ("get_workflow", json!({"workflow_id": "mine"})),
        ("run_workflow", json!({"workflow_id": "mine"})),
        ("start_background_job", json!({"workflow_id": "mine"})),
        ("validate_workflow", json!({"workflow_id": "mine"})),
        ("get_job", json!({"job_id": ran["job_id"]})),
        ("get_job_logs", json!({"job_id": ran["job_id"]})),
        ("get_asset", json!({"asset_id": asset_id})),
        ("get_collection", json!({"name": "notes"})),
    ] {
        let error = world.ask_for("bob", command, args).unwrap_err();
        assert!(error.contains("not found") || error.contains("does not exist"), "{error}");
    }
}

#[test]
fn a_job_that_a_crash_ended_is_failed_after_the_next_start() {
    let world = World::new("crash");
    world.put(&world.store(), "long", long_graph());
    let mut node = world.node(&[]);
    let started = world.ask("start_background_job", json!({"workflow_id": "long"})).unwrap();
    let job_id = started["job_id"].as_str().expect("an id");
    world.eventually(job_id, "running");
    node.kill();
    let node = world.node(&[]);
    node.wait_for("this job was under way when the node ended");
    let job = world.eventually(job_id, "failed");
    assert_eq!(job["error"], "the node ended while the job ran");
    let logs = world.ask("get_job_logs", json!({"job_id": job_id})).unwrap();
    let last = logs["logs"].as_array().unwrap().last().unwrap();
    assert_eq!(last["message"], "the node ended while the job ran");
}

#[test]
fn jobs_end_when_they_are_cancelled_or_their_node_stops() {
    let world = World::new("cancel");
    world.put(&world.store(), "long", long_graph());
    let mut node = world.node(&["--stop-grace", "0.2"]);
    let start = || {
        let started = world.ask("start_background_job", json!({"workflow_id": "long"})).unwrap();
        started["job_id"].as_str().expect("an id").to_owned()
    };
    let first = start();
    world.eventually(&first, "running");
    // As `clawnode jobs cancel` does, in a process of its own.
    let reader = Store::open_to_read(&world.data_dir).expect("it may be read");
    reader.request_cancel("ada", &first).expect("there is the job");
    world.eventually(&first, "cancelled");
    let second = start();
    world.eventually(&second, "running");
    node.signal("-TERM");
    let waits = node.wait_for("waiting for background jobs");
    assert!(waits.contains("once more to stop at once"), "{waits}");
    assert!(waits.contains("count=1 at_most_seconds=0.2"), "{waits}");
    assert_eq!(node.exit_code(), Some(0));
    let cancelled = node.wait_for("background jobs were cancelled");
    assert!(cancelled.contains(&format!("count=1 job_ids=[{second:?}]")), "{cancelled}");
    let jobs = world.store().jobs("ada", None, &Query::default()).expect("it can be read").rows;
    assert_eq!(jobs.len(), 2);
    assert!(jobs.iter().all(|job| job.status == JobStatus::Cancelled), "{jobs:?}");
    assert_eq!(jobs[0].error.as_deref(), Some("the node was stopped"));
    assert_eq!(jobs[1].error, None);
}

#[test]
fn a_background_job_gets_the_grace_of_a_stopping_node() {
    let world = World::new("grace");
    world.put(&world.store(), "short", graph_of(2_000));
    let mut node = world.node(&["--stop-grace", "600"]);
    let started = world.ask("start_background_job", json!({"workflow_id": "short"})).unwrap();
    world.eventually(started["job_id"].as_str().expect("an id"), "running");
    node.signal("-TERM");
    assert_eq!(node.exit_code(), Some(0));
    node.wait_for("waiting for background jobs");
    assert!(!node.log().contains("were cancelled"), "{}", node.log());
    let jobs = world.store().jobs("ada", None, &Query::default()).expect("it can be read").rows;
    assert_eq!((jobs.len(), jobs[0].status), (1, JobStatus::Completed), "{jobs:?}");
}

#[test]
fn a_second_signal_ends_the_wait_for_background_jobs() {
    let world = World::new("twice");
    world.put(&world.store(), "long", long_graph());
    let mut node = world.node(&["--stop-grace", "600"]);
    let started = world.ask("start_background_job", json!({"workflow_id": "long"})).unwrap();
    world.eventually(started["job_id"].as_str().expect("an id"), "running");
    node.signal("-INT");
    node.wait_for("waiting for background jobs");
    // Two signals within a tenth of a second count as one.
    thread::sleep(Duration::from_millis(300));
    node.signal("-INT");
    assert_eq!(node.exit_code(), Some(130), "{}", node.log());
}

#[test]
fn a_second_node_is_told_who_holds_the_store() {
    let world = World::new("held");
    let _node = world.node(&[]);
    let data_dir = world.data_dir.to_str().expect("the path is UTF-8");
    let second = output(&["connect", "--url", "ws://127.0.0.1:1", "--data-dir", data_dir]);
    assert_eq!(second.status.code(), Some(2));
    let error = stderr(&second);
    assert!(error.contains("holds the store in"), "{error}");
    assert!(error.contains("--data-dir; or give --in-memory"), "{error}");
}

#[test]
fn collections_are_filled_and_searched_on_the_command_line() {
    let world = World::new("collections");
    let data_dir = world.data_dir.to_str().expect("the path is UTF-8");
    let collections = |arguments: &[&str]| {
        let mut all = vec!["collections"];
        all.extend(arguments);
        all.extend(["--data-dir", data_dir, "--user-id", "ada"]);
        output(&all)
    };
    let files = [("tea.txt", "black tea from Assam"), ("milk.txt", "milk for the tea")]
        .map(|(name, text)| common::temporary_file(name, text).to_str().expect("UTF-8").to_owned());
    let added = collections(&["add", "pantry", &files[0], &files[1]]);
    assert_eq!(added.status.code(), Some(0), "{}", stderr(&added));
    let found = collections(&["search", "pantry", "tea", "ass*", "--json"]);
    let found: Value = serde_json::from_slice(&found.stdout).expect("it is JSON");
    assert_eq!(found["documents"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(found["documents"][0]["text"], "black tea from Assam");
    let ranked = collections(&["search", "pantry", "tea"]);
    let ranked = String::from_utf8_lossy(&ranked.stdout).into_owned();
    let ranks: Vec<_> = ranked.lines().map(|line| line.split(' ').next()).collect();
    assert_eq!(ranks, [Some("RANK"), Some("1"), Some("2")], "{ranked}");
    for writes in ["create", "add", "remove"] {
        let help = output(&["collections", writes, "-h"]);
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        let words: Vec<_> = help.split_whitespace().collect();
        assert!(words.join(" ").contains("Not while a node runs"), "{help}");
    }
    let listed = collections(&["list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("pantry  2 "), "{listed:?}");
    let twice = collections(&["add", "pantry", &files[0], &files[0]]);
    assert!(stderr(&twice).contains("two files are called"), "{}", stderr(&twice));
    assert!(stderr(&collections(&["create", "pantry"])).contains("exists"));
    assert_eq!(collections(&["remove", "pantry"]).status.code(), Some(0));
    let gone = collections(&["search", "pantry", "tea"]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(stderr(&gone).contains("user ada has no collection pantry"), "{}", stderr(&gone));
}

/// A service with an API like OpenAI's, which has models until it is closed.
struct ModelServer {
    address: String,
    models: Arc<Mutex<Option<Vec<&'static str>>>>,
    serving: Option<JoinHandle<()>>,
}

impl ModelServer {
    fn new(models: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let models = Arc::new(Mutex::new(Some(models.to_vec())));
        let offered = Arc::clone(&models);
        let serving = thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("somebody comes");
                let Some(models) = offered.lock().expect("no holder panics").clone() else {
                    return;
                };
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let line = lines.next();
                while lines.next().is_some_and(|line| !line.is_empty()) {}
                assert_eq!(line.as_deref(), Some("GET /v1/models HTTP/1.1"));
                let data: Vec<_> =
                    models.iter().map(|id| json!({"id": id, "owned_by": "library"})).collect();
                let body = json!({ "object": "list", "data": data }).to_string();
                let head = format!("Content-Length: {}\r\nConnection: close", body.len());
                write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").expect("it reads");
            }
        });
        Self { address, models, serving: Some(serving) }
    }

    fn offers(&self, models: &[&'static str]) {
        *self.models.lock().expect("no holder panics") = Some(models.to_vec());
    }

    /// From now on nobody listens at its address.
    fn close(&mut self) {
        *self.models.lock().expect("no holder panics") = None;
        if let Some(serving) = self.serving.take() {
            // It waits for somebody.
            let _ = TcpStream::connect(&self.address);
            serving.join().expect("it serves without a fault");
        }
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.close();
        }
    }
}

#[test]
fn models_are_remembered_and_listed_as_reachable_only_when_they_are() {
    let world = World::new("models");
    let mut server = ModelServer::new(&["tiny", "small"]);
    let address = server.address.clone();
    let source = format!("http://{address}/v1");
    let with_secret = format!("http://ann:s3cret@{address}/v1");
    let mut node = world.node(&["--allow-user", "bob", "--models-url", &with_secret]);
    let ids = |found: &Value| -> Vec<String> {
        let rows = found["models"].as_array().expect("there are models");
        rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    };
    let stale = || json!({"stale_if_error": true});
    let data_dir = world.data_dir.to_str().expect("the path is UTF-8");
    let shown = |user: &str, arguments: &[&str]| {
        let list = ["models", "list", "--data-dir", data_dir, "--user-id", user];
        let shown = output(&[&list[..], arguments].concat());
        assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
        shown
    };
    let remembered = |user: &str, arguments: &[&str]| {
        stdout_json(&shown(user, &[arguments, &["--json"]].concat()))
    };

    let live = world.ask("list_models", json!({})).unwrap();
    assert_eq!(ids(&live), ["tiny", "small"]);
    assert_eq!((&live["reachable"], &live["warning"]), (&json!(true), &Value::Null));
    server.offers(&["small", "large"]);
    let live = world.ask("list_models", stale()).unwrap();
    assert_eq!(ids(&live), ["small", "large"]);

    // Beside the node that runs.
    let found = remembered("ada", &[]);
    assert_eq!((ids(&found), &found["next"]), (vec!["large".into(), "small".into()], &Value::Null));
    let row = &found["models"][0];
    assert_eq!((&row["source"], &row["provider"]), (&json!(source), &json!("library")));
    assert_eq!(row["seen_at"], live["seen_at"]);
    assert!(!found.to_string().contains("s3cret"), "{found}");
    let table = String::from_utf8(shown("ada", &[]).stdout).expect("it is UTF-8");
    let expected =
        format!("ID     TYPE            PROVIDER  SOURCE{:1$}  SEEN\n", "", source.len() - 6);
    assert!(table.starts_with(&expected), "{table}");
    assert!(table.contains(&format!("\nlarge  language_model  library   {source}  20")), "{table}");
    assert_eq!(ids(&remembered("ada", &["--search", "SMA"])), ["small"]);
    assert_eq!(ids(&remembered("ada", &["--source", &source])).len(), 2);
    assert!(ids(&remembered("ada", &["--source", "http://other"])).is_empty());
    let part = remembered("ada", &["--limit", "1"]);
    let cursor = part["next"].as_str().expect("there are more");
    let rest = remembered("ada", &["--start", cursor]);
    assert_eq!([ids(&part), ids(&rest)], [["large"], ["small"]]);
    assert!(ids(&remembered("bob", &[])).is_empty());
    assert!(stderr(&shown("bob", &[])).contains("nothing here for user bob"));

    server.close();
    let error = world.ask("list_models", json!({})).unwrap_err();
    assert!(error.starts_with("the models cannot be listed: "), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
    let seen_at = live["seen_at"].as_str().expect("a time");
    assert!(error.contains(&format!("`stale_if_error` lists those of {seen_at}")), "{error}");
    let found = world.ask("list_models", stale()).unwrap();
    assert_eq!(ids(&found), ["large", "small"]);
    assert_eq!((&found["reachable"], &found["seen_at"]), (&json!(false), &live["seen_at"]));
    assert!(found["warning"].as_str().is_some_and(|why| error.starts_with(why)), "{found}");
    let bobs = world.ask_for("bob", "list_models", stale()).unwrap_err();
    assert!(bobs.starts_with("the models cannot be listed: "), "{bobs}");
    assert!(!bobs.contains("stale_if_error"), "{bobs}");

    // Another service's models are none of this one's.
    node.signal("-TERM");
    assert_eq!(node.exit_code(), Some(0));
    let other = ModelServer::new(&["other"]);
    let other_url = format!("http://{}/v1", other.address);
    {
        let _node = world.node(&["--models-url", "http://127.0.0.1:1/v1"]);
        let error = world.ask("list_models", stale()).unwrap_err();
        assert!(!error.contains("stale_if_error"), "{error}");
    }
    let _node = world.node(&["--models-url", &other_url]);
    assert_eq!(ids(&world.ask("list_models", stale()).unwrap()), ["other"]);
    assert_eq!(ids(&remembered("ada", &[])), ["other", "large", "small"]);
}

#[test]
fn a_node_in_memory_lists_models_and_keeps_none_in_its_folder() {
    let world = World::new("models-in-memory");
    let mut server = ModelServer::new(&["tiny"]);
    let url = format!("http://{}/v1", server.address);
    let _node = world.node(&["--in-memory", "--models-url", &url]);
    let live = world.ask("list_models", json!({})).unwrap();
    assert_eq!((&live["reachable"], &live["count"]), (&json!(true), &json!(1)));
    server.close();
    let found = world.ask("list_models", json!({"stale_if_error": true})).unwrap();
    assert_eq!((&found["reachable"], &found["models"]), (&json!(false), &live["models"]));
    assert!(!Store::exists(&world.data_dir));
}

#[test]
fn a_url_of_models_that_is_none_is_a_fault_of_usage() {
    let wrong =
        ["connect", "--url", "ws://127.0.0.1:1", "--models-url", "http://ann:s3cret@h:port/v1"];
    let refused = output(&wrong);
    let said = stderr(&refused);
    assert!(refused.status.code() == Some(2) && said.contains("--models-url: "), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[cfg(unix)]
#[test]
fn the_script_says_what_it_needs() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/sixteen_commands.sh");
    let text = std::fs::read_to_string(script).expect("it is in the repository");
    let copy = common::temporary_file("copy.sh", &text);
    let run = |script: &str, argument: Option<&str>| {
        let mut command = std::process::Command::new("bash");
        command.arg(script).args(argument).stdin(std::process::Stdio::null());
        let output = command.output().expect("there is a bash");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        stderr(&output)
    };
    let said = run(copy.to_str().expect("the path is UTF-8"), None);
    assert!(said.contains("run this script where it is in the repository"), "{said}");
    let said = run(script, Some("/no/such/clawnode"));
    assert!(said.contains("/no/such/clawnode is no program"), "{said}");
}

#[test]
fn commands_node_types_and_examples_are_shown_without_a_gateway() {
    let shown = |arguments: &[&str]| {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("it is UTF-8")
    };
    let commands = shown(&["commands"]);
    assert_eq!(commands.lines().count(), 17, "{commands}");
    let which = commands.lines().last().unwrap();
    assert!(
        which.starts_with("system.which ") && which.contains("besides nodetool's sixteen"),
        "{which}"
    );
    assert!(shown(&["commands", "system.which"]).contains("(array, required)"));
    let one = shown(&["commands", "list_jobs"]);
    assert!(one.contains("limit") && one.contains("(integer, default 100)"), "{one}");
    let json: Value = serde_json::from_str(&shown(&["commands", "get_job", "--json"])).unwrap();
    assert_eq!(json["parameters"]["required"], json!(["job_id"]));
    assert!(shown(&["nodes"]).contains("nodetool.text.FormatText"));
    assert!(shown(&["nodes", "--search", "concat text"]).starts_with("nodetool.text.Concat "));
    assert!(shown(&["nodes", "nodetool.text.Concat"]).contains("properties\n  a "));
    let code = shown(&["nodes", "nodetool.code.Code"]);
    let (_, outputs) = code.split_once("\noutputs\n").unwrap();
    assert!(outputs.starts_with("  output  "), "{code}");
    assert!(outputs.ends_with("\n  and any that a graph adds\n"), "{code}");
    let json: Value =
        serde_json::from_str(&shown(&["nodes", "nodetool.text.Concat", "--json"])).unwrap();
    assert_eq!(json["title"], "Concatenate Text");
    let ran: Value = serde_json::from_str(&shown(&["run", "--example", "greet", "-q"])).unwrap();
    assert_eq!(ran["result"], json!({"greeting": ["Hello, Ada!"]}));
    let ran = shown(&["run", "--example", "greet", "-q", "--param", "name=Bob"]);
    assert!(ran.contains("Hello, Bob!"), "{ran}");
    for (arguments, problem) in [
        (&["commands", "none"][..], "there is no command none; there are: list_workflows"),
        (&["nodes", "nodetool.text.Conct"], "did you mean nodetool.text.Concat?"),
        (&["run", "--example", "none"], "there are: fizz-buzz, greet"),
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(problem), "{}", stderr(&output));
    }
}
