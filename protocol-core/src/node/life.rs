//! From one connection to the next, and to the end.

use std::time::Duration;

use super::{Action, Deadline, Event, Link, LostReason, Misuse, Node, StopReason};
use crate::dialect::openclaw::Refusal as Denial;
use crate::dialect::{AfterDenial, ToGateway, Unsayable, Welcome};
use crate::secret::{Credentials, Secret};
use crate::state::state;
use crate::text::{MOST_REASON_BYTES, fitting};
use crate::websocket::{CloseCode, Closed, Connection, Refusal, Side};

#[derive(Debug)]
pub(super) enum Life {
    Idle,
    Authenticating,
    Connecting {
        credentials: Credentials,
    },
    Opening,
    /// The gateway is to say what the node must prove.
    Challenged,
    Signing,
    Registering {
        written_at: u64,
    },
    /// The gateway has let the node in, and what it gave is being kept.
    Keeping,
    Ready {
        since: Duration,
    },
    Closing {
        then: Ending,
    },
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

state!(enum Stopping { 0 = No, 1 = Draining, 2 = Flushing, 3 = Closing });

/// What follows once a connection is gone.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Retry {
        reason: LostReason,
        after: Delay,
    },
    /// Another attempt of which nothing is said yet.
    RetryQuietly,
    Stop(StopReason),
}

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delay {
    Usual,
    AtLeast(Duration),
    /// About this long, since it was asked for.
    About(Duration),
    /// Somebody has to approve first.
    Approval,
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

    pub(super) fn authenticated(&mut self, credentials: Credentials) -> Result<(), Misuse> {
        match self.life {
            Life::Authenticating => {
                let credentials = self.with_unkept(credentials);
                self.life = Life::Connecting { credentials };
                self.actions.push_back(Action::Connect);
                Ok(())
            }
            _ => Err(Misuse::WrongState),
        }
    }

    /// What there is to show: with a device token that the application does not keep yet, if it has none.
    pub(crate) fn with_unkept(&self, mut credentials: Credentials) -> Credentials {
        credentials.device_token = credentials.device_token.or_else(|| self.unkept.clone());
        credentials
    }

    pub(super) fn credentials_failed(&mut self, why: &str) -> Result<(), Misuse> {
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
        let Life::Connecting { credentials } = &self.life else { return Err(Misuse::WrongState) };
        self.timers.clear(Deadline::Connect);
        match self.upgrade_request(&self.config.endpoint, credentials) {
            Ok(request) => {
                self.session.begin(credentials);
                let limits = self.config.limits.websocket;
                let websocket = Connection::client(&request, limits, self.random.bytes());
                let credentials = credentials.clone();
                self.link = Some(Link {
                    websocket,
                    credentials,
                    heard_at: self.now,
                    tick: None,
                    back_in: None,
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

    pub(super) fn with_link(
        &mut self,
        act: impl FnOnce(&mut Link, Duration),
    ) -> Result<(), Misuse> {
        let now = self.now;
        self.link.as_mut().map(|link| act(link, now)).ok_or(Misuse::WrongState)
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
            if sent >= written_at && !self.session.awaits_welcome() {
                self.become_ready();
            }
        }
        Ok(())
    }

    pub(super) fn become_ready(&mut self) {
        self.life = Life::Ready { since: self.now };
        self.ever_ready = true;
        self.timers.clear(Deadline::Register);
        self.expect_life();
        if self.session.awaits_welcome() {
            // The gateway itself says that all is well (openclaw page 9).
            self.backoff.reset();
            self.closed_wordless = false;
        }
        self.approval_backoff.reset();
        self.publications.reset();
        self.actions.push_back(Action::Notify(Event::Ready));
    }

    pub(super) fn opened(&mut self) {
        self.timers.clear(Deadline::Open);
        self.timers.set(Deadline::Register, self.now.saturating_add(self.config.timing.register));
        self.actions.push_back(Action::Notify(Event::Connected));
        if self.session.registers_unasked() {
            return self.register(None);
        }
        self.life = Life::Challenged;
        if let Some(patience) = self.session.patience() {
            let time = patience.min(self.config.timing.register);
            self.timers.set(Deadline::Register, self.now.saturating_add(time));
        }
    }

    fn register(&mut self, signature: Option<&str>) {
        let Some(Link { websocket, .. }) = &mut self.link else { return };
        self.ledger.follow(self.session.rules());
        let (workflows, commands) = (self.config.workflows, &self.config.commands);
        let words = ToGateway::Register { workflows, commands, instance: self.instance, signature };
        match self.session.write(self.utc, words, websocket) {
            Ok(()) => {
                self.life = Life::Registering { written_at: websocket.bytes_queued_total() };
                let time = self.config.timing.register;
                self.timers.set(Deadline::Register, self.now.saturating_add(time));
            }
            Err(Unsayable(why)) => self.finish(Ending::Stop(StopReason::TooLargeToRegister(why))),
        }
    }

    pub(super) fn challenged(&mut self, sign: Option<Secret>) {
        if !matches!(self.life, Life::Challenged) {
            return;
        }
        match sign {
            Some(text) => {
                self.life = Life::Signing;
                self.actions.push_back(Action::Sign(text));
            }
            None => self.register(None),
        }
    }

    pub(super) fn signed(&mut self, signature: &str) -> Result<(), Misuse> {
        match self.life {
            Life::Signing => {
                self.register(Some(signature));
                Ok(())
            }
            _ => Err(Misuse::WrongState),
        }
    }

    pub(super) fn signing_failed(&mut self, why: &str) -> Result<(), Misuse> {
        match self.life {
            Life::Signing => {
                self.finish(Ending::retry(LostReason::NoCredential(why.to_owned())));
                Ok(())
            }
            _ => Err(Misuse::WrongState),
        }
    }

    pub(super) fn welcomed(&mut self, welcome: Welcome) {
        let (Life::Registering { .. }, Some(link)) = (&self.life, &mut self.link) else { return };
        link.tick = welcome.tick;
        let shown = &link.credentials.device_token;
        match welcome.device_token {
            Some(given) if shown.as_ref() != Some(&given.token) || self.unkept.is_some() => {
                self.unkept = Some(given.token.clone());
                link.credentials.device_token = Some(given.token.clone());
                self.life = Life::Keeping;
                self.actions.push_back(Action::KeepDeviceToken(given));
            }
            _ => self.become_ready(),
        }
    }

    pub(super) fn device_token_kept(&mut self, problem: Option<&str>) -> Result<(), Misuse> {
        if !matches!(self.life, Life::Keeping) {
            return Err(Misuse::WrongState);
        }
        match problem {
            Some(why) => {
                self.actions.push_back(Action::Notify(Event::DeviceTokenLost(why.to_owned())));
            }
            None => self.unkept = None,
        }
        self.become_ready();
        Ok(())
    }

    pub(super) fn denied(&mut self, denial: Box<Denial>, next: AfterDenial, forget: bool) {
        if !matches!(self.life, Life::Registering { .. }) {
            return;
        }
        if forget {
            self.unkept = None;
            self.actions.push_back(Action::ForgetDeviceToken);
        }
        let after = match next {
            AfterDenial::RetryDifferently => Delay::About(SOON),
            AfterDenial::Retry => Delay::Usual,
            AfterDenial::RetryAfter(time) => Delay::AtLeast(time),
            AfterDenial::AwaitApproval => Delay::Approval,
            // With nothing left to show there is nothing that could change.
            AfterDenial::Stop if self.ever_ready && !self.is_empty_handed(forget) => Delay::Longest,
            AfterDenial::Stop => {
                return self.close_within_deadline(Ending::Stop(StopReason::Denied(denial)));
            }
        };
        self.close_within_deadline(Ending::Retry { reason: LostReason::Denied(denial), after });
    }

    fn is_empty_handed(&self, forgetting: bool) -> bool {
        let Some(Link { credentials, .. }) = &self.link else { return false };
        let Credentials { token, password, device_token, bootstrap_token, .. } = credentials;
        let kept = device_token.as_ref().filter(|_| !forgetting);
        [token, password, bootstrap_token].into_iter().flatten().chain(kept).next().is_none()
    }

    /// Ends the connection from this side, for another try at once.
    pub(super) fn leave(&mut self, code: CloseCode, why: &str) {
        let Some(link) = &mut self.link else { return };
        let _ = link.websocket.close(code, why);
        let reason = LostReason::ProtocolChanged;
        self.close_within_deadline(Ending::Retry { reason, after: Delay::About(SOON) });
    }

    pub(super) fn going_away(&mut self, reason: String, back_in: Option<Duration>) {
        if let Some(link) = &mut self.link {
            link.back_in = back_in;
        }
        self.actions.push_back(Action::Notify(Event::GoingAway { reason, back_in }));
    }

    pub(super) fn refused(&mut self, refusal: Refusal) {
        let retry_after = refusal.retry_after().map(|time| time.wait(self.utc));
        let ending = match self.after_refusal(refusal.status(), retry_after) {
            None => Ending::Stop(StopReason::Refused(refusal)),
            Some(after) => Ending::Retry { reason: LostReason::Refused(refusal), after },
        };
        self.finish(ending);
    }

    pub(super) fn proxy_refused(
        &mut self,
        status: u16,
        why: &str,
        retry_after: Option<Duration>,
    ) -> Result<(), Misuse> {
        let Life::Connecting { .. } = self.life else { return Err(Misuse::WrongState) };
        let why = fitting(why, MOST_REASON_BYTES).to_owned();
        match self.after_refusal(status, retry_after) {
            None => self.finish(Ending::Stop(StopReason::ProxyRefused { status, why })),
            Some(after) => {
                self.retry_after_attempt(LostReason::ProxyRefused { status, why }, after);
            }
        }
        Ok(())
    }

    /// When to try again after an answer with this status. `None`: never, since it would not change, and never was better.
    fn after_refusal(&self, status: u16, retry_after: Option<Duration>) -> Option<Delay> {
        let incurable = matches!(status, 200..=407 | 409..=424 | 426..=428 | 430..=499);
        match retry_after {
            _ if incurable => self.ever_ready.then_some(Delay::Longest),
            None => Some(Delay::Usual),
            Some(time) => Some(Delay::AtLeast(time)),
        }
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
            (Life::Registering { .. } | Life::Ready { .. }, closed)
                if self.session.misunderstood(&closed) =>
            {
                let reason = LostReason::Closed(closed);
                Ending::Retry { reason, after: Delay::About(SOON) }
            }
            (Life::Challenged | Life::Signing | Life::Registering { .. }, closed)
                if self.session.awaits_welcome()
                    && is_wordless(&closed)
                    && !std::mem::replace(&mut self.closed_wordless, true) =>
            {
                Ending::RetryQuietly
            }
            (_, Closed::OpeningTimedOut) => Ending::retry(LostReason::TimedOut(Deadline::Open)),
            (_, closed) => {
                let back_in = self.link.as_ref().and_then(|link| link.back_in);
                let after = back_in.map_or(Delay::Usual, Delay::About);
                Ending::Retry { reason: LostReason::Closed(closed), after }
            }
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
        for stale in [
            Deadline::Open,
            Deadline::Register,
            Deadline::Heartbeat,
            Deadline::Confirm,
            Deadline::Publish,
        ] {
            self.timers.clear(stale);
        }
        self.timers.set(Deadline::Close, self.now.saturating_add(self.config.timing.close));
        self.life = Life::Closing { then };
    }

    /// A connection that is over and has nothing left to write is dropped.
    pub(super) fn settle(&mut self) {
        // First, so that a node that has nothing more to do does not speak of another attempt.
        self.stop_when_drained();
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
        self.fail_calls();
        // What time has overtaken before it was asked for could only be answered too late.
        self.actions.retain(|action| {
            !matches!(action, Action::Authenticate | Action::Connect | Action::Sign(_))
        });
        self.actions.push_back(Action::Disconnect);
        match ending {
            Ending::Retry { reason, after } => self.wait_to_retry(reason, after),
            Ending::RetryQuietly => {
                self.wait(Delay::Usual);
            }
            Ending::Stop(reason) => self.stopped(reason),
        }
    }

    pub(super) fn retry_after_attempt(&mut self, reason: LostReason, after: Delay) {
        self.timers.clear(Deadline::Connect);
        self.wait_to_retry(reason, after);
    }

    pub(super) fn wait_to_retry(&mut self, reason: LostReason, after: Delay) {
        let delay = self.wait(after);
        self.actions.push_back(Action::Notify(Event::Lost { reason, retry_in: Some(delay) }));
    }

    /// How long it is until the next attempt.
    fn wait(&mut self, after: Delay) -> Duration {
        let delay = match after {
            Delay::Usual => self.backoff.next(&mut self.random),
            Delay::AtLeast(asked) => {
                self.backoff.next(&mut self.random).max(asked.min(LONGEST_RETRY_AFTER))
            }
            Delay::About(asked) => {
                let asked = asked.min(LONGEST_RETRY_AFTER);
                self.backoff.about(asked, &mut self.random)
            }
            Delay::Approval => self.approval_backoff.next_unhurried(&mut self.random),
            Delay::Longest => self.backoff.longest(&mut self.random),
        };
        self.life = Life::Waiting;
        self.timers.set(Deadline::Reconnect, self.now.saturating_add(delay));
        delay
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
                let _ = self.with_link(|link, _| link.websocket.opening_timed_out());
            }
            Deadline::Register => self.registration_timed_out(),
            Deadline::Heartbeat => self.beat(),
            Deadline::Confirm => self.ping(),
            Deadline::Publish | Deadline::Answer => {}
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

    fn registration_timed_out(&mut self) {
        if matches!(self.life, Life::Challenged) && self.session.patience_ended() {
            return self.register(None);
        }
        let ending = Ending::retry(LostReason::TimedOut(Deadline::Register));
        let told = match (&self.life, &mut self.link) {
            (Life::Challenged, Some(link)) => {
                link.websocket.close(CloseCode::POLICY_VIOLATION, "connect challenge timeout")
            }
            (Life::Registering { .. }, Some(link)) if self.session.awaits_welcome() => {
                link.websocket.close(TIMEOUT, "connect timeout")
            }
            _ => return self.finish(ending),
        };
        match told {
            Ok(()) => self.close_within_deadline(ending),
            Err(_) => self.finish(ending),
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
            (
                Life::Challenged
                | Life::Signing
                | Life::Registering { .. }
                | Life::Keeping
                | Life::Ready { .. },
                Some(link),
            ) => {
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

/// A gateway that gives up a handshake because it takes too long closes so (openclaw page 8.3).
fn is_wordless(closed: &Closed) -> bool {
    matches!(
        closed,
        Closed::Clean { initiated_by: Side::Peer, code: Some(CloseCode::NORMAL), reason } if reason.is_empty()
    )
}

/// What the reference client closes with when the gateway is silent (openclaw page 8.3).
pub(super) const TIMEOUT: CloseCode = match CloseCode::new(4000) {
    Some(code) => code,
    None => unreachable!(),
};

/// Between two attempts of which the second is another than the first (openclaw page 9).
const SOON: Duration = Duration::from_millis(250);

/// A gateway may ask for patience, not for a node that never comes back.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
