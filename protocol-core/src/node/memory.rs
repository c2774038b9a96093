//! What a node may hold, added up.

use std::time::Duration;

use super::{Action, Limits};
use crate::call::CallId;
use crate::dialect::MOST_NAME_BYTES;
use crate::ledger::{Refusal, entry_size, swept_beyond};
use crate::text::MOST_REASON_BYTES;
use crate::websocket::MAX_HEADER;
use crate::work::{Answer, Update, Work, WorkId};

impl Limits {
    /// Bytes of memory a node with these limits uses at most, whatever the gateway does and however the application answers.
    ///
    /// It is the sum over all queues, tables and buffers, each as full as it can get, with the room that growing tables keep in
    /// reserve, and with the old place of the one that is just moving to a larger one. No real node fills all of them at once: a
    /// gateway that tries one way after another gets a few tenths of it.
    ///
    /// Counted is what the node asks of the allocator. Not counted:
    ///
    /// - what the allocator adds: rounding, its own bookkeeping, and memory that it has back and keeps;
    /// - what the application holds: work taken as [`Action::Start`], values it has not handed over yet, what it made of an action.
    ///   An answer, an update or a custom message counts from the moment it is handed over, by its length: spare capacity of a
    ///   `String` is the application's;
    /// - the [`Config`](super::Config), what is made from it (the upgrade request, the registration) and the credential, beyond
    ///   16 KiB in all; user ids beyond 1 KiB each;
    /// - texts for people that the application gives of failed credentials and connections;
    /// - bytes received beyond 64 KiB between two drains: give less at once. Twice what is beyond is added.
    ///
    /// Arithmetic saturates: a limit of `usize::MAX` gives `usize::MAX`.
    pub fn memory_bound(&self) -> usize {
        let moving = self.websocket.most_received().max(self.most_transmit());
        [
            FIXED,
            self.websocket.receive_bound(),
            self.transmit_bound(),
            moving,
            self.at_work(),
            self.ledger_bound(),
            self.queues_bound(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// Bytes of one message to the gateway at most.
    fn most_message(&self) -> usize {
        // Request id, command name, or reason: as JSON each byte may take six.
        let texts = 6 * (2 * MOST_NAME_BYTES + MOST_REASON_BYTES);
        self.result_bytes.saturating_add(texts + 1024)
    }

    /// Bytes in the send buffer at most: what waited before one more message was written, that message, and what was taken since.
    fn most_transmit(&self) -> usize {
        let control = self.websocket.most_control();
        sum(&[self.transmit_bytes.saturating_mul(2), self.most_message(), MAX_HEADER, control])
    }

    fn transmit_bound(&self) -> usize {
        self.most_transmit()
            .saturating_mul(2)
            .saturating_add(queue::<u64>(self.websocket.max_pending_pongs.saturating_add(1)))
    }

    /// What reading one message takes beside the buffers, or writing one, or taking one from the application.
    fn at_work(&self) -> usize {
        // The parser's stack of open brackets while it grows; or the parts of a message as the application gets them.
        let reading = self.websocket.max_message.saturating_mul(4);
        // The message before its length is known.
        let writing = self.most_message().saturating_mul(3);
        reading.max(writing).saturating_add(self.result_bytes)
    }

    /// The tables of requests, and all that hangs on their entries.
    fn ledger_bound(&self) -> usize {
        let entries = self.entries();
        let per_entry = entry_size() + 2 * MOST_NAME_BYTES + shared::<Answer>() + MOST_NAME_BYTES;
        // Work that waits, and what is said in the place of results that there is no room for.
        let updates = updates_capacity(self.updates).saturating_mul(size_of::<Update>());
        let per_owed = (shared::<Work>() + 2 * MOST_NAME_BYTES + 512).saturating_add(updates);
        sum(&[
            (entries.saturating_add(11)).saturating_mul(per_entry),
            self.owed.saturating_mul(per_owed),
            self.waiting_bytes,
            self.kept_bytes,
            self.update_bytes.max(self.result_bytes),
        ])
    }

    /// What waits in queues, and the queues themselves.
    fn queues_bound(&self) -> usize {
        let replies = self.fault_replies as usize;
        let refusal = 2 * MOST_NAME_BYTES + MOST_REASON_BYTES;
        let reply = MOST_NAME_BYTES + MOST_REASON_BYTES;
        let live = self.entries();
        let remembered = self.remembered.saturating_add(1);
        sum(&[
            queue::<Refusal>(self.owed),
            self.owed.saturating_mul(refusal),
            queue::<(String, Option<String>)>(replies),
            replies.saturating_mul(reply),
            queue::<WorkId>(self.owed),
            queue::<WorkId>(swept_beyond(live).saturating_add(live)),
            queue::<(u64, WorkId)>(swept_beyond(self.owed).saturating_add(self.owed)),
            queue::<(Duration, WorkId)>(remembered),
            queue::<WorkId>(remembered),
            // Stopping starts, cancels and ends everything in one step.
            queue::<Action>(self.owed.saturating_mul(4).saturating_add(64)),
            queue::<WorkId>(self.owed),
            // Requests and calls with a deadline: entries of ordered tables, whose nodes may be half empty.
            self.owed.saturating_mul(2 * size_of::<(Duration, WorkId)>() + 16),
            self.calls.saturating_mul(6 * size_of::<(Duration, CallId)>() + 32),
            queue::<Action>(self.calls),
        ])
    }

    fn entries(&self) -> usize {
        self.owed.saturating_add(self.remembered).saturating_add(1)
    }
}

/// The node itself, a connection's parts of a fixed size, what they keep of empty buffers, and a small configuration.
const FIXED: usize = 160 * 1024;

/// A `VecDeque` of `len` elements that grew one by one.
fn queue<T>(len: usize) -> usize {
    // The room doubles from four.
    let room = len.max(4).checked_next_power_of_two().unwrap_or(usize::MAX);
    // And while it moves the old one is there too.
    room.saturating_add(room / 2).saturating_mul(size_of::<T>())
}

fn updates_capacity(updates: usize) -> usize {
    updates.max(4).checked_next_power_of_two().unwrap_or(usize::MAX)
}

/// What an `Arc<T>` points to.
const fn shared<T>() -> usize {
    size_of::<T>() + 2 * size_of::<usize>()
}

fn sum(parts: &[usize]) -> usize {
    parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_without_end_have_a_bound_without_end() {
        let limits = Limits { kept_bytes: usize::MAX, ..Limits::default() };
        assert_eq!(limits.memory_bound(), usize::MAX);
        let most = usize::MAX;
        let mut limits =
            Limits { owed: most, remembered: most, updates: most, ..Limits::default() };
        limits.websocket.max_pending_pongs = usize::MAX;
        limits.websocket.max_message = usize::MAX;
        assert_eq!(limits.memory_bound(), usize::MAX);
    }

    #[test]
    fn every_limit_counts() {
        let base = Limits::default().memory_bound();
        let more = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            assert!(limits.memory_bound() > base);
        };
        more(|limits| limits.websocket.max_message *= 2);
        more(|limits| limits.websocket.max_head *= 2);
        more(|limits| limits.websocket.max_refusal_body *= 2);
        more(|limits| limits.websocket.max_pending_pongs *= 2);
        more(|limits| limits.owed *= 2);
        more(|limits| limits.waiting_bytes *= 2);
        more(|limits| limits.result_bytes *= 2);
        more(|limits| limits.kept_bytes *= 2);
        more(|limits| limits.remembered *= 2);
        more(|limits| limits.updates *= 2);
        more(|limits| limits.update_bytes *= 2);
        more(|limits| limits.calls *= 2);
        more(|limits| limits.transmit_bytes *= 2);
        more(|limits| limits.fault_replies *= 2);
    }
}
