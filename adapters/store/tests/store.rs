//! Opening a store, what lasts in it, and who sees what.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use clawnode_store::{
    EventRow, Job, JobStatus, Level, LogRow, NewAsset, NewJob, Put, Query, Store, StoreError,
    limits,
};
use serde_json::json;

fn open(folder: &Path) -> Store {
    Store::open(folder).unwrap()
}

fn job(store: &Store, id: &str) -> Job {
    store.job("1", id).unwrap().unwrap()
}

const GREETING: &str = r#"{"zebra": 1, "id": "greet", "name": "Greeting", "tags": ["Demo"], "apple": {"b": 1, "a": 2},
    "graph": {"nodes": [], "edges": [], "viewport": {"zoom": 2}}}"#;

#[test]
fn a_store_is_made_on_first_use_and_keeps_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("not/there/yet");
    let store = open(&data_dir);
    let (workflow, put) = store.put_workflow_file("1", GREETING, "file-name").unwrap();
    assert_eq!((workflow.id.as_str(), put), ("greet", Put::Created));
    store.create_job(NewJob::new("job", "1")).unwrap();
    store.start_job("job").unwrap();
    store.log("job", LogRow::new(Level::Info, "hello"));
    store.event("job", EventRow::new("NodeStarted").of_node("n").with(json!({"x": 1})));
    store.finish_job("job", JobStatus::Completed, None).unwrap();
    drop(store);

    let store = open(&data_dir);
    assert!(store.interrupted_jobs().is_empty());
    assert_eq!(store.workflow_file("1", "greet").unwrap().as_deref(), Some(GREETING));
    let workflow = store.workflow("1", "greet").unwrap().unwrap();
    assert_eq!(workflow.extra["apple"], json!({"a": 2, "b": 1}));
    assert_eq!(workflow.graph.extra["viewport"]["zoom"], 2);
    assert!(workflow.updated_at.is_some());
    assert_eq!(job(&store, "job").status, JobStatus::Completed);
    assert_eq!(store.job_logs("1", "job", 10).unwrap()[0].message, "hello");
    let event = store.run_events("1", "job", 0, 10).unwrap().remove(0);
    assert_eq!((event.seq, event.node_id.as_deref()), (1, Some("n")));
    assert_eq!(event.payload, json!({"x": 1}));
}

#[test]
fn a_workflow_is_replaced_by_the_next_with_its_id_and_keeps_its_place() {
    let store = Store::in_memory().unwrap();
    store.put_workflow_file("1", GREETING, "x").unwrap();
    store.put_workflow_file("1", r#"{"nodes": [], "edges": []}"#, "bare").unwrap();
    let made = store.workflows("1", &Query::default()).unwrap().rows.remove(1).created_at;
    assert_eq!(store.put_workflow_file("1", GREETING, "x").unwrap().1, Put::Unchanged);
    let renamed = GREETING.replace("Greeting", "Salut");
    assert_eq!(store.put_workflow_file("1", &renamed, "x").unwrap().1, Put::Replaced);
    let rows = store.workflows("1", &Query::default()).unwrap().rows;
    let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["bare", "Salut"]);
    assert_eq!(rows[1].created_at, made);
    assert_eq!(store.workflow_file("1", "greet").unwrap().unwrap(), renamed);
}

#[test]
fn many_workflows_are_kept_together_or_not_at_all() {
    let store = Store::in_memory().unwrap();
    let bare = r#"{"nodes": [], "edges": []}"#;
    let refused = store.put_workflow_files("1", [(bare, "a"), ("{}", "b")]);
    assert!(matches!(refused, Err(StoreError::Workflow(_))));
    assert!(store.workflows("1", &Query::default()).unwrap().rows.is_empty());
    let kept = store.put_workflow_files("1", [(bare, "a"), (GREETING, "b"), (bare, "a")]).unwrap();
    let done: Vec<_> = kept.iter().map(|(workflow, put)| (workflow.id.as_str(), *put)).collect();
    assert_eq!(done, [("a", Put::Created), ("greet", Put::Created), ("a", Put::Unchanged)]);
    assert_eq!(store.put_workflow_files("1", []).unwrap(), []);
}

#[test]
fn a_query_finds_names_descriptions_and_tags_before_the_limit_counts() {
    let store = Store::in_memory().unwrap();
    for (id, name) in [("a", "Écouter"), ("b", "read 100%"), ("c", "écouter_2"), ("d", "other")] {
        let text = json!({"id": id, "name": name, "graph": {"nodes": [], "edges": []}}).to_string();
        store.put_workflow_file("1", &text, "x").unwrap();
    }
    let found = |text: &str, limit| {
        let query = Query { text: Some(text.to_owned()), limit, start: None };
        let page = store.workflows("1", &query).unwrap();
        (page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>(), page.next.is_some())
    };
    assert_eq!(found("ÉCOUTER", 1), (vec!["c".to_owned()], true));
    assert_eq!(found("ÉCOUTER", 2), (vec!["c".to_owned(), "a".to_owned()], false));
    assert_eq!(found("0%", 9).0, ["b"]);
    assert!(found("_3", 9).0.is_empty());
}

#[test]
fn one_process_at_a_time_holds_a_store_and_others_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.create_job(NewJob::new("job", "1")).unwrap();
    let refused = Store::open(folder.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Held { .. }));
    let text = refused.to_string();
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(text.contains(&folder.path().display().to_string()), "{text}");

    let reader = Store::open_to_read(folder.path()).unwrap();
    assert_eq!(job(&reader, "job").status, JobStatus::Scheduled);
    store.start_job("job").unwrap();
    assert_eq!(job(&reader, "job").status, JobStatus::Running);
    assert!(matches!(reader.start_job("job"), Err(StoreError::ReadOnly)));

    let clone = store.clone();
    drop(store);
    assert!(matches!(Store::open(folder.path()), Err(StoreError::Held { .. })));
    drop(clone);
    open(folder.path());
}

#[test]
fn somebody_elses_file_and_an_empty_folder_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = Store::open_to_read(folder.path()).unwrap_err();
    assert!(matches!(nothing, StoreError::NotReady { .. }));
    fs::write(
        folder.path().join("store.db"),
        "a text of somebody else, long enough to be read as a head of a file. ".repeat(9),
    )
    .unwrap();
    for refused in [Store::open(folder.path()), Store::open_to_read(folder.path())] {
        assert!(matches!(refused, Err(StoreError::NotAStore { .. })), "{refused:?}");
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_folder_or_its_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let store = open(&data_dir);
    store.create_job(NewJob::new("job", "1")).unwrap();
    store.jobs("1", None, &Query::default()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data_dir), 0o700);
    let files: Vec<_> = fs::read_dir(&data_dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn jobs_that_a_process_left_are_failed_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for id in ["scheduled", "running", "done"] {
        store.create_job(NewJob::new(id, "1")).unwrap();
    }
    store.start_job("running").unwrap();
    store.finish_job("done", JobStatus::Cancelled, None).unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.interrupted_jobs(), ["scheduled", "running"]);
    for id in ["scheduled", "running"] {
        let job = job(&store, id);
        assert_eq!(job.status, JobStatus::Failed);
        assert_eq!(job.error.as_deref(), Some("the node ended while the job ran"));
        assert!(job.finished_at.is_some());
        assert_eq!(store.job_logs("1", id, 1).unwrap()[0].level, Level::Error);
        assert_eq!(store.run_events("1", id, 0, 1).unwrap()[0].event_type, "RunFailed");
    }
    assert_eq!(job(&store, "done").status, JobStatus::Cancelled);
}

#[test]
fn the_first_end_of_a_job_counts() {
    let store = Store::in_memory().unwrap();
    store.create_job(NewJob::new("job", "1")).unwrap();
    let again = store.create_job(NewJob::new("job", "2"));
    assert!(matches!(again, Err(StoreError::Exists { what: "job", .. })));
    let not_an_end = store.finish_job("job", JobStatus::Running, None);
    assert!(matches!(not_an_end, Err(StoreError::NotFinal(JobStatus::Running))));
    assert!(store.finish_job("job", JobStatus::Failed, Some("no paper")).unwrap());
    assert!(!store.finish_job("job", JobStatus::Completed, None).unwrap());
    store.start_job("job").unwrap();
    let kept = job(&store, "job");
    assert_eq!((kept.status, kept.error.as_deref()), (JobStatus::Failed, Some("no paper")));
    for unknown in
        [store.finish_job("other", JobStatus::Failed, None).map(drop), store.start_job("other")]
    {
        assert!(matches!(unknown, Err(StoreError::NotFound { .. })));
    }
}

#[test]
fn a_job_can_be_asked_to_end_from_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.create_job(NewJob::new("job", "1")).unwrap();
    let other = Store::open_to_read(folder.path()).unwrap();
    assert!(matches!(other.request_cancel("2", "job"), Err(StoreError::NotFound { .. })));
    assert!(store.cancel_requests().unwrap().is_empty());
    assert!(other.request_cancel("1", "job").unwrap().cancel_requested);
    assert_eq!(store.cancel_requests().unwrap(), ["job"]);
    store.finish_job("job", JobStatus::Cancelled, None).unwrap();
    assert!(store.cancel_requests().unwrap().is_empty());
    assert_eq!(other.request_cancel("1", "job").unwrap().status, JobStatus::Cancelled);
}

#[test]
fn one_user_never_sees_what_is_anothers() {
    let store = Store::in_memory().unwrap();
    store.put_workflow_file("ann", GREETING, "x").unwrap();
    store.create_job(NewJob::new("job", "ann")).unwrap();
    store.log("job", LogRow::new(Level::Info, "secret"));
    store.event("job", EventRow::new("RunCreated"));
    for user in ["bob", "", "ANN", "ann ", "%"] {
        assert!(store.workflow(user, "greet").unwrap().is_none());
        assert!(store.workflow_file(user, "greet").unwrap().is_none());
        assert!(store.workflows(user, &Query::default()).unwrap().rows.is_empty());
        assert!(!store.remove_workflow(user, "greet").unwrap());
        assert!(store.job(user, "job").unwrap().is_none());
        assert!(store.job_params(user, "job").unwrap().is_none());
        assert!(store.jobs(user, None, &Query::default()).unwrap().rows.is_empty());
        assert!(store.jobs(user, Some("greet"), &Query::default()).unwrap().rows.is_empty());
        let refused = [
            store.job_logs(user, "job", 9).map(drop),
            store.run_events(user, "job", 0, 9).map(drop),
            store.request_cancel(user, "job").map(drop),
        ];
        for refused in refused {
            assert!(matches!(refused, Err(StoreError::NotFound { .. })));
        }
    }
    // The same id is another workflow for another user.
    store.put_workflow_file("bob", &GREETING.replace("Greeting", "Bob's"), "x").unwrap();
    assert!(store.remove_workflow("bob", "greet").unwrap());
    assert_eq!(store.workflow("ann", "greet").unwrap().unwrap().name, "Greeting");
}

#[test]
fn the_newest_1000_logs_of_a_job_are_kept_and_not_one_more() {
    let store = Store::in_memory().unwrap();
    for id in ["job", "other"] {
        store.create_job(NewJob::new(id, "1")).unwrap();
    }
    store.log("other", LogRow::new(Level::Info, "mine"));
    let kept = || {
        let logs = store.job_logs("1", "job", limits::MOST_PAGE_ROWS).unwrap();
        (logs.len(), logs[0].message.clone())
    };
    for n in 1..=limits::MOST_LOGS {
        store.log("job", LogRow::new(Level::Info, n.to_string()));
    }
    assert_eq!(kept(), (1_000, "1".to_owned()));
    store.log("job", LogRow::new(Level::Info, "one more"));
    assert_eq!(kept(), (1_000, "2".to_owned()));
    let newest = store.job_logs("1", "job", 2).unwrap();
    assert_eq!([newest[0].message.as_str(), &newest[1].message], ["1000", "one more"]);
    assert_eq!(store.job_logs("1", "other", 9).unwrap().len(), 1);
}

#[test]
fn the_newest_10_000_events_of_a_job_are_kept_and_not_one_more() {
    let store = Store::in_memory().unwrap();
    store.create_job(NewJob::new("job", "1")).unwrap();
    let first = || store.run_events("1", "job", 0, limits::MOST_PAGE_ROWS).unwrap()[0].seq;
    for n in 1..=limits::MOST_EVENTS {
        store.event("job", EventRow::new("NodeStarted"));
        if n % 1_000 == 0 {
            store.flush().unwrap();
        }
    }
    assert_eq!(first(), 1);
    store.event("job", EventRow::new("NodeCompleted"));
    assert_eq!(first(), 2);
}

#[test]
fn long_logs_are_cut_and_of_large_events_the_size_is_kept() {
    let store = Store::in_memory().unwrap();
    store.create_job(NewJob::new("job", "1")).unwrap();
    for length in [limits::MOST_LOG_BYTES, limits::MOST_LOG_BYTES + 1] {
        store.log("job", LogRow::new(Level::Info, "x".repeat(length)));
    }
    let logs = store.job_logs("1", "job", 9).unwrap();
    assert!(logs[0].message.ends_with("xxx"));
    assert_eq!(logs[1].message.len(), limits::MOST_LOG_BYTES);
    assert!(logs[1].message.ends_with("x..."));
    for length in [limits::MOST_EVENT_BYTES - 2, limits::MOST_EVENT_BYTES - 1] {
        store.event("job", EventRow::new("NodeCompleted").with(json!("x".repeat(length))));
    }
    let events = store.run_events("1", "job", 0, 9).unwrap();
    assert!(events[0].payload.is_string());
    assert_eq!(events[1].payload, json!({"too_large": limits::MOST_EVENT_BYTES + 1}));
}

#[test]
fn a_result_of_as_many_bytes_as_the_bound_is_kept_and_of_a_larger_one_the_size() {
    let store = Store::in_memory().unwrap();
    let around = r#"{"text":""}"#.len();
    for (id, size) in
        [("fits", limits::MOST_RESULT_BYTES), ("large", limits::MOST_RESULT_BYTES + 1)]
    {
        store.create_job(NewJob::new(id, "1")).unwrap();
        assert_eq!(store.job_result("1", id).unwrap(), None);
        let result = json!({ "text": "x".repeat(size - around) });
        let result = result.as_object().unwrap();
        assert!(store.finish_job_with_result(id, JobStatus::Completed, None, result).unwrap());
    }
    let fits = store.job_result("1", "fits").unwrap().unwrap();
    assert_eq!(fits["text"].as_str().unwrap().len(), limits::MOST_RESULT_BYTES - around);
    assert!(store.job_logs("1", "fits", 9).unwrap().is_empty());
    let size = limits::MOST_RESULT_BYTES + 1;
    assert_eq!(store.job_result("1", "large").unwrap(), Some(json!({ "too_large": size })));
    let logs = store.job_logs("1", "large", 9).unwrap();
    assert!(logs[0].message.starts_with("the result is not kept: it has 1048577 bytes"));
    assert_eq!(store.job_result("2", "fits").unwrap(), None);
    // The first end counts, with its result.
    let other = json!({ "text": "y" });
    let other = other.as_object().unwrap();
    assert!(!store.finish_job_with_result("fits", JobStatus::Failed, None, other).unwrap());
    assert_eq!(store.job_result("1", "fits").unwrap(), Some(fits));
}

#[test]
fn a_workflow_of_25_mib_is_kept_and_a_larger_one_is_not() {
    let store = Store::in_memory().unwrap();
    let head = r#"{"nodes": [], "edges": [], "note": ""#;
    let text = |size: usize| {
        let rest = size - head.len() - 2;
        format!("{head}{}\"}}", "x".repeat(rest))
    };
    let kept = store.put_workflow_file("1", &text(limits::MOST_WORKFLOW_BYTES), "large");
    assert_eq!(kept.unwrap().1, Put::Created);
    let refused = store.put_workflow_file("1", &text(limits::MOST_WORKFLOW_BYTES + 1), "larger");
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
}

#[test]
fn a_backup_is_the_store_at_one_moment_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let store = open(&data_dir);
    store.put_workflow_file("1", GREETING, "x").unwrap();
    store.create_folder("1", "folder", None).unwrap();
    let asset = store.add_asset(NewAsset::new("1", "note"), b"content".as_slice()).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for n in 0..200 {
                let id = n.to_string();
                store.create_job(NewJob::new(&id, "1")).unwrap();
                store.finish_job(&id, JobStatus::Completed, None).unwrap();
            }
        });
        while store.jobs("1", None, &Query::default()).unwrap().rows.len() < 10 {}
        store.backup(&copy).unwrap();
        writing.join().unwrap();
    });
    assert!(matches!(store.backup(&copy), Err(StoreError::Exists { .. })));
    let copied = open(&copy);
    assert_eq!(copied.workflow_file("1", "greet").unwrap().as_deref(), Some(GREETING));
    let mut content = String::new();
    copied.open_asset("1", &asset.id).unwrap().unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "content");
    let query = Query { limit: 1_000, ..Query::default() };
    let jobs = copied.jobs("1", None, &query).unwrap().rows;
    assert!((10..=200).contains(&jobs.len()));
    // A prefix of what was written: of one moment, without a gap.
    for (n, job) in jobs.iter().rev().enumerate() {
        assert_eq!(job.id, n.to_string());
    }
    assert_eq!(store.jobs("1", None, &query).unwrap().rows.len(), 200);
}

#[test]
fn what_costs_no_fsync_is_in_the_database_file_soon() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let store = open(&data_dir);
    store.begin_job(NewJob::new("job", "1")).unwrap();
    store.log("job", LogRow::new(Level::Info, "hello"));
    fs::create_dir(&copy).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        // Without the write-ahead log there is only what has settled.
        fs::copy(data_dir.join("store.db"), copy.join("store.db")).unwrap();
        let logs = Store::open_to_read(&copy).and_then(|store| store.job_logs("1", "job", 9));
        if logs.is_ok_and(|logs| logs.len() == 1) {
            break;
        }
        assert!(Instant::now() < deadline, "it never settles");
        std::thread::sleep(Duration::from_millis(50));
    }
}
