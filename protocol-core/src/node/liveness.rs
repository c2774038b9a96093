//! Heartbeats, and the pings that prove what arrived.

use std::time::Duration;

use super::life::{Ending, TIMEOUT};
use super::{Deadline, LostReason, Node};
use crate::dialect::{Liveness, ToGateway};
use crate::state::state;

#[derive(Debug, Clone, Copy)]
pub(super) struct Ping {
    pub(super) number: u64,
    /// The stream position just after it: only once that is written can a pong be expected.
    pub(super) written_at: u64,
    /// How many answers were written before it.
    pub(super) answers: u64,
    /// How much was written when the last heartbeat fell due.
    pub(super) sent_by_beat: u64,
    /// How many have fallen due since it was written.
    pub(super) beats: u32,
}

state!(struct Ping { number, written_at, answers, sent_by_beat, beats });

impl Node {
    /// From now on the gateway is expected to be alive.
    pub(super) fn expect_life(&mut self) {
        let interval = match self.session.rules().liveness {
            Liveness::Heartbeats => self.config.timing.beat(),
            Liveness::Ticks => self.tick(),
        };
        self.timers.set(Deadline::Heartbeat, self.now.saturating_add(interval));
    }

    /// The time for a heartbeat, or for the gateway's tick, has come.
    pub(super) fn beat(&mut self) {
        match self.session.rules().liveness {
            Liveness::Heartbeats => self.send_heartbeat(),
            Liveness::Ticks => self.look_for_tick(),
        }
    }

    /// How often the gateway is looked after. At least a second, as the reference node has it (openclaw page 10).
    fn tick(&self) -> Duration {
        let tick = self.link.as_ref().and_then(|link| link.tick);
        tick.unwrap_or(self.config.timing.heartbeat_interval).max(Duration::from_secs(1))
    }

    fn look_for_tick(&mut self) {
        let tick = self.tick();
        let Some(link) = &mut self.link else { return };
        if self.now.saturating_sub(link.heard_at) <= tick * 2 {
            return self.expect_life();
        }
        let ending = Ending::retry(LostReason::TimedOut(Deadline::Heartbeat));
        match link.websocket.close(TIMEOUT, "tick timeout") {
            Ok(()) => self.close_within_deadline(ending),
            Err(_) => self.finish(ending),
        }
    }

    /// One heartbeat: a message, a ping, and the judgement whether the gateway is still there.
    fn send_heartbeat(&mut self) {
        let Some(link) = &mut self.link else { return };
        let sent = link.websocket.bytes_sent_total();
        if let Some(ping) = &mut link.awaited {
            let reading = ping.written_at > ping.sent_by_beat && sent > ping.sent_by_beat;
            if !link.heard && !reading {
                let lost = LostReason::TimedOut(Deadline::Heartbeat);
                return self.finish(Ending::retry(lost));
            }
            ping.sent_by_beat = sent;
            ping.beats += 1;
            // A gateway that talks but never sends a pong: life for as long as no stall lasts has to do as proof.
            // The first heartbeat may have come just after it was written.
            let asked_for = self.config.timing.beat().saturating_mul(ping.beats - 1);
            // Three, since a clock that jumps makes one.
            let proven = ping.beats >= 3 && asked_for >= LONGEST_STALL;
            if link.heard && proven && ping.written_at <= sent && !self.ponged {
                let number = ping.number;
                self.confirm(Some(number));
            }
        }
        let Some(link) = &mut self.link else { return };
        link.heard = false;
        if link.websocket.transmit().len() < self.config.limits.transmit_bytes {
            let _ = self.session.write(self.utc, ToGateway::Alive, &mut link.websocket);
        }
        self.ping();
        self.expect_life();
    }

    /// Asks for a sign of life, which also proves that everything before it arrived. One question at a time.
    pub(super) fn ping(&mut self) {
        let Some(link) = &mut self.link else { return };
        if link.awaited.is_some() {
            return;
        }
        let number = link.pings;
        if link.websocket.ping(&number.to_be_bytes()).is_err() {
            return;
        }
        link.pings += 1;
        link.asked_at = link.websocket.bytes_queued_total();
        self.timers.clear(Deadline::Confirm);
        link.awaited = Some(Ping {
            number,
            written_at: link.asked_at,
            answers: self.ledger.written(),
            sent_by_beat: link.websocket.bytes_sent_total(),
            beats: 0,
        });
    }

    pub(super) fn pong(&mut self, number: Option<u64>) {
        self.ponged = true;
        self.confirm(number);
    }

    fn confirm(&mut self, number: Option<u64>) {
        let Some(link) = &mut self.link else { return };
        if let Some(ping) = link.awaited.take_if(|ping| Some(ping.number) == number) {
            self.ledger.confirm_through(self.now, ping.answers, &mut self.actions);
        }
    }
}

/// How long the way to a gateway may stall while the way from it does not.
const LONGEST_STALL: Duration = Duration::from_secs(60);
