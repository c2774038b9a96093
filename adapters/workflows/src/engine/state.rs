//! What the actors of one run share: input buffers, waiting events and collected results.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use serde_json::{Map, Value};

use super::{
    event::RunEvent,
    plan::{Plan, Route},
};
use crate::{
    limits::{EDGE_BUFFER, EVENT_BUFFER, MAX_EDGE_BUFFER},
    node::NodeError,
};

/// Collected values by name, in the order of the names.
pub(super) type Named = BTreeMap<String, Vec<Arc<Value>>>;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    inboxes: Vec<Inbox>,
    /// Values sent over each edge.
    counters: Vec<u64>,
    /// Numbers the values of a run, so that a node sees them in the order of their arrival.
    arrivals: u64,
    events: VecDeque<RunEvent>,
    event_waiters: Vec<Waker>,
    /// What each actor waited for when it was last polled.
    pub(super) waits: Vec<Wait>,
    /// What each node emitted last, by output, as its `node_update` will show it. Not the
    /// value itself, which would keep its receiver from taking it without a copy.
    pub(super) emitted: Vec<Map<String, Value>>,
    /// How often each node emitted since it last let the others go on.
    pub(super) bursts: Vec<u32>,
    pub(super) outputs: Named,
    pub(super) previews: Named,
    pub(super) saves: Named,
}

/// What an actor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Something outside of the run, or nothing.
    Other,
    /// A value or the end of its inputs.
    Receive,
    /// What its own values lead back to it.
    Feedback,
    /// Room at an input of another node.
    Send { node: usize, input: usize },
}

#[derive(Debug, Default)]
struct Inbox {
    inputs: Vec<Buffer>,
    readers: Vec<Waker>,
    /// The node waits for what nothing can give it any more; its next read finds the end.
    starved: bool,
}

#[derive(Debug)]
struct Buffer {
    values: VecDeque<Arrived>,
    capacity: usize,
    /// Edges that may still deliver. An edge whose source failed stays open for ever.
    open: usize,
    /// The failure of a source, if a later node catches it; read after the values.
    failure: Option<Arc<str>>,
    /// Nobody reads any more; values are dropped on arrival.
    closed: bool,
    writers: Vec<Waker>,
}

/// A value at an input.
#[derive(Debug)]
pub(super) struct Arrived {
    number: u64,
    pub(super) value: Arc<Value>,
    /// Whether the elements of this list are gathered instead of the list.
    pub(super) spreads: bool,
}

impl Shared {
    pub(super) fn new(plan: Arc<Plan>) -> Arc<Self> {
        let buffer = |edges| Buffer {
            values: VecDeque::new(),
            capacity: EDGE_BUFFER,
            open: edges,
            failure: None,
            closed: false,
            writers: Vec::new(),
        };
        let inboxes = plan.nodes.iter().map(|node| Inbox {
            inputs: node.inputs.iter().map(|input| buffer(input.edges)).collect(),
            readers: Vec::new(),
            starved: false,
        });
        let state = State {
            inboxes: inboxes.collect(),
            counters: vec![0; plan.edges.len()],
            arrivals: 0,
            events: VecDeque::new(),
            event_waiters: Vec::new(),
            waits: vec![Wait::Other; plan.nodes.len()],
            emitted: vec![Map::new(); plan.nodes.len()],
            bursts: vec![0; plan.nodes.len()],
            outputs: Named::new(),
            previews: Named::new(),
            saves: Named::new(),
        };
        Arc::new(Self { state: Mutex::new(state), plan })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a value over one edge; waits for room at its input and for room among the events.
    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        sender: usize,
        route: Route,
        value: &Arc<Value>,
    ) -> Poll<()> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.wait_for_events(cx) {
            return Poll::Pending;
        }
        let buffer = &mut state.inboxes[route.node].inputs[route.input];
        if buffer.closed {
            return Poll::Ready(());
        }
        if buffer.values.len() >= buffer.capacity {
            state.waits[sender] = Wait::Send { node: route.node, input: route.input };
            keep(&mut buffer.writers, cx.waker());
            return Poll::Pending;
        }
        state.arrivals += 1;
        buffer.values.push_back(Arrived {
            number: state.arrivals,
            value: Arc::clone(value),
            spreads: route.spreads,
        });
        state.counters[route.edge] += 1;
        let counter = state.counters[route.edge];
        state.events.push_back(RunEvent::edge(&self.plan, route.edge, "message_sent", counter));
        let readers = std::mem::take(&mut state.inboxes[route.node].readers);
        drop(guard);
        wake(readers);
        Poll::Ready(())
    }

    /// Ends one edge, after the last value was sent over it.
    pub(super) fn poll_end(&self, cx: &mut Context<'_>, route: Route) -> Poll<()> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.wait_for_events(cx) {
            return Poll::Pending;
        }
        let inbox = &mut state.inboxes[route.node];
        let open = &mut inbox.inputs[route.input].open;
        *open = open.saturating_sub(1);
        let counter = state.counters[route.edge];
        state.events.push_back(RunEvent::edge(&self.plan, route.edge, "drained", counter));
        let readers = std::mem::take(&mut inbox.readers);
        drop(guard);
        wake(readers);
        Poll::Ready(())
    }

    /// The next value of one input; `None` after the last. The error is the failure of an
    /// earlier node.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        node: usize,
        input: usize,
    ) -> Poll<Result<Option<Arrived>, NodeError>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let inbox = &mut state.inboxes[node];
        let buffer = &mut inbox.inputs[input];
        if let Some(arrived) = buffer.values.pop_front() {
            let writers = std::mem::take(&mut buffer.writers);
            drop(guard);
            wake(writers);
            return Poll::Ready(Ok(Some(arrived)));
        }
        if let Some(failure) = &buffer.failure {
            return Poll::Ready(Err(NodeError::upstream(failure)));
        }
        if buffer.open == 0 || buffer.closed {
            return Poll::Ready(Ok(None));
        }
        let leads_back = self.plan.nodes[node].inputs[input].leads_back;
        if leads_back && std::mem::take(&mut inbox.starved) {
            return Poll::Ready(Ok(None));
        }
        keep(&mut inbox.readers, cx.waker());
        state.waits[node] = if leads_back { Wait::Feedback } else { Wait::Receive };
        Poll::Pending
    }

    /// The next value of any of `inputs`, in the order of arrival; `None` after the last. The
    /// error is the failure of an earlier node.
    pub(super) fn poll_receive_any(
        &self,
        cx: &mut Context<'_>,
        node: usize,
        inputs: &[usize],
    ) -> Poll<Result<Option<(usize, Arrived)>, NodeError>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let inbox = &mut state.inboxes[node];
        let first = |&input: &usize| Some((inbox.inputs[input].values.front()?.number, input));
        if let Some((_, input)) = inputs.iter().filter_map(first).min() {
            let buffer = &mut inbox.inputs[input];
            let arrived = buffer.values.pop_front();
            let writers = std::mem::take(&mut buffer.writers);
            drop(guard);
            wake(writers);
            return Poll::Ready(Ok(arrived.map(|arrived| (input, arrived))));
        }
        let failed = |&input: &usize| inbox.inputs[input].failure.as_deref();
        if let Some(failure) = inputs.iter().find_map(failed) {
            return Poll::Ready(Err(NodeError::upstream(failure)));
        }
        if inputs.iter().all(|&input| inbox.inputs[input].open == 0 || inbox.inputs[input].closed) {
            return Poll::Ready(Ok(None));
        }
        keep(&mut inbox.readers, cx.waker());
        state.waits[node] = Wait::Receive;
        Poll::Pending
    }

    /// Drops what waits at one input.
    pub(super) fn discard(&self, node: usize, input: usize) {
        let mut state = self.lock();
        let buffer = &mut state.inboxes[node].inputs[input];
        let values = std::mem::take(&mut buffer.values);
        let writers = std::mem::take(&mut buffer.writers);
        drop(state);
        drop(values);
        wake(writers);
    }

    /// Whether nothing more will come at any of `inputs`.
    pub(super) fn is_finished(&self, node: usize, inputs: &[usize]) -> bool {
        let state = self.lock();
        let inbox = &state.inboxes[node];
        let done =
            |buffer: &Buffer| buffer.closed || (buffer.open == 0 && buffer.values.is_empty());
        inputs.iter().all(|&input| done(&inbox.inputs[input]))
    }

    /// Reports an event; waits for room.
    pub(super) fn poll_event(
        &self,
        cx: &mut Context<'_>,
        event: &mut Option<RunEvent>,
    ) -> Poll<()> {
        let mut state = self.lock();
        if state.wait_for_events(cx) {
            return Poll::Pending;
        }
        state.events.extend(event.take());
        Poll::Ready(())
    }

    /// Nobody reads the inputs of `node` any more.
    pub(super) fn close(&self, node: usize) {
        let mut writers = Vec::new();
        let mut dropped = Vec::new();
        for buffer in &mut self.lock().inboxes[node].inputs {
            buffer.closed = true;
            dropped.push(std::mem::take(&mut buffer.values));
            writers.append(&mut buffer.writers);
        }
        wake(writers);
    }

    /// Tells the nodes after `node` that it failed.
    pub(super) fn fail_outputs(&self, node: usize, failure: &Arc<str>) {
        let mut readers = Vec::new();
        let mut state = self.lock();
        for route in self.plan.nodes[node].outputs.iter().flat_map(|output| &output.routes) {
            let inbox = &mut state.inboxes[route.node];
            inbox.inputs[route.input].failure.get_or_insert_with(|| Arc::clone(failure));
            readers.append(&mut inbox.readers);
        }
        drop(state);
        wake(readers);
    }

    /// Lets `node` go on, which waits for a value that nothing can give any more.
    pub(super) fn starve(&self, node: usize) {
        let mut state = self.lock();
        let inbox = &mut state.inboxes[node];
        inbox.starved = true;
        let readers = std::mem::take(&mut inbox.readers);
        drop(state);
        wake(readers);
    }

    /// Takes the oldest event and lets the nodes that waited for room go on.
    pub(super) fn take_event(&self) -> Option<RunEvent> {
        let mut state = self.lock();
        let event = state.events.pop_front()?;
        let waiters = if state.events.len() < EVENT_BUFFER {
            std::mem::take(&mut state.event_waiters)
        } else {
            Vec::new()
        };
        drop(state);
        wake(waiters);
        Some(event)
    }

    /// Enlarges the smallest full buffer that a sender waits for. True if there was one.
    ///
    /// Called when every node waits for another. Growing the smallest buffer first keeps what
    /// is held in memory small (Parks' rule for bounded process networks).
    pub(super) fn grow_a_buffer(&self) -> Growth {
        let mut guard = self.lock();
        let state = &mut *guard;
        let blocked = state.waits.iter().filter_map(|wait| match *wait {
            Wait::Send { node, input } => {
                Some((state.inboxes[node].inputs[input].capacity, node, input))
            }
            _ => None,
        });
        let Some((capacity, node, input)) = blocked.min() else {
            return Growth::NothingBlocked;
        };
        if capacity >= MAX_EDGE_BUFFER {
            return Growth::Full { node, input };
        }
        let buffer = &mut state.inboxes[node].inputs[input];
        buffer.capacity = (capacity * 2).min(MAX_EDGE_BUFFER);
        let writers = std::mem::take(&mut buffer.writers);
        drop(guard);
        wake(writers);
        Growth::Grown
    }
}

/// What [`Shared::grow_a_buffer`] could do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Growth {
    Grown,
    NothingBlocked,
    Full { node: usize, input: usize },
}

impl State {
    /// Adds an event without waiting; for the few that the run itself reports.
    pub(super) fn push_event(&mut self, event: RunEvent) {
        self.events.push_back(event);
    }

    pub(super) fn clear_events(&mut self) {
        self.events.clear();
    }

    fn wait_for_events(&mut self, cx: &mut Context<'_>) -> bool {
        let full = self.events.len() >= EVENT_BUFFER;
        if full {
            keep(&mut self.event_waiters, cx.waker());
        }
        full
    }
}

fn keep(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}
