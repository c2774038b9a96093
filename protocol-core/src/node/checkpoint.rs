//! A node at rest as bytes, from which it goes on elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;

use super::backoff::Backoff;
use super::calls::Calls;
use super::life::Life;
use super::{Config, Link, Node, TIMERS};
use crate::faults::FaultReplies;
use crate::ledger::Ledger;
use crate::state::{Cursor, Malformed, Saver, State};
use crate::timers::Timers;
use crate::websocket::Connection;
use crate::work::{Answer, Outcome, WorkId};

impl Node {
    /// Whether a checkpoint can be taken: the node is drained, and either ready, with no message half received that comes in
    /// fragments and not too much to send, or waiting for the next attempt. Everything else passes by itself.
    pub(crate) fn is_at_rest(&self) -> bool {
        let rests = match (&self.life, &self.link) {
            (Life::Ready { .. }, Some(link)) => link.websocket.is_at_rest(),
            (Life::Waiting, None) => true,
            _ => false,
        };
        rests && self.actions.is_empty()
    }

    /// About how many bytes a checkpoint has.
    pub(crate) fn checkpoint_size(&self) -> usize {
        let received = self.link.as_ref().map_or(0, |link| link.websocket.unfinished_size());
        self.ledger.size() + received
    }

    /// Whether it says from now on which delivered answers it sends again.
    pub(crate) fn watch_resent(&mut self, watch: bool) {
        self.ledger.watch_resent(watch);
    }

    /// Delivered answers that were sent again since the last look.
    pub(crate) fn take_resent(&mut self) -> Vec<Arc<Answer>> {
        self.ledger.take_resent()
    }

    /// Supplies an answer of which only the size was saved.
    pub(crate) fn supply(&mut self, work: WorkId, outcome: Outcome) {
        self.ledger.supply(work, outcome);
    }

    /// Bytes that were received of a frame that is not whole.
    pub(crate) fn unfinished(&self) -> Option<Vec<u8>> {
        self.link.as_ref().map(|link| link.websocket.unfinished())
    }

    /// How many bytes were ever queued on this connection.
    pub(crate) fn queued_total(&self) -> u64 {
        self.link.as_ref().map_or(0, |link| link.websocket.bytes_queued_total())
    }

    /// Saves a node [at rest](Self::is_at_rest): everything but the configuration, and the bytes that wait for the socket, of
    /// which the number is enough.
    pub(crate) fn save(&self, to: &mut Saver<'_>) {
        let Self {
            config: _,
            random,
            instance,
            now,
            utc,
            life,
            timers,
            backoff,
            approval_backoff,
            unkept,
            session,
            link,
            calls,
            publications,
            ledger,
            // A node at rest has none.
            actions: _,
            stopping,
            ever_ready,
            ponged,
            closed_wordless,
            fault_replies,
        } = self;
        random.save(to);
        instance.save(to);
        now.save(to);
        utc.save(to);
        match life {
            Life::Ready { since } => Some(*since),
            _ => None,
        }
        .save(to);
        timers.save(to);
        backoff.save(to);
        approval_backoff.save(to);
        unkept.save(to);
        session.save(to);
        if let Some(link) = link {
            link.save(to);
        }
        calls.save(to);
        publications.save(to);
        ledger.save(to);
        stopping.save(to);
        ever_ready.save(to);
        ponged.save(to);
        closed_wordless.save(to);
        fault_replies.save(to);
    }

    /// The node that was saved.
    pub(crate) fn load(config: Config, from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let random = State::load(from)?;
        let instance = State::load(from)?;
        let now = State::load(from)?;
        let utc = State::load(from)?;
        let ready: Option<_> = State::load(from)?;
        let timers = Timers::load(TIMERS, from)?;
        let [backoff, approval_backoff] = Backoff::of(&config.timing);
        let backoff = backoff.loaded(from)?;
        let approval_backoff = approval_backoff.loaded(from)?;
        let unkept = State::load(from)?;
        let mut session = config.dialect.node_session();
        session.load(from)?;
        let link = match ready {
            Some(_) => Some(Link::load(&config, from)?),
            None => None,
        };
        let node = Self {
            random,
            instance,
            now,
            utc,
            life: ready.map_or(Life::Waiting, |since| Life::Ready { since }),
            timers,
            backoff,
            approval_backoff,
            unkept,
            session,
            link,
            calls: Calls::load(from)?,
            publications: State::load(from)?,
            ledger: Ledger::load(config.limits.clone(), from)?,
            actions: VecDeque::new(),
            stopping: State::load(from)?,
            ever_ready: State::load(from)?,
            ponged: State::load(from)?,
            closed_wordless: State::load(from)?,
            fault_replies: FaultReplies::load(config.limits.fault_replies, from)?,
            config,
        };
        if node.publications.is_sound() { Ok(node) } else { Err(Malformed::Value) }
    }
}

impl Link {
    fn save(&self, to: &mut Saver<'_>) {
        let Self {
            websocket,
            credentials,
            heard_at,
            tick,
            back_in,
            heard,
            pings,
            awaited,
            asked_at,
        } = self;
        websocket.save(to);
        credentials.save(to);
        heard_at.save(to);
        tick.save(to);
        back_in.save(to);
        heard.save(to);
        pings.save(to);
        awaited.save(to);
        asked_at.save(to);
    }

    fn load(config: &Config, from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let link = Self {
            websocket: Connection::load(config.limits.websocket, from)?,
            credentials: State::load(from)?,
            heard_at: State::load(from)?,
            tick: State::load(from)?,
            back_in: State::load(from)?,
            heard: State::load(from)?,
            pings: State::load(from)?,
            awaited: State::load(from)?,
            asked_at: State::load(from)?,
        };
        let tick = link.tick.is_none_or(|tick| tick.as_secs() < u64::MAX / 4);
        let beats = link.awaited.is_none_or(|ping| ping.beats < u32::MAX / 2);
        let sound = tick
            && beats
            && link.pings < u64::MAX / 2
            && link.asked_at <= link.websocket.bytes_queued_total();
        if sound { Ok(link) } else { Err(Malformed::Value) }
    }
}
