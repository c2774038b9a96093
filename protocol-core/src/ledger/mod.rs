//! All delivery logic: what was asked, what of it runs, and what the gateway is still owed.
//!
//! ```text
//! request -> Admitting -> Waiting -> Running -> Recording -> Undelivered -> Written -> Delivered -> forgotten
//!              Admit                  Start       Record                     (sent)     Settled
//! ```
//!
//! A connection that ends moves `Written` back to `Undelivered`: only a later sign of the gateway proves that an answer arrived.

#[cfg(test)]
mod bounds;
mod entry;
#[cfg(test)]
mod exhaustive;
mod saved;
mod sizes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::dialect::{Delivered, OnCancel, OnDisconnect, RepeatedId, Rules, TaskKind, ToGateway};
use crate::node::{Action, Event, Limits, Misuse};
use crate::random::Random;
use crate::text::{MOST_REASON_BYTES, fitting};
use crate::work::{Answer, Failure, JobId, Outcome, Task, Update, Work, WorkId};
pub(crate) use entry::digest;
use entry::{Accept, Entry, Stage};
pub use sizes::Tally;
pub(crate) use sizes::{entry_size, swept_beyond};

/// The actions a call gives rise to, in order.
pub(crate) type Actions = VecDeque<Action>;

#[derive(Debug)]
pub(crate) struct Ledger {
    rules: Rules,
    limits: Limits,
    random: Random,
    next_id: u64,
    entries: BTreeMap<WorkId, Entry>,
    by_request: BTreeMap<Arc<str>, WorkId>,
    waiting: VecDeque<WorkId>,
    /// Unfinished work whose gateway does not wait for ever.
    expiring: BTreeSet<(Duration, WorkId)>,
    /// Work with something to send, each at most once.
    outgoing: VecDeque<WorkId>,
    refusals: VecDeque<Refusal>,
    /// Answers written on this connection whose arrival nothing proves yet, oldest first, each at most once and with how many
    /// were written before it.
    unconfirmed: VecDeque<(u64, WorkId)>,
    /// Answers written on this connection.
    written: u64,
    /// Delivered answers, oldest first; the front ones may have lost their bodies.
    delivered: VecDeque<(Duration, WorkId)>,
    /// Those of them that still have their bodies.
    replayable: VecDeque<WorkId>,
    closed_to_new_work: bool,
    tally: Tally,
    /// Delivered answers that were sent again since somebody looked, if anybody looks.
    resent: Option<Vec<Arc<Answer>>>,
}

/// A request that never became work.
#[derive(Debug)]
pub(crate) struct Refusal {
    request_id: String,
    kind: TaskKind,
    outcome: Outcome,
}

impl Ledger {
    pub(crate) fn new(rules: Rules, limits: Limits, random: Random) -> Self {
        Self {
            rules,
            limits,
            random,
            next_id: 0,
            entries: BTreeMap::new(),
            by_request: BTreeMap::new(),
            waiting: VecDeque::new(),
            expiring: BTreeSet::new(),
            outgoing: VecDeque::new(),
            refusals: VecDeque::new(),
            unconfirmed: VecDeque::new(),
            written: 0,
            delivered: VecDeque::new(),
            replayable: VecDeque::new(),
            closed_to_new_work: false,
            tally: Tally::default(),
            resent: None,
        }
    }

    /// The gateway's dialect is known now. While there is any work, it was known before.
    pub(crate) fn follow(&mut self, rules: Rules) {
        if self.entries.is_empty() {
            self.rules = rules;
        }
    }

    // What the gateway says.

    /// A request has come in, to be answered within `time` if that is given.
    pub(crate) fn request(
        &mut self,
        now: Duration,
        request_id: String,
        user_id: String,
        task: Task,
        time: Option<Duration>,
        actions: &mut Actions,
    ) {
        self.forget_old(now);
        let kind = TaskKind::from(&task);
        let digest = digest(&user_id, &task);
        if self.rules.repeated_id == RepeatedId::Supersede {
            self.withdraw_refusals(&request_id);
        }
        if let Some(&id) = self.by_request.get(&*request_id) {
            match self.rules.repeated_id {
                RepeatedId::Replay => return self.repeat(id, digest, request_id, kind),
                RepeatedId::Supersede => self.abandon(id, actions),
            }
        }
        let size = task.size();
        if let Some(refusal) = self.reason_to_refuse(size) {
            return self.refuse(request_id, kind, refusal);
        }
        let deadline = time.map(|time| now.saturating_add(time));
        let id = WorkId(self.next_id);
        self.next_id += 1;
        let job_id = JobId::from_random(self.random.bytes());
        let key: Arc<str> = request_id.as_str().into();
        let work = Arc::new(Work { id, request_id, job_id, user_id, task, deadline });
        actions.push_back(Action::Admit(Arc::clone(&work)));
        self.tally.owed += 1;
        self.tally.waiting += 1;
        self.tally.waiting_bytes += size;
        self.by_request.insert(Arc::clone(&key), id);
        self.expiring.extend(deadline.map(|deadline| (deadline, id)));
        self.entries.insert(id, Entry::new(key, job_id, kind, digest, work));
    }

    /// A request that is answered as failed without becoming work.
    pub(crate) fn refuse(&mut self, request_id: String, kind: TaskKind, failure: Failure) {
        if self.refusals.len() >= self.limits.owed {
            self.tally.refusals_dropped += 1;
        } else {
            let mut failure = failure;
            failure.message = fitting(&failure.message, MOST_REASON_BYTES).to_owned();
            let outcome = Outcome::Failed(failure);
            self.refusals.push_back(Refusal { request_id, kind, outcome });
        }
    }

    /// The gateway says that it has the answer to a request.
    pub(crate) fn settled(&mut self, now: Duration, request_id: &str, actions: &mut Actions) {
        if let Some(&id) = self.by_request.get(request_id) {
            self.deliver(now, id, actions);
        }
    }

    // What the application says.

    pub(crate) fn admitted(&mut self, id: WorkId, actions: &mut Actions) -> Result<(), Misuse> {
        let acknowledge = self.rules.acknowledge;
        let Some(entry) = self.entry(id)? else { return Ok(()) };
        let Stage::Admitting(work) = &entry.stage else { return Ok(()) };
        entry.stage = Stage::Waiting(Arc::clone(work));
        if acknowledge {
            entry.accept = Accept::Due { repeated: false };
            self.enqueue(id);
        }
        self.waiting.push_back(id);
        self.start_waiting(actions);
        Ok(())
    }

    pub(crate) fn not_admitted(&mut self, id: WorkId, reason: &str) -> Result<(), Misuse> {
        let Some(entry) = self.entry(id)? else { return Ok(()) };
        if matches!(entry.stage, Stage::Admitting(_)) {
            let (request_id, kind) = (String::from(&*entry.request_id), entry.kind.clone());
            self.remove(id);
            self.refuse(
                request_id,
                kind,
                Failure::new(format!("this node could not take the request: {reason}")),
            );
        }
        Ok(())
    }

    pub(crate) fn progress(
        &mut self,
        id: WorkId,
        update: Update,
        actions: &mut Actions,
    ) -> Result<(), Misuse> {
        let (most, most_bytes, largest) =
            (self.limits.updates, self.limits.update_bytes, self.limits.result_bytes);
        let Some(entry) = self.entry(id)? else { return Ok(()) };
        match entry.stage {
            Stage::Running => {}
            Stage::Admitting(_) | Stage::Waiting(_) => return Err(Misuse::UnknownWork),
            _ => return Ok(()),
        }
        let before = entry.update_bytes;
        let others = self.tally.update_bytes - before;
        let entry = self.entries.get_mut(&id).expect("it was found a moment ago");
        let mut dropped = 0;
        entry.replace_older(&update);
        let size = update.size();
        let fits = |entry: &Entry| {
            entry.updates.len() < most.max(1) && others + entry.update_bytes + size <= most_bytes
        };
        while !fits(entry) && entry.drop_oldest() {
            dropped += 1;
        }
        // One large update may pass alone, as an answer would.
        if size <= largest && (fits(entry) || others + entry.update_bytes == 0) {
            entry.push(update);
        } else {
            dropped += 1;
        }
        let after = entry.update_bytes;
        if dropped > 0 {
            let before = entry.dropped;
            entry.dropped += dropped;
            // Told at 1, 2, 4, 8 ...: a flood of drops must not become a flood of notices.
            if before.checked_ilog2() != entry.dropped.checked_ilog2() {
                let dropped = entry.dropped;
                actions.push_back(Action::Notify(Event::UpdatesDropped { work: id, dropped }));
            }
        }
        self.tally.update_bytes = others + after;
        self.tally.updates_dropped += dropped;
        self.enqueue(id);
        Ok(())
    }

    pub(crate) fn answer(
        &mut self,
        id: WorkId,
        outcome: Outcome,
        actions: &mut Actions,
    ) -> Result<(), Misuse> {
        let Some(entry) = self.entry(id)? else { return Ok(()) };
        match entry.stage {
            Stage::Running => self.finish(id, outcome, actions),
            Stage::Admitting(_) | Stage::Waiting(_) => return Err(Misuse::UnknownWork),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn recorded(&mut self, id: WorkId) -> Result<(), Misuse> {
        let Some(entry) = self.entry(id)? else { return Ok(()) };
        match &entry.stage {
            Stage::Recording(answer) => {
                entry.stage = Stage::Undelivered(Arc::clone(answer));
                self.enqueue(id);
                Ok(())
            }
            Stage::Admitting(_) | Stage::Waiting(_) | Stage::Running => Err(Misuse::UnknownWork),
            _ => Ok(()),
        }
    }

    /// The application ends work that has no answer yet. The gateway still waits for one, so it hears of a failure.
    pub(crate) fn cancel(
        &mut self,
        id: WorkId,
        reason: &str,
        actions: &mut Actions,
    ) -> Result<(), Misuse> {
        let Some(entry) = self.entry(id)? else { return Ok(()) };
        if !entry.stage.is_unfinished() {
            return Ok(());
        }
        if matches!(entry.stage, Stage::Running) {
            actions.push_back(Action::Cancel(id));
        }
        self.waiting.retain(|waiting| *waiting != id);
        self.finish(id, Outcome::failed(reason), actions);
        Ok(())
    }

    /// The gateway wants no answer to this request any more.
    pub(crate) fn cancel_request(&mut self, request_id: &str, actions: &mut Actions) {
        if self.rules.cancelled == OnCancel::Silence {
            self.withdraw_refusals(request_id);
        }
        if let Some(&id) = self.by_request.get(request_id) {
            self.unwanted(id, "the gateway cancelled the request", actions);
        }
    }

    // What happens to the node.

    /// When the first gateway stops waiting for an answer.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.expiring.first().map(|(deadline, _)| *deadline)
    }

    /// Cancels what no gateway waits for any more.
    pub(crate) fn expire(&mut self, now: Duration, actions: &mut Actions) {
        while let Some(&(deadline, id)) = self.expiring.first() {
            if deadline > now {
                return;
            }
            self.expiring.pop_first();
            self.unwanted(id, "the time for the answer is over", actions);
        }
    }

    /// From now on new requests are refused; what was admitted goes on.
    pub(crate) fn close_to_new_work(&mut self) {
        self.closed_to_new_work = true;
    }

    pub(crate) fn cancel_all(&mut self, reason: &str, actions: &mut Actions) {
        let unfinished: Vec<WorkId> = self.unfinished().collect();
        // Or else the end of one would begin another, only to end it in its turn.
        self.waiting.clear();
        for id in unfinished {
            self.cancel(id, reason, actions).expect("the id comes from the table");
        }
    }

    pub(crate) fn disconnected(&mut self, actions: &mut Actions) {
        self.written = 0;
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        match self.rules.disconnect {
            OnDisconnect::Keep => {
                for (_, id) in unconfirmed.into_iter().rev() {
                    let Some(entry) = self.entries.get_mut(&id) else { continue };
                    entry.awaited = false;
                    let Stage::Written(answer) = &entry.stage else { continue };
                    entry.stage = Stage::Undelivered(Arc::clone(answer));
                    if !entry.queued {
                        entry.queued = true;
                        self.outgoing.push_front(id);
                    }
                }
            }
            OnDisconnect::Abort => {
                let all: Vec<WorkId> = self.entries.keys().copied().collect();
                for id in all {
                    self.abandon(id, actions);
                }
                self.refusals.clear();
                self.outgoing.clear();
            }
        }
    }

    // Sending.

    /// Writes what is due, in order, for as long as `write` says that there is room for more.
    pub(crate) fn transmit(
        &mut self,
        now: Duration,
        actions: &mut Actions,
        mut write: impl FnMut(ToGateway<'_>) -> bool,
    ) {
        while let Some(refusal) = self.refusals.pop_front() {
            let Refusal { request_id, kind, outcome } = &refusal;
            if !write(ToGateway::Answer { request_id, kind, job_id: None, outcome }) {
                return;
            }
        }
        while let Some(&id) = self.outgoing.front() {
            let Some(entry) = self.entries.get_mut(&id) else {
                self.outgoing.pop_front();
                continue;
            };
            let (request_id, kind, job_id) = (&entry.request_id, &entry.kind, entry.job_id);
            let room = if let Accept::Due { repeated } = entry.accept {
                entry.accept = Accept::Sent;
                write(ToGateway::Accept { request_id, kind, repeated })
            } else if let Some(update) = entry.updates.pop_front() {
                entry.update_bytes -= update.size();
                self.tally.update_bytes -= update.size();
                let sequence = &mut entry.progress_sent;
                write(ToGateway::Progress { request_id, job_id, update: &update, sequence })
            } else {
                self.outgoing.pop_front();
                entry.queued = false;
                let answer = match &entry.stage {
                    Stage::Undelivered(answer) => {
                        let answer = Arc::clone(answer);
                        entry.stage = Stage::Written(Arc::clone(&answer));
                        // Of several copies the first that arrives is proof.
                        let confirmed = self.rules.delivered == Delivered::WhenConfirmed;
                        if confirmed && !entry.awaited {
                            entry.awaited = true;
                            self.unconfirmed.push_back((self.written, id));
                        }
                        answer
                    }
                    Stage::Delivered(Some(answer)) if entry.replay => {
                        self.resent.iter_mut().for_each(|resent| resent.push(Arc::clone(answer)));
                        Arc::clone(answer)
                    }
                    _ => continue,
                };
                entry.replay = false;
                self.written += 1;
                let job_id = Some(job_id);
                let outcome = &answer.outcome;
                let room = write(ToGateway::Answer { request_id, kind, job_id, outcome });
                if self.rules.delivered == Delivered::WhenWritten {
                    self.deliver(now, id, actions);
                }
                room
            };
            if !room {
                return;
            }
        }
    }

    /// How many answers were written on this connection.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// How many answers were written whose arrival nothing proves yet.
    pub(crate) fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    /// The gateway has read everything up to the answer that was the `written`th on this connection.
    pub(crate) fn confirm_through(&mut self, now: Duration, written: u64, actions: &mut Actions) {
        while let Some(&(before, id)) = self.unconfirmed.front() {
            if before >= written {
                return;
            }
            self.unconfirmed.pop_front();
            self.deliver(now, id, actions);
        }
    }

    // Looking.

    pub(crate) fn tally(&self) -> Tally {
        Tally { remembered: self.delivered.len(), ..self.tally }
    }

    /// Whether this work has neither begun nor ended.
    pub(crate) fn is_waiting(&self, id: WorkId) -> bool {
        let stage = self.entries.get(&id).map(|entry| &entry.stage);
        matches!(stage, Some(Stage::Admitting(_) | Stage::Waiting(_)))
    }

    /// The digest of the request that became this work, however long ago.
    pub(crate) fn request_digest(&self, work: &Work) -> u128 {
        // It is nearly always asked for the newest, which is found at once.
        let newest = self.entries.last_key_value().filter(|(id, _)| **id == work.id);
        let entry = newest.map(|(_, entry)| entry).or_else(|| self.entries.get(&work.id));
        entry.map_or_else(|| digest(&work.user_id, &work.task), |entry| entry.digest)
    }

    /// Work whose answer does not exist yet, in the order of its arrival.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = WorkId> {
        self.entries.iter().filter(|(_, entry)| entry.stage.is_unfinished()).map(|(id, _)| *id)
    }

    // Inner workings.

    /// The gateway does not want to hear that a request was refused. There are few refusals unless it reads slowly.
    fn withdraw_refusals(&mut self, request_id: &str) {
        self.refusals.retain(|refusal| refusal.request_id != request_id);
    }

    /// The gateway does not wait for this work any more.
    fn unwanted(&mut self, id: WorkId, reason: &str, actions: &mut Actions) {
        match self.rules.cancelled {
            OnCancel::Silence => self.abandon(id, actions),
            OnCancel::Answer => {
                self.cancel(id, reason, actions).expect("the id comes from the table");
            }
        }
    }

    /// The entry of an id this ledger issued; `None` once it is gone, which is no mistake of the caller.
    fn entry(&mut self, id: WorkId) -> Result<Option<&mut Entry>, Misuse> {
        if id.0 >= self.next_id {
            return Err(Misuse::UnknownWork);
        }
        Ok(self.entries.get_mut(&id))
    }

    fn reason_to_refuse(&self, size: usize) -> Option<Failure> {
        // A gateway that asks again elsewhere, or a little later, may have better luck.
        let not_ready = |reason: String| Some(Failure::new(reason).with_code(NODE_NOT_READY));
        if self.closed_to_new_work {
            not_ready("this node is stopping and takes no new work".to_owned())
        } else if self.tally.owed >= self.limits.owed {
            not_ready(format!(
                "this node has {} requests to answer already, as many as it takes; try again later",
                self.tally.owed
            ))
        } else if self.tally.waiting_bytes + size > self.limits.waiting_bytes {
            not_ready(format!(
                "the request has {size} bytes, and {} bytes of requests wait on this node already, which takes {} in all; \
                 try again later or send less",
                self.tally.waiting_bytes, self.limits.waiting_bytes
            ))
        } else {
            None
        }
    }

    /// The same id again: joins running work, or repeats the known answer.
    fn repeat(&mut self, id: WorkId, digest: u128, request_id: String, kind: TaskKind) {
        let acknowledge = self.rules.acknowledge;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.digest != digest {
            let reason = "this request id was used for another request; choose a new one";
            return self.refuse(request_id, kind, Failure::new(reason));
        }
        match &entry.stage {
            Stage::Admitting(_) => return,
            Stage::Delivered(None) => {
                let reason = "this request was answered before, and its answer is no longer kept";
                return self.refuse(request_id, kind, Failure::new(reason));
            }
            Stage::Written(_) | Stage::Delivered(Some(_)) => entry.replay = true,
            Stage::Waiting(_) | Stage::Running | Stage::Recording(_) | Stage::Undelivered(_) => {}
        }
        if let Stage::Written(answer) = &entry.stage {
            entry.stage = Stage::Undelivered(Arc::clone(answer));
        }
        if acknowledge && entry.accept == Accept::Sent {
            entry.accept = Accept::Due { repeated: true };
        }
        self.enqueue(id);
    }

    fn enqueue(&mut self, id: WorkId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            if !entry.queued {
                entry.queued = true;
                self.outgoing.push_back(id);
            }
        }
    }

    fn start_waiting(&mut self, actions: &mut Actions) {
        while self.tally.running < self.limits.running {
            let Some(id) = self.waiting.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let Stage::Waiting(work) = &entry.stage else { continue };
            let work = Arc::clone(work);
            entry.stage = Stage::Running;
            self.tally.running += 1;
            self.tally.waiting -= 1;
            self.tally.waiting_bytes -= work.task.size();
            actions.push_back(Action::Start(work));
        }
    }

    /// Unfinished work gets its outcome.
    fn finish(&mut self, id: WorkId, outcome: Outcome, actions: &mut Actions) {
        let outcome = self.within_budget(outcome);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let Some(deadline) = entry.deadline {
            self.expiring.remove(&(deadline, id));
        }
        let size = outcome.size();
        let request_id = String::from(&*entry.request_id);
        let answer = Arc::new(Answer { work: id, request_id, outcome });
        let former = std::mem::replace(&mut entry.stage, Stage::Recording(Arc::clone(&answer)));
        if self.rules.acknowledge && entry.accept == Accept::NotDue {
            entry.accept = Accept::Due { repeated: false };
        }
        self.release(&former);
        self.tally.kept_bytes += size;
        actions.push_back(Action::Record(answer));
        self.start_waiting(actions);
    }

    /// The outcome itself, or a failure that says why it cannot be kept.
    fn within_budget(&mut self, outcome: Outcome) -> Outcome {
        let size = outcome.size();
        if size > self.limits.result_bytes {
            let most = self.limits.result_bytes;
            return Outcome::failed(format!(
                "the result has {size} bytes; this node sends at most {most}"
            ));
        }
        while self.tally.kept_bytes + size > self.limits.kept_bytes {
            let Some(oldest) = self.replayable.pop_front() else {
                let most = self.limits.kept_bytes;
                return Outcome::failed(format!(
                    "the result has {size} bytes, and the results that wait for delivery fill the {most} bytes this node keeps"
                ));
            };
            self.drop_body(oldest);
        }
        outcome
    }

    fn drop_body(&mut self, id: WorkId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let Stage::Delivered(body) = &mut entry.stage {
            if let Some(answer) = body.take() {
                self.tally.kept_bytes -= answer.outcome.size();
            }
        }
    }

    /// The gateway has the answer.
    fn deliver(&mut self, now: Duration, id: WorkId, actions: &mut Actions) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let (Stage::Written(answer) | Stage::Undelivered(answer)) = &entry.stage else { return };
        let answer = Arc::clone(answer);
        // The gateway has the last word on this work, so it wants no news of it any more.
        self.tally.update_bytes -= std::mem::take(&mut entry.update_bytes);
        entry.updates = VecDeque::new();
        entry.awaited = false;
        self.tally.owed -= 1;
        actions.push_back(Action::Settled(id));
        match self.rules.repeated_id {
            RepeatedId::Replay => {
                entry.stage = Stage::Delivered(Some(answer));
                self.delivered.push_back((now, id));
                self.replayable.push_back(id);
                self.forget_old(now);
            }
            RepeatedId::Supersede => {
                entry.stage = Stage::Delivered(Some(answer));
                self.remove(id);
            }
        }
        if self.unconfirmed.len() > swept_beyond(self.tally.owed) {
            let entries = &self.entries;
            self.unconfirmed.retain(|(_, id)| entries.get(id).is_some_and(|entry| entry.awaited));
        }
    }

    /// Drops work that nobody will hear of again, stopping it if it runs.
    fn abandon(&mut self, id: WorkId, actions: &mut Actions) {
        let Some(entry) = self.entries.get(&id) else { return };
        if matches!(entry.stage, Stage::Running) {
            actions.push_back(Action::Cancel(id));
        }
        self.remove(id);
        self.waiting.retain(|waiting| *waiting != id);
        self.start_waiting(actions);
    }

    fn forget_old(&mut self, now: Duration) {
        while let Some(&(since, id)) = self.delivered.front() {
            let expired = now.saturating_sub(since) >= self.limits.remembered_for;
            if !expired && self.delivered.len() <= self.limits.remembered {
                return;
            }
            self.delivered.pop_front();
            if self.replayable.front() == Some(&id) {
                self.replayable.pop_front();
            }
            self.remove(id);
        }
    }

    /// Takes an entry out of every count. What still names it finds nothing and moves on.
    fn remove(&mut self, id: WorkId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if self.by_request.get(&entry.request_id) == Some(&id) {
            self.by_request.remove(&entry.request_id);
        }
        if let Some(deadline) = entry.deadline {
            self.expiring.remove(&(deadline, id));
        }
        self.tally.update_bytes -= entry.update_bytes;
        if !matches!(entry.stage, Stage::Delivered(_)) {
            self.tally.owed -= 1;
        }
        self.release(&entry.stage);
        if entry.queued && self.outgoing.len() > swept_beyond(self.entries.len()) {
            let entries = &self.entries;
            self.outgoing.retain(|id| entries.contains_key(id));
        }
    }

    /// Gives back what a stage holds of the counted resources.
    fn release(&mut self, stage: &Stage) {
        match stage {
            Stage::Admitting(work) | Stage::Waiting(work) => {
                self.tally.waiting -= 1;
                self.tally.waiting_bytes -= work.task.size();
            }
            Stage::Running => self.tally.running -= 1,
            Stage::Recording(answer)
            | Stage::Undelivered(answer)
            | Stage::Written(answer)
            | Stage::Delivered(Some(answer)) => self.tally.kept_bytes -= answer.outcome.size(),
            Stage::Delivered(None) => {}
        }
    }
}

/// What a gateway of the openclaw dialect takes as a request to try again soon.
const NODE_NOT_READY: &str = "NODE_NOT_READY";
