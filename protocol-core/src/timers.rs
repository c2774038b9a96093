use std::time::Duration;

use crate::state::{Cursor, Malformed, Saver, State};

/// A fixed set of timers, one for each variant of `T`; setting, clearing and asking cost no allocation and no walk worth the name.
#[derive(Debug, Clone)]
pub(crate) struct Timers<T, const N: usize> {
    due: [Option<Duration>; N],
    names: [T; N],
    next: Option<(Duration, T)>,
}

impl<T, const N: usize> Timers<T, N> {
    pub(crate) fn save(&self, to: &mut Saver<'_>) {
        let Self { due, names: _, next: _ } = self;
        due.iter().for_each(|due| due.save(to));
    }
}

impl<T: Copy + PartialEq, const N: usize> Timers<T, N> {
    /// New timers, set as those that were saved.
    pub(crate) fn load(names: [T; N], from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let mut timers = Self::new(names);
        for name in names {
            timers.put(name, State::load(from)?);
        }
        Ok(timers)
    }

    /// `names` lists every variant once. Timers due at the same time fire in this order.
    pub(crate) fn new(names: [T; N]) -> Self {
        Self { due: [None; N], names, next: None }
    }

    pub(crate) fn set(&mut self, name: T, due: Duration) {
        self.put(name, Some(due));
    }

    pub(crate) fn clear(&mut self, name: T) {
        self.put(name, None);
    }

    pub(crate) fn clear_all(&mut self) {
        self.due = [None; N];
        self.next = None;
    }

    pub(crate) fn is_set(&self, name: T) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn get(&self, name: T) -> Option<Duration> {
        self.names.iter().position(|other| *other == name).and_then(|index| self.due[index])
    }

    /// The earliest timer.
    pub(crate) fn next(&self) -> Option<(Duration, T)> {
        self.next
    }

    /// Takes the earliest timer that is due, so that it cannot fire twice.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<T> {
        let (due, name) = self.next?;
        (due <= now).then(|| {
            self.clear(name);
            name
        })
    }

    fn put(&mut self, name: T, due: Option<Duration>) {
        for (index, other) in self.names.iter().enumerate() {
            if *other == name {
                self.due[index] = due;
            }
        }
        let set = self.due.iter().zip(self.names).filter_map(|(due, name)| Some(((*due)?, name)));
        self.next = set.min_by_key(|(due, _)| *due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_earliest_fires_first_and_once() {
        let mut timers = Timers::new(['a', 'b', 'c']);
        assert_eq!(timers.next(), None);
        timers.set('b', secs(2));
        timers.set('a', secs(3));
        timers.set('c', secs(2));
        assert_eq!(timers.next(), Some((secs(2), 'b')));
        assert_eq!(timers.take_due(secs(1)), None);
        assert_eq!(timers.take_due(secs(2)), Some('b'));
        assert_eq!(timers.take_due(secs(2)), Some('c'));
        assert_eq!(timers.take_due(secs(2)), None);
        timers.clear('a');
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn setting_again_moves_a_timer() {
        let mut timers = Timers::new(['a', 'b']);
        timers.set('a', secs(1));
        timers.set('a', secs(5));
        timers.set('b', secs(4));
        assert_eq!(timers.next(), Some((secs(4), 'b')));
        assert!(timers.is_set('a'));
        timers.clear_all();
        assert_eq!(timers.next(), None);
    }
}
