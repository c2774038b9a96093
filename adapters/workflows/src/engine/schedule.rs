//! Which actors have something to do. First woken, first polled: the order of a run depends on
//! the graph and its values only.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
};

/// The queue of actors to poll, shared with their wakers.
#[derive(Debug)]
pub(super) struct Schedule {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: VecDeque<usize>,
    queued: Vec<bool>,
    /// Set while the run itself waits, so that wakes between actors cost nothing.
    host: Option<Waker>,
}

impl Schedule {
    /// All of `actors` are due, in order.
    pub(super) fn new(actors: usize) -> Arc<Self> {
        let inner = Inner { queue: (0..actors).collect(), queued: vec![true; actors], host: None };
        Arc::new(Self { inner: Mutex::new(inner) })
    }

    pub(super) fn waker(self: &Arc<Self>, actor: usize) -> Waker {
        Waker::from(Arc::new(ActorWaker { schedule: Arc::clone(self), actor }))
    }

    pub(super) fn next(&self) -> Option<usize> {
        let mut inner = self.lock();
        let actor = inner.queue.pop_front()?;
        inner.queued[actor] = false;
        Some(actor)
    }

    /// Arranges for `waker` to be woken with the next actor; false if one is due already.
    pub(super) fn wait(&self, waker: &Waker) -> bool {
        let mut inner = self.lock();
        if !inner.queue.is_empty() {
            return false;
        }
        inner.host = Some(waker.clone());
        true
    }

    fn push(&self, actor: usize) {
        let host = {
            let mut inner = self.lock();
            if inner.queued[actor] {
                return;
            }
            inner.queued[actor] = true;
            inner.queue.push_back(actor);
            inner.host.take()
        };
        if let Some(host) = host {
            host.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct ActorWaker {
    schedule: Arc<Schedule>,
    actor: usize,
}

impl Wake for ActorWaker {
    fn wake(self: Arc<Self>) {
        self.schedule.push(self.actor);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.schedule.push(self.actor);
    }
}
