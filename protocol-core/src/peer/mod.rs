//! A gateway's side of one connection with a node.

mod input;
mod memory;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use crate::dialect::{
    FaultReply, GatewaySession, Heard, Liveness, MOST_NAME_BYTES, Message, ToNode, nodetool,
    openclaw,
};
use crate::faults::FaultReplies;
use crate::text::MOST_REASON_BYTES;
use crate::time::{Now, Timestamp};
use crate::timers::Timers;
use crate::websocket::{self, CloseCode, Closed, Connection, Role};

pub use input::{
    Action, Applicant, Deadline, Decision, FromNode, Input, LostReason, Misuse, Registration,
    Request, Surface, Timing,
};

/// What a [`Peer`] is told once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The language spoken with nodes.
    pub dialect: Dialect,
    /// Periods and deadlines.
    pub timing: Timing,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// A peer that speaks `dialect`, with the timing it is used to and the default limits.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, timing: dialect.timing(), limits: Limits::default() }
    }
}

/// The language a gateway speaks with its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// The gateway protocol of NodeTool.
    #[default]
    Nodetool,
    /// The protocol of the OpenClaw Gateway, as far as a node meets it.
    Openclaw(openclaw::GatewayConfig),
}

impl Dialect {
    /// The periods and deadlines that gateways of this dialect have.
    pub fn timing(self) -> Timing {
        match self {
            Self::Nodetool => Timing::default(),
            Self::Openclaw(_) => Timing { liveness: Duration::from_secs(25), ..Timing::default() },
        }
    }
}

impl Config {
    fn session(&self, seed: [u8; 32]) -> Box<dyn GatewaySession> {
        match self.dialect {
            Dialect::Nodetool => Box::new(nodetool::Gateway),
            Dialect::Openclaw(config) => {
                let policy = openclaw::Policy {
                    max_message: self.limits.websocket.max_message,
                    transmit_bytes: self.limits.transmit_bytes,
                    tick: at_least(self.timing.tick),
                    open_requests: self.limits.open_requests,
                };
                Box::new(openclaw::Gateway::new(config, policy, seed))
            }
        }
    }
}

/// Bounds of a peer's buffers.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// Bounds of the WebSocket. What is larger than its `max_message` is not sent either, [`Misuse::TooLarge`].
    pub websocket: websocket::Limits,
    /// Bytes that may wait for the node before requests are refused as [`Misuse::Full`], and replies to faulty messages held
    /// back; in the openclaw dialect, where everything is replied to, before the connection of a node ends that says more without
    /// reading. Default 64 MiB: two of the largest messages and change; a node that reads slower than that should not be given more.
    pub transmit_bytes: usize,
    /// Replies to faulty messages that may be sent in a row; one more is earned each second. Default 10, so that two
    /// peers cannot keep each other busy with errors.
    pub fault_replies: u32,
    /// Requests without an answer; one more is refused as [`Misuse::Full`]. Only the openclaw dialect keeps count. Default 1,024, as
    /// many as a node takes.
    pub open_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            websocket: websocket::Limits::default(),
            transmit_bytes: 64 << 20,
            fault_replies: 10,
            open_requests: 1024,
        }
    }
}

/// A gateway's side of one connection with a node, as a pure state machine.
///
/// The same three kinds of methods and the same [drain contract](crate::Node#the-drain-contract) as [`Node`](crate::Node):
/// after an input call [`poll_action`](Self::poll_action) until it returns `None`; then write [`transmit`](Self::transmit),
/// and come back at [`deadline`](Self::deadline) at the latest.
#[derive(Debug)]
pub struct Peer {
    config: Config,
    now: Duration,
    utc: Timestamp,
    life: Life,
    timers: Timers<Deadline, 5>,
    websocket: Connection,
    session: Box<dyn GatewaySession>,
    actions: VecDeque<Action>,
    fault_replies: FaultReplies,
    /// Whether anything came since the last look, and whether a ping has asked for it.
    heard: bool,
    pinged: bool,
    ponged: bool,
    sent_by_look: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Life {
    Opening,
    /// The application decides about an HTTP request.
    Upgrading,
    Registering,
    /// The application decides about a node.
    Deciding,
    Ready,
    Closing(LostReason),
    Closed,
}

impl Peer {
    /// A peer on a fresh byte stream: it reads the HTTP upgrade request itself.
    ///
    /// The seed decides what a node of the openclaw dialect has to sign, so it must be fresh from the operating system for each
    /// connection, except in tests.
    pub fn new(config: Config, now: Now, seed: [u8; 32]) -> Self {
        let websocket = Connection::server(config.limits.websocket);
        let mut peer = Self::on(websocket, config, now, seed);
        peer.timers.set(Deadline::Open, now.monotonic.saturating_add(peer.config.timing.open));
        peer
    }

    /// A peer on a stream that an HTTP server has upgraded to WebSocket, and authorised, already. The seed is that of
    /// [`new`](Self::new).
    pub fn upgraded(config: Config, now: Now, seed: [u8; 32]) -> Self {
        let websocket = Connection::upgraded(Role::Server, config.limits.websocket, seed);
        Self::on(websocket, config, now, seed)
    }

    /// Takes one input. Drain afterwards, as [the contract](crate::Node#the-drain-contract) says.
    ///
    /// # Errors
    ///
    /// [`Misuse`] when the input does not fit; nothing has changed then. What the node does wrong is never an error here.
    pub fn handle(&mut self, now: Now, input: Input<'_>) -> Result<(), Misuse> {
        self.now = self.now.max(now.monotonic);
        self.utc = now.utc;
        if self.life == Life::Closed {
            return Err(Misuse::WrongState);
        }
        match input {
            Input::Received(bytes) => {
                self.heard = true;
                self.websocket.receive(bytes);
            }
            Input::ReceivedEof => self.websocket.receive_eof(),
            Input::Disconnected => self.end(match &self.life {
                Life::Closing(reason) => reason.clone(),
                _ => LostReason::Disconnected,
            }),
            Input::Sent(count) => self.websocket.sent(count).map_err(|_| Misuse::SentTooMuch)?,
            Input::Timeout => {
                while let Some(deadline) = self.timers.take_due(self.now) {
                    self.timed_out(deadline);
                }
            }
            Input::Authorize(decision) => self.decide(decision)?,
            Input::Request(request) => self.say(ToNode::Request(request))?,
            Input::Cancel(request_id) => self.say(ToNode::Cancel { request_id })?,
            Input::Acknowledge(request_id) => self.say(ToNode::Acknowledge { request_id })?,
            Input::Surface(surface) => self.say(ToNode::Surface(surface))?,
            Input::GoingAway { reason, back_in } => {
                self.say(ToNode::GoingAway { reason, back_in })?;
            }
            Input::Custom(text) if self.session.takes_custom(text) => {
                self.say(ToNode::Custom(text))?;
            }
            Input::Custom(_) => return Err(Misuse::NotACustomMessage),
            Input::Close(code, why) => {
                if !matches!(self.life, Life::Registering | Life::Deciding | Life::Ready) {
                    return Err(Misuse::WrongState);
                }
                self.websocket.close(code, why).map_err(|_| Misuse::WrongState)?;
                self.timers.clear_all();
                self.wait_for(Deadline::Close, self.config.timing.close);
            }
        }
        Ok(())
    }

    /// The next thing to do, `None` when there is nothing more for now.
    pub fn poll_action(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if !self.listen() {
                self.settle();
                return self.actions.pop_front();
            }
        }
    }

    /// The bytes that wait for the socket. Tell with [`Input::Sent`] how many it took.
    pub fn transmit(&self) -> &[u8] {
        if self.life == Life::Closed { &[] } else { self.websocket.transmit() }
    }

    /// When to give [`Input::Timeout`] at the latest, and what for. In the time of [`Now::monotonic`].
    pub fn deadline(&self) -> Option<(Duration, Deadline)> {
        self.timers.next()
    }

    /// Whether the node is registered and the connection open.
    pub fn is_ready(&self) -> bool {
        self.life == Life::Ready && self.websocket.is_open()
    }

    fn on(mut websocket: Connection, config: Config, now: Now, seed: [u8; 32]) -> Self {
        let session = config.session(seed);
        if let Some(most) = session.most_before_registration() {
            websocket.set_max_message(most.min(config.limits.websocket.max_message));
        }
        Self {
            now: now.monotonic,
            utc: now.utc,
            life: Life::Opening,
            timers: Timers::new([
                Deadline::Open,
                Deadline::Register,
                Deadline::Tick,
                Deadline::Liveness,
                Deadline::Close,
            ]),
            websocket,
            session,
            actions: VecDeque::new(),
            fault_replies: FaultReplies::new(config.limits.fault_replies),
            heard: false,
            pinged: false,
            ponged: false,
            sent_by_look: 0,
            config,
        }
    }

    fn say(&mut self, words: ToNode<'_>) -> Result<(), Misuse> {
        if !self.is_ready() {
            return Err(Misuse::NotReady);
        }
        let (size, most) = match &words {
            ToNode::Acknowledge { request_id }
            | ToNode::Cancel { request_id }
            | ToNode::Surface(Surface::Approved { request_id: Some(request_id) }) => {
                (request_id.len(), MOST_NAME_BYTES)
            }
            ToNode::GoingAway { reason, .. } => (reason.len(), MOST_REASON_BYTES),
            ToNode::Request(request) => {
                (self.session.size(request), self.config.limits.websocket.max_message)
            }
            ToNode::Custom(text) => (text.len(), self.config.limits.websocket.max_message),
            _ => (0, 0),
        };
        if size > most {
            return Err(Misuse::TooLarge);
        }
        if !self.has_room() {
            return Err(Misuse::Full);
        }
        self.session.write(self.utc, words, &mut self.websocket)
    }

    fn decide(&mut self, decision: Decision<'_>) -> Result<(), Misuse> {
        match (&self.life, decision) {
            (Life::Upgrading, Decision::Accept) => {
                self.websocket.accept().map_err(|_| Misuse::WrongState)
            }
            (Life::Upgrading, Decision::Reject { status, message, retry_after }) => {
                let retry_after = retry_after.map(|seconds| seconds.to_string());
                let mut headers = vec![("Content-Type", "text/plain; charset=utf-8")];
                headers.extend(retry_after.as_deref().map(|seconds| ("Retry-After", seconds)));
                if status == 401 {
                    headers.push(("WWW-Authenticate", "Bearer"));
                }
                self.websocket.reject(status, &headers, message).map_err(|_| Misuse::WrongState)?;
                self.close_within_deadline(LostReason::Rejected(status));
                Ok(())
            }
            (Life::Deciding, Decision::Welcome(hello)) => {
                self.session.write(self.utc, ToNode::Welcome(hello), &mut self.websocket)?;
                self.websocket.set_max_message(self.config.limits.websocket.max_message);
                self.life = Life::Registering;
                Ok(())
            }
            (Life::Deciding, Decision::Refuse(refusal)) => {
                self.session.write(self.utc, ToNode::Refuse(refusal), &mut self.websocket)?;
                let (code, why) = refusal.closing();
                self.throw_out(code, why);
                Ok(())
            }
            _ => Err(Misuse::WrongState),
        }
    }

    /// Decodes at most one message; false when there is none.
    fn listen(&mut self) -> bool {
        if self.life == Life::Closed {
            return false;
        }
        if matches!(self.life, Life::Registering | Life::Ready) {
            if let Some(heard) = self.session.resume() {
                self.hear(heard);
                return true;
            }
        }
        let Some(event) = self.websocket.poll() else { return false };
        let heard = match event {
            websocket::Event::Text(text) => self.session.read(self.utc, Message::Text(text)),
            websocket::Event::Binary(bytes) => self.session.read(self.utc, Message::Binary(bytes)),
            websocket::Event::Request(request) => {
                self.life = Life::Upgrading;
                self.actions.push_back(Action::Authorize(Applicant::Upgrade(request)));
                return true;
            }
            websocket::Event::Open => {
                self.life = Life::Registering;
                self.timers.clear(Deadline::Open);
                self.wait_for(Deadline::Register, self.config.timing.register);
                self.wait_for(Deadline::Liveness, at_least(self.config.timing.liveness));
                self.session.begin(self.utc, &mut self.websocket);
                return true;
            }
            websocket::Event::Pong(_) => {
                self.ponged = true;
                return true;
            }
            websocket::Event::Closed(closed) => {
                let reason = match (&self.life, closed) {
                    (Life::Closing(reason), _) => reason.clone(),
                    (_, Closed::OpeningTimedOut) => LostReason::TimedOut(Deadline::Open),
                    (_, closed) => LostReason::Closed(closed),
                };
                self.close_within_deadline(reason);
                return true;
            }
            websocket::Event::Ping(_) | websocket::Event::Refused(_) => return true,
        };
        self.hear(heard);
        true
    }

    fn hear(&mut self, heard: Heard) {
        if !matches!(self.life, Life::Registering | Life::Deciding | Life::Ready) {
            return;
        }
        let taken = self.reply();
        self.understand(heard);
        if !taken && !matches!(self.life, Life::Closing(_)) {
            self.throw_out(CloseCode::POLICY_VIOLATION, "slow consumer".to_owned());
        }
    }

    fn understand(&mut self, heard: Heard) {
        let message = match heard {
            Heard::Message(message) => message,
            Heard::Fault { problem, reply } => {
                self.fault_replies.push(self.now, &problem, reply);
                FromNode::Faulty { problem }
            }
            Heard::Applicant(request) => {
                self.life = Life::Deciding;
                return self.actions.push_back(Action::Authorize(Applicant::Connect(request)));
            }
            Heard::Offence { problem, code, why } => {
                self.actions.push_back(Action::Message(FromNode::Faulty { problem }));
                return self.throw_out(code, why);
            }
            Heard::Nothing => return,
        };
        match (&self.life, &message) {
            (Life::Registering, FromNode::Registered(_)) => {
                self.life = Life::Ready;
                self.timers.clear(Deadline::Register);
                if self.session.liveness() == Liveness::Ticks {
                    self.wait_for(Deadline::Tick, at_least(self.config.timing.tick));
                }
            }
            (Life::Registering, FromNode::Faulty { .. } | FromNode::Error { .. })
            | (Life::Ready, _) => {}
            (_, _) => {
                let problem = "a node must register before it says anything else".to_owned();
                self.fault_replies.push(self.now, &problem, FaultReply::Error { request_id: None });
                return self.actions.push_back(Action::Message(FromNode::Faulty { problem }));
            }
        }
        self.actions.push_back(Action::Message(message));
    }

    fn timed_out(&mut self, deadline: Deadline) {
        match deadline {
            Deadline::Open if self.life == Life::Upgrading => {
                self.end(LostReason::TimedOut(deadline));
            }
            Deadline::Open => self.websocket.opening_timed_out(),
            Deadline::Register => {
                let (code, why) = self.session.unregistered();
                let _ = self.websocket.close(code, why);
                self.close_within_deadline(LostReason::TimedOut(deadline));
            }
            Deadline::Tick => {
                self.wait_for(Deadline::Tick, at_least(self.config.timing.tick));
                if self.has_room() {
                    let _ = self.session.write(self.utc, ToNode::Tick, &mut self.websocket);
                }
            }
            Deadline::Liveness if self.session.liveness() == Liveness::Ticks => self.ping(),
            Deadline::Liveness => self.look(),
            Deadline::Close => self.end(match &self.life {
                Life::Closing(reason) => reason.clone(),
                _ => LostReason::TimedOut(deadline),
            }),
        }
    }

    /// Asks for a sign of life, or judges that there was none.
    fn look(&mut self) {
        let sent = self.websocket.bytes_sent_total();
        let taking = !self.websocket.transmit().is_empty() && sent > self.sent_by_look;
        if self.pinged && !self.heard && !taking {
            return self.end(LostReason::TimedOut(Deadline::Liveness));
        }
        if !self.heard && !self.pinged {
            let _ = self.websocket.ping(b"");
            self.pinged = true;
        } else if self.heard {
            self.pinged = false;
        }
        self.heard = false;
        self.sent_by_look = sent;
        self.wait_for(Deadline::Liveness, at_least(self.config.timing.liveness));
    }

    /// Asks for a pong, or judges that there was none (openclaw page 10).
    fn ping(&mut self) {
        if self.pinged && !self.ponged {
            return self.end(LostReason::TimedOut(Deadline::Liveness));
        }
        let _ = self.websocket.ping(b"");
        (self.pinged, self.ponged) = (true, false);
        self.wait_for(Deadline::Liveness, at_least(self.config.timing.liveness));
    }

    /// Answers what was heard last; false if the node says more than it reads.
    fn reply(&mut self) -> bool {
        let Some(reply) = self.session.take_reply() else { return true };
        let has_room = self.has_room();
        if has_room {
            let _ = self.websocket.send_text_with(|buffer| buffer.extend_from_slice(&reply));
        }
        has_room
    }

    fn throw_out(&mut self, code: CloseCode, why: String) {
        let _ = self.websocket.close(code, &why);
        self.close_within_deadline(LostReason::Refused { code, why });
    }

    fn has_room(&self) -> bool {
        self.websocket.transmit().len() < self.config.limits.transmit_bytes
    }

    fn wait_for(&mut self, deadline: Deadline, time: Duration) {
        self.timers.set(deadline, self.now.saturating_add(time));
    }

    fn close_within_deadline(&mut self, reason: LostReason) {
        self.timers.clear_all();
        self.wait_for(Deadline::Close, self.config.timing.close);
        self.life = Life::Closing(reason);
    }

    fn settle(&mut self) {
        if matches!(self.life, Life::Registering | Life::Ready) && self.websocket.is_open() {
            while self.has_room() {
                let Some((error, request_id)) = self.fault_replies.next() else { break };
                let words = ToNode::Error { error: &error, request_id: request_id.as_deref() };
                let _ = self.session.write(self.utc, words, &mut self.websocket);
            }
        }
        if let Life::Closing(reason) = &self.life {
            if self.websocket.is_finished() && self.websocket.transmit().is_empty() {
                let reason = reason.clone();
                self.end(reason);
            }
        }
    }

    fn end(&mut self, reason: LostReason) {
        self.life = Life::Closed;
        self.timers.clear_all();
        self.actions.push_back(Action::Disconnect);
        self.actions.push_back(Action::Closed(reason));
    }
}

/// A period so short that nothing else would be done is none.
fn at_least(period: Duration) -> Duration {
    period.max(Duration::from_millis(10))
}
