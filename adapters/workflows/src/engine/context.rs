//! What a node sees of its run: its inputs as they arrive, and where its values and reports go.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use serde_json::{Map, Value};

use super::{
    event::{RunEvent, shown},
    plan::PlannedNode,
    state::{Arrived, Named, Shared, State},
};
use crate::{limits::MAX_OUTPUT_VALUES, node::NodeError};

/// A node's way to emit values and to report what it does. Cheap to clone.
///
/// Its methods wait while their receivers are busy, which is how a slow consumer slows the
/// nodes before it. Dropping the future of a method sends nothing, or has sent the value to
/// some of its receivers.
#[derive(Clone, Debug)]
pub struct NodeContext {
    shared: Arc<Shared>,
    node: usize,
}

/// How much a report matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Probably not what the user wants.
    Warning,
    /// Something did not work.
    Error,
}

impl NodeContext {
    pub(super) fn new(shared: Arc<Shared>, node: usize) -> Self {
        Self { shared, node }
    }

    /// The id of the run.
    pub fn job_id(&self) -> &str {
        &self.shared.plan.job_id
    }

    /// The workflow the graph comes from, if it has one.
    pub fn workflow_id(&self) -> Option<&str> {
        self.shared.plan.workflow_id.as_deref()
    }

    /// The id of the node in its graph.
    pub fn node_id(&self) -> &str {
        &self.planned().id
    }

    /// Whether a property has an edge.
    pub fn is_connected(&self, input: &str) -> bool {
        self.planned().inputs.iter().any(|handle| handle.name == input)
    }

    /// Sends a value out of output `name`; waits for room at every receiver.
    pub async fn emit(&self, name: &str, value: impl Into<Arc<Value>>) {
        let value = value.into();
        remember(&mut self.shared.lock(), self.node, name, &value);
        self.send(name, &value).await;
        self.pause_sometimes().await;
    }

    /// Reports a value of the run's result under `name` (`output_update`).
    ///
    /// # Errors
    ///
    /// When the result has [`MAX_OUTPUT_VALUES`] values of that name already.
    pub async fn output(&self, name: &str, value: Arc<Value>) -> Result<(), NodeError> {
        self.event(RunEvent::output(&self.shared.plan, self.planned(), name, &value)).await;
        let mut state = self.shared.lock();
        remember(&mut state, self.node, "output", &value);
        collect(&mut state.outputs, name, value)
    }

    /// Shows a value to people (`preview_update`).
    ///
    /// # Errors
    ///
    /// As [`output`](Self::output).
    pub async fn preview(&self, value: Arc<Value>) -> Result<(), NodeError> {
        self.event(RunEvent::preview(self.planned(), &value)).await;
        collect(&mut self.shared.lock().previews, self.node_id(), value)
    }

    /// Reports that a value was stored under `name` (`save_update`).
    ///
    /// # Errors
    ///
    /// As [`output`](Self::output).
    pub async fn save(&self, name: &str, value: Arc<Value>) -> Result<(), NodeError> {
        self.event(RunEvent::save(self.planned(), name, &value)).await;
        collect(&mut self.shared.lock().saves, name, value)
    }

    /// Reports a line of text (`log_update`).
    pub async fn log(&self, severity: Severity, content: impl Into<String>) {
        let node = Some(self.planned());
        self.event(RunEvent::log(&self.shared.plan, node, severity, content.into())).await;
    }

    /// Reports how far the node is (`node_progress`), in a unit of its own.
    pub async fn progress(&self, progress: u64, total: u64) {
        self.event(RunEvent::progress(&self.shared.plan, self.planned(), progress, total)).await;
    }

    /// Reports any other message of protocol page 1.6, for example `chunk`. The fields `type`,
    /// `node_id` and `workflow_id` are filled in.
    pub async fn report(&self, update_type: &'static str, mut fields: Map<String, Value>) {
        fields.insert("node_id".to_owned(), self.node_id().into());
        fields.insert("workflow_id".to_owned(), self.workflow_id().into());
        self.event(RunEvent::new(update_type, fields)).await;
    }

    /// Lets every other node that is due have its turn, and the host of the run its own.
    pub(crate) async fn pause(&self) {
        pause().await;
    }

    pub(super) fn planned(&self) -> &PlannedNode {
        &self.shared.plan.nodes[self.node]
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn node(&self) -> usize {
        self.node
    }

    pub(super) async fn event(&self, event: RunEvent) {
        let mut event = Some(event);
        poll_fn(|cx| self.shared.poll_event(cx, &mut event)).await;
    }

    pub(super) async fn send(&self, name: &str, value: &Arc<Value>) {
        let Some(output) = self.planned().outputs.iter().find(|output| output.name == name) else {
            return;
        };
        for &route in &output.routes {
            poll_fn(|cx| self.shared.poll_send(cx, self.node, route, value)).await;
        }
    }

    /// Ends all outputs.
    pub(super) async fn end(&self) {
        for output in &self.planned().outputs {
            for &route in &output.routes {
                poll_fn(|cx| self.shared.poll_end(cx, route)).await;
            }
        }
    }

    pub(super) async fn receive(&self, input: usize) -> Result<Option<Arrived>, NodeError> {
        poll_fn(|cx| self.shared.poll_receive(cx, self.node, input)).await
    }

    pub(super) async fn receive_any(
        &self,
        inputs: &[usize],
    ) -> Result<Option<(usize, Arrived)>, NodeError> {
        poll_fn(|cx| self.shared.poll_receive_any(cx, self.node, inputs)).await
    }

    /// What the node emitted last, by output; forgets it.
    pub(super) fn take_emitted(&self) -> Map<String, Value> {
        std::mem::take(&mut self.shared.lock().emitted[self.node])
    }

    /// Lets the other nodes go on now and then, also when nobody takes what the node emits.
    async fn pause_sometimes(&self) {
        const EMITS_PER_TURN: u32 = 16;
        let due = {
            let mut state = self.shared.lock();
            let count = &mut state.bursts[self.node];
            *count = (*count + 1) % EMITS_PER_TURN;
            *count == 0
        };
        if due {
            pause().await;
        }
    }
}

/// The connected inputs of a node that reads them itself.
#[derive(Debug)]
pub struct Inputs {
    context: NodeContext,
    started: bool,
}

impl Inputs {
    pub(super) fn new(context: NodeContext) -> Self {
        Self { context, started: false }
    }

    /// The next value of property `name`; `None` when it has ended, is not connected, or is not
    /// among those the node said it reads.
    ///
    /// # Errors
    ///
    /// When the value does not fit the type of the property, or when an earlier node failed and
    /// a later one takes care of that; the node should pass the error on.
    pub async fn next(&mut self, name: &str) -> Result<Option<Arc<Value>>, NodeError> {
        let inputs = &self.context.planned().inputs;
        let Some(input) = inputs.iter().position(|handle| handle.live && handle.name == name)
        else {
            return Ok(None);
        };
        self.take_turns().await;
        match self.context.receive(input).await? {
            Some(arrived) => self.fitted(input, arrived).map(Some),
            None => Ok(None),
        }
    }

    /// The next value of any property the node reads, with its name, in the order of arrival;
    /// `None` when all have ended.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn next_any(&mut self) -> Result<Option<(String, Arc<Value>)>, NodeError> {
        let inputs = &self.context.planned().inputs;
        let live: Vec<usize> = (0..inputs.len()).filter(|&input| inputs[input].live).collect();
        self.take_turns().await;
        match self.context.receive_any(&live).await? {
            Some((input, arrived)) => {
                let name = self.context.planned().inputs[input].name.clone();
                self.fitted(input, arrived).map(|value| Some((name, value)))
            }
            None => Ok(None),
        }
    }

    /// Drops what waits at property `name`.
    pub(crate) fn discard(&mut self, name: &str) {
        let inputs = &self.context.planned().inputs;
        if let Some(input) = inputs.iter().position(|handle| handle.live && handle.name == name) {
            self.context.shared().discard(self.context.node(), input);
        }
    }

    /// One value a turn, so that nodes side by side advance together.
    async fn take_turns(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            pause().await;
        }
    }

    fn fitted(&self, input: usize, arrived: Arrived) -> Result<Arc<Value>, NodeError> {
        let node = self.context.planned();
        let handle = &node.inputs[input];
        match &handle.kind {
            Some(kind) if kind.kind != "any" => match kind.coerce(unshared(arrived.value)) {
                Ok(value) => Ok(Arc::new(value)),
                Err(reason) => Err(format!("property {} {reason}", handle.name).into()),
            },
            _ => Ok(arrived.value),
        }
    }
}

impl Severity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The value itself; a copy only if another node holds it too.
pub(super) fn unshared(value: Arc<Value>) -> Value {
    Arc::try_unwrap(value).unwrap_or_else(|shared| (*shared).clone())
}

/// Waits until every other node that is due had its turn.
pub(super) async fn pause() {
    let mut paused = false;
    poll_fn(|cx: &mut Context<'_>| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn remember(state: &mut State, node: usize, name: &str, value: &Value) {
    let emitted = &mut state.emitted[node];
    match emitted.get_mut(name) {
        Some(last) => *last = shown(value),
        None => drop(emitted.insert(name.to_owned(), shown(value))),
    }
}

fn collect(into: &mut Named, name: &str, value: Arc<Value>) -> Result<(), NodeError> {
    let values = match into.get_mut(name) {
        Some(values) => values,
        None => into.entry(name.to_owned()).or_default(),
    };
    if values.len() >= MAX_OUTPUT_VALUES {
        return Err(format!(
            "{name:?} has {MAX_OUTPUT_VALUES} values already, the most a result keeps; put a \
             Collect or Chunk node before it"
        )
        .into());
    }
    values.push(value);
    Ok(())
}
