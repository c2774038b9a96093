//! What a running node and its handles share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use clawnode_protocol::node::{StopReason, Tally};
use clawnode_protocol::{WorkId, dialect};

use crate::connection::Connection;
use crate::events::{Event, Queue};
use crate::handle::Status;
use crate::request::{InFlight, Request, RequestState};

pub(crate) struct Shared {
    state: Mutex<State>,
}

struct State {
    status: Status,
    /// A stop that was asked for and that the driver has not seen yet.
    stop: Option<Duration>,
    /// When running work will be cancelled, since the node stops.
    stop_by: Option<Instant>,
    driver: Option<Waker>,
    listeners: Vec<Weak<Queue>>,
    in_flight: BTreeMap<WorkId, InFlight>,
    /// The node runs no more.
    ended: bool,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        let status =
            Status { connection: Connection::Idle, tally: Tally::default(), dialect: None };
        let state = State {
            status,
            stop: None,
            stop_by: None,
            driver: None,
            listeners: Vec::new(),
            in_flight: BTreeMap::new(),
            ended: false,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    // The driver's side.

    /// The driver looks for what handles want; from now on `waker` wakes it.
    pub(crate) fn look(&self, waker: &Waker) -> Option<Duration> {
        let mut state = self.lock();
        if !state.driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.driver = Some(waker.clone());
        }
        state.stop.take()
    }

    /// The connection is in another state.
    pub(crate) fn enter(&self, connection: Connection) {
        let mut state = self.lock();
        state.status.connection = connection.clone();
        state.notify(&Event::Connection(connection));
    }

    pub(crate) fn publish(&self, tally: Tally, dialect: Option<dialect::Name>) {
        let mut state = self.lock();
        state.status.tally = tally;
        state.status.dialect = dialect;
    }

    /// The request has come so far.
    pub(crate) fn advance(&self, work: WorkId, request: Arc<Request>, to: RequestState) {
        let in_flight = InFlight { request, state: to, since: Instant::now() };
        self.lock().in_flight.insert(work, in_flight);
    }

    pub(crate) fn finish(&self, work: WorkId) {
        self.lock().in_flight.remove(&work);
    }

    pub(crate) fn notify(&self, event: &Event) {
        self.lock().notify(event);
    }

    /// The node runs no more, and if it stopped properly, this is why.
    pub(crate) fn end(&self, reason: Option<StopReason>) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        let connection = Connection::over(reason);
        state.status.connection = connection.clone();
        state.driver = None;
        state.in_flight.clear();
        for queue in state.listeners.drain(..).filter_map(|listener| listener.upgrade()) {
            queue.push(Event::Connection(connection.clone()));
            queue.end();
        }
    }

    // The handles' side.

    pub(crate) fn stop(&self, grace: Duration) {
        let mut state = self.lock();
        let by = Instant::now().checked_add(grace);
        state.stop = Some(state.stop.map_or(grace, |before| before.min(grace)));
        state.stop_by = match (state.stop_by, by) {
            (Some(before), Some(by)) => Some(before.min(by)),
            (before, by) => before.or(by),
        };
        if let Some(driver) = state.driver.take() {
            drop(state);
            driver.wake();
        }
    }

    pub(crate) fn stop_by(&self) -> Option<Instant> {
        self.lock().stop_by
    }

    pub(crate) fn status(&self) -> Status {
        self.lock().status.clone()
    }

    pub(crate) fn connection(&self) -> Connection {
        self.lock().status.connection.clone()
    }

    pub(crate) fn in_flight(&self) -> Vec<InFlight> {
        self.lock().in_flight.values().cloned().collect()
    }

    pub(crate) fn listen(&self, queue: &Arc<Queue>) {
        let mut state = self.lock();
        queue.push(Event::Connection(state.status.connection.clone()));
        if state.ended {
            queue.end();
        } else {
            state.listeners.push(Arc::downgrade(queue));
        }
    }

    /// Nothing under this lock can panic halfway, so a poisoned lock is as good as a sound one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn notify(&mut self, event: &Event) {
        self.listeners.retain(|listener| match listener.upgrade() {
            Some(queue) => {
                queue.push(event.clone());
                true
            }
            None => false,
        });
    }
}

/// Ends the shared state however the node goes: stopped, or dropped.
pub(crate) struct EndOnDrop(pub(crate) Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(None);
    }
}
