//! Which faults a world has, and how often: drawn anew for each seed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clawnode_protocol::node::{Limits, Timing};
use clawnode_protocol::peer;

use crate::network::{Conditions, Portions};
use crate::random::Random;

/// A family of worlds. Each seed draws its own subset of the family's faults, so that some worlds lack the fault that hides
/// another (swarm testing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mix {
    /// A good network, handlers that take their time, and now and then a cut.
    Calm,
    /// A bad network: cuts in mid-frame, stalls, half-open connections, refusals, small portions, slow readers.
    Lossy,
    /// All of that, and a gateway that restarts, forgets, lies in HTTP, repeats and contradicts itself, sends nonsense, and
    /// clocks that jump.
    Hostile,
    /// More work than fits: floods against small limits, on a mostly good network.
    Crowded,
}

impl Mix {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Calm, Self::Lossy, Self::Hostile, Self::Crowded];
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calm => "calm",
            Self::Lossy => "lossy",
            Self::Hostile => "hostile",
            Self::Crowded => "crowded",
        })
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|mix| mix.to_string() == text).ok_or_else(|| {
            format!("no mix is called `{text}`; choose calm, lossy, hostile or crowded")
        })
    }
}

/// Every knob of a world.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    /// How long faults last.
    pub(crate) span: Duration,
    /// What the network is like: each connection draws from these.
    pub(crate) latency: Duration,
    pub(crate) jitter: Duration,
    pub(crate) bandwidth: u64,
    pub(crate) window: usize,
    /// `None`: each direction of each connection draws its own.
    pub(crate) portions: Option<Portions>,
    pub(crate) rest: Duration,
    /// Mean time between faults of one node's connection; `None`: no such faults.
    pub(crate) trouble: Option<Duration>,
    /// Which kinds of trouble there are.
    pub(crate) kinds: Vec<Trouble>,
    /// Of a thousand attempts, how many are refused, never answered, or slow.
    pub(crate) refused: u32,
    pub(crate) unanswered: u32,
    pub(crate) slow_connects: u32,
    /// Of a thousand attempts, how many meet a wrong HTTP answer.
    pub(crate) impostors: u32,
    /// Mean time between requests for one node.
    pub(crate) ask_every: Duration,
    pub(crate) burst: usize,
    /// Of a thousand requests: repeated, repeated with other content, invalid, too large.
    pub(crate) repeated: u32,
    pub(crate) contradicted: u32,
    pub(crate) invalid: u32,
    pub(crate) oversized: u32,
    pub(crate) padding: usize,
    /// Whether the gateway asks again, after a reconnect, what was acknowledged already, and whether it acknowledges answers.
    pub(crate) asks_all_again: bool,
    pub(crate) acknowledges: u32,
    /// Of a thousand journal writes and credentials: late, failed.
    pub(crate) late: u32,
    /// How late, on average.
    pub(crate) late_by: Duration,
    pub(crate) journal_fails: u32,
    pub(crate) credential_fails: u32,
    pub(crate) cancels: u32,
    pub(crate) behaviour: Behaviour,
    pub(crate) timing: Timing,
    pub(crate) limits: Limits,
    /// What a gateway lets wait for one node.
    pub(crate) peer_transmit_bytes: usize,
    pub(crate) token_in_query: bool,
    pub(crate) pairing: Pairing,
}

/// How the handlers of a mix behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    /// How long one step takes, around this.
    pub(crate) step: Duration,
    pub(crate) updates: u64,
    pub(crate) update_size: usize,
    pub(crate) result_size: usize,
    /// Of a thousand runs: fail, send a result past its limit.
    pub(crate) fails: u32,
    pub(crate) too_large: u32,
}

/// A fault that befalls a node while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Reset,
    CutInFrame,
    Stall,
    HalfOpen,
    UtcJump,
    TimeJump,
    Nonsense,
    BrokenFrames,
    Fragments,
    PingFlood,
    GatewayCloses,
    Restart,
    Amnesia,
    AnnouncedRestart,
    TokenRotated,
    DeviceRemoved,
    SecretChanged,
}

/// What only the worlds of an OpenClaw gateway have: devices that somebody has to approve of, and callers that do not wait for ever.
#[derive(Debug, Clone)]
pub(crate) struct Pairing {
    /// Nodes have a setup code and nothing else.
    pub(crate) setup_codes: bool,
    /// Nodes show the shared token only while they keep none of their own.
    pub(crate) prefers_device_token: bool,
    /// Nodes know that the endpoint is the gateway.
    pub(crate) trusted: bool,
    /// How long it takes, on average, until somebody approves.
    pub(crate) approval: Duration,
    /// How long a caller waits, on average; a few wait for as long as it takes.
    pub(crate) patience: Duration,
    /// Of a thousand requests, how many are withdrawn before that.
    pub(crate) withdrawn: u32,
    /// The gateway is an older one until its first restart.
    pub(crate) older: bool,
    /// How long the gateway takes to start after it is back.
    pub(crate) startup: Duration,
    /// Whether clocks jump, and requests are replaced by others of the same name.
    pub(crate) clocks_jump: bool,
    pub(crate) supersedes: bool,
}

const SECOND: Duration = Duration::from_secs(1);

impl Faults {
    /// What a seed draws from its mix.
    pub(crate) fn draw(mix: Mix, random: &mut Random, span: Duration) -> Self {
        let mut faults = Self::none(span);
        faults.common(random);
        match mix {
            Mix::Calm => {
                if random.chance(300) {
                    faults.trouble = Some(span / 2);
                    faults.kinds = vec![Trouble::Reset];
                }
            }
            Mix::Lossy => faults.lossy(random),
            Mix::Hostile => {
                faults.lossy(random);
                faults.hostile(random);
            }
            Mix::Crowded => faults.crowded(random),
        }
        faults
    }

    /// A world without faults.
    pub(crate) fn none(span: Duration) -> Self {
        Self {
            span,
            latency: Duration::from_millis(20),
            jitter: Duration::ZERO,
            bandwidth: 0,
            window: 256 << 10,
            portions: Some(Portions::Whole),
            rest: Duration::ZERO,
            trouble: None,
            kinds: Vec::new(),
            refused: 0,
            unanswered: 0,
            slow_connects: 0,
            impostors: 0,
            ask_every: 60 * SECOND,
            burst: 1,
            repeated: 0,
            contradicted: 0,
            invalid: 0,
            oversized: 0,
            padding: 100,
            asks_all_again: false,
            acknowledges: 0,
            late: 0,
            late_by: SECOND,
            journal_fails: 0,
            credential_fails: 0,
            cancels: 0,
            behaviour: Behaviour {
                step: 2 * SECOND,
                updates: 3,
                update_size: 50,
                result_size: 100,
                fails: 0,
                too_large: 0,
            },
            timing: Timing::default(),
            limits: Limits::default(),
            peer_transmit_bytes: peer::Limits::default().transmit_bytes,
            token_in_query: false,
            pairing: Pairing::none(),
        }
    }

    /// The same in a world of an OpenClaw gateway.
    pub(crate) fn for_openclaw(mut self, mix: Mix, random: &mut Random) -> Self {
        use Trouble::{AnnouncedRestart, DeviceRemoved, SecretChanged, TokenRotated};
        let usual = Timing::default();
        if self.timing.reconnect_delay == usual.reconnect_delay {
            self.timing.reconnect_delay = SECOND;
            self.timing.max_reconnect_delay = 30 * SECOND;
        }
        self.timing.reconnect_delay = self.timing.reconnect_delay.max(SECOND);
        // A gateway is looked after once a second at most, and says how often in milliseconds.
        let interval = self.timing.heartbeat_interval.max(SECOND);
        self.timing.heartbeat_interval = Duration::from_millis(interval.as_millis() as u64);
        self.pairing = Pairing::draw(random);
        self.pairing.clocks_jump = self.kinds.contains(&Trouble::UtcJump);
        self.pairing.supersedes = self.repeated + self.contradicted > 0;
        let more: &[Trouble] = match (mix, self.pairing.setup_codes) {
            (Mix::Calm | Mix::Crowded, _) => &[],
            (Mix::Lossy, _) | (Mix::Hostile, true) => &[AnnouncedRestart],
            // Whoever has nothing but a token of its own is lost without it.
            (Mix::Hostile, false) => {
                &[AnnouncedRestart, TokenRotated, DeviceRemoved, SecretChanged]
            }
        };
        if !more.is_empty() {
            self.kinds.extend(subset(random, more));
        }
        self
    }

    fn common(&mut self, random: &mut Random) {
        self.latency = random.time(Duration::from_micros(50), Duration::from_millis(150));
        self.jitter = random.time(Duration::ZERO, Duration::from_millis(50));
        self.ask_every = random.time(SECOND, 60 * SECOND);
        self.acknowledges = random.pick(&[0, 500, 1000]);
        self.asks_all_again = random.chance(300);
        self.late = random.pick(&[0, 200, 900]);
        self.late_by = random.pick(&[SECOND / 10, SECOND, 15 * SECOND]);
        self.token_in_query = random.chance(300);
        self.behaviour.step = random.time(SECOND / 100, 20 * SECOND);
        self.behaviour.updates = random.between(0, 6);
        self.behaviour.fails = random.pick(&[0, 100]);
        self.cancels = random.pick(&[0, 100]);
        if random.chance(300) {
            self.timing.heartbeat_interval = random.time(SECOND / 5, 10 * SECOND);
            self.timing.confirm = random.time(Duration::ZERO, 3 * SECOND);
            self.timing.reconnect_delay = random.time(SECOND / 100, 10 * SECOND);
            self.timing.max_reconnect_delay = random.time(SECOND / 100, 120 * SECOND);
        }
    }

    fn lossy(&mut self, random: &mut Random) {
        use Trouble::{CutInFrame, HalfOpen, Reset, Stall};
        let scale = self.span / 10;
        self.trouble = Some(random.time(scale / 8, scale * 2));
        self.kinds = subset(random, &[Reset, CutInFrame, Stall, HalfOpen]);
        self.refused = random.pick(&[0, 0, 300, 700]);
        self.unanswered = random.pick(&[0, 0, 100]);
        self.slow_connects = random.pick(&[0, 0, 300]);
        self.latency = random.time(Duration::from_micros(50), 2 * SECOND);
        self.jitter = random.time(Duration::ZERO, SECOND);
        self.portions = match random.between(0, 2) {
            0 => None,
            1 => Some(portions(random)),
            _ => Some(Portions::Whole),
        };
        self.bandwidth = random.pick(&[0, 0, 0, 20_000, 500]);
        if self.bandwidth == 500 || random.chance(200) {
            // More would be minutes of buffers.
            self.window = random.size(1, 4000);
        }
        if random.chance(300) {
            self.rest = random.time(Duration::ZERO, SECOND / 50);
        }
    }

    fn hostile(&mut self, random: &mut Random) {
        use Trouble::{
            Amnesia, BrokenFrames, Fragments, GatewayCloses, Nonsense, PingFlood, Restart,
            TimeJump, UtcJump,
        };
        let more = subset(
            random,
            &[
                UtcJump,
                TimeJump,
                Nonsense,
                BrokenFrames,
                Fragments,
                PingFlood,
                GatewayCloses,
                Restart,
                Amnesia,
            ],
        );
        self.kinds.extend(more);
        self.impostors = random.pick(&[0, 100, 400]);
        self.repeated = random.pick(&[0, 100, 500]);
        self.contradicted = random.pick(&[0, 100]);
        self.invalid = random.pick(&[0, 100]);
        self.journal_fails = random.pick(&[0, 100, 300]);
        self.credential_fails = random.pick(&[0, 0, 200]);
        self.behaviour.too_large = random.pick(&[0, 0, 50]);
        if random.chance(300) {
            self.burst = random.size(2, 40);
        }
        if random.chance(300) {
            self.small(random);
            self.oversized = random.pick(&[0, 20]);
        }
    }

    fn crowded(&mut self, random: &mut Random) {
        self.small(random);
        self.burst = random.size(2, 200);
        self.ask_every = random.time(5 * SECOND, 60 * SECOND);
        self.behaviour.updates = random.between(0, 60);
        self.behaviour.update_size = random.size(1, 400);
        self.behaviour.result_size = random.size(1, 2000);
        self.behaviour.too_large = random.pick(&[0, 100]);
        self.behaviour.step = random.time(SECOND / 1000, 2 * SECOND);
        self.padding = random.size(0, 3000);
        self.repeated = random.pick(&[0, 100]);
        self.contradicted = random.pick(&[0, 100]);
        self.invalid = random.pick(&[0, 100]);
        self.bandwidth = random.pick(&[0, 100_000, 5000]);
        self.oversized = random.pick(&[0, 10]);
        if random.chance(500) {
            self.window = random.size(100, 20_000);
            self.rest = random.time(Duration::ZERO, SECOND / 10);
        }
        if random.chance(500) {
            self.trouble = Some(self.span / 4);
            self.kinds = vec![Trouble::Reset, Trouble::Stall, Trouble::PingFlood];
        }
    }

    fn small(&mut self, random: &mut Random) {
        self.peer_transmit_bytes = random.size(1000, 100_000);
        let limits = &mut self.limits;
        limits.running = random.size(1, 4);
        limits.owed = random.size(1, 20);
        limits.waiting_bytes = random.size(100, 20_000);
        limits.result_bytes = random.size(100, 4000);
        limits.kept_bytes = random.size(100, 20_000);
        limits.remembered = random.size(0, 20);
        limits.remembered_for = random.time(SECOND, 600 * SECOND);
        limits.updates = random.size(1, 8);
        limits.update_bytes = random.size(100, 2000);
        limits.transmit_bytes = random.size(100, 4000);
        limits.fault_replies = random.between(0, 3) as u32;
        limits.websocket.max_message = random.size(4000, 20_000);
        limits.websocket.max_pending_pongs = random.size(1, 4);
    }

    /// The conditions of one direction of a new connection.
    pub(crate) fn conditions(&self, random: &mut Random) -> Conditions {
        let portions = self.portions.unwrap_or_else(|| portions(random));
        // A reader that rests after each byte would never be done.
        let large = matches!(portions, Portions::Whole | Portions::UpTo(100..));
        Conditions {
            latency: self.latency / 2 + random.time(Duration::ZERO, self.latency / 2),
            jitter: self.jitter,
            bandwidth: self.bandwidth,
            window: self.window,
            portions,
            rest: if large { self.rest } else { Duration::ZERO },
        }
    }

    /// Ends everything bad; what the node was configured with stays.
    pub(crate) fn end(&mut self) {
        let quiet = Self::none(self.span);
        let (timing, limits) = (self.timing, self.limits.clone());
        let (asks_all_again, behaviour) = (self.asks_all_again, self.behaviour);
        let (token_in_query, peer_transmit_bytes) = (self.token_in_query, self.peer_transmit_bytes);
        let pairing = Pairing { withdrawn: 0, approval: SECOND, ..self.pairing.clone() };
        *self = Self {
            timing,
            limits,
            peer_transmit_bytes,
            asks_all_again,
            behaviour,
            token_in_query,
            pairing,
            ..quiet
        };
    }
}

impl Pairing {
    fn none() -> Self {
        Self {
            setup_codes: false,
            prefers_device_token: false,
            trusted: false,
            approval: SECOND,
            patience: 60 * SECOND,
            withdrawn: 0,
            older: false,
            startup: Duration::ZERO,
            clocks_jump: false,
            supersedes: false,
        }
    }

    fn draw(random: &mut Random) -> Self {
        Self {
            setup_codes: random.chance(250),
            prefers_device_token: random.chance(500),
            trusted: random.chance(500),
            approval: random.time(SECOND / 10, 60 * SECOND),
            patience: random.time(SECOND, 120 * SECOND),
            withdrawn: random.pick(&[0, 100]),
            older: random.chance(150),
            startup: random.pick(&[Duration::ZERO, 3 * SECOND]),
            ..Self::none()
        }
    }
}

fn portions(random: &mut Random) -> Portions {
    random.pick(&[
        Portions::Fixed(1),
        Portions::UpTo(3),
        Portions::UpTo(50),
        Portions::UpTo(2000),
        Portions::Whole,
    ])
}

/// A few of these, at least one.
fn subset(random: &mut Random, all: &[Trouble]) -> Vec<Trouble> {
    let mut some: Vec<Trouble> = all.iter().copied().filter(|_| random.chance(500)).collect();
    if some.is_empty() {
        some.push(random.pick(all));
    }
    some
}
