//! One request, as the gateway books it and as it really was.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use clawnode_protocol::dialect::{Delivered, OnDisconnect, RepeatedId, Rules};
use clawnode_protocol::peer::Request;
use clawnode_protocol::{Outcome, WorkId};

use crate::rules::Rule;

/// A breach of a rule by one message or action.
pub(crate) type Breach = (Rule, String);

/// A request that the gateway makes of a node.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) node: usize,
    pub(crate) request: Request,
    pub(crate) kind: TicketKind,
    rules: Rules,
    /// Which life of the gateway made it; later lives know nothing of it.
    pub(crate) life: u32,
    pub(crate) sends: u32,
    pub(crate) acknowledged: bool,
    /// The answer that a gateway has read.
    pub(crate) received: Option<u64>,
    /// Whether the gateway takes no answer any more.
    pub(crate) closed: bool,
    /// How often the same was asked before, of a node that was not ready.
    pub(crate) attempts: u32,
    pub(crate) answer: Option<Outcome>,
    pub(crate) refusals: u32,
    pub(crate) updates_received: u64,
    here: Here,
    pub(crate) truth: Truth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TicketKind {
    Valid,
    /// Not a valid request: it is sent once, and refused.
    Invalid,
    /// Too large for the node: it is sent once, and ends the connection.
    Oversized,
}

/// What happened on the connection used last.
#[derive(Debug, Default)]
struct Here {
    link: u32,
    /// The latest connection of all.
    newest: u32,
    sends: u32,
    answers: u32,
    acknowledgements: u32,
    /// Whether it was sent on a connection before.
    earlier: bool,
}

/// What really happened on the node.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) work: Option<WorkId>,
    pub(crate) admitted: bool,
    pub(crate) runs: u32,
    running: bool,
    stopped: bool,
    recorded: Option<u64>,
    recorded_before: Option<u64>,
    /// What runs have answered that were replaced by others of the same name. Their answers may be on their way still.
    replaced: Vec<u64>,
    /// When the node learned that its answer arrived, and how many answers had by then.
    settled: Option<(Duration, u64)>,
    updates: VecDeque<u64>,
}

impl Ticket {
    pub(crate) fn new(
        node: usize,
        request: Request,
        kind: TicketKind,
        rules: Rules,
        life: u32,
    ) -> Self {
        Self {
            node,
            request,
            kind,
            rules,
            life,
            sends: 0,
            acknowledged: false,
            received: None,
            closed: false,
            attempts: 0,
            answer: None,
            refusals: 0,
            updates_received: 0,
            here: Here::default(),
            truth: Truth::default(),
        }
    }

    /// Whether the gateway has what it is owed, or takes it no more.
    pub(crate) fn is_answered(&self) -> bool {
        let answered = match (self.received, self.truth.admitted) {
            (Some(_), _) => true,
            (None, true) => false,
            (None, false) => self.refusals > 0,
        };
        answered || self.closed
    }

    pub(crate) fn sent(&mut self, link: u32) {
        self.on(link).sends += 1;
        self.sends += 1;
    }

    /// Whether it was sent on this connection.
    pub(crate) fn was_sent_on(&self, link: u32) -> bool {
        self.sends > 0 && self.here.link == link
    }

    pub(crate) fn accepted(&mut self, link: u32) -> Option<Breach> {
        self.acknowledged = true;
        let here = self.on(link);
        here.acknowledgements += 1;
        (here.acknowledgements > here.sends + u32::from(here.earlier)).then(|| {
            (Rule::OneAnswer, format!("{} was acknowledged again", self.request.request_id))
        })
    }

    pub(crate) fn progressed(&mut self, link: u32, update: u64) -> Option<Breach> {
        self.updates_received += 1;
        if let Some(breach) = self.belongs_to(link, "an update") {
            return Some(breach);
        }
        if link < self.here.newest {
            // What a stalled connection still holds has no order with what a later one brought.
            return None;
        }
        let id = &self.request.request_id;
        // Of a request that was forgotten and came again, the first answer may have read the same.
        let first = self.received == self.truth.recorded_before;
        if self.received.is_some() && self.received == self.truth.recorded && !first {
            return Some((
                Rule::UpdatesInOrder,
                format!("an update of {id} came after its answer"),
            ));
        }
        let place = self.truth.updates.iter().position(|given| *given == update);
        let Some(place) = place else {
            let text = format!("an update of {id} came again, too late, or was never given");
            return Some((Rule::UpdatesInOrder, text));
        };
        self.truth.updates.drain(..=place);
        self.acknowledged_before(link, "an update")
    }

    pub(crate) fn answered(&mut self, link: u32, outcome: &Outcome) -> Option<Breach> {
        if let Some(breach) = self.belongs_to(link, "an answer") {
            return Some(breach);
        }
        // Where a repeated id is a new request, the first answer is the only one.
        self.closed |= self.rules.repeated_id == RepeatedId::Supersede;
        let digest = digest_outcome(outcome);
        let own = self.truth.recorded == Some(digest) || self.truth.replaced.contains(&digest);
        if own || self.truth.recorded_before == Some(digest) {
            let here = self.on(link);
            here.answers += 1;
            if here.answers > here.sends + u32::from(here.earlier) {
                let id = &self.request.request_id;
                let text = format!("{id} was answered again on one connection");
                return Some((Rule::OneAnswer, text));
            }
            self.received = Some(digest);
            self.answer = Some(outcome.clone());
            return self.acknowledged_before(link, "the answer");
        }
        self.refusals += 1;
        self.answer.get_or_insert_with(|| outcome.clone());
        let room = self.sends - u32::from(self.truth.admitted).min(self.sends);
        let refused = matches!(outcome, Outcome::Failed(failure) if failure.partial.is_none());
        (!refused || self.refusals > room).then(|| {
            let id = &self.request.request_id;
            (
                Rule::OneAnswer,
                format!("{id} has an answer that its handler never gave: {outcome:?}"),
            )
        })
    }

    /// The node admitted it. `forgets` says after how long, and how many later answers, a node forgets.
    pub(crate) fn admitted(
        &mut self,
        work: WorkId,
        now: Duration,
        settled: u64,
        forgets: (Duration, usize),
    ) -> Option<Breach> {
        let forgotten = self.truth.settled.is_some_and(|(at, count)| {
            now.saturating_sub(at) >= forgets.0 || settled - count >= forgets.1 as u64
        });
        let again = match self.rules.repeated_id {
            RepeatedId::Replay => self.truth.admitted && !forgotten,
            RepeatedId::Supersede => {
                self.truth.running && !self.truth.stopped && self.truth.recorded.is_none()
            }
        };
        self.truth.work = Some(work);
        self.truth.admitted = true;
        self.truth.running = false;
        self.truth.stopped = false;
        self.truth.settled = None;
        self.truth.recorded_before = self.truth.recorded.take();
        if self.rules.repeated_id == RepeatedId::Supersede {
            self.truth.replaced.extend(self.truth.recorded_before);
        }
        let id = &self.request.request_id;
        again.then(|| (Rule::OneRun, format!("{id} is taken a second time")))
    }

    /// The node runs it.
    pub(crate) fn started(&mut self, work: WorkId) -> Option<Breach> {
        let id = &self.request.request_id;
        let admitted = self.truth.work == Some(work);
        let again = std::mem::replace(&mut self.truth.running, true);
        self.truth.runs += 1;
        match (admitted, again) {
            (false, _) => Some((Rule::OneRun, format!("{work} of {id} runs before its admission"))),
            (true, true) => Some((Rule::OneRun, format!("{id} runs a second time"))),
            (true, false) => None,
        }
    }

    /// The node stopped it.
    pub(crate) fn stopped(&mut self) {
        self.truth.stopped = true;
    }

    /// The handler gave an update.
    pub(crate) fn updated(&mut self, update: u64) {
        self.truth.updates.push_back(update);
    }

    /// The node keeps the answer.
    pub(crate) fn recorded(&mut self, outcome: &Outcome) -> Option<Breach> {
        let before = self.truth.recorded.replace(digest_outcome(outcome));
        before.map(|_| {
            (Rule::OneAnswer, format!("{} was answered a second time", self.request.request_id))
        })
    }

    /// The node thinks that its answer arrived.
    pub(crate) fn settled(&mut self, now: Duration, count: u64) -> Option<Breach> {
        self.truth.settled = Some((now, count));
        if self.rules.delivered == Delivered::WhenWritten {
            return None;
        }
        // Of a request that was forgotten and came again, an acknowledgement may mean the first answer.
        let arrived = self.received.is_some() && self.received == self.truth.recorded;
        (!arrived && self.truth.recorded_before.is_none()).then(|| {
            let id = &self.request.request_id;
            (
                Rule::SettledMeansArrived,
                format!("the answer to {id} counts as arrived, but did not"),
            )
        })
    }

    /// Where a connection ends all its work, what is said of it must come on that connection.
    fn belongs_to(&self, link: u32, what: &str) -> Option<Breach> {
        let ends = self.rules.disconnect == OnDisconnect::Abort;
        (ends && !self.was_sent_on(link)).then(|| {
            let id = &self.request.request_id;
            let text = format!("{what} of {id} came on a connection on which it was not asked");
            (Rule::EndsWithItsConnection, text)
        })
    }

    fn acknowledged_before(&mut self, link: u32, what: &str) -> Option<Breach> {
        if !self.rules.acknowledge {
            return None;
        }
        let here = self.on(link);
        (here.acknowledgements == 0 && !here.earlier).then(|| {
            let id = &self.request.request_id;
            (Rule::AcknowledgedFirst, format!("{what} of {id} came before the acknowledgement"))
        })
    }

    fn on(&mut self, link: u32) -> &mut Here {
        if self.here.link != link {
            let (earlier, newest) = (self.sends > 0, self.here.newest.max(link));
            self.here = Here { link, newest, earlier, ..Here::default() };
        }
        &mut self.here
    }
}

pub(crate) fn digest_outcome(outcome: &Outcome) -> u64 {
    let mut hasher = DefaultHasher::new();
    match outcome {
        Outcome::Completed(result) => result.get().hash(&mut hasher),
        Outcome::Failed(failure) => {
            failure.message.hash(&mut hasher);
            failure.partial.as_ref().map(|partial| partial.get()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

pub(crate) fn digest_update(kind: &str, data: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, data).hash(&mut hasher);
    hasher.finish()
}
