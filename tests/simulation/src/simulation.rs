//! Setting up a world, and what comes out of it.

use std::time::Duration;

use clawnode_protocol::dialect;
use clawnode_protocol::{Outcome, Task};
use serde_json::value::RawValue;

use crate::handlers::Handlers;
use crate::mix::Mix;
use crate::record::Record;
use crate::rules::{Rule, Violation};
use crate::world::{Planned, World};

/// What a world is made from, all of it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) mix: Mix,
    pub(crate) dialect: dialect::Name,
    pub(crate) nodes: usize,
    pub(crate) span: Duration,
    pub(crate) ask_every: Option<Duration>,
    pub(crate) own_traffic: bool,
    pub(crate) record: bool,
    pub(crate) requests: Vec<Planned>,
}

/// A run to be made. The same settings give the same run, to the byte.
pub struct Simulation {
    plan: Plan,
    handlers: Option<MakeHandlers>,
}

type MakeHandlers = Box<dyn FnMut(usize) -> Box<dyn Handlers>>;

impl Simulation {
    /// A world of this mix and seed: five nodes, ten virtual minutes of faults, handlers and requests of the mix's own, in the
    /// nodetool dialect.
    pub fn new(mix: Mix, seed: u64) -> Self {
        let plan = Plan {
            seed,
            mix,
            dialect: dialect::Name::Nodetool,
            nodes: 5,
            span: Duration::from_secs(600),
            ask_every: None,
            own_traffic: true,
            record: false,
            requests: Vec::new(),
        };
        Self { plan, handlers: None }
    }

    /// What nodes and gateway speak. In the openclaw dialect there are pairing, device tokens, deadlines and cancellations as well,
    /// and a request ends with its connection; a workflow that is asked for there is never sent.
    #[must_use]
    pub fn dialect(mut self, dialect: dialect::Name) -> Self {
        self.plan.dialect = dialect;
        self
    }

    /// How many nodes there are, at least one.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.plan.nodes = nodes.max(1);
        self
    }

    /// How long faults last, in virtual time. What happens rarely then happens more rarely still.
    #[must_use]
    pub fn faults_for(mut self, span: Duration) -> Self {
        self.plan.span = span;
        self
    }

    /// Asks each node for something so often, in place of what the mix has drawn.
    #[must_use]
    pub fn ask_every(mut self, mean: Duration) -> Self {
        self.plan.ask_every = Some(mean);
        self
    }

    /// Gives each node handlers of yours, made from its number. Requests are then only those you plan.
    #[must_use]
    pub fn handlers(mut self, make: impl FnMut(usize) -> Box<dyn Handlers> + 'static) -> Self {
        self.handlers = Some(Box::new(make));
        self.plan.own_traffic = false;
        self
    }

    /// Plans a command for a node at a virtual time. `args` is a JSON object. See [`request`](Self::request).
    ///
    /// # Panics
    ///
    /// When `args` is not JSON.
    #[must_use]
    pub fn command(self, at: Duration, node: usize, name: &str, args: &str) -> Self {
        let args = RawValue::from_string(args.to_owned()).expect("the arguments must be JSON");
        self.request(at, node, Task::Command { name: name.to_owned(), args })
    }

    /// Plans any request for a node at a virtual time, while faults last or after.
    ///
    /// The run goes on until every planned request is made and answered. It is judged when ten virtual minutes and the time of
    /// the work itself have passed since the last one and since the end of faults, so one that is asked late has as much time as
    /// any other. A handler may take longer, up to a virtual day, as long as it has a [wake](crate::Job::wake_in) planned.
    #[must_use]
    pub fn request(mut self, at: Duration, node: usize, task: Task) -> Self {
        let node = node.min(self.plan.nodes - 1);
        self.plan.requests.push(Planned { at, node, task });
        self
    }

    /// Keeps a record of every event, for a transcript or a picture.
    #[must_use]
    pub fn record(mut self) -> Self {
        self.plan.record = true;
        self
    }

    /// Makes the run: faults first, then none until everything has settled, then every node is stopped.
    pub fn run(mut self) -> Report {
        let mut own = self.handlers.take();
        let mut world = World::new(&self.plan, &mut |index| own.as_mut().map(|make| make(index)));
        world.settle();
        let answers = world
            .tickets()
            .iter()
            .map(|ticket| Answered {
                node: ticket.node,
                task: ticket.request.task.clone(),
                outcome: ticket.answer.clone(),
                updates: ticket.updates_received,
                runs: ticket.truth.runs,
            })
            .collect();
        Report {
            seed: self.plan.seed,
            mix: self.plan.mix,
            dialect: self.plan.dialect,
            nodes: self.plan.nodes,
            answers,
            records: world.take_records(),
            figures: world.figures,
            violations: world.violations,
        }
    }
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// What came out of a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The mix.
    pub mix: Mix,
    /// What was spoken.
    pub dialect: dialect::Name,
    /// How many nodes there were.
    pub nodes: usize,
    /// Every request, in the order in which they were made.
    pub answers: Vec<Answered>,
    /// Every event, if that was asked for.
    pub records: Vec<Record>,
    /// How much happened.
    pub figures: Figures,
    /// The rules that were broken; the run ends soon after the first. Empty: all is well.
    pub violations: Vec<Violation>,
}

impl Report {
    /// The report of a run that panicked: a violation like any other.
    pub fn of_panic(mix: Mix, dialect: dialect::Name, seed: u64, nodes: usize, text: &str) -> Self {
        let violation = Violation {
            seed,
            at: Duration::ZERO,
            node: None,
            rule: Rule::NoPanic,
            explanation: text.to_owned(),
        };
        Self {
            seed,
            mix,
            dialect,
            nodes,
            answers: Vec::new(),
            records: Vec::new(),
            figures: Figures::default(),
            violations: vec![violation],
        }
    }
}

/// A request and what became of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answered {
    /// The node that was asked.
    pub node: usize,
    /// What it was asked.
    pub task: Task,
    /// How it ended, as the gateway read it. `None` for requests that a gateway lost its memory of, invalid ones, and in the openclaw
    /// dialect those whose connection or time ended before, or that were withdrawn.
    pub outcome: Option<Outcome>,
    /// How many updates the gateway read.
    pub updates: u64,
    /// How often a handler ran: once, unless it was refused.
    pub runs: u32,
}

/// How much happened in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// Events of the world's schedule.
    pub events: u64,
    /// Deadlines served, of nodes and peers.
    pub timeouts: u64,
    /// Actions taken from nodes and peers.
    pub actions: u64,
    /// Messages read by the gateway.
    pub messages: u64,
    /// Heartbeats among them.
    pub heartbeats: u64,
    /// Answers among them.
    pub answers: u64,
    /// Bytes read at both ends.
    pub bytes: u64,
    /// Requests made.
    pub requests: u64,
    /// Handlers started.
    pub runs: u64,
    /// Times a node became ready.
    pub connections: u64,
    /// Faults that befell a node or the gateway while running.
    pub faults: u64,
    pub(crate) at_one_time: u64,
}

impl Figures {
    /// Adds what happened in another run.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.timeouts += other.timeouts;
        self.actions += other.actions;
        self.messages += other.messages;
        self.heartbeats += other.heartbeats;
        self.answers += other.answers;
        self.bytes += other.bytes;
        self.requests += other.requests;
        self.runs += other.runs;
        self.connections += other.connections;
        self.faults += other.faults;
    }
}
