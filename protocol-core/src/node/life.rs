//! From one connection to the next, and to the end.

use std::time::Duration;

use super::{Action, Deadline, Event, Link, LostReason, Misuse, Node, StopReason};
use crate::dialect::ToGateway;
use crate::secret::Secret;
use crate::websocket::{CloseCode, Closed, Connection, Refusal, RetryAfter};

#[derive(Debug)]
pub(super) enum Life {
    Idle,
    Authenticating,
    Connecting { credential: Option<Secret> },
    Opening,
    Registering { written_at: u64 },
    Ready { since: Duration },
    Closing { then: Ending },
    Waiting,
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopping {
    No,
    /// Running work goes on.
    Draining,
    /// It was cancelled, and its answers are being sent.
    Flushing,
    Closing,
}

/// What follows once a connection is gone.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Retry { reason: LostReason, after: Delay },
    Stop(StopReason),
}

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delay {
    Usual,
    AtLeast(Duration),
    Longest,
}

impl Node {
    // Connecting.

    pub(super) fn start(&mut self) -> Result<(), Misuse> {
        match self.life {
            Life::Idle => {
                self.attempt();
                Ok(())
            }
            _ => Err(Misuse::WrongState),
        }
    }

    pub(super) fn attempt(&mut self) {
        self.life = Life::Authenticating;
        let time = self.config.timing.attempt();
        self.timers.set(Deadline::Connect, self.now.saturating_add(time));
        self.actions.push_back(Action::Authenticate);
    }

    pub(super) fn authenticated(&mut self, credential: Option<Secret>) -> Result<(), Misuse> {
        match self.life {
            Life::Authenticating => {
                self.life = Life::Connecting { credential };
                self.actions.push_back(Action::Connect);
                Ok(())
            }
            _ => Err(Misuse::WrongState),
        }
    }

    pub(super) fn credential_failed(&mut self, why: &str) -> Result<(), Misuse> {
        match self.life {
            Life::Authenticating => {
                self.retry_after_attempt(LostReason::NoCredential(why.to_owned()), Delay::Usual);
                Ok(())
            }
            _ => Err(Misuse::WrongState),
        }
    }

    pub(super) fn connect_failed(&mut self, why: &str) -> Result<(), Misuse> {
        match self.life {
            Life::Connecting { .. } => {
                self.retry_after_attempt(LostReason::ConnectFailed(why.to_owned()), Delay::Usual);
                Ok(())
            }
            _ => Err(Misuse::WrongState),
        }
    }

    pub(super) fn connected(&mut self) -> Result<(), Misuse> {
        let Life::Connecting { credential } = &self.life else { return Err(Misuse::WrongState) };
        let session = self.config.dialect.node_session();
        self.timers.clear(Deadline::Connect);
        match session.upgrade_request(&self.config.endpoint, credential.as_ref()) {
            Ok(request) => {
                let limits = self.config.limits.websocket;
                let websocket = Connection::client(&request, limits, self.random.bytes());
                let credential = credential.clone();
                self.link = Some(Link {
                    websocket,
                    session,
                    credential,
                    heard: false,
                    pings: 0,
                    awaited: None,
                    asked_at: 0,
                });
                self.life = Life::Opening;
                self.timers.set(Deadline::Open, self.now.saturating_add(self.config.timing.open));
            }
            Err(invalid) => {
                let why = invalid.to_string();
                self.finish(if self.ever_ready {
                    Ending::Retry {
                        reason: LostReason::UnusableCredential(why),
                        after: Delay::Longest,
                    }
                } else {
                    Ending::Stop(StopReason::UnusableCredential(why))
                });
            }
        }
        Ok(())
    }

    // The connection.

    pub(super) fn with_link(&mut self, act: impl FnOnce(&mut Link)) -> Result<(), Misuse> {
        self.link.as_mut().map(act).ok_or(Misuse::WrongState)
    }

    pub(super) fn sent(&mut self, count: usize) -> Result<(), Misuse> {
        let link = self.link.as_mut().ok_or(Misuse::WrongState)?;
        let before = link.websocket.bytes_sent_total();
        link.websocket.sent(count).map_err(|_| Misuse::SentTooMuch)?;
        let sent = link.websocket.bytes_sent_total();
        if let Some(ping) = &mut link.awaited {
            if before < ping.written_at && ping.written_at <= sent {
                // Heartbeats that passed while it waited here prove nothing about the way to the gateway.
                ping.beats = 0;
            }
        }
        if let Life::Registering { written_at } = self.life {
            if sent >= written_at {
                self.become_ready();
            }
        }
        Ok(())
    }

    pub(super) fn become_ready(&mut self) {
        self.life = Life::Ready { since: self.now };
        self.ever_ready = true;
        self.timers.clear(Deadline::Register);
        let interval = self.config.timing.beat();
        self.timers.set(Deadline::Heartbeat, self.now.saturating_add(interval));
        self.actions.push_back(Action::Notify(Event::Ready));
    }

    pub(super) fn opened(&mut self) {
        let Some(Link { websocket, session, .. }) = &mut self.link else { return };
        let (workflows, commands) = (self.config.workflows, &self.config.commands);
        let words = ToGateway::Register { workflows, commands, instance: self.instance };
        session.write(self.utc, words, websocket);
        self.life = Life::Registering { written_at: websocket.bytes_queued_total() };
        self.timers.clear(Deadline::Open);
        self.timers.set(Deadline::Register, self.now.saturating_add(self.config.timing.register));
        self.actions.push_back(Action::Notify(Event::Connected));
    }

    pub(super) fn refused(&mut self, refusal: Refusal) {
        let incurable = matches!(refusal.status(), 200..=407 | 409..=424 | 426..=428 | 430..=499);
        let ending = if incurable && !self.ever_ready {
            Ending::Stop(StopReason::Refused(refusal))
        } else {
            let after = match refusal.retry_after() {
                _ if incurable => Delay::Longest,
                None => Delay::Usual,
                Some(RetryAfter::Seconds(seconds)) => Delay::AtLeast(Duration::from_secs(seconds)),
                Some(RetryAfter::UnixTime(time)) => {
                    let ahead = time.saturating_sub(self.utc.as_micros() / 1_000_000);
                    Delay::AtLeast(Duration::from_secs(ahead.max(0).unsigned_abs()))
                }
            };
            Ending::Retry { reason: LostReason::Refused(refusal), after }
        };
        self.finish(ending);
    }

    pub(super) fn closed(&mut self, closed: Closed) {
        let ending = match (&self.life, closed) {
            (Life::Closing { then }, _) => then.clone(),
            (_, closed @ Closed::Handshake(_)) if !self.ever_ready => {
                Ending::Stop(StopReason::NotAGateway(closed))
            }
            (_, closed @ Closed::Handshake(_)) => {
                Ending::Retry { reason: LostReason::Closed(closed), after: Delay::Longest }
            }
            (_, Closed::OpeningTimedOut) => Ending::retry(LostReason::TimedOut(Deadline::Open)),
            (_, closed) => Ending::retry(LostReason::Closed(closed)),
        };
        self.close_within_deadline(ending);
    }

    pub(super) fn disconnected(&mut self, why: &str) -> Result<(), Misuse> {
        if self.link.is_none() {
            return Err(Misuse::WrongState);
        }
        let ending = match &self.life {
            Life::Closing { then } => then.clone(),
            _ => Ending::retry(LostReason::Disconnected(why.to_owned())),
        };
        self.finish(ending);
        Ok(())
    }

    /// Waits for what is still to be written and, unless the peer has closed already, for its close frame.
    pub(super) fn close_within_deadline(&mut self, then: Ending) {
        self.note_health();
        for stale in [Deadline::Open, Deadline::Register, Deadline::Heartbeat, Deadline::Confirm] {
            self.timers.clear(stale);
        }
        self.timers.set(Deadline::Close, self.now.saturating_add(self.config.timing.close));
        self.life = Life::Closing { then };
    }

    /// A connection that is over and has nothing left to write is dropped.
    pub(super) fn settle(&mut self) {
        if let (Life::Closing { then }, Some(link)) = (&self.life, &self.link) {
            if link.websocket.is_finished() && link.websocket.transmit().is_empty() {
                let then = then.clone();
                self.finish(then);
            }
        }
        self.stop_when_drained();
    }

    /// Drops the connection, or the attempt to make one, and goes on to what follows.
    pub(super) fn finish(&mut self, ending: Ending) {
        self.note_health();
        let drain = self.timers.get(Deadline::Drain);
        self.timers.clear_all();
        if let Some(drain) = drain {
            self.timers.set(Deadline::Drain, drain);
        }
        self.link = None;
        self.fault_replies.clear();
        self.ledger.disconnected(&mut self.actions);
        // What time has overtaken before it was asked for could only be answered too late.
        self.actions.retain(|action| !matches!(action, Action::Authenticate | Action::Connect));
        self.actions.push_back(Action::Disconnect);
        match ending {
            Ending::Retry { reason, after } => self.wait_to_retry(reason, after),
            Ending::Stop(reason) => self.stopped(reason),
        }
    }

    pub(super) fn retry_after_attempt(&mut self, reason: LostReason, after: Delay) {
        self.timers.clear(Deadline::Connect);
        self.wait_to_retry(reason, after);
    }

    pub(super) fn wait_to_retry(&mut self, reason: LostReason, after: Delay) {
        let delay = match after {
            Delay::Usual => self.backoff.next(&mut self.random),
            Delay::AtLeast(asked) => {
                self.backoff.next(&mut self.random).max(asked.min(LONGEST_RETRY_AFTER))
            }
            Delay::Longest => self.backoff.longest(&mut self.random),
        };
        self.life = Life::Waiting;
        self.timers.set(Deadline::Reconnect, self.now.saturating_add(delay));
        self.actions.push_back(Action::Notify(Event::Lost { reason, retry_in: Some(delay) }));
    }

    /// A connection that was ready for a heartbeat interval was a good one: the next delay is the first again.
    pub(super) fn note_health(&mut self) {
        if let Life::Ready { since } = self.life {
            if self.now.saturating_sub(since) >= self.config.timing.beat() {
                self.backoff.reset();
            }
        }
    }

    // Time.

    pub(super) fn timed_out(&mut self, deadline: Deadline) {
        match deadline {
            Deadline::Connect => self.finish(Ending::retry(LostReason::TimedOut(deadline))),
            Deadline::Open => {
                let _ = self.with_link(|link| link.websocket.opening_timed_out());
            }
            Deadline::Register => self.finish(Ending::retry(LostReason::TimedOut(deadline))),
            Deadline::Heartbeat => self.beat(),
            Deadline::Confirm => self.ping(),
            Deadline::Close => {
                if let Life::Closing { then } = &self.life {
                    let then = then.clone();
                    self.finish(then);
                }
            }
            Deadline::Reconnect => self.attempt(),
            Deadline::Drain => self.drain_timed_out(),
        }
    }

    // Stopping.

    pub(super) fn stop(&mut self, grace: Duration) {
        if matches!(self.life, Life::Stopped) || self.stopping == Stopping::Closing {
            return;
        }
        if self.stopping == Stopping::No {
            self.stopping = Stopping::Draining;
        }
        self.ledger.close_to_new_work();
        let asked = self.now.saturating_add(grace);
        let due = self.timers.get(Deadline::Drain).map_or(asked, |before| before.min(asked));
        self.timers.set(Deadline::Drain, due);
    }

    pub(super) fn stop_when_drained(&mut self) {
        let draining = matches!(self.stopping, Stopping::Draining | Stopping::Flushing);
        if draining && self.ledger.tally().owed == 0 {
            self.close_and_stop();
        }
    }

    pub(super) fn drain_timed_out(&mut self) {
        self.ledger.cancel_all("the node stopped before the work was done", &mut self.actions);
        let connected = matches!(self.life, Life::Ready { .. });
        if self.stopping == Stopping::Draining && connected && self.ledger.tally().owed > 0 {
            // The answers of what was just cancelled get the time of a close to be written.
            self.stopping = Stopping::Flushing;
            self.timers.set(Deadline::Drain, self.now.saturating_add(self.config.timing.close));
        } else {
            self.close_and_stop();
        }
    }

    pub(super) fn close_and_stop(&mut self) {
        self.stopping = Stopping::Closing;
        self.pump();
        self.timers.clear(Deadline::Drain);
        let ending = Ending::Stop(StopReason::Requested);
        match (&self.life, &mut self.link) {
            (Life::Stopped, _) => {}
            (Life::Idle | Life::Waiting, _) => self.stopped(StopReason::Requested),
            (Life::Registering { .. } | Life::Ready { .. }, Some(link)) => {
                let _ = link.websocket.close(CloseCode::GOING_AWAY, "the node is stopping");
                self.close_within_deadline(ending);
            }
            (Life::Closing { .. }, _) => self.life = Life::Closing { then: ending },
            _ => self.finish(ending),
        }
    }

    pub(super) fn stopped(&mut self, reason: StopReason) {
        self.life = Life::Stopped;
        self.timers.clear_all();
        self.actions.push_back(Action::Stopped(reason));
    }
}

impl Ending {
    pub(super) fn retry(reason: LostReason) -> Self {
        Self::Retry { reason, after: Delay::Usual }
    }
}

/// A gateway may ask for patience, not for a node that never comes back.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
