//! What happens when: the heart of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Events in the order of their times, and at the same time in the order in which they were planned.
#[derive(Debug)]
pub(crate) struct Schedule<E> {
    heap: BinaryHeap<Reverse<Planned<E>>>,
    planned: u64,
}

#[derive(Debug)]
struct Planned<E> {
    at: Duration,
    number: u64,
    event: E,
}

impl<E> Schedule<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), planned: 0 }
    }

    pub(crate) fn plan(&mut self, at: Duration, event: E) {
        self.heap.push(Reverse(Planned { at, number: self.planned, event }));
        self.planned += 1;
    }

    /// The next event, unless it comes after `until`.
    pub(crate) fn take(&mut self, until: Duration) -> Option<(Duration, E)> {
        if self.heap.peek()?.0.at > until {
            return None;
        }
        self.heap.pop().map(|Reverse(next)| (next.at, next.event))
    }
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
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
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
}
