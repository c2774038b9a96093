//! The world: hosts, a gateway and connections, moved by one schedule.

mod ending;
mod gateway_side;
mod links;
mod node_side;
mod openclaw;
mod trouble;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::{GatewayConfig, OLDER_PROTOCOL};
use clawnode_protocol::dialect::{Name, Rules};
use clawnode_protocol::node::{HostStats, Input, Publication};
use clawnode_protocol::peer::{self, Request};
use clawnode_protocol::{Node, Now, Task, WorkId};

use crate::handlers::{Effect, Handlers, Ordinary, json};
use crate::host::{self, Host, OwnDevice, Past};
use crate::mix::{Faults, Mix};
use crate::random::Random;
use crate::record::{Kind, Lane, Record};
use crate::rules::{Rule, Violation};
use crate::schedule::Schedule;
use crate::simulation::{Figures, Plan};
use crate::ticket::{Breach, Ticket, TicketKind};
use links::{Direction, Link};

pub(crate) use links::LinkId;

/// What can be planned.
#[derive(Debug, Clone, Copy)]
enum Event {
    Start(usize),
    NodeTimer(usize),
    PeerTimer(LinkId),
    Arrive(LinkId, Direction),
    /// An attempt to connect comes to its end.
    Connected(usize, u32, Reached),
    Credential(usize, u32),
    Journal(usize),
    Wake(usize, WorkId),
    Ask(usize),
    Plan(u32),
    Repeat(u32),
    Contradict(u32),
    Cancel(usize, WorkId),
    Sign(usize, u32),
    Kept(usize, u32),
    Approve(usize),
    ApproveSurface(usize),
    /// Nobody waits for an answer any more.
    GiveUp(u32),
    Withdraw(u32),
    AskAgain(u32),
    Trouble(usize),
    GatewayBack,
    FaultsOver,
}

#[derive(Debug, Clone, Copy)]
enum Reached {
    Gateway,
    Impostor,
    Nobody,
}

/// The gateway's books.
#[derive(Debug)]
struct Gateway {
    up: bool,
    /// How often it lost its memory.
    life: u32,
    tickets: Vec<Ticket>,
    seats: Vec<Seat>,
    config: peer::Config,
    utc_ahead: i64,
    /// Until when it lets nobody in, being about to start.
    starts_until: Duration,
    /// Whether its shared token is another than the nodes know.
    secret_changed: bool,
}

/// The gateway's place for one node.
#[derive(Debug, Default)]
struct Seat {
    link: Option<LinkId>,
    /// Requests without an answer.
    open: BTreeSet<u32>,
    /// Requests to send when there is room.
    unsent: std::collections::VecDeque<u32>,
    device: openclaw::Device,
    last_alive: Option<Duration>,
}

/// A simulated world.
pub(crate) struct World {
    seed: u64,
    now: Duration,
    schedule: Schedule<Event>,
    faults: Faults,
    rules: Rules,
    random: Random,
    network: Random,
    hosts: Vec<Host>,
    links: Vec<Link>,
    free: Vec<u32>,
    link_number: u32,
    gateway: Gateway,
    faulty: bool,
    stopping: bool,
    /// How many wakes of handlers are planned, and how many requests that are to be asked again.
    wakes: u64,
    repetitions: u64,
    effects: Vec<Effect>,
    records: Option<Vec<Record>>,
    scratch: String,
    plan: Vec<Planned>,
    pub(crate) figures: Figures,
    pub(crate) violations: Vec<Violation>,
}

/// A request that whoever set up the world wants to be made.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) node: usize,
    pub(crate) task: Task,
}

impl World {
    pub(crate) fn new(
        plan: &Plan,
        handlers: &mut dyn FnMut(usize) -> Option<Box<dyn Handlers>>,
    ) -> Self {
        let mut random = Random::new(plan.seed);
        let mut faults = Faults::draw(plan.mix, &mut random.child(), plan.span);
        if let Some(ask_every) = plan.ask_every {
            faults.ask_every = ask_every;
            faults.burst = 1;
        }
        let openclaw = plan.dialect == Name::Openclaw;
        // Of its own, so that the worlds of the other dialect stay what they are.
        let mut pairing = Random::new(!plan.seed);
        if openclaw {
            faults = faults.for_openclaw(plan.mix, &mut pairing);
        }
        let dialect = match openclaw {
            false => peer::Dialect::Nodetool,
            true => {
                let mut config = GatewayConfig::default();
                if faults.pairing.older {
                    config.protocol = OLDER_PROTOCOL;
                }
                peer::Dialect::Openclaw(config)
            }
        };
        let mut config = peer::Config::new(dialect);
        config.timing.tick = faults.timing.heartbeat_interval;
        config.limits.transmit_bytes = faults.peer_transmit_bytes;
        config.timing.liveness = faults.timing.heartbeat_interval.max(Duration::from_secs(1)) * 2;
        let mut world = Self {
            seed: plan.seed,
            now: Duration::ZERO,
            schedule: Schedule::new(),
            network: random.child(),
            hosts: Vec::with_capacity(plan.nodes),
            links: Vec::new(),
            free: Vec::new(),
            link_number: 0,
            gateway: Gateway {
                up: true,
                life: 0,
                tickets: Vec::new(),
                seats: (0..plan.nodes).map(|_| Seat::default()).collect(),
                config,
                utc_ahead: 0,
                starts_until: Duration::ZERO,
                secret_changed: false,
            },
            faulty: plan.mix != Mix::Calm || faults.trouble.is_some(),
            stopping: false,
            wakes: 0,
            repetitions: 0,
            effects: Vec::new(),
            records: plan.record.then(Vec::new),
            scratch: String::new(),
            plan: plan.requests.clone(),
            figures: Figures::default(),
            violations: Vec::new(),
            random,
            rules: host::config(&faults, 0, None).dialect.rules(),
            faults,
        };
        for index in 0..plan.nodes {
            let mut random = world.random.child();
            let mut device = openclaw.then(|| OwnDevice::new(pairing.seed()));
            if let Some(device) = device.as_mut().filter(|_| world.faults.pairing.setup_codes) {
                device.setup_code = Some(world.make_setup_code(index));
            }
            let config = host::config(&world.faults, index, device.as_ref());
            world.rules = config.dialect.rules();
            let mut node = Node::new(config, random.seed());
            if openclaw {
                let published = Input::Publish(Publication::HostStats(HOST_STATS));
                let refused = node
                    .handle(
                        Now::new(Duration::ZERO, host::wall_clock(Duration::ZERO, 0)),
                        published,
                    )
                    .is_err();
                world.accepted_input(Some(index), "a publication", refused);
            }
            let largest = world.faults.limits.result_bytes;
            let handlers = handlers(index)
                .unwrap_or_else(|| Box::new(Ordinary::new(world.faults.behaviour, largest)));
            world.hosts.push(Host {
                node,
                handlers,
                token: format!("{SECRET}-{index}"),
                device,
                ahead: Duration::ZERO,
                utc_ahead: 0,
                link: None,
                attempt: 0,
                wakes_at: None,
                jobs: Default::default(),
                journal: Default::default(),
                tickets: Default::default(),
                past: Past::new(),
                random,
            });
            let start = world.random.time(Duration::ZERO, Duration::from_secs(5));
            world.schedule.plan(start, Event::Start(index));
            if plan.own_traffic {
                let first = world.random.around(world.faults.ask_every);
                world.schedule.plan(first, Event::Ask(index));
            }
            world.plan_trouble(index);
        }
        for number in 0..world.plan.len() {
            world.schedule.plan(world.plan[number].at, Event::Plan(number as u32));
        }
        world.schedule.plan(plan.span, Event::FaultsOver);
        world
    }

    /// Plays everything that happens until then; stops early at the first violation.
    pub(crate) fn play(&mut self, until: Duration) {
        while self.violations.is_empty() {
            let Some((at, event)) = self.schedule.take(until) else {
                self.now = self.now.max(until);
                return;
            };
            if at > self.now {
                self.now = at;
                self.figures.at_one_time = 0;
            }
            self.figures.events += 1;
            // Arrivals are bounded by the bytes they bring.
            self.figures.at_one_time += u64::from(!matches!(event, Event::Arrive(..)));
            if self.figures.at_one_time > MOST_AT_ONE_TIME {
                let text = format!("{event:?} and its like never let time pass");
                return self.breach(None, Some((Rule::NoSpinning, text)));
            }
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(index) => self.start(index),
            Event::NodeTimer(index) => self.node_timer(index),
            Event::PeerTimer(link) => self.peer_timer(link),
            Event::Arrive(link, direction) => self.arrive(link, direction),
            Event::Connected(index, attempt, reached) => self.reached(index, attempt, reached),
            Event::Credential(index, attempt) => {
                self.credential(index, attempt);
                self.turn(index);
            }
            Event::Journal(index) => {
                self.journal(index);
                self.turn(index);
            }
            Event::Wake(index, work) => self.wake(index, work),
            Event::Cancel(index, work) => self.cancel(index, work),
            Event::Sign(index, attempt) => {
                self.sign(index, attempt);
                self.turn(index);
            }
            Event::Kept(index, attempt) => {
                self.device_token_kept(index, attempt);
                self.turn(index);
            }
            Event::Approve(index) => self.approve(index),
            Event::ApproveSurface(index) => self.approve_surface(index),
            Event::GiveUp(number) => self.give_up(number, "its time is over"),
            Event::Withdraw(number) => self.give_up(number, "nobody wants it any more"),
            Event::AskAgain(number) => self.ask_again(number),
            Event::Ask(index) => self.ask(index),
            Event::Plan(number) => {
                let Planned { node, task, .. } = self.plan[number as usize].clone();
                self.request(node, task, None, TicketKind::Valid);
                self.offer(node);
            }
            Event::Repeat(number) => self.repeat(number),
            Event::Contradict(number) => self.contradict(number),
            Event::Trouble(index) => self.trouble(index),
            Event::GatewayBack => {
                self.gateway.up = true;
                self.gateway.starts_until = self.now + self.faults.pairing.startup;
                self.upgrade_gateway();
                self.note(Lane::Gateway, Kind::Connection, || "is back".to_owned());
            }
            Event::FaultsOver => self.end_faults(),
        }
    }

    /// Books a request; whether and when it is sent is another matter.
    fn request(&mut self, node: usize, task: Task, user: Option<String>, kind: TicketKind) -> u32 {
        let number = self.gateway.tickets.len() as u32;
        let mut request = Request::new(format!("r{number}"), task).for_user(user);
        request.time = self.patience();
        let life = self.gateway.life;
        self.gateway.tickets.push(Ticket::new(node, request, kind, self.rules, life));
        let seat = &mut self.gateway.seats[node];
        seat.unsent.push_back(number);
        if kind == TicketKind::Valid {
            seat.open.insert(number);
        }
        self.figures.requests += 1;
        number
    }

    /// The gateway wants something of a node, as the mix has it.
    fn ask(&mut self, index: usize) {
        if self.now >= self.faults.span {
            return;
        }
        let next = self.random.around(self.faults.ask_every);
        self.schedule.plan(self.now + next, Event::Ask(index));
        let burst = match self.faults.burst {
            0 | 1 => 1,
            most => self.random.size(1, most),
        };
        for _ in 0..burst {
            let padding = "p".repeat(self.random.size(0, self.faults.padding));
            let mut task = Task::Command {
                name: "work".to_owned(),
                args: json(format!(r#"{{"padding":"{padding}"}}"#)),
            };
            let mut kind = TicketKind::Valid;
            let mut user = None;
            if self.random.chance(self.faults.oversized) {
                kind = TicketKind::Oversized;
                let length = self.faults.limits.websocket.max_message + 1;
                let args = json(format!(r#"{{"padding":"{}"}}"#, "o".repeat(length)));
                task = Task::Command { name: "work".to_owned(), args };
            } else if self.random.chance(self.faults.invalid) {
                kind = TicketKind::Invalid;
                if self.is_openclaw() {
                    task = Task::Command { name: "work".to_owned(), args: json("[7]".to_owned()) };
                } else {
                    user = Some("mallory".to_owned());
                }
            } else if self.random.chance(300) && !self.is_openclaw() {
                let source = clawnode_protocol::WorkflowSource::Id("flow".to_owned());
                task = Task::Workflow { source, params: json("{}".to_owned()) };
            }
            let number = self.request(index, task, user, kind);
            if self.random.chance(self.faults.repeated) {
                let later = self.now + self.random.around(Duration::from_secs(10));
                self.schedule.plan(later, Event::Repeat(number));
            }
            if self.random.chance(self.faults.contradicted) && kind == TicketKind::Valid {
                let later = self.now + self.random.around(Duration::from_secs(10));
                self.schedule.plan(later, Event::Contradict(number));
            }
        }
        self.offer(index);
    }

    // Telling.

    fn breach(&mut self, node: Option<usize>, breach: Option<Breach>) {
        let Some((rule, explanation)) = breach else { return };
        let lane = node.map_or(Lane::Gateway, Lane::Node);
        self.note(lane, Kind::Violation, || format!("{rule:?}: {explanation}"));
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(Violation {
                seed: self.seed,
                at: self.now,
                node,
                rule,
                explanation,
            });
        }
    }

    fn note(&mut self, lane: Lane, kind: Kind, text: impl FnOnce() -> String) {
        if let Some(records) = &mut self.records {
            records.push(Record { at: self.now, lane, kind, text: text() });
        }
    }

    /// Looks for a secret in what anyone may print.
    fn check_secret(&mut self, node: usize, what: &str, shown: fmt::Arguments<'_>) {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        write!(text, "{shown}").expect("strings take text");
        if text.contains(SECRET) {
            let at = text.find(SECRET).unwrap_or_default();
            let around: String = text[..at].chars().rev().take(60).collect();
            let around: String = around.chars().rev().collect();
            let explanation = format!("{what} shows the token: ...{around}<here>");
            self.breach(Some(node), Some((Rule::SecretsHidden, explanation)));
        }
        self.scratch = text;
    }

    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        self.records.take().unwrap_or_default()
    }

    pub(crate) fn tickets(&self) -> &[Ticket] {
        &self.gateway.tickets
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What every node of an OpenClaw gateway says of its machine.
const HOST_STATS: HostStats = HostStats {
    cpu_count: 2,
    load_average: [0.5, 0.25, 0.125],
    memory_total_bytes: 8 << 30,
    memory_free_bytes: 4 << 30,
    disk_total_bytes: 64 << 30,
    disk_available_bytes: 32 << 30,
};

/// Stands in every token, so that it can be looked for.
const SECRET: &str = "T0K3N-that-nobody-may-see";
const MOST_VIOLATIONS: usize = 20;
/// Events that may share one instant: more is a loop that keeps time from passing.
const MOST_AT_ONE_TIME: u64 = 100_000;
