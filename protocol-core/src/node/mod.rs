//! A node: its life across connections.

mod backoff;
mod calls;
mod checkpoint;
mod config;
mod input;
mod life;
mod liveness;
mod memory;
mod messages;
mod publications;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use crate::dialect::{self, NodeSession};
use crate::faults::FaultReplies;
use crate::ledger::Ledger;
use crate::random::Random;
use crate::secret::{Credentials, Secret};
use crate::time::{Now, Timestamp};
use crate::timers::Timers;
use crate::websocket::{ClientRequest, Connection, InvalidRequest};
use crate::work::{JobId, Work, WorkId};
use backoff::Backoff;
use calls::Calls;
use life::{Life, Stopping};
use liveness::Ping;
pub(crate) use messages::custom_kind;
use publications::Publications;

pub use crate::ledger::Tally;
pub use config::{Config, Endpoint, Limits, Timing};
pub use input::{Action, Deadline, Event, Input, LostReason, Misuse, StopReason};
pub use publications::{HostStats, Publication};

/// A node of a gateway, from the first attempt to connect until it stops, as a pure state machine.
///
/// Methods are of three kinds. **Input**: [`handle`](Self::handle) takes everything that happens. **Output**:
/// [`poll_action`](Self::poll_action) says what to do, [`transmit`](Self::transmit) lends the bytes to write,
/// [`deadline`](Self::deadline) says when to come back at the latest. **Getters** change nothing.
///
/// # The drain contract
///
/// After an input, [`Sent`](Input::Sent) and [`Timeout`](Input::Timeout) included, call `poll_action` until it returns `None`
/// and do what it says. Only then are `transmit` and `deadline` up to date. Bytes received are decoded while actions are polled,
/// so what a flood of messages occupies is bounded by the bytes given between two drains.
///
/// A deadline given back as [`Timeout`](Input::Timeout) always makes progress: it is gone or has moved afterwards.
#[derive(Debug)]
pub struct Node {
    config: Config,
    random: Random,
    /// Which of all the nodes that ever had this name.
    instance: JobId,
    now: Duration,
    utc: Timestamp,
    life: Life,
    timers: Timers<Deadline, { TIMERS.len() }>,
    backoff: Backoff,
    approval_backoff: Backoff,
    /// A device token that the application does not keep yet, as far as is known.
    unkept: Option<Secret>,
    session: Box<dyn NodeSession>,
    link: Option<Link>,
    calls: Calls,
    publications: Publications,
    ledger: Ledger,
    actions: VecDeque<Action>,
    stopping: Stopping,
    ever_ready: bool,
    /// Whether the gateway gave up a handshake without a word since it last let the node in: once is no news.
    closed_wordless: bool,
    /// Whether a gateway ever sent a pong: then nothing less proves that an answer arrived.
    ponged: bool,
    fault_replies: FaultReplies,
}

/// Where a node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Not started.
    Idle,
    /// Waiting for the credentials.
    Authenticating,
    /// Waiting for the byte stream.
    Connecting,
    /// Waiting for the answer to the HTTP upgrade.
    Opening,
    /// Waiting for the registration to be done: written in the nodetool dialect, confirmed in the openclaw dialect.
    Registering,
    /// Registered: it takes work.
    Ready,
    /// Closing the connection.
    Closing,
    /// Waiting to try again.
    Waiting,
    /// Stopped for good.
    Stopped,
}

/// One connection and what is known of it.
#[derive(Debug)]
struct Link {
    websocket: Connection,
    credentials: Credentials,
    /// When something came last.
    heard_at: Duration,
    /// How often the gateway says something at least, if it says so.
    tick: Option<Duration>,
    /// How long it wants to be left alone once this connection is over.
    back_in: Option<Duration>,
    /// Whether anything came since the last heartbeat.
    heard: bool,
    /// The number of the last ping, and what its pong proves.
    pings: u64,
    awaited: Option<Ping>,
    /// The stream position just after the last ping.
    asked_at: u64,
}

impl Node {
    /// A node that has not started. Everything random in its life comes from `seed`: the same seed and inputs give the same
    /// bytes and actions.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut random = Random::from_seed(seed);
        let ledger = Ledger::new(config.dialect.rules(), config.limits.clone(), random.child());
        let [backoff, approval_backoff] = Backoff::of(&config.timing);
        let instance = JobId::from_random(random.bytes());
        Self {
            random,
            instance,
            now: Duration::ZERO,
            utc: Timestamp::default(),
            life: Life::Idle,
            timers: Timers::new(TIMERS),
            backoff,
            approval_backoff,
            unkept: None,
            session: config.dialect.node_session(),
            link: None,
            calls: Calls::default(),
            publications: Publications::new(),
            ledger,
            actions: VecDeque::new(),
            stopping: Stopping::No,
            ever_ready: false,
            closed_wordless: false,
            ponged: false,
            fault_replies: FaultReplies::new(config.limits.fault_replies),
            config,
        }
    }

    /// Takes one input. Drain afterwards, as [the contract](Self#the-drain-contract) says.
    ///
    /// # Errors
    ///
    /// [`Misuse`] when the input does not fit; nothing has changed then. What the gateway does wrong is never an error here.
    pub fn handle(&mut self, now: Now, input: Input<'_>) -> Result<(), Misuse> {
        self.now = self.now.max(now.monotonic);
        self.utc = now.utc;
        match input {
            Input::Start => self.start(),
            Input::Credentials(credentials) => self.authenticated(credentials),
            Input::CredentialsFailed(why) => self.credentials_failed(why),
            Input::Signature(signature) => self.signed(signature),
            Input::SigningFailed(why) => self.signing_failed(why),
            Input::DeviceTokenKept => self.device_token_kept(None),
            Input::DeviceTokenNotKept(why) => self.device_token_kept(Some(why)),
            Input::Connected => self.connected(),
            Input::ConnectFailed(why) => self.connect_failed(why),
            Input::ProxyRefused { status, why, retry_after } => {
                self.proxy_refused(status, why, retry_after)
            }
            Input::Received(bytes) => self.with_link(|link, now| {
                link.heard = true;
                link.heard_at = now;
                link.websocket.receive(bytes);
            }),
            Input::ReceivedEof => self.with_link(|link, _| link.websocket.receive_eof()),
            Input::Disconnected(why) => self.disconnected(why),
            Input::Sent(count) => self.sent(count),
            Input::Timeout => {
                while let Some(deadline) = self.timers.take_due(self.now) {
                    self.timed_out(deadline);
                }
                self.ledger.expire(self.now, &mut self.actions);
                self.expire_calls();
                Ok(())
            }
            Input::Admitted(work) => self.ledger.admitted(work, &mut self.actions),
            Input::NotAdmitted(work, why) => self.ledger.not_admitted(work, why),
            Input::Progress(work, update) => self.ledger.progress(work, update, &mut self.actions),
            Input::Answer(work, outcome) => self.ledger.answer(work, outcome, &mut self.actions),
            Input::Recorded(work) => self.ledger.recorded(work),
            Input::Cancel(work, why) => self.ledger.cancel(work, why, &mut self.actions),
            Input::Custom(text) => self.custom(text),
            Input::Call(call) => self.call(call),
            Input::Publish(publication) => self.publish(publication),
            Input::Stop(grace) => {
                self.stop(grace);
                Ok(())
            }
        }
    }

    /// The next thing to do, `None` when there is nothing more for now.
    pub fn poll_action(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if !self.listen() {
                self.settle();
                self.pump();
                return self.actions.pop_front();
            }
        }
    }

    /// The bytes that wait for the socket, empty without a connection. Tell with [`Input::Sent`] how many it took.
    pub fn transmit(&self) -> &[u8] {
        self.link.as_ref().map_or(&[], |link| link.websocket.transmit())
    }

    /// What was queued on this connection behind the first `count` bytes, if there is any. All of it still waits.
    pub(crate) fn queued_since(&self, count: u64) -> Option<&[u8]> {
        let websocket = &self.link.as_ref()?.websocket;
        let fresh = websocket.bytes_queued_total().checked_sub(count).filter(|fresh| *fresh > 0)?;
        let waiting = websocket.transmit();
        let start = waiting.len().checked_sub(usize::try_from(fresh).ok()?)?;
        Some(&waiting[start..])
    }

    /// The digest by which the ledger tells a request from others.
    pub(crate) fn request_digest(&self, work: &Work) -> u128 {
        self.ledger.request_digest(work)
    }

    /// Secrets that the gateway has said on this connection, and how often in all.
    pub(crate) fn secrets_heard(&self) -> (&[Secret], usize) {
        self.session.secrets_heard()
    }

    /// The HTTP upgrade request of a connection that is to begin, with these credentials.
    pub(crate) fn upgrade_request(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
    ) -> Result<ClientRequest, InvalidRequest> {
        let request = self.session.request(endpoint, credentials)?;
        credentials
            .headers
            .iter()
            .try_fold(request, |request, (name, value)| request.header(name, value.expose()))
    }

    /// The text to be signed on this connection, as it was with these credentials.
    pub(crate) fn sign_text_with(&self, credentials: &Credentials) -> Option<Secret> {
        self.session.sign_text_with(credentials)
    }

    /// The openclaw registration on this connection, as it was with these credentials and this signature.
    pub(crate) fn connect_with(
        &self,
        credentials: &Credentials,
        signature: Option<&str>,
    ) -> Option<Vec<u8>> {
        self.session.connect_with(&self.config.commands, credentials, signature)
    }

    /// When to give [`Input::Timeout`] at the latest, and what for. In the time of [`Now::monotonic`].
    pub fn deadline(&self) -> Option<(Duration, Deadline)> {
        let expiry = [self.ledger.next_expiry(), self.calls.next_expiry()];
        let expiry = expiry.into_iter().flatten().min().map(|due| (due, Deadline::Answer));
        self.timers.next().into_iter().chain(expiry).min_by_key(|(due, _)| *due)
    }

    /// Where the node is in its life.
    pub fn phase(&self) -> Phase {
        match self.life {
            Life::Idle => Phase::Idle,
            Life::Authenticating => Phase::Authenticating,
            Life::Connecting { .. } => Phase::Connecting,
            Life::Opening => Phase::Opening,
            Life::Challenged | Life::Signing | Life::Registering { .. } | Life::Keeping => {
                Phase::Registering
            }
            Life::Ready { .. } => Phase::Ready,
            Life::Closing { .. } => Phase::Closing,
            Life::Waiting => Phase::Waiting,
            Life::Stopped => Phase::Stopped,
        }
    }

    /// Which dialect is spoken, once that is known: with [`Dialect::Either`](crate::dialect::Dialect::Either) only the gateway's
    /// first word tells.
    pub fn dialect(&self) -> Option<dialect::Name> {
        self.session.name()
    }

    /// How much work there is, and what it occupies.
    pub fn tally(&self) -> Tally {
        self.ledger.tally()
    }

    /// Whether this work is still to begin: part of [`Tally::waiting`]. Not any more, when the gateway wants it no longer.
    pub fn is_waiting(&self, work: WorkId) -> bool {
        self.ledger.is_waiting(work)
    }

    /// What the node was told.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// In the order in which they fire when they are due at the same time.
const TIMERS: [Deadline; 9] = [
    Deadline::Connect,
    Deadline::Open,
    Deadline::Register,
    Deadline::Heartbeat,
    Deadline::Confirm,
    Deadline::Publish,
    Deadline::Close,
    Deadline::Reconnect,
    Deadline::Drain,
];
