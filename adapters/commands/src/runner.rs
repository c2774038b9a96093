//! Runs as jobs: each has a row, a log, and an end that is written down whatever happens.

mod row;

use std::{
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use async_channel::Receiver;
use async_lock::Semaphore;
use clawnode_store::{JobStatus, NewJob, Store};
use clawnode_workflows::{Graph, Run, RunEvent, RunOutcome, RunRequest, RunStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Commands, RunWorkflow,
    error::{CommandError, job_error},
    limits::{MAX_BACKGROUND_JOBS, MAX_WAITING_JOBS},
    params::check_user,
};
use row::Row;

/// How [`Jobs`] starts what goes on beside its caller, on whatever runtime there is.
pub trait Spawn: Send + Sync + 'static {
    /// Runs a task.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>);

    /// Runs work that blocks, on a thread where it stops nobody.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>);
}

/// Runs workflows and graphs as jobs of the store. Cheap to clone; clones are the same.
///
/// Every run has a row in the store before anything of it happens. Its row reaches a final status
/// whatever becomes of it: it ends, fails, is cancelled, panics, or its task is dropped. What a crash
/// leaves behind is failed by the next [`Store::open`].
///
/// Methods that return a future do not block; the others do, and are called where that is
/// allowed.
///
/// ```
/// use std::{future::Future, pin::Pin, sync::Arc, thread};
/// use clawnode_commands::{Commands, Jobs, RunWorkflow, Spawn, parse};
/// use clawnode_store::Store;
/// use clawnode_workflows::{Engine, NodeLibrary};
/// use futures_lite::future::block_on;
///
/// struct Threads;
///
/// impl Spawn for Threads {
///     fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
///         thread::spawn(|| block_on(task));
///     }
///     fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
///         thread::spawn(work);
///     }
/// }
///
/// let engine = Engine::new(Arc::new(NodeLibrary::standard()));
/// let jobs = Jobs::new(Commands::new(engine, Store::in_memory()?), Threads);
/// let params: RunWorkflow =
///     parse(serde_json::json!({"workflow_id": "greet", "params": {"name": "Ada"}}))?;
/// let run = jobs.run_workflow("1", params, "job-1")?;
/// let outcome = block_on(run.finish())?;
/// assert_eq!(outcome.outputs["greeting"], ["Hello, Ada!"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Jobs(Arc<Shared>);

struct Shared {
    commands: Commands,
    spawn: Box<dyn Spawn>,
    /// One permit for each background job that may run.
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The jobs that have not ended, by id.
    live: BTreeMap<String, Live>,
    /// How many background jobs have not ended, waiting ones included.
    background: usize,
    /// The background jobs that were cancelled since `stage` is no longer open. None is started then, so these are at most as many
    /// as there may be.
    stopped: Vec<String>,
    stage: Stage,
}

/// What may still be started, from all to nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Open,
    /// No background jobs any more, see [`Jobs::drain`].
    Draining,
    /// Nothing any more, see [`Jobs::stop`].
    Stopped,
}

/// How a job starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    AtOnce,
    InBackground,
}

/// The outside of a job that has not ended.
struct Live {
    start: Start,
    /// Whether it waits for a slot.
    waiting: bool,
    /// Whether somebody asked for its end.
    cancel_requested: bool,
    /// Closed to cancel it.
    cancel: Receiver<()>,
    /// Closed when its row has a final status.
    ended: Receiver<()>,
}

impl Jobs {
    /// Jobs in the store of `commands`.
    pub fn new(commands: Commands, spawn: impl Spawn) -> Self {
        Self(Arc::new(Shared {
            commands,
            spawn: Box::new(spawn),
            slots: Arc::new(Semaphore::new(MAX_BACKGROUND_JOBS)),
            state: Mutex::default(),
        }))
    }

    /// The commands that need no job.
    pub fn commands(&self) -> &Commands {
        &self.0.commands
    }

    /// `run_workflow`: a run under the id `job_id`, to be polled by the caller. Its response
    /// is [`RunOutcome::to_result`]. Blocks.
    ///
    /// # Errors
    ///
    /// When there is no such workflow, its graph cannot run (the job is failed then), there is
    /// such a job, the jobs are stopping, or the store fails.
    pub fn run_workflow(
        &self,
        user: &str,
        params: RunWorkflow,
        job_id: impl Into<String>,
    ) -> Result<JobRun, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let workflow = self.0.commands.workflow(user, &params.workflow_id)?;
        self.run(
            user,
            RunRequest {
                job_id: job_id.into(),
                workflow_id: Some(workflow.id.clone()),
                graph: workflow.graph.clone(),
                params: params.params.unwrap_or_default(),
            },
        )
    }

    /// A run of a graph that came along with a request, as [`run_workflow`](Self::run_workflow).
    /// Blocks.
    ///
    /// # Errors
    ///
    /// As [`run_workflow`](Self::run_workflow).
    pub fn run_graph(
        &self,
        user: &str,
        graph: Graph,
        params: Map<String, Value>,
        job_id: impl Into<String>,
    ) -> Result<JobRun, CommandError> {
        let mut request = RunRequest::new(job_id, graph);
        request.params = params;
        self.run(user, request)
    }

    /// `start_background_job`: makes a job of the id `job_id` that runs beside the caller, or as soon
    /// as fewer than [`MAX_BACKGROUND_JOBS`] do. Blocks, but not for the run.
    ///
    /// # Errors
    ///
    /// For an execution strategy other than `threaded`; when [`MAX_WAITING_JOBS`] wait already; as
    /// [`run_workflow`](Self::run_workflow).
    pub fn start_background_job(
        &self,
        user: &str,
        params: StartBackgroundJob,
        job_id: impl Into<String>,
    ) -> Result<BackgroundJob, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        if params.execution_strategy != THREADED {
            return Err(CommandError::ExecutionStrategy { given: params.execution_strategy });
        }
        let workflow = self.0.commands.workflow(user, &params.workflow_id)?;
        let place = BackgroundPlace::take(self)?;
        let request = RunRequest {
            job_id: job_id.into(),
            workflow_id: Some(workflow.id.clone()),
            graph: workflow.graph.clone(),
            params: params.params.unwrap_or_default(),
        };
        let started = BackgroundJob {
            job_id: request.job_id.clone(),
            status: JobStatus::Scheduled,
            workflow_id: workflow.id.clone(),
        };
        let run = self.make(user, request, Start::InBackground)?;
        let slots = Arc::clone(&self.0.slots);
        self.0.spawn.spawn(Box::pin(async move {
            let _place = place;
            run.in_background(&slots).await;
        }));
        Ok(started)
    }

    /// Cancels a job of a user that runs or waits here. Its row is written when its task has
    /// noticed. Blocks.
    ///
    /// # Errors
    ///
    /// When the user has no such job, and when the store fails.
    pub fn cancel(&self, user: &str, job_id: &str) -> Result<(), CommandError> {
        let asked = self.store().request_cancel(user, job_id);
        asked.map_err(|error| job_error(error, job_id))?;
        self.0.cancel_live(job_id);
        Ok(())
    }

    /// Cancels what was asked to be cancelled in the store, by
    /// [`Store::request_cancel`] in this process or another. To be called every second or so.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub fn heed_cancel_requests(&self) -> Result<(), CommandError> {
        if self.0.state().live.is_empty() {
            return Ok(());
        }
        for job_id in self.store().cancel_requests()? {
            self.0.cancel_live(&job_id);
        }
        Ok(())
    }

    /// Starts no more background jobs, cancels those that wait for their turn, and resolves when all
    /// jobs that run have ended. What is cancelled has the error `the node was stopped`.
    ///
    /// To be given some time, and [`stop`](Self::stop) after it.
    pub async fn drain(&self) {
        self.leave(Stage::Draining, |live| live.waiting).await;
    }

    /// Cancels all jobs, starts no more, and resolves when all of them have a final status, with the
    /// error `the node was stopped`.
    pub async fn stop(&self) {
        self.leave(Stage::Stopped, |_| true).await;
    }

    /// Goes on to `stage`, cancels the jobs of which `is_cancelled` says so, and waits for the end of all.
    async fn leave(&self, stage: Stage, is_cancelled: fn(&Live) -> bool) {
        let ended: Vec<Receiver<()>> = {
            let mut state = self.0.state();
            state.stage = state.stage.max(stage);
            state.live.values().filter(|live| is_cancelled(live)).for_each(|live| {
                live.cancel.close();
            });
            state.live.values().map(|live| live.ended.clone()).collect()
        };
        for ended in ended {
            // Nothing is ever sent, so this only ends by the channel's end.
            let _ = ended.recv().await;
        }
    }

    /// How many background jobs run, at most [`MAX_BACKGROUND_JOBS`]; those that wait for their turn are not counted.
    pub fn running_in_background(&self) -> usize {
        let state = self.0.state();
        let runs = |live: &&Live| live.start == Start::InBackground && !live.waiting;
        state.live.values().filter(runs).count()
    }

    /// The background jobs that [`drain`](Self::drain) and [`stop`](Self::stop) have cancelled so far, in the order in which they
    /// ended. At most [`MAX_BACKGROUND_JOBS`] and [`MAX_WAITING_JOBS`] together.
    pub fn stopped(&self) -> Vec<String> {
        self.0.state().stopped.clone()
    }

    /// How many jobs have not ended.
    pub fn unfinished(&self) -> usize {
        self.0.state().live.len()
    }

    fn run(&self, user: &str, request: RunRequest) -> Result<JobRun, CommandError> {
        self.make(user, request, Start::AtOnce)
    }

    /// A run with its row.
    fn make(&self, user: &str, request: RunRequest, start: Start) -> Result<JobRun, CommandError> {
        let mut job = NewJob::new(&request.job_id, user);
        job.workflow_id.clone_from(&request.workflow_id);
        job.params.clone_from(&request.params);
        let checked = self.0.commands.engine().run(request);
        let row = Row::create(self, job, start)?;
        match checked {
            Ok(run) => Ok(JobRun { run, row }),
            Err(invalid) => Err(row.refuse(invalid)),
        }
    }

    fn store(&self) -> &Store {
        self.0.commands.store()
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("unfinished", &self.unfinished()).finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel_live(&self, job_id: &str) {
        if let Some(live) = self.state().live.get_mut(job_id) {
            live.cancel_requested = true;
            live.cancel.close();
        }
    }

    fn leave_live(&self, job_id: &str, status: JobStatus, error: Option<&str>) {
        let mut state = self.state();
        let Some(live) = state.live.remove(job_id) else { return };
        let is_stopped = status == JobStatus::Cancelled && error == Some(STOPPED);
        if is_stopped && live.start == Start::InBackground {
            state.stopped.push(job_id.to_owned());
        }
    }

    /// Why a job is cancelled now, unless somebody asked for that.
    fn cancel_reason(&self, job_id: &str) -> Option<&'static str> {
        let state = self.state();
        let requested = state.live.get(job_id).is_some_and(|live| live.cancel_requested);
        (state.stage > Stage::Open && !requested).then_some(STOPPED)
    }
}

/// A run that is a job. It works while it is polled for events, as [`Run`]; when it is dropped
/// before its end, its job is cancelled.
#[must_use = "a run does nothing unless its events are awaited"]
#[derive(Debug)]
pub struct JobRun {
    run: Run,
    row: Row,
}

impl JobRun {
    /// The job's id.
    pub fn job_id(&self) -> &str {
        self.run.job_id()
    }

    /// The next event; `None` after the last one, which is always a `job_update` with a final
    /// status. Cancel safe.
    pub async fn next_event(&mut self) -> Option<RunEvent> {
        let Self { run, row } = self;
        let cancelled = {
            let mut cancelled = pin!(row.cancelled.recv());
            let mut event = pin!(run.next_event());
            poll_fn(|cx| {
                if cancelled.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                event.as_mut().poll(cx).map(Some)
            })
            .await
        };
        let event = match cancelled {
            Some(event) => event,
            None => {
                run.cancel();
                run.next_event().await
            }
        };
        if let Some(event) = &event {
            row.recorder.record(event);
        }
        event
    }

    /// Cancels the run; the events left are its last.
    pub fn cancel(&mut self) {
        self.run.cancel();
    }

    /// Takes the events that are left, writes the job's end down and gives the outcome.
    ///
    /// # Errors
    ///
    /// When the store fails, or what runs blocking work has stopped.
    pub async fn finish(mut self) -> Result<RunOutcome, CommandError> {
        while self.next_event().await.is_some() {}
        let Self { run, row } = self;
        let outcome = run.into_outcome().ok_or(CommandError::Stopped)?;
        let status = match outcome.status {
            RunStatus::Completed => JobStatus::Completed,
            RunStatus::Cancelled => JobStatus::Cancelled,
            _ => JobStatus::Failed,
        };
        let mut error = outcome.error.clone();
        if status == JobStatus::Cancelled && error.is_none() {
            error = row.jobs.0.cancel_reason(&row.job_id).map(str::to_owned);
        }
        let outputs = outcome.outputs.iter();
        let result: Map<String, Value> =
            outputs.map(|(name, values)| (name.clone(), Value::from(values.clone()))).collect();
        row.finish(status, error, result).await?;
        Ok(outcome)
    }

    /// Waits for a slot, then runs to the end.
    async fn in_background(self, slots: &Arc<Semaphore>) {
        let slot = {
            let mut cancelled = pin!(self.row.cancelled.recv());
            let mut slot = pin!(slots.acquire_arc());
            poll_fn(|cx| {
                if cancelled.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                slot.as_mut().poll(cx).map(Some)
            })
            .await
        };
        if slot.is_some() {
            let jobs = self.row.jobs.clone();
            let job_id = self.row.job_id.clone();
            if let Some(live) = jobs.0.state().live.get_mut(&job_id) {
                live.waiting = false;
            }
            // A row that cannot be started is a store that cannot be written: the end will tell.
            let _ = jobs.blocking(move |jobs| jobs.store().start_job(&job_id)).await;
        }
        // Whoever asks for the job finds the outcome in its row.
        let _ = self.finish().await;
    }
}

impl Jobs {
    /// Does blocking work where that stops nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        let (done, result) = async_channel::bounded(1);
        let jobs = self.clone();
        self.0.spawn.spawn_blocking(Box::new(move || {
            // Whoever waited may be gone.
            let _ = done.try_send(work(&jobs));
        }));
        result.recv().await.map_err(|_| CommandError::Stopped)
    }
}

/// A place among the background jobs, waiting ones included.
struct BackgroundPlace(Jobs);

impl BackgroundPlace {
    fn take(jobs: &Jobs) -> Result<Self, CommandError> {
        let mut state = jobs.0.state();
        if state.background >= MAX_BACKGROUND_JOBS + MAX_WAITING_JOBS {
            return Err(CommandError::TooManyJobs);
        }
        state.background += 1;
        drop(state);
        Ok(Self(jobs.clone()))
    }
}

impl Drop for BackgroundPlace {
    fn drop(&mut self) {
        self.0.0.state().background -= 1;
    }
}

/// Arguments of `start_background_job`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartBackgroundJob {
    /// Which workflow.
    pub workflow_id: String,
    /// Values for its inputs, by name.
    #[serde(default)]
    pub params: Option<Map<String, Value>>,
    /// How it runs; this node knows `threaded` only.
    #[serde(default = "threaded")]
    #[schemars(extend("enum" = [THREADED]))]
    pub execution_strategy: String,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `start_background_job`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BackgroundJob {
    /// What `get_job` and `get_job_logs` ask for it by.
    pub job_id: String,
    /// Always `scheduled`; it runs at once if there is room.
    pub status: JobStatus,
    /// The workflow that runs.
    pub workflow_id: String,
}

fn threaded() -> String {
    THREADED.to_owned()
}

const THREADED: &str = "threaded";
const STOPPED: &str = "the node was stopped";
