use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// What is chosen before a play begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Variant {
    /// Whether the bound on owed answers is so small that the node asks at once whether an answer arrived. Otherwise it asks
    /// after a second.
    pub small: bool,
    /// How many bytes reach the node at a time; 0 stands for all there are.
    pub chunk: usize,
}

impl Variant {
    /// How much work runs at once.
    pub const RUNNING: usize = 2;
    /// How many updates of one request wait.
    pub const UPDATES: usize = 2;
    /// How many answered requests are remembered.
    pub const REMEMBERED: usize = 2;

    /// How many requests may be owed an answer. A quarter of the small bound is one, which asks for proof at once.
    pub const fn owed(self) -> usize {
        if self.small { 4 } else { 4000 }
    }
}

/// The request ids of the plays.
pub(super) type Name = &'static str;

/// Something that happens to a node. As text it is a line of a test on a [`NodePlay`](super::NodePlay).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the methods of NodePlay say what each is")]
pub enum NodeStep {
    Ask(Name, u8),
    Acknowledge(Name),
    Garble,
    Admit(Name),
    Refuse(Name),
    Update(Name, u8),
    Answer(Name, u8),
    Fail(Name, u8),
    Record(Name),
    Cancel(Name),
    Custom,
    Hold,
    Carry(u8),
    Release,
    Cut,
    Close,
    Die,
    Unreachable,
    Reachable,
    Moment,
    Long,
    Beat,
    Stop,
    StopNow,
}

impl fmt::Display for NodeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(name, content) => write!(f, "play.ask({name:?}, {content});"),
            Self::Acknowledge(name) => write!(f, "play.acknowledge({name:?});"),
            Self::Admit(name) => write!(f, "play.admit({name:?});"),
            Self::Refuse(name) => write!(f, "play.refuse({name:?});"),
            Self::Update(name, value) => write!(f, "play.update({name:?}, {value});"),
            Self::Answer(name, value) => write!(f, "play.answer({name:?}, {value});"),
            Self::Fail(name, value) => write!(f, "play.fail({name:?}, {value});"),
            Self::Record(name) => write!(f, "play.record({name:?});"),
            Self::Cancel(name) => write!(f, "play.cancel({name:?});"),
            Self::Carry(words) => write!(f, "play.carry({words});"),
            Self::StopNow => f.write_str("play.stop_now();"),
            other => write!(f, "play.{}();", format!("{other:?}").to_lowercase()),
        }
    }
}

/// What must be seen of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether the node takes the application's input.
    pub(super) taken: bool,
    /// What it asks of the application, in order.
    pub(super) actions: Vec<String>,
    /// What the gateway hears, in order.
    pub(super) heard: Vec<String>,
}

/// What a node of the nodetool dialect promises.
#[derive(Debug, Clone)]
pub struct NodeModel {
    variant: Variant,
    link: Link,
    stopping: bool,
    /// Moments until a node that has cancelled everything stops whatever is still owed.
    flushing: Option<u8>,
    reachable: bool,
    held: bool,
    /// Whether the connection was lost just now, so that a moment later the node still waits.
    lost_just_now: bool,
    works: u32,
    requests: BTreeMap<Name, Request>,
    /// Names whose work the application was ever given.
    given: Vec<Name>,
    waiting: VecDeque<Name>,
    settled: VecDeque<Name>,
    /// Requests the gateway is to hear of, in the order in which that came to be.
    turns: VecDeque<Name>,
    /// Written on this connection and not yet heard.
    flight: VecDeque<Word>,
    /// Answers written on this connection that no pong has proved.
    unproven: VecDeque<u32>,
    /// How many of them the pong that is awaited will prove.
    asked: Option<usize>,
    garbled: u8,
    seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Ready,
    Off,
    Stopped,
}

#[derive(Debug, Clone)]
enum Word {
    Said(String),
    Ping,
}

#[derive(Debug, Clone)]
struct Request {
    work: u32,
    content: u8,
    stage: Stage,
    ack: Ack,
    updates: VecDeque<u8>,
    /// The answer as the gateway hears it, and whether it is to be written.
    answer: String,
    due: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Admitting,
    Waiting,
    Running,
    Recording,
    Owed,
    Settled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ack {
    No,
    Due,
    DueAgain,
    Written,
}

impl NodeModel {
    /// A node that has registered, over an open network.
    pub fn new(variant: Variant) -> Self {
        Self {
            variant,
            link: Link::Ready,
            stopping: false,
            flushing: None,
            reachable: true,
            held: false,
            lost_just_now: false,
            works: 0,
            requests: BTreeMap::new(),
            given: Vec::new(),
            waiting: VecDeque::new(),
            settled: VecDeque::new(),
            turns: VecDeque::new(),
            flight: VecDeque::new(),
            unproven: VecDeque::new(),
            asked: None,
            garbled: 0,
            seen: Seen::default(),
        }
    }

    /// What was chosen before the play began.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// Whether this can happen now, and its outcome is certain.
    pub fn allows(&self, step: NodeStep) -> bool {
        let ready = self.link == Link::Ready;
        match step {
            NodeStep::Ask(..) => ready,
            NodeStep::Acknowledge(_) => ready,
            // Whether a node that flushes is back before its time is over is left to chance.
            NodeStep::Cut => ready && self.flushing.is_none(),
            // Replies to more faults than these wait for time to pass.
            NodeStep::Garble => ready && self.garbled < 10,
            NodeStep::Admit(name)
            | NodeStep::Refuse(name)
            | NodeStep::Update(name, _)
            | NodeStep::Answer(name, _)
            | NodeStep::Fail(name, _)
            | NodeStep::Record(name)
            | NodeStep::Cancel(name) => self.given.contains(&name),
            NodeStep::Custom => true,
            NodeStep::Hold => ready && !self.held && !self.stopping,
            NodeStep::Carry(_) | NodeStep::Release => self.held,
            NodeStep::Close => ready && !self.held && self.flushing.is_none(),
            NodeStep::Die | NodeStep::Beat => ready && !self.held && !self.stopping,
            NodeStep::Unreachable => self.reachable,
            NodeStep::Reachable => !self.reachable,
            NodeStep::Moment => self.link != Link::Off || self.lost_just_now,
            NodeStep::Long => !self.held,
            NodeStep::Stop | NodeStep::StopNow => !self.held && self.link != Link::Stopped,
        }
    }

    /// Whether a request of this name is in the stage where the step does something: a hint for choosing steps.
    pub fn suits(&self, step: NodeStep) -> bool {
        let stage = |name: Name| self.requests.get(name).map(|request| request.stage);
        match step {
            NodeStep::Admit(name) | NodeStep::Refuse(name) => stage(name) == Some(Stage::Admitting),
            NodeStep::Update(name, _) | NodeStep::Answer(name, _) | NodeStep::Fail(name, _) => {
                stage(name) == Some(Stage::Running)
            }
            NodeStep::Record(name) => stage(name) == Some(Stage::Recording),
            NodeStep::Acknowledge(name) => stage(name) == Some(Stage::Owed),
            _ => true,
        }
    }

    /// What must be seen of the last step.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Does one step.
    pub fn step(&mut self, step: NodeStep) {
        self.seen = Seen { taken: true, ..Seen::default() };
        match step {
            NodeStep::Ask(name, content) => self.ask(name, content),
            NodeStep::Acknowledge(name) => self.settle_name(name),
            NodeStep::Garble => {
                self.garbled += 1;
                self.say("error".to_owned());
            }
            NodeStep::Admit(name) => self.admit(name),
            NodeStep::Refuse(name) if self.is(name, &[Stage::Admitting]) => {
                self.requests.remove(name);
                self.say(format!("{name} failed: not kept"));
            }
            NodeStep::Refuse(_) => {}
            NodeStep::Update(name, value) => self.update(name, value),
            NodeStep::Answer(name, value) => self.answer(name, format!("{name} answer {value}")),
            NodeStep::Fail(name, value) => self.answer(name, format!("{name} failed: {value}")),
            NodeStep::Record(name) => self.record(name),
            NodeStep::Cancel(name) => self.cancel(name, "enough"),
            NodeStep::Custom => match self.link {
                Link::Ready => self.say("custom".to_owned()),
                _ => self.seen.taken = false,
            },
            NodeStep::Hold => self.held = true,
            NodeStep::Carry(words) => self.carry(words.into()),
            NodeStep::Release => self.held = false,
            NodeStep::Cut | NodeStep::Close | NodeStep::Die => self.lose(),
            NodeStep::Unreachable => self.reachable = false,
            NodeStep::Reachable => self.reachable = true,
            NodeStep::Moment => self.wait(1),
            NodeStep::Long => self.wait(u8::MAX),
            NodeStep::Beat => self.wait(1),
            NodeStep::Stop => self.stopping = true,
            NodeStep::StopNow => self.stop_now(),
        }
        self.go_on();
    }

    // What the gateway says.

    fn ask(&mut self, name: Name, content: u8) {
        let owed = self.owed();
        match self.requests.get_mut(name) {
            Some(known) if known.content != content => {
                self.say(format!("{name} failed: another request"));
            }
            Some(known) if known.stage == Stage::Admitting => {}
            Some(known) => {
                known.due = matches!(known.stage, Stage::Owed | Stage::Settled);
                known.ack = match known.ack {
                    Ack::No | Ack::Due => Ack::Due,
                    Ack::DueAgain | Ack::Written => Ack::DueAgain,
                };
                self.take_turn(name);
            }
            None if self.stopping => self.say(format!("{name} failed: stopping")),
            None if owed >= self.variant.owed() => self.say(format!("{name} failed: too many")),
            None => {
                self.works += 1;
                let request = Request {
                    work: self.works,
                    content,
                    stage: Stage::Admitting,
                    ack: Ack::No,
                    updates: VecDeque::new(),
                    answer: String::new(),
                    due: false,
                };
                self.requests.insert(name, request);
                self.given.push(name);
                self.act("admit", name);
            }
        }
    }

    /// The gateway has the answer.
    fn settle_name(&mut self, name: Name) {
        if self.is(name, &[Stage::Owed]) {
            self.requests.get_mut(name).expect("it is owed").stage = Stage::Settled;
            self.act("settled", name);
            self.settled.push_back(name);
            if self.settled.len() > Variant::REMEMBERED {
                let oldest = self.settled.pop_front().expect("there are some");
                self.requests.remove(oldest);
            }
        }
    }

    // What the application says.

    fn admit(&mut self, name: Name) {
        if self.is(name, &[Stage::Admitting]) {
            let request = self.requests.get_mut(name).expect("it is being admitted");
            (request.stage, request.ack) = (Stage::Waiting, Ack::Due);
            self.waiting.push_back(name);
            self.take_turn(name);
        }
    }

    fn update(&mut self, name: Name, value: u8) {
        if self.is(name, &[Stage::Running]) {
            let updates = &mut self.requests.get_mut(name).expect("it runs").updates;
            updates.push_back(value);
            if updates.len() > Variant::UPDATES {
                updates.pop_front();
            }
            self.take_turn(name);
        } else {
            self.seen.taken = !self.is(name, &[Stage::Admitting, Stage::Waiting]);
        }
    }

    fn answer(&mut self, name: Name, answer: String) {
        if self.is(name, &[Stage::Running]) {
            self.finish(name, answer);
        } else {
            self.seen.taken = !self.is(name, &[Stage::Admitting, Stage::Waiting]);
        }
    }

    fn record(&mut self, name: Name) {
        if self.is(name, &[Stage::Recording]) {
            let request = self.requests.get_mut(name).expect("it is being recorded");
            (request.stage, request.due) = (Stage::Owed, true);
            // One that was cancelled before it was admitted.
            if request.ack == Ack::No {
                request.ack = Ack::Due;
            }
            self.take_turn(name);
        } else {
            self.seen.taken = !self.is(name, &[Stage::Admitting, Stage::Waiting, Stage::Running]);
        }
    }

    fn cancel(&mut self, name: Name, why: &str) {
        if self.is(name, &[Stage::Running]) {
            self.act("cancel", name);
        }
        if self.is(name, &[Stage::Admitting, Stage::Waiting, Stage::Running]) {
            self.waiting.retain(|waiting| *waiting != name);
            self.finish(name, format!("{name} failed: {why}"));
        }
    }

    fn finish(&mut self, name: Name, answer: String) {
        let request = self.requests.get_mut(name).expect("it is unfinished");
        (request.stage, request.answer) = (Stage::Recording, answer);
        self.act("record", name);
    }

    fn stop_now(&mut self) {
        self.stopping = true;
        self.go_on();
        if self.link == Link::Stopped {
            return;
        }
        let mut unfinished: Vec<(u32, Name)> =
            self.requests.iter().map(|(name, request)| (request.work, *name)).collect();
        unfinished.sort_unstable();
        for (_, name) in unfinished {
            self.cancel(name, "stopped");
        }
        if self.link == Link::Off || self.flushing.is_some() {
            self.stop();
        } else {
            // Five seconds are four moments.
            self.flushing = Some(4);
        }
    }

    // What happens to the connection.

    fn lose(&mut self) {
        self.act("lost", "");
        (self.link, self.held, self.lost_just_now) = (Link::Off, false, true);
        self.flight.clear();
        self.asked = None;
        // What may not have arrived is said again, before anything new.
        while let Some(work) = self.unproven.pop_back() {
            let mut requests = self.requests.iter_mut();
            let unsure = requests.find(|(_, request)| request.work == work);
            if let Some((name, request)) = unsure.filter(|(_, it)| it.stage == Stage::Owed) {
                request.due = true;
                if !self.turns.contains(name) {
                    self.turns.push_front(name);
                }
            }
        }
    }

    fn wait(&mut self, moments: u8) {
        self.lost_just_now = false;
        if let Some(left) = &mut self.flushing {
            *left = left.saturating_sub(moments);
            if *left == 0 && self.link != Link::Stopped {
                return self.stop();
            }
        }
        if self.link == Link::Off && self.reachable && moments > 1 {
            self.link = Link::Ready;
            self.act("ready", "");
            self.write();
        }
        self.ask_for_proof();
    }

    fn stop(&mut self) {
        self.link = Link::Stopped;
        self.flight.clear();
        self.act("stopped", "");
    }

    // What follows from all of these.

    fn go_on(&mut self) {
        while self.count(Stage::Running) < Variant::RUNNING {
            let Some(name) = self.waiting.pop_front() else { break };
            self.requests.get_mut(name).expect("it waits").stage = Stage::Running;
            self.act("start", name);
        }
        self.write();
        if self.link == Link::Ready && !self.held {
            self.carry(usize::MAX);
        }
        if self.stopping && self.link != Link::Stopped && self.owed() == 0 {
            self.stop();
        }
    }

    fn take_turn(&mut self, name: Name) {
        if !self.turns.contains(&name) {
            self.turns.push_back(name);
        }
    }

    /// What is due is written as long as there is a connection: an ack, then updates, then the answer.
    fn write(&mut self) {
        if self.link != Link::Ready {
            return;
        }
        for name in std::mem::take(&mut self.turns) {
            let Some(request) = self.requests.get_mut(name) else { continue };
            match request.ack {
                Ack::Due => self.flight.push_back(Word::Said(format!("{name} ack"))),
                Ack::DueAgain => self.flight.push_back(Word::Said(format!("{name} ack again"))),
                Ack::No | Ack::Written => {}
            }
            if request.ack != Ack::No {
                request.ack = Ack::Written;
            }
            for update in request.updates.drain(..) {
                self.flight.push_back(Word::Said(format!("{name} update {update}")));
            }
            if std::mem::take(&mut request.due) {
                self.flight.push_back(Word::Said(request.answer.clone()));
                // The first copy that arrives is proof enough, and of a repeated answer there is proof already.
                if request.stage == Stage::Owed && !self.unproven.contains(&request.work) {
                    self.unproven.push_back(request.work);
                }
            }
        }
        if self.variant.small || self.stopping {
            self.ask_for_proof();
        }
    }

    /// One ping at a time.
    fn ask_for_proof(&mut self) {
        if self.link == Link::Ready && self.asked.is_none() && !self.unproven.is_empty() {
            self.asked = Some(self.unproven.len());
            self.flight.push_back(Word::Ping);
        }
    }

    /// The gateway hears so many messages, and pings before the last of them.
    fn carry(&mut self, mut words: usize) {
        while words > 0 {
            match self.flight.pop_front() {
                Some(Word::Said(word)) => {
                    self.seen.heard.push(word);
                    words -= 1;
                }
                Some(Word::Ping) => {
                    for _ in 0..self.asked.take().expect("a ping was sent") {
                        let work = self.unproven.pop_front().expect("it was counted");
                        let mut requests = self.requests.iter();
                        let name = requests.find(|(_, request)| request.work == work);
                        if let Some((name, _)) = name {
                            self.settle_name(name);
                        }
                    }
                    if self.variant.small || self.stopping {
                        self.ask_for_proof();
                    }
                }
                None => return,
            }
        }
    }

    fn say(&mut self, word: String) {
        self.flight.push_back(Word::Said(word));
    }

    fn act(&mut self, verb: &str, name: &str) {
        self.seen.actions.push(format!("{verb} {name}").trim_end().to_owned());
    }

    fn is(&self, name: Name, stages: &[Stage]) -> bool {
        self.requests.get(name).is_some_and(|request| stages.contains(&request.stage))
    }

    fn count(&self, stage: Stage) -> usize {
        self.requests.values().filter(|request| request.stage == stage).count()
    }

    /// Requests the gateway has no answer to.
    fn owed(&self) -> usize {
        self.requests.values().filter(|request| request.stage != Stage::Settled).count()
    }
}
