//! One node, its application and its clocks, and what is known of its past.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::{self, Device, Identity, Reaction};
use clawnode_protocol::dialect::{Dialect, Liveness, OnDisconnect, nodetool};
use clawnode_protocol::node::{Action, Config, Deadline, Endpoint, Event, LostReason, Phase};
use clawnode_protocol::websocket::{Closed, RetryAfter};
use clawnode_protocol::{Credentials, Node, Now, Secret, Timestamp, Work, WorkId};

use crate::handlers::Handlers;
use crate::mix::Faults;
use crate::random::Random;
use crate::rules::Rule;
use crate::ticket::Breach;
use crate::world::LinkId;

/// A node in its place.
pub(crate) struct Host {
    pub(crate) node: Node,
    pub(crate) handlers: Box<dyn Handlers>,
    pub(crate) random: Random,
    pub(crate) token: String,
    pub(crate) device: Option<OwnDevice>,
    /// How far its clocks are ahead of the world's.
    pub(crate) ahead: Duration,
    pub(crate) utc_ahead: i64,
    pub(crate) link: Option<LinkId>,
    pub(crate) attempt: u32,
    pub(crate) wakes_at: Option<Duration>,
    pub(crate) jobs: HashMap<WorkId, Arc<Work>>,
    pub(crate) journal: VecDeque<Entry>,
    /// Which request a piece of work belongs to.
    pub(crate) tickets: HashMap<WorkId, u32>,
    pub(crate) past: Past,
}

/// The device that a node is to an OpenClaw gateway.
#[derive(Debug)]
pub(crate) struct OwnDevice {
    pub(crate) identity: Identity,
    /// The token of its own.
    pub(crate) kept: Option<Secret>,
    pub(crate) setup_code: Option<Secret>,
    /// What is to be signed.
    pub(crate) signing: Option<Secret>,
    /// What is being kept, and since which attempt.
    pub(crate) keeping: Option<(u32, Secret)>,
}

impl OwnDevice {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            identity: Identity::from_seed(seed),
            kept: None,
            setup_code: None,
            signing: None,
            keeping: None,
        }
    }
}

/// Something the journal is to write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    Admission(WorkId),
    Answer(WorkId),
}

/// What is remembered to judge what comes.
#[derive(Debug)]
pub(crate) struct Past {
    phase: Phase,
    pub(crate) ever_ready: bool,
    pub(crate) ready_since: Option<Duration>,
    /// Whether the connection that ended last had been good for an interval.
    failures: u32,
    /// How often it asked whether somebody has approved of it.
    approvals: u32,
    /// Whether it has just said that a connection was lost.
    pub(crate) tells_loss: bool,
    /// When the gateway said it would be back.
    pub(crate) back_in: Option<Duration>,
    last_beat: Option<Duration>,
    pub(crate) settled: u64,
    pub(crate) stop_asked: bool,
    pub(crate) stopped: bool,
    second: u64,
    pub(crate) steps: u64,
    timeouts: u64,
}

impl Past {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Idle,
            ever_ready: false,
            ready_since: None,
            failures: 0,
            approvals: 0,
            tells_loss: false,
            back_in: None,
            last_beat: None,
            settled: 0,
            stop_asked: false,
            stopped: false,
            second: 0,
            steps: 0,
            timeouts: 0,
        }
    }
}

impl Host {
    pub(crate) fn now(&self, world: Duration) -> Now {
        let monotonic = world + self.ahead;
        Now::new(monotonic, wall_clock(world, self.utc_ahead))
    }

    /// What the node has to show.
    pub(crate) fn credentials(&self, faults: &Faults) -> Credentials {
        let shared = Secret::new(self.token.clone());
        let Some(device) = &self.device else { return Credentials::token(shared) };
        let pairing = &faults.pairing;
        let own = pairing.prefers_device_token && device.kept.is_some();
        let mut credentials = Credentials::token((!pairing.setup_codes && !own).then_some(shared));
        credentials.device_token = device.kept.clone();
        credentials.bootstrap_token = device.setup_code.clone();
        credentials
    }

    /// When the node must be woken, in the time of the world.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.node.deadline().map(|(due, _)| due.saturating_sub(self.ahead))
    }

    /// Follows the phase, and checks what must hold after every input.
    pub(crate) fn check(&mut self, world: Duration) -> Option<Breach> {
        let now = world + self.ahead;
        let phase = self.node.phase();
        let told = std::mem::take(&mut self.past.tells_loss);
        if phase != self.past.phase {
            if let (Phase::Ready, Some(since)) = (self.past.phase, self.past.ready_since) {
                if now - since >= self.node.config().timing.heartbeat_interval {
                    self.past.failures = 0;
                }
            }
            if phase == Phase::Waiting && !told {
                // A gateway that closes without a word is tried once more without one.
                self.past.failures = self.past.failures.saturating_add(1);
            }
            if phase == Phase::Ready {
                if self.liveness() == Liveness::Ticks {
                    // The gateway has said hello, so all is well (openclaw page 9).
                    (self.past.failures, self.past.approvals) = (0, 0);
                }
                self.past.ready_since = Some(now);
                self.past.last_beat = Some(now);
                self.past.ever_ready = true;
            } else if self.past.phase == Phase::Ready {
                self.past.last_beat = None;
            }
            self.past.phase = phase;
        }
        self.check_deadline(now, phase)
            .or_else(|| self.check_limits())
            .or_else(|| self.spins(world))
    }

    fn liveness(&self) -> Liveness {
        self.node.config().dialect.rules().liveness
    }

    /// Checks that the end of a connection has ended its work, where the dialect has it so.
    pub(crate) fn check_lost(&self) -> Option<Breach> {
        let owed = self.node.tally().owed;
        let ends = self.node.config().dialect.rules().disconnect == OnDisconnect::Abort;
        (ends && (owed > 0 || !self.jobs.is_empty())).then(|| {
            let runs = self.jobs.len();
            let text = format!(
                "the connection is over, and {owed} requests are owed still, of which {runs} run"
            );
            (Rule::EndsWithItsConnection, text)
        })
    }

    /// Checks a deadline that was served. `before` is what it was.
    pub(crate) fn check_served(
        &mut self,
        world: Duration,
        before: Option<(Duration, Deadline)>,
    ) -> Option<Breach> {
        let now = world + self.ahead;
        let after = self.node.deadline();
        self.past.timeouts += 1;
        let (due, deadline) = before?;
        if due <= now && after == before {
            let text = format!("the deadline {deadline:?} stays where it was after it was served");
            return Some((Rule::DeadlineMoves, text));
        }
        if let Some((next, deadline)) = after.filter(|(next, _)| *next <= now) {
            let late = now - next;
            let text = format!("after a timeout, {deadline:?} lies {late:?} in the past");
            return Some((Rule::DeadlineMoves, text));
        }
        if deadline == Deadline::Heartbeat && due <= now && self.node.phase() == Phase::Ready {
            let interval = self.node.config().timing.heartbeat_interval;
            let last = self.past.last_beat.replace(now);
            if let Some(last) = last.filter(|last| now - *last < interval) {
                let text = format!("a heartbeat follows the last by {:?}", now - last);
                return Some((Rule::OneHeartbeat, text));
            }
        }
        None
    }

    /// Checks what a node says about the next attempt.
    pub(crate) fn check_retry(&mut self, reason: &LostReason, delay: Duration) -> Option<Breach> {
        let timing = self.node.config().timing;
        if let Some((low, high)) = self.asked_for(reason, delay) {
            return (delay < low || delay > high).then(|| {
                let text = format!(
                    "({reason}) is followed by a delay of {delay:?}; between {low:?} and {high:?} is right"
                );
                (Rule::Backoff, text)
            });
        }
        let longest = timing.max_reconnect_delay.max(timing.reconnect_delay);
        let factor = 1_u32.checked_shl(self.past.failures).unwrap_or(u32::MAX);
        let usual = timing.reconnect_delay.saturating_mul(factor).min(longest);
        let (low, high) = match reason {
            LostReason::UnusableCredential(_) | LostReason::Closed(Closed::Handshake(_)) => {
                (longest / 2, longest)
            }
            LostReason::Refused(refusal) => match (refusal.status(), refusal.retry_after()) {
                (100..=199 | 408 | 425 | 429 | 500.., Some(RetryAfter::Seconds(seconds))) => {
                    let asked = Duration::from_secs(seconds).min(LONGEST_WAIT);
                    (asked.max(usual / 2), asked.max(usual))
                }
                (100..=199 | 408 | 425 | 429 | 500.., Some(RetryAfter::UnixTime(_))) => {
                    (usual / 2, usual.max(LONGEST_WAIT))
                }
                (100..=199 | 408 | 425 | 429 | 500.., None) => (usual / 2, usual),
                _ => (longest / 2, longest),
            },
            LostReason::Denied(refusal) => match refusal.reaction() {
                Reaction::RetryAfter(asked) => {
                    let asked = asked.min(LONGEST_WAIT);
                    (asked.max(usual / 2), asked.max(usual))
                }
                Reaction::Retry => (usual / 2, usual),
                // Where there is nothing else to show, there is no hurry.
                _ => (usual / 2, usual.max(longest)),
            },
            _ => (usual / 2, usual),
        };
        let failures = self.past.failures;
        self.past.failures = failures.saturating_add(1);
        (delay < low || delay > high).then(|| {
            let text = format!(
                "failure {failures} ({reason}) is followed by a delay of {delay:?}; between {low:?} and {high:?} is right"
            );
            (Rule::Backoff, text)
        })
    }

    /// The bounds of a delay that has nothing to do with how often the node has failed.
    fn asked_for(&mut self, reason: &LostReason, delay: Duration) -> Option<(Duration, Duration)> {
        let timing = self.node.config().timing;
        let about = |asked: Duration| (asked, asked + asked / 8);
        let back_in = self.past.back_in.take();
        match reason {
            LostReason::ProtocolChanged => Some(about(SOON)),
            LostReason::Closed(closed) if !matches!(closed, Closed::Handshake(_)) => {
                back_in.map(|asked| about(asked.min(LONGEST_WAIT)))
            }
            LostReason::Denied(refusal) => match refusal.reaction() {
                Reaction::AwaitApproval => {
                    let factor = 1_u32.checked_shl(self.past.approvals).unwrap_or(u32::MAX);
                    self.past.approvals = self.past.approvals.saturating_add(1);
                    let longest = timing.max_approval_delay.max(timing.approval_delay);
                    let asked = timing.approval_delay.saturating_mul(factor).min(longest);
                    Some((asked, longest + longest / 8))
                }
                // Once in another way; if that was in vain, the wait is long.
                Reaction::SwitchProtocol(_) | Reaction::RetryWithDeviceToken | Reaction::Stop => {
                    Some(about(SOON)).filter(|(_, latest)| delay <= *latest)
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn check_deadline(&self, now: Duration, phase: Phase) -> Option<Breach> {
        let timing = &self.node.config().timing;
        let within = match phase {
            Phase::Idle | Phase::Stopped => return None,
            Phase::Authenticating | Phase::Connecting => timing.connect,
            Phase::Opening => timing.open,
            Phase::Registering => timing.register,
            Phase::Ready => timing.heartbeat_interval,
            Phase::Closing => timing.close,
            _ => timing.max_reconnect_delay.max(timing.reconnect_delay).max(LONGEST_WAIT),
        };
        match self.node.deadline() {
            None => Some((
                Rule::DeadlineSet,
                format!("nothing will ever wake a node that is {phase:?}"),
            )),
            Some((due, deadline)) if due > now + within => {
                let text =
                    format!("{deadline:?} of a node that is {phase:?} is {:?} away", due - now);
                Some((Rule::DeadlineSet, text))
            }
            Some(_) => None,
        }
    }

    fn check_limits(&self) -> Option<Breach> {
        let limits = &self.node.config().limits;
        let tally = self.node.tally();
        // Failures that tell of a lack of room need room themselves: a sentence for each answer.
        let sentences = (tally.owed + tally.remembered + 1) * SENTENCE;
        let updates = limits.update_bytes.max(limits.result_bytes);
        let message =
            6 * limits.result_bytes.max(SENTENCE) + 64 * (limits.websocket.max_pending_pongs + 8);
        let pairs = [
            ("running work", tally.running, limits.running),
            ("work owed", tally.owed, limits.owed),
            ("bytes of waiting tasks", tally.waiting_bytes, limits.waiting_bytes),
            ("bytes of answers", tally.kept_bytes, limits.kept_bytes + sentences),
            ("answers remembered", tally.remembered, limits.remembered),
            ("bytes of updates", tally.update_bytes, updates),
            (
                "bytes to transmit",
                self.node.transmit().len(),
                limits.transmit_bytes + message + (8 << 10),
            ),
        ];
        let (what, is, most) = pairs.into_iter().find(|(_, is, most)| is > most)?;
        Some((Rule::WithinLimits, format!("there are {is} {what}, and {most} is the most")))
    }

    fn spins(&mut self, world: Duration) -> Option<Breach> {
        if world.as_secs() != self.past.second {
            (self.past.second, self.past.steps, self.past.timeouts) = (world.as_secs(), 0, 0);
        }
        let timeouts = self.past.timeouts;
        // A beat may come each 10 ms, with a confirmation beside it.
        (timeouts > 400 || self.past.steps > MOST_STEPS).then(|| {
            let text =
                format!("{} inputs and {timeouts} timeouts within a second", self.past.steps);
            (Rule::NoSpinning, text)
        })
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("node", &self.node).finish_non_exhaustive()
    }
}

pub(crate) fn config(faults: &Faults, index: usize, device: Option<&OwnDevice>) -> Config {
    let dialect = match device {
        None => nodetool(faults, index),
        Some(device) => openclaw(faults, index, device),
    };
    let mut config = Config::new(Endpoint::new("gateway.test", "/"), dialect);
    config.commands = vec!["work".to_owned()];
    config.workflows = true;
    config.timing = faults.timing;
    config.limits = faults.limits.clone();
    config
}

fn nodetool(faults: &Faults, index: usize) -> Dialect {
    let mut config = nodetool::Config::new(format!("node-{index}"));
    if faults.token_in_query {
        config.token_in = nodetool::TokenIn::Both;
    }
    config.into()
}

fn openclaw(faults: &Faults, index: usize, device: &OwnDevice) -> Dialect {
    let mut config = openclaw::Config::node(Device::from(&device.identity), "0.0.0");
    config.client.display_name = Some(format!("node-{index}"));
    config.trusted_endpoint = faults.pairing.trusted;
    config.into()
}

pub(crate) fn wall_clock(world: Duration, ahead: i64) -> Timestamp {
    // 2026-01-02T03:04:05Z
    const START: i64 = 1_767_323_045_000_000;
    let passed = i64::try_from(world.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(START.saturating_add(passed).saturating_add(ahead))
}

/// An action in the few words of a transcript.
pub(crate) fn describe(action: &Action) -> String {
    match action {
        Action::Authenticate => "asks for the credential".to_owned(),
        Action::Sign(_) => "signs".to_owned(),
        Action::KeepDeviceToken(_) => "keeps its device token".to_owned(),
        Action::ForgetDeviceToken => "forgets its device token".to_owned(),
        Action::Connect => "connects".to_owned(),
        Action::Disconnect => "drops the connection".to_owned(),
        Action::Admit(work) => format!("admits {} as {}", work.request_id, work.id),
        Action::Start(work) => format!("starts {} ({})", work.id, work.request_id),
        Action::Cancel(id) => format!("cancels {id}"),
        Action::Record(answer) => {
            format!("keeps the answer of {}: {:?}", answer.work, answer.outcome)
        }
        Action::Settled(id) => format!("is rid of {id}"),
        Action::Notify(Event::Lost { reason, retry_in: Some(delay) }) => {
            format!("lost ({reason}), tries again in {:.3} s", delay.as_secs_f64())
        }
        Action::Notify(event) => format!("{event:?}"),
        Action::Stopped(reason) => format!("stopped: {reason}"),
        other => format!("{other:?}"),
    }
}

/// What a failure that the core itself writes may take.
const SENTENCE: usize = 400;
/// Between two attempts of which the second is another than the first.
const SOON: Duration = Duration::from_millis(250);
/// What a gateway's `Retry-After` is cut to.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Inputs, apart from bytes, that one node may need in a second when the most is asked of it.
const MOST_STEPS: u64 = 20_000;
