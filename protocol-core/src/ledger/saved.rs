//! The ledger in a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::entry::{Entry, Stage};
use super::{Ledger, Limits, Refusal, Tally};
use crate::state::{Cursor, Malformed, Saver, State, state};
use crate::work::{Answer, Outcome, Update, WorkId};

state!(struct Refusal { request_id, kind, outcome });

impl State for Stage {
    fn save(&self, to: &mut Saver<'_>) {
        let (number, work, answer) = match self {
            Self::Admitting(work) => (0, Some(work), None),
            Self::Waiting(work) => (1, Some(work), None),
            Self::Running => (2, None, None),
            Self::Recording(answer) => (3, None, Some(answer)),
            Self::Undelivered(answer) => (4, None, Some(answer)),
            Self::Written(answer) => (5, None, Some(answer)),
            Self::Delivered(Some(answer))
                if answer.outcome.size() > to.largest_body
                    && answer.outcome.size() <= LARGEST_PLACEHOLDER =>
            {
                let Answer { work, request_id, outcome } = &**answer;
                to.omitted.insert(*work);
                to.out.push(8);
                work.save(to);
                request_id.save(to);
                return outcome.size().save(to);
            }
            Self::Delivered(Some(answer)) => (6, None, Some(answer)),
            Self::Delivered(None) => (7, None, None),
        };
        to.out.push(number);
        work.into_iter().for_each(|work| work.save(to));
        answer.into_iter().for_each(|answer| answer.save(to));
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(match from.byte()? {
            0 => Self::Admitting(State::load(from)?),
            1 => Self::Waiting(State::load(from)?),
            2 => Self::Running,
            3 => Self::Recording(State::load(from)?),
            4 => Self::Undelivered(State::load(from)?),
            5 => Self::Written(State::load(from)?),
            6 => Self::Delivered(Some(State::load(from)?)),
            7 => Self::Delivered(None),
            8 => {
                let (work, request_id) = State::load(from)?;
                let outcome = placeholder(State::load(from)?)?;
                Self::Delivered(Some(Arc::new(Answer { work, request_id, outcome })))
            }
            _ => return Err(Malformed::Value),
        })
    }
}

/// Stands for an answer of the same size, until that is [supplied](Ledger::supply) or given up.
fn placeholder(size: usize) -> Result<Outcome, Malformed> {
    if !(2..=LARGEST_PLACEHOLDER).contains(&size) {
        return Err(Malformed::Value);
    }
    let text = format!("\"{}\"", " ".repeat(size - 2));
    RawValue::from_string(text).map(Outcome::Completed).map_err(|_| Malformed::Value)
}

impl Ledger {
    /// Whether [`take_resent`](Self::take_resent) tells from now on.
    pub(crate) fn watch_resent(&mut self, watch: bool) {
        if watch != self.resent.is_some() {
            self.resent = watch.then(Vec::new);
        }
    }

    /// Delivered answers that were sent again since the last look.
    pub(crate) fn take_resent(&mut self) -> Vec<Arc<Answer>> {
        self.resent.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The answer of which only the size was saved.
    pub(crate) fn supply(&mut self, work: WorkId, outcome: Outcome) {
        let Some(entry) = self.entries.get_mut(&work) else { return };
        match &mut entry.stage {
            Stage::Delivered(Some(answer)) if answer.outcome.size() == outcome.size() => {
                Arc::make_mut(answer).outcome = outcome;
            }
            _ => {}
        }
    }

    /// About how many bytes [`save`](Self::save) needs, if it leaves large delivered answers out.
    pub(crate) fn size(&self) -> usize {
        let Tally { waiting_bytes, update_bytes, .. } = self.tally;
        let owed = self.entries.values().filter_map(|entry| match &entry.stage {
            Stage::Recording(answer) | Stage::Undelivered(answer) | Stage::Written(answer) => {
                Some(answer.outcome.size())
            }
            _ => None,
        });
        let bodies = waiting_bytes + update_bytes + owed.sum::<usize>();
        bodies + (self.entries.len() + self.refusals.len()) * ENTRY
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
            // Taken before.
            resent: _,
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
        let mut room = limits.kept_bytes.min(MOST_PLACEHOLDERS);
        for _ in 0..from.size()? {
            let (id, digest) = State::load(from)?;
            let entry = Entry { digest, ..Entry::load(from)? };
            if let Stage::Delivered(Some(answer)) = &entry.stage {
                room = room.checked_sub(answer.outcome.size()).ok_or(Malformed::Value)?;
            }
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
            resent: None,
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

/// Larger answers are not left out: they are not kept by default, and a recording may say anything.
const LARGEST_PLACEHOLDER: usize = 64 << 20;

/// What all of them may take together, for the same reason.
const MOST_PLACEHOLDERS: usize = 1 << 30;

/// Bytes of an entry without its bodies, roughly.
const ENTRY: usize = 160;

/// No node counts so far; from here on counting is safe.
const MOST_COUNTED: u64 = 1 << 62;
