use std::collections::VecDeque;
use std::sync::Arc;

use super::request::Answered;

/// The news of one request, the oldest of which give way.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    kept: VecDeque<Arc<Logged>>,
    bytes: usize,
    last_id: u64,
}

#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) data: Data,
}

#[derive(Debug)]
pub(crate) enum Data {
    /// JSON on its way to readers.
    Json(Box<str>),
    /// The answer, which is kept once for its event and for those who ask later.
    Answer(Arc<Answered>),
}

impl EventLog {
    pub(super) fn push(&mut self, name: &'static str, data: Data) {
        self.last_id += 1;
        let event = Logged { id: self.last_id, name, data };
        self.bytes += event.size();
        self.kept.push_back(Arc::new(event));
    }

    /// Drops the oldest event unless it is the only one; false then.
    pub(super) fn drop_oldest(&mut self) -> bool {
        if self.kept.len() < 2 {
            return false;
        }
        let dropped = self.kept.pop_front();
        self.bytes -= dropped.map_or(0, |event| event.size());
        true
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn last_id(&self) -> u64 {
        self.last_id
    }

    /// How many events are not kept any more.
    pub(super) fn dropped(&self) -> u64 {
        self.last_id - self.kept.len() as u64
    }

    /// Kept events from `id` on, at least one if there is one, and not many more than `bytes`.
    pub(super) fn from(&self, id: u64, bytes: usize) -> Vec<Arc<Logged>> {
        let skipped = id.saturating_sub(self.dropped() + 1);
        let mut budget = bytes;
        let affordable = |event: &&Arc<Logged>| {
            let affordable = budget > 0;
            budget = budget.saturating_sub(event.size());
            affordable
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        self.kept.iter().skip(skipped).take_while(affordable).cloned().collect()
    }
}

impl Logged {
    fn size(&self) -> usize {
        match &self.data {
            Data::Json(json) => OVERHEAD + json.len(),
            Data::Answer(_) => OVERHEAD,
        }
    }
}

/// What an event occupies besides its data, roughly.
const OVERHEAD: usize = 96;
