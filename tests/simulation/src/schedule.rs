//! What happens when: the heart of virtual time.

use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Events in the order of their times, and at the same time in the order in which they were planned.
#[derive(Debug)]
pub(crate) struct Schedule<E> {
    heap: BinaryHeap<Planned<E>>,
    planned: u64,
    /// The time of the event taken last, and what was planned for it since: behind all that the heap has for that time. A stream
    /// of single bytes goes through here, and so never through a heap that a thousand timers have made deep.
    now: u64,
    at_once: VecDeque<E>,
}

/// Nanoseconds are enough for five centuries.
#[derive(Debug)]
struct Planned<E> {
    at: u64,
    number: u64,
    event: E,
}

impl<E> Schedule<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), planned: 0, now: 0, at_once: VecDeque::new() }
    }

    /// Plans an event; one whose time has passed comes as soon as possible.
    pub(crate) fn plan(&mut self, at: Duration, event: E) {
        let at = nanos(at);
        if at <= self.now {
            return self.at_once.push_back(event);
        }
        self.heap.push(Planned { at, number: self.planned, event });
        self.planned += 1;
    }

    /// The next event, unless it comes after `until`.
    pub(crate) fn take(&mut self, until: Duration) -> Option<(Duration, E)> {
        let until = nanos(until);
        let next = self.heap.peek().map(|next| next.at);
        if next.is_none_or(|at| at > self.now) && self.now <= until {
            if let Some(event) = self.at_once.pop_front() {
                return Some((Duration::from_nanos(self.now), event));
            }
        }
        if next? > until {
            return None;
        }
        let next = self.heap.pop()?;
        self.now = next.at;
        Some((Duration::from_nanos(next.at), next.event))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<E> Eq for Planned<E> {}

impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Planned<E> {
    /// The greatest is the next.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_planned() {
        let mut schedule = Schedule::new();
        for (at, event) in [(3, 'd'), (1, 'a'), (1, 'b'), (2, 'c')] {
            schedule.plan(Duration::from_secs(at), event);
        }
        let mut order = String::new();
        while let Some((_, event)) = schedule.take(Duration::from_secs(2)) {
            order.push(event);
        }
        assert_eq!(order, "abc");
        assert_eq!(schedule.take(Duration::MAX), Some((Duration::from_secs(3), 'd')));
    }

    #[test]
    fn what_is_planned_for_now_comes_behind_what_was_planned_for_it_before() {
        let mut schedule = Schedule::new();
        for event in ['a', 'b'] {
            schedule.plan(Duration::from_secs(1), event);
        }
        schedule.plan(Duration::from_secs(2), 'e');
        assert_eq!(schedule.take(Duration::MAX), Some((Duration::from_secs(1), 'a')));
        schedule.plan(Duration::from_secs(1), 'c');
        schedule.plan(Duration::ZERO, 'd');
        for (at, event) in [(1, 'b'), (1, 'c'), (1, 'd'), (2, 'e')] {
            assert_eq!(schedule.take(Duration::MAX), Some((Duration::from_secs(at), event)));
        }
        assert_eq!(schedule.take(Duration::MAX), None);
    }
}
