//! The ledger in a checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Stage};
use super::{Ledger, Limits, Refusal, Tally};
use crate::state::{Cursor, Malformed, Saver, State, state};
use crate::work::{Update, WorkId};

state!(struct Refusal { request_id, kind, outcome });

impl Ledger {
    /// About how many bytes [`save`](Self::save) needs.
    pub(crate) fn size(&self) -> usize {
        let Tally { waiting_bytes, kept_bytes, update_bytes, .. } = self.tally;
        let bodies = waiting_bytes + kept_bytes + update_bytes;
        bodies + self.entries.len() * ENTRY + self.refusals.len() * ENTRY
    }

    /// Saves everything but the limits, and what [`load`](Self::load) makes of the rest.
    pub(crate) fn save(&self, to: &mut Saver<'_>) {
        let Self {
            rules,
            limits: _,
            random,
            next_id,
            entries,
            by_request: _,
            waiting,
            expiring: _,
            outgoing,
            refusals,
            unconfirmed,
            written,
            delivered,
            replayable,
            closed_to_new_work,
            tally,
        } = self;
        rules.save(to);
        random.save(to);
        next_id.save(to);
        entries.len().save(to);
        for (id, entry) in entries {
            id.save(to);
            to.digests.get(id).unwrap_or(&entry.digest).save(to);
            entry.save(to);
        }
        waiting.save(to);
        outgoing.save(to);
        refusals.save(to);
        unconfirmed.save(to);
        written.save(to);
        delivered.save(to);
        replayable.save(to);
        closed_to_new_work.save(to);
        tally.updates_dropped.save(to);
        tally.refusals_dropped.save(to);
    }

    /// The counts and the tables that follow from others are made anew, so that they are true whatever was saved.
    pub(crate) fn load(limits: Limits, from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let rules = State::load(from)?;
        let random = State::load(from)?;
        let next_id = State::load(from)?;
        let mut entries = BTreeMap::new();
        for _ in 0..from.size()? {
            let (id, digest) = State::load(from)?;
            let entry = Entry { digest, ..Entry::load(from)? };
            entries.insert(id, entry);
        }
        let mut ledger = Self {
            rules,
            limits,
            random,
            next_id,
            entries,
            by_request: BTreeMap::new(),
            waiting: State::load(from)?,
            expiring: BTreeSet::new(),
            outgoing: State::load(from)?,
            refusals: State::load(from)?,
            unconfirmed: State::load(from)?,
            written: State::load(from)?,
            delivered: State::load(from)?,
            replayable: State::load(from)?,
            closed_to_new_work: State::load(from)?,
            tally: Tally {
                updates_dropped: State::load(from)?,
                refusals_dropped: State::load(from)?,
                ..Tally::default()
            },
        };
        let known = ledger.entries.last_key_value().is_none_or(|(WorkId(id), _)| *id < next_id);
        if !known || next_id > MOST_COUNTED || ledger.written > MOST_COUNTED {
            return Err(Malformed::Value);
        }
        ledger.count();
        Ok(ledger)
    }

    fn count(&mut self) {
        let Self { entries, by_request, expiring, tally, .. } = self;
        for (id, entry) in entries {
            by_request.insert(entry.request_id.clone(), *id);
            entry.update_bytes = entry.updates.iter().map(Update::size).sum();
            tally.update_bytes += entry.update_bytes;
            if entry.stage.is_unfinished() {
                expiring.extend(entry.deadline.map(|deadline| (deadline, *id)));
            }
            match &entry.stage {
                Stage::Admitting(work) | Stage::Waiting(work) => {
                    tally.waiting += 1;
                    tally.waiting_bytes += work.task.size();
                }
                Stage::Running => tally.running += 1,
                Stage::Recording(answer)
                | Stage::Undelivered(answer)
                | Stage::Written(answer)
                | Stage::Delivered(Some(answer)) => tally.kept_bytes += answer.outcome.size(),
                Stage::Delivered(None) => {}
            }
            if !matches!(entry.stage, Stage::Delivered(_)) {
                tally.owed += 1;
            }
        }
    }
}

/// Bytes of an entry without its bodies, roughly.
const ENTRY: usize = 160;

/// No node counts so far; from here on counting is safe.
const MOST_COUNTED: u64 = 1 << 62;
