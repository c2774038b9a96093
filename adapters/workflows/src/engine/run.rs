//! A run: polls its nodes, hands out their events, and keeps the results.

use std::{
    any::Any,
    collections::BTreeMap,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use serde_json::{Map, Value, json};

use super::{
    actor::drive,
    context::{Severity, unshared},
    event::RunEvent,
    plan::Plan,
    schedule::Schedule,
    state::{Growth, Named, Shared, Wait},
};
use crate::{
    limits::{DRAIN_BUDGET, MAX_EDGE_BUFFER, POLL_BUDGET},
    node::NodeError,
};

/// A run of a graph. It works while [`next_event`](Self::next_event) is polled and at no other
/// time; a consumer that does not ask makes it wait. Dropping it cancels every node at once.
///
/// The order of the events depends only on the graph, the parameters and, where nodes wait for
/// something outside, on what they wait for.
///
/// When a node fails and no `TryCatch` after it takes care of that, the run still delivers what
/// was already on its way downstream of that node, drops all other nodes, and ends as
/// [`RunStatus::Failed`] with the outputs so far.
#[must_use = "a run does nothing unless its events are awaited"]
pub struct Run {
    shared: Arc<Shared>,
    schedule: Arc<Schedule>,
    actors: Vec<Option<Actor>>,
    live: usize,
    started: bool,
    budget: u32,
    failure: Option<Failure>,
    outcome: Option<RunOutcome>,
}

struct Actor {
    work: Pin<Box<dyn Future<Output = Result<(), NodeError>> + Send>>,
    waker: Waker,
}

struct Failure {
    error: String,
    steps_left: u32,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunStatus {
    /// Every node is done.
    Completed,
    /// A node failed; the outcome has its error.
    Failed,
    /// [`Run::cancel`] was called.
    Cancelled,
}

impl RunStatus {
    /// The name in events and responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for RunStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a run leaves behind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunOutcome {
    /// How it ended.
    pub status: RunStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// The values of each output, by the output's name, in the order they came. Partial unless
    /// completed.
    pub outputs: BTreeMap<String, Vec<Value>>,
    /// The values of each preview, by the id of its node.
    pub previews: BTreeMap<String, Vec<Value>>,
    /// The values of each save, by name.
    pub saves: BTreeMap<String, Vec<Value>>,
    /// The run's id.
    pub job_id: String,
    /// The workflow the graph came from, if it had one.
    pub workflow_id: Option<String>,
}

impl RunOutcome {
    /// The object for a response: `status`, `result`, `preview`, `save`, `workflow_id` and
    /// `job_id`.
    ///
    /// Each name in `result`, `preview` and `save` has the list of **all** its values, also if
    /// there is just one: a single list value and a stream of values stay distinguishable.
    pub fn to_result(&self) -> Value {
        json!({
            "status": self.status.as_str(),
            "result": self.outputs,
            "preview": self.previews,
            "save": self.saves,
            "workflow_id": self.workflow_id,
            "job_id": self.job_id,
        })
    }
}

impl Run {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let count = plan.nodes.len();
        let shared = Shared::new(plan);
        let schedule = Schedule::new(count);
        let actors = (0..count).map(|node| {
            let work = Box::pin(drive(Arc::clone(&shared), node));
            Some(Actor { work, waker: schedule.waker(node) })
        });
        Self {
            actors: actors.collect(),
            live: count,
            started: false,
            budget: POLL_BUDGET,
            failure: None,
            outcome: None,
            shared,
            schedule,
        }
    }

    /// The run's id.
    pub fn job_id(&self) -> &str {
        &self.shared.plan.job_id
    }

    /// The workflow the graph comes from, if it has one.
    pub fn workflow_id(&self) -> Option<&str> {
        self.shared.plan.workflow_id.as_deref()
    }

    /// How the run ended; `None` until [`next_event`](Self::next_event) returned `None`, or
    /// [`cancel`](Self::cancel) was called.
    pub fn outcome(&self) -> Option<&RunOutcome> {
        self.outcome.as_ref()
    }

    /// The outcome without a copy, if the run has ended.
    pub fn into_outcome(self) -> Option<RunOutcome> {
        self.outcome
    }

    /// The next event; `None` after the last one, which is always a `job_update` with a final
    /// status.
    ///
    /// Cancel safe: dropping the future loses nothing. Even if there is always something to do
    /// it lets other tasks of its host run regularly, see [`POLL_BUDGET`].
    pub async fn next_event(&mut self) -> Option<RunEvent> {
        poll_fn(|cx| self.poll_next_event(cx)).await
    }

    /// As [`next_event`](Self::next_event), for callers that poll by hand.
    pub fn poll_next_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<RunEvent>> {
        loop {
            if self.budget == 0 {
                self.budget = POLL_BUDGET;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.budget -= 1;
            if let Some(event) = self.shared.take_event() {
                return Poll::Ready(Some(event));
            }
            if self.outcome.is_some() {
                return Poll::Ready(None);
            }
            if !std::mem::replace(&mut self.started, true) {
                self.report_start();
            } else if self.live == 0 {
                let failed = self.failure.is_some();
                self.finish(if failed { RunStatus::Failed } else { RunStatus::Completed });
            } else if let Some(actor) = self.schedule.next() {
                self.step(actor);
            } else if self.failure.is_some() {
                // What is left waits for something that will not come, or not soon.
                self.finish(RunStatus::Failed);
            } else if self.is_stuck() {
                self.unblock();
            } else if self.schedule.wait(cx.waker()) {
                self.budget = POLL_BUDGET;
                return Poll::Pending;
            }
        }
    }

    /// Stops the run: every node is dropped, events that were not taken are discarded, and the
    /// one event left is the cancelled `job_update`. Without effect after the end.
    pub fn cancel(&mut self) {
        if self.outcome.is_none() {
            self.shared.lock().clear_events();
            self.started = true;
            self.finish(RunStatus::Cancelled);
        }
    }

    fn report_start(&self) {
        let plan = &self.shared.plan;
        let mut state = self.shared.lock();
        state.push_event(RunEvent::job(plan, "running", None));
        for name in &plan.unknown_params {
            let inputs = match plan.input_names.as_slice() {
                [] => "it has none".to_owned(),
                inputs => format!("it has {}", shortened(&inputs.join(", "))),
            };
            let content = format!(
                "parameter {:?} is ignored: no input of the graph has that name; {inputs}",
                shortened(name)
            );
            state.push_event(RunEvent::log(plan, None, Severity::Warning, content));
        }
    }

    fn step(&mut self, index: usize) {
        let Some(actor) = &mut self.actors[index] else {
            return;
        };
        if let Some(failure) = &mut self.failure {
            if failure.steps_left == 0 {
                self.finish(RunStatus::Failed);
                return;
            }
            failure.steps_left -= 1;
        }
        self.shared.lock().waits[index] = Wait::Other;
        let mut cx = Context::from_waker(&actor.waker);
        // A panic in a node is that node's failure, not its host's.
        let result = catch_unwind(AssertUnwindSafe(|| actor.work.as_mut().poll(&mut cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(panic_text(&*panic).into())));
        match result {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.remove(index),
            Poll::Ready(Err(error)) => self.fail(index, &error),
        }
    }

    fn fail(&mut self, index: usize, error: &NodeError) {
        self.remove(index);
        self.shared.close(index);
        let plan = Arc::clone(&self.shared.plan);
        let node = &plan.nodes[index];
        let is_upstream = error.is_upstream();
        let text = match is_upstream {
            true => format!("an earlier node failed: {error}"),
            false => error.to_string(),
        };
        let event = RunEvent::node(&plan, node, "error").with("error", text);
        self.shared.lock().push_event(event);
        if self.failure.is_some() {
            return;
        }
        let error = match is_upstream {
            true => error.to_string(),
            false => format!("{error} (node {}, {})", node.id, node.type_name),
        };
        if plan.caught[index] || is_upstream {
            self.shared.fail_outputs(index, &error.into());
            return;
        }
        self.failure = Some(Failure { error, steps_left: DRAIN_BUDGET });
        let downstream = downstream(&plan, index);
        for other in (0..self.actors.len()).filter(|&other| !downstream[other]) {
            self.remove(other);
        }
    }

    fn remove(&mut self, index: usize) {
        if self.actors[index].take().is_some() {
            self.live -= 1;
        }
    }

    /// Whether every node waits for another one and nothing outside can change that.
    fn is_stuck(&self) -> bool {
        let state = self.shared.lock();
        let mut live = (0..self.actors.len()).filter(|&index| self.actors[index].is_some());
        live.all(|index| state.waits[index] != Wait::Other)
    }

    fn unblock(&mut self) {
        match self.shared.grow_a_buffer() {
            Growth::Grown => {}
            Growth::Full { node, input } => {
                let name = &self.shared.plan.nodes[node].inputs[input].name;
                let error = format!(
                    "more than {MAX_EDGE_BUFFER} values wait at property {name} while another \
                     input has none yet"
                );
                self.fail(node, &error.into());
            }
            Growth::NothingBlocked if self.starve_a_loop() => {}
            // Cannot happen without a loop, where inputs end one after the other.
            Growth::NothingBlocked => {
                let error = "every node waits for another one".to_owned();
                self.failure = Some(Failure { error, steps_left: 0 });
            }
        }
    }

    /// Ends the wait of an innermost loop whose body gives nothing back. True if there is one.
    fn starve_a_loop(&self) -> bool {
        let waits = |node: &usize| {
            self.actors[*node].is_some() && self.shared.lock().waits[*node] == Wait::Feedback
        };
        let waiting = self.shared.plan.loops.iter().copied().find(waits);
        waiting.inspect(|&node| self.shared.starve(node)).is_some()
    }

    fn finish(&mut self, status: RunStatus) {
        self.actors.clear();
        self.live = 0;
        let plan = &self.shared.plan;
        let mut state = self.shared.lock();
        let error = self.failure.take().map(|failure| failure.error);
        let outcome = RunOutcome {
            status,
            error: error.filter(|_| status == RunStatus::Failed),
            outputs: values(std::mem::take(&mut state.outputs)),
            previews: values(std::mem::take(&mut state.previews)),
            saves: values(std::mem::take(&mut state.saves)),
            job_id: plan.job_id.clone(),
            workflow_id: plan.workflow_id.clone(),
        };
        let message = match status {
            RunStatus::Failed => None,
            _ => Some(format!("Workflow {} {status}", plan.job_id)),
        };
        let result: Map<String, Value> = outcome
            .outputs
            .iter()
            .map(|(name, values)| (name.clone(), Value::from(values.clone())))
            .collect();
        let event = RunEvent::job(plan, status.as_str(), message)
            .with("result", result)
            .with("error", outcome.error.clone());
        state.push_event(event);
        drop(state);
        self.outcome = Some(outcome);
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("job_id", &self.job_id())
            .field("live_nodes", &self.live)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// Which nodes the values of `start` can reach.
fn downstream(plan: &Plan, start: usize) -> Vec<bool> {
    let mut reached = vec![false; plan.nodes.len()];
    let mut work = vec![start];
    while let Some(node) = work.pop() {
        for route in plan.nodes[node].outputs.iter().flat_map(|output| &output.routes) {
            if !std::mem::replace(&mut reached[route.node], true) {
                work.push(route.node);
            }
        }
    }
    reached
}

/// The beginning of a text that a caller chose.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn values(named: Named) -> BTreeMap<String, Vec<Value>> {
    let owned = |(name, values): (_, Vec<_>)| (name, values.into_iter().map(unshared).collect());
    named.into_iter().map(owned).collect()
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the node stopped unexpectedly: {}", text.unwrap_or("no reason given"))
}

/// Characters of names that a log line shows.
const SHOWN: usize = 500;
