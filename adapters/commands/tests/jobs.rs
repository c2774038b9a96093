//! Runs as jobs: their rows, logs and ends.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clawnode_commands::{
    CommandError, Commands, GetJob, GetJobLogs, Jobs, ListJobs, RunWorkflow, Spawn,
    StartBackgroundJob,
    limits::{MAX_BACKGROUND_JOBS, MAX_NODE_EVENTS, MAX_WAITING_JOBS},
    parse,
};
use clawnode_store::Store;
use clawnode_workflows::{
    Engine, Graph, NodeLibrary, NodeType, Property, TypeDescriptor, Workflow,
};
use serde_json::{Map, Value, json};

/// Every task and every piece of blocking work on a thread of its own.
struct Threads;

impl Spawn for Threads {
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        thread::spawn(|| futures_lite::future::block_on(task));
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        thread::spawn(work);
    }
}

/// An engine that also has `test.Wait`, which ends when the gate is closed.
fn engine(gate: async_channel::Receiver<()>, waiting: Arc<AtomicUsize>) -> Engine {
    let mut library = NodeLibrary::standard();
    library.register(
        NodeType::new("test.Wait", "Wait", "Waits.")
            .property(Property::any("value"))
            .output("output", TypeDescriptor::any())
            .process(move |_: Value, context| {
                let (gate, waiting) = (gate.clone(), Arc::clone(&waiting));
                async move {
                    context.log(clawnode_workflows::Severity::Warning, "it may take long").await;
                    waiting.fetch_add(1, Ordering::SeqCst);
                    let _ = gate.recv().await;
                    Ok(json!("done"))
                }
            }),
    );
    Engine::new(library.into())
}

struct World {
    jobs: Jobs,
    gate: async_channel::Sender<()>,
    waiting: Arc<AtomicUsize>,
    store: Store,
}

impl World {
    fn new() -> Self {
        let (gate, closed) = async_channel::bounded(1);
        let waiting = Arc::new(AtomicUsize::new(0));
        let store = Store::in_memory().unwrap();
        for (id, node) in [("wait", "test.Wait"), ("bad", "no.Such")] {
            let graph = json!({
                "id": id,
                "graph": {
                    "nodes": [
                        {"id": "w", "type": node},
                        {"id": "o", "type": "nodetool.output.Output", "data": {"name": "r"}}
                    ],
                    "edges": [{"source": "w", "sourceHandle": "output", "target": "o",
                               "targetHandle": "value"}]
                }
            });
            store.put_workflow("ada", &Workflow::from_json(graph, id).unwrap()).unwrap();
        }
        let commands = Commands::new(engine(closed, Arc::clone(&waiting)), store.clone());
        Self { jobs: Jobs::new(commands, Threads), gate, waiting, store }
    }

    fn start(&self, id: &str, job_id: &str) -> Result<Value, CommandError> {
        let params: StartBackgroundJob = parse(json!({"workflow_id": id})).unwrap();
        self.jobs.start_background_job("ada", params, job_id).map(|job| json!(job))
    }

    fn job(&self, id: &str) -> Value {
        let params: GetJob = parse(json!({"job_id": id})).unwrap();
        json!(self.jobs.commands().get_job("ada", &params).unwrap())
    }

    fn logs(&self, id: &str) -> Vec<String> {
        let params: GetJobLogs = parse(json!({"job_id": id})).unwrap();
        let logs = self.jobs.commands().get_job_logs("ada", &params).unwrap().logs;
        logs.iter()
            .map(|row| format!("{} {} {}", row.level.as_str(), row.logger, row.message))
            .collect()
    }

    fn events(&self, id: &str) -> Vec<String> {
        let events = self.store.run_events("ada", id, 0, 100).unwrap();
        events.into_iter().map(|event| event.event_type).collect()
    }

    fn eventually(&self, id: &str, status: &str) -> Value {
        eventually(&format!("job {id} to be {status}"), || {
            Some(self.job(id)).filter(|job| job["status"] == status)
        })
    }

    fn wait_for(&self, count: usize) {
        eventually(&format!("{count} runs to wait"), || {
            (self.waiting.load(Ordering::SeqCst) == count).then_some(())
        });
    }
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited too long for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn run(world: &World, id: &str, job_id: &str) -> Result<Value, CommandError> {
    let params: RunWorkflow = parse(json!({"workflow_id": id, "params": {"name": "Ada"}})).unwrap();
    let run = world.jobs.run_workflow("ada", params, job_id)?;
    futures_lite::future::block_on(run.finish()).map(|outcome| outcome.to_result())
}

const BEGAN: &str = "INFO clawnode the job began";
const COMPLETED: &str = "INFO clawnode the job completed";

#[test]
fn a_run_has_a_row_a_log_and_events() {
    let world = World::new();
    assert_eq!(
        run(&world, "greet", "job-1").unwrap(),
        json!({
            "status": "completed", "result": {"greeting": ["Hello, Ada!"]}, "preview": {},
            "save": {}, "workflow_id": "greet", "job_id": "job-1"
        })
    );
    let job = world.job("job-1");
    assert_eq!(job["status"], "completed");
    assert_eq!(
        (&job["user_id"], &job["job_type"], &job["workflow_id"]),
        (&json!("ada"), &json!("workflow"), &json!("greet"))
    );
    assert!(job["started_at"].is_string() && job["finished_at"].is_string());
    assert_eq!((&job["error"], &job["cost"]), (&Value::Null, &Value::Null));
    assert_eq!(job["result"], json!({"greeting": ["Hello, Ada!"]}));
    assert_eq!(
        world.events("job-1"),
        [
            "RunCreated",
            "NodeStarted",
            "NodeStarted",
            "NodeCompleted",
            "NodeCompleted",
            "RunCompleted"
        ]
    );
    assert_eq!(world.logs("job-1"), [BEGAN, COMPLETED]);
    assert_eq!(world.jobs.unfinished(), 0);
}

#[test]
fn a_parameter_that_no_input_has_is_in_the_log_with_the_inputs_there_are() {
    let world = World::new();
    let params: RunWorkflow =
        parse(json!({"workflow_id": "greet", "params": {"nam": "Ada"}})).unwrap();
    let run = world.jobs.run_workflow("ada", params, "job-1").unwrap();
    futures_lite::future::block_on(run.finish()).unwrap();
    assert_eq!(
        world.logs("job-1"),
        [
            BEGAN,
            "WARNING clawnode parameter \"nam\" is ignored: no input of the graph has that name; it has name",
            COMPLETED
        ]
    );
}

#[test]
fn of_a_node_in_a_stream_as_many_events_as_the_bound_are_kept_and_not_one_more() {
    let world = World::new();
    let each = |items: usize| {
        let graph = json!({
            "nodes": [
                {"id": "list", "type": "nodetool.control.Collection",
                 "data": {"items": vec![0; items]}},
                {"id": "each", "type": "nodetool.control.Reroute"},
                {"id": "all", "type": "nodetool.control.Collect"}
            ],
            "edges": [
                {"source": "list", "sourceHandle": "output", "target": "each",
                 "targetHandle": "input_value"},
                {"source": "each", "sourceHandle": "output", "target": "all",
                 "targetHandle": "input_item"}
            ]
        });
        let job_id = format!("job-{items}");
        let graph = Graph::from_json(graph).unwrap();
        let run = world.jobs.run_graph("ada", graph, Map::new(), &*job_id).unwrap();
        futures_lite::future::block_on(run.finish()).unwrap();
        let events = world.store.run_events("ada", &job_id, 0, 10_000).unwrap();
        assert_eq!(events.last().unwrap().event_type, "RunCompleted");
        events.iter().filter(|event| event.node_id.as_deref() == Some("each")).count()
    };
    let per_item = each(10) / 10;
    assert!(per_item > 0);
    assert_eq!(each(MAX_NODE_EVENTS / per_item), MAX_NODE_EVENTS);
    assert_eq!(each(MAX_NODE_EVENTS / per_item + 1), MAX_NODE_EVENTS);
}

#[test]
fn a_run_that_cannot_start_leaves_a_failed_job_with_the_reason() {
    let world = World::new();
    let error = run(&world, "bad", "job-1").unwrap_err().to_string();
    assert_eq!(error, "the graph cannot run: unknown node type no.Such (node w)");
    let job = world.job("job-1");
    assert_eq!((&job["status"], &job["error"]), (&json!("failed"), &json!(error)));
    assert_eq!(world.logs("job-1"), [format!("ERROR clawnode {error}")]);
    // One that is not found leaves nothing.
    assert_eq!(run(&world, "none", "job-2").unwrap_err().to_string(), "Workflow none not found");
    assert_eq!(world.jobs.commands().list_jobs("ada", &ListJobs::default()).unwrap().jobs.len(), 1);
}

#[test]
fn a_job_id_is_taken_once() {
    let world = World::new();
    run(&world, "greet", "job-1").unwrap();
    let error = run(&world, "greet", "job-1").unwrap_err();
    assert_eq!(error.to_string(), "there is a job job-1 already");
    assert_eq!(world.job("job-1")["status"], "completed");
    assert!(!world.jobs.stopped().iter().any(|id| id == "job-1"));
}

#[test]
fn a_background_job_runs_on_and_its_log_can_be_read_meanwhile() {
    let world = World::new();
    assert_eq!(
        world.start("wait", "job-1").unwrap(),
        json!({"job_id": "job-1", "status": "scheduled", "workflow_id": "wait"})
    );
    world.wait_for(1);
    assert_eq!(world.job("job-1")["status"], "running");
    assert_eq!(world.job("job-1")["result"], Value::Null);
    assert_eq!(world.logs("job-1"), [BEGAN, "WARNING w it may take long"]);
    world.gate.close();
    let job = world.eventually("job-1", "completed");
    assert!(job["finished_at"].is_string());
    assert_eq!(job["result"], json!({"r": ["done"]}));
    assert_eq!(world.logs("job-1"), [BEGAN, "WARNING w it may take long", COMPLETED]);
}

#[test]
fn only_the_documented_strategy_is_taken() {
    let world = World::new();
    for given in ["docker", "subprocess", "magic", ""] {
        let params: StartBackgroundJob =
            parse(json!({"workflow_id": "wait", "execution_strategy": given})).unwrap();
        let error = world.jobs.start_background_job("ada", params, "job").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("Invalid execution_strategy: {given}; this node runs jobs as `threaded` only")
        );
    }
    assert!(
        world.start("none", "job").unwrap_err().to_string().contains("Workflow none not found")
    );
}

#[test]
fn a_job_is_cancelled_by_its_user_only() {
    let world = World::new();
    world.start("wait", "job-1").unwrap();
    world.wait_for(1);
    let error = world.jobs.cancel("bob", "job-1").unwrap_err();
    assert_eq!(error.to_string(), "Job job-1 not found");
    world.jobs.cancel("ada", "job-1").unwrap();
    world.eventually("job-1", "cancelled");
    assert_eq!(world.events("job-1").last().unwrap(), "RunCancelled");
    // As another process asks for it.
    world.start("wait", "job-2").unwrap();
    world.wait_for(2);
    world.store.request_cancel("ada", "job-2").unwrap();
    world.jobs.heed_cancel_requests().unwrap();
    world.eventually("job-2", "cancelled");
}

#[test]
fn a_run_that_is_dropped_is_cancelled() {
    let world = World::new();
    let params: RunWorkflow = parse(json!({"workflow_id": "wait"})).unwrap();
    let run = world.jobs.run_workflow("ada", params, "job-1").unwrap();
    assert_eq!(world.job("job-1")["status"], "running");
    drop(run);
    world.eventually("job-1", "cancelled");
}

#[test]
fn a_task_that_panics_fails_its_job() {
    let world = World::new();
    let params: RunWorkflow = parse(json!({"workflow_id": "wait"})).unwrap();
    let run = world.jobs.run_workflow("ada", params, "job-1").unwrap();
    let panicked = thread::spawn(move || {
        let _run = run;
        panic!("as it happens");
    });
    assert!(panicked.join().is_err());
    let job = world.eventually("job-1", "failed");
    assert_eq!(job["error"], "the job stopped unexpectedly");
}

#[test]
fn stopping_ends_every_job_and_starts_no_more() {
    let world = World::new();
    for index in 0..MAX_BACKGROUND_JOBS + 3 {
        world.start("wait", &format!("job-{index}")).unwrap();
    }
    world.wait_for(MAX_BACKGROUND_JOBS);
    assert_eq!(world.jobs.running_in_background(), MAX_BACKGROUND_JOBS);
    futures_lite::future::block_on(world.jobs.stop());
    assert_eq!(world.jobs.running_in_background(), 0);
    assert_eq!(world.jobs.stopped().len(), MAX_BACKGROUND_JOBS + 3);
    let jobs = world.jobs.commands().list_jobs("ada", &ListJobs::default()).unwrap().jobs;
    assert_eq!(jobs.len(), MAX_BACKGROUND_JOBS + 3);
    assert!(jobs.iter().all(|job| json!(job)["status"] == "cancelled"));
    assert_eq!(
        world.start("wait", "late").unwrap_err().to_string(),
        "the node is stopping and starts nothing more"
    );
}

#[test]
fn draining_cancels_what_waits_and_lets_what_runs_end() {
    let world = World::new();
    for index in 0..MAX_BACKGROUND_JOBS + 2 {
        world.start("wait", &format!("job-{index}")).unwrap();
    }
    world.wait_for(MAX_BACKGROUND_JOBS);
    world.jobs.cancel("ada", "job-0").unwrap();
    let drained = {
        let jobs = world.jobs.clone();
        thread::spawn(move || futures_lite::future::block_on(jobs.drain()))
    };
    let of_status = |status: &str| {
        let jobs = world.jobs.commands().list_jobs("ada", &ListJobs::default()).unwrap().jobs;
        jobs.into_iter().filter(|job| job.status.as_str() == status).collect::<Vec<_>>()
    };
    eventually("nothing to wait", || of_status("scheduled").is_empty().then_some(()));
    assert_eq!(
        world.start("wait", "late").unwrap_err().to_string(),
        "the node is stopping and starts nothing more"
    );
    assert!(!of_status("running").is_empty() && !drained.is_finished());
    // What still runs at the end of its time.
    let last = of_status("running")[0].id.clone();
    futures_lite::future::block_on(world.jobs.stop());
    drained.join().unwrap();
    assert_eq!(world.job(&last)["error"], "the node was stopped");
    assert_eq!(world.job("job-0")["error"], Value::Null);
    assert_eq!(of_status("cancelled").len(), MAX_BACKGROUND_JOBS + 2);
    let stopped = world.jobs.stopped();
    assert!(stopped.len() == MAX_BACKGROUND_JOBS + 1 && stopped.contains(&last), "{stopped:?}");
    assert!(!stopped.iter().any(|id| id == "job-0"), "{stopped:?}");
}

#[test]
fn what_ends_while_the_jobs_are_drained_is_completed() {
    let world = World::new();
    world.start("wait", "job-1").unwrap();
    world.wait_for(1);
    let jobs = world.jobs.clone();
    let drained = thread::spawn(move || futures_lite::future::block_on(jobs.drain()));
    eventually("no more to start", || {
        matches!(world.start("wait", "late"), Err(CommandError::Stopped)).then_some(())
    });
    world.gate.close();
    drained.join().unwrap();
    assert_eq!(world.job("job-1")["status"], "completed");
    assert!(!world.jobs.stopped().iter().any(|id| id == "job-1"));
}

#[test]
fn as_many_background_jobs_as_the_bound_run_and_one_more_is_scheduled() {
    let world = World::new();
    for index in 0..=MAX_BACKGROUND_JOBS {
        world.start("wait", &format!("job-{index}")).unwrap();
    }
    world.wait_for(MAX_BACKGROUND_JOBS);
    let statuses = || {
        let jobs = world.jobs.commands().list_jobs("ada", &ListJobs::default()).unwrap().jobs;
        let mut counts = BTreeMap::new();
        for job in jobs {
            *counts.entry(job.status.as_str()).or_insert(0) += 1;
        }
        counts
    };
    eventually("all but one to run", || {
        (statuses() == BTreeMap::from([("running", MAX_BACKGROUND_JOBS), ("scheduled", 1)]))
            .then_some(())
    });
    world.gate.close();
    eventually("all to end", || {
        (statuses() == BTreeMap::from([("completed", MAX_BACKGROUND_JOBS + 1)])).then_some(())
    });
}

#[test]
fn as_many_background_jobs_as_the_bound_wait_and_one_more_is_refused() {
    /// Starts nothing, so that all wait; blocking work is done at once.
    struct Nobody;
    impl Spawn for Nobody {
        fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
            std::mem::forget(task);
        }
        fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
            work();
        }
    }
    let commands = World::new().jobs.commands().clone();
    let jobs = Jobs::new(commands, Nobody);
    let start = |index: usize| {
        let params: StartBackgroundJob = parse(json!({"workflow_id": "greet"})).unwrap();
        jobs.start_background_job("ada", params, format!("job-{index}"))
    };
    for index in 0..MAX_BACKGROUND_JOBS + MAX_WAITING_JOBS {
        start(index).unwrap();
    }
    let error = start(MAX_BACKGROUND_JOBS + MAX_WAITING_JOBS).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1000 background jobs wait already; try again when some have ended"
    );
}

#[test]
fn a_graph_that_came_along_is_a_job_without_a_workflow() {
    let world = World::new();
    let graph = Graph::from_json(json!({
        "nodes": [{"id": "s", "type": "nodetool.constant.String", "data": {"value": "x"}},
                  {"id": "o", "type": "nodetool.output.Output", "data": {"name": "r"}}],
        "edges": [{"source": "s", "sourceHandle": "output", "target": "o", "targetHandle": "value"}]
    }));
    let run = world.jobs.run_graph("ada", graph.unwrap(), Map::new(), "job-1").unwrap();
    let outcome = futures_lite::future::block_on(run.finish()).unwrap();
    assert_eq!(outcome.to_result()["result"], json!({"r": ["x"]}));
    assert_eq!(world.job("job-1")["workflow_id"], Value::Null);
}
