//! The end of a run: faults are over, and what was promised must come true.

use std::time::Duration;

use clawnode_protocol::dialect::{Liveness, RepeatedId};
use clawnode_protocol::node::{Input, Phase};

use super::World;
use crate::rules::Rule;
use crate::ticket::TicketKind;

impl World {
    /// Plays on without faults until everything has settled, and judges what has not.
    ///
    /// Every request has its whole allowance: the clock of the last judgement starts when faults are over, when the last planned
    /// request is made, or when a handler last did something it had planned, whichever is latest.
    pub(crate) fn settle(&mut self) {
        self.play(self.faults.span);
        let ready_by = self.now + self.longest_way_back();
        while self.violations.is_empty() && self.now < ready_by && !self.all_ready() {
            self.play(self.now + Duration::from_secs(1));
        }
        self.expect_ready();
        let interval = self.faults.timing.heartbeat_interval;
        let last_asked = self.plan.iter().map(|planned| planned.at).max().unwrap_or_default();
        self.play(last_asked.max(self.now));
        let at_most = self.now + LONGEST_HANDLER;
        let mut answered_by = self.now + self.longest_answer();
        while self.violations.is_empty() && self.now < answered_by && !self.all_answered() {
            self.ask_again_what_was_dropped();
            self.play(self.now + Duration::from_secs(1));
            if self.wakes > 0 && self.now < at_most {
                answered_by = self.now + self.longest_answer();
            }
        }
        self.play(self.now + interval * 4 + Duration::from_secs(5));
        self.expect_answered();
        self.expect_ready();
        self.expect_heartbeats();
        self.stop_all();
    }

    /// How long the way back may take, from the worst that may have been going on.
    fn longest_way_back(&self) -> Duration {
        let timing = &self.faults.timing;
        let longest = timing.max_reconnect_delay.max(timing.reconnect_delay);
        let waits = self.hosts.iter().filter(|host| host.node.phase() == Phase::Waiting);
        let waiting = waits.filter_map(|host| host.due()).max().unwrap_or_default();
        let silence = timing.heartbeat_interval * 3 + self.gateway.config.timing.liveness * 3;
        let once = timing.connect + timing.open + timing.register + timing.close;
        let approvals = match self.is_openclaw() {
            false => Duration::ZERO,
            // One for the device that was asked too early, and the gateway's start.
            true => timing.max_approval_delay * 2 + self.faults.pairing.startup,
        };
        // What an impostor has said, or will say still, may ask for patience.
        let deceived = self.hosts.iter().any(|host| host.node.phase() == Phase::Opening);
        let patience = Duration::from_secs(if deceived { 3600 } else { 0 });
        // An attempt under way may fail still; what is left of it and one more must do.
        waiting.saturating_sub(self.now)
            + patience
            + approvals
            + silence
            + (longest + once) * 2
            + Duration::from_secs(60)
    }

    /// How long an answer may take once its request is made: ten minutes, and the time of the work and the requests before it.
    fn longest_answer(&self) -> Duration {
        let behaviour = &self.faults.behaviour;
        let owed: usize = self.hosts.iter().map(|host| host.node.tally().owed).max().unwrap_or(0);
        let open = self.gateway.seats.iter().map(|seat| seat.open.len()).max().unwrap_or(0);
        let one = behaviour.step * 2 * (behaviour.updates as u32 + 2);
        // What was dropped is asked again, as much as the node takes in each second.
        let asks = Duration::from_secs((open / self.faults.limits.owed.max(1)) as u64) * 2;
        Duration::from_secs(600)
            + asks
            + one * ((owed + open) as u32 + 2)
            + self.faults.timing.heartbeat_interval * 4
    }

    /// A node whose gateway does not read may drop refusals, and says so. A gateway learns it by its own patience only.
    fn ask_again_what_was_dropped(&mut self) {
        // Where a repeated id is a new request, patience is all there is.
        if self.rules.repeated_id == RepeatedId::Supersede {
            return;
        }
        for index in 0..self.hosts.len() {
            if self.hosts[index].node.tally().refusals_dropped > 0 {
                let tickets = &self.gateway.tickets;
                let seat = &mut self.gateway.seats[index];
                if seat.unsent.is_empty() {
                    let open = seat.open.iter().copied();
                    let unheard = open.filter(|number| !tickets[*number as usize].acknowledged);
                    seat.unsent.extend(unheard.take(self.faults.limits.owed));
                    self.offer(index);
                }
            }
        }
    }

    fn all_ready(&self) -> bool {
        self.hosts.iter().all(|host| host.node.phase() == Phase::Ready)
            && self.gateway.seats.iter().all(|seat| seat.link.is_some())
    }

    fn all_answered(&self) -> bool {
        self.repetitions == 0
            && self.gateway.seats.iter().all(|seat| seat.open.is_empty() && seat.unsent.is_empty())
            && self.hosts.iter().all(|host| host.node.tally().owed == 0)
    }

    fn expect_ready(&mut self) {
        for index in 0..self.hosts.len() {
            let phase = self.hosts[index].node.phase();
            let seated = self.gateway.seats[index].link.is_some();
            if self.violations.is_empty() && (phase != Phase::Ready || !seated) {
                let known = if seated { "has" } else { "has not" };
                let text = format!(
                    "long after the last fault the node is {phase:?}, and the gateway {known} a connection with it"
                );
                self.breach(Some(index), Some((Rule::BecomesReady, text)));
            }
        }
    }

    fn expect_answered(&mut self) {
        if !self.violations.is_empty() {
            return;
        }
        for number in 0..self.gateway.tickets.len() {
            let ticket = &self.gateway.tickets[number];
            let counts = ticket.kind == TicketKind::Valid && ticket.life == self.gateway.life;
            if counts && !ticket.is_answered() {
                let (node, sends) = (ticket.node, ticket.sends);
                let truth = &ticket.truth;
                let text = format!(
                    "r{number}, sent {sends} times, acknowledged: {}, admitted: {}, run {} times, has no answer",
                    ticket.acknowledged, truth.admitted, truth.runs
                );
                self.breach(Some(node), Some((Rule::EverythingAnswered, text)));
            }
        }
        for index in 0..self.hosts.len() {
            let tally = self.hosts[index].node.tally();
            if tally.owed + tally.running + tally.waiting + tally.update_bytes > 0 {
                let text = format!("everything is answered, and still the node counts {tally:?}");
                self.breach(Some(index), Some((Rule::EverythingAnswered, text)));
            }
        }
    }

    fn expect_heartbeats(&mut self) {
        if self.rules.liveness != Liveness::Heartbeats {
            return;
        }
        let interval = self.faults.timing.heartbeat_interval;
        for index in 0..self.hosts.len() {
            let last = self.gateway.seats[index].last_alive.unwrap_or_default();
            let silence = self.now.saturating_sub(last);
            if self.violations.is_empty() && silence > interval * 2 + Duration::from_secs(2) {
                let text =
                    format!("no heartbeat for {silence:?}, with an interval of {interval:?}");
                self.breach(Some(index), Some((Rule::OneHeartbeat, text)));
            }
        }
    }

    fn stop_all(&mut self) {
        if !self.violations.is_empty() {
            return;
        }
        self.stopping = true;
        let grace = Duration::from_secs(5);
        for index in 0..self.hosts.len() {
            self.hosts[index].past.stop_asked = true;
            self.give(index, Input::Stop(grace));
        }
        self.play(self.now + grace + self.faults.timing.close * 2 + Duration::from_secs(1));
        for index in 0..self.hosts.len() {
            if self.violations.is_empty() && self.hosts[index].node.phase() != Phase::Stopped {
                let phase = self.hosts[index].node.phase();
                let text = format!("asked to stop within {grace:?}, the node is still {phase:?}");
                self.breach(Some(index), Some((Rule::StopsInTime, text)));
            }
        }
    }
}

/// Handlers that ask to be woken for longer than this, once the last request is made, are thought to do so for ever.
const LONGEST_HANDLER: Duration = Duration::from_secs(86_400);
