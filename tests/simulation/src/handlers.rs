//! The application of a node: what runs when the gateway asks for something.

use std::time::Duration;

use clawnode_protocol::{Outcome, Update, Work};
use serde_json::value::RawValue;

use crate::mix::Behaviour;
use crate::random::Random;

/// The handlers of one node. Implement it to see your own in a simulated world.
///
/// There are no threads here, so a handler does not block: [`start`](Self::start) does what can be done at once and says, with
/// [`Job::wake_in`], when it wants to go on; then [`wake`](Self::wake) is called. Work ends with [`Job::answer`].
pub trait Handlers {
    /// The node starts this work.
    fn start(&mut self, work: &Work, job: &mut Job<'_>);

    /// The time has come that [`Job::wake_in`] asked for.
    fn wake(&mut self, work: &Work, job: &mut Job<'_>) {
        let _ = (work, job);
    }

    /// The node stopped this work; nothing it does from now on is heard.
    fn cancelled(&mut self, work: &Work) {
        let _ = work;
    }
}

/// What a handler can do while it is called.
#[derive(Debug)]
pub struct Job<'a> {
    pub(crate) now: Duration,
    pub(crate) random: &'a mut Random,
    pub(crate) effects: &'a mut Vec<Effect>,
}

/// What a handler asked for.
#[derive(Debug)]
pub(crate) enum Effect {
    Update(Update),
    Answer(Outcome),
    WakeIn(Duration),
}

impl Job<'_> {
    /// The virtual time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Randomness that the seed of the world determines.
    pub fn random(&mut self) -> &mut Random {
        self.random
    }

    /// Sends news to the gateway.
    pub fn update(&mut self, update: Update) {
        self.effects.push(Effect::Update(update));
    }

    /// Ends the work. What the handler does after it has no effect.
    pub fn answer(&mut self, outcome: Outcome) {
        self.effects.push(Effect::Answer(outcome));
    }

    /// Asks to be woken after this time. Each call is one wake.
    pub fn wake_in(&mut self, time: Duration) {
        self.effects.push(Effect::WakeIn(time));
    }
}

/// The handlers of worlds that bring none of their own: some updates, some time, then a result or a failure.
#[derive(Debug)]
pub(crate) struct Ordinary {
    behaviour: Behaviour,
    largest: usize,
    /// Counts runs, so that no two runs give the same result.
    runs: u64,
    /// Work, its run, its updates so far, and how many are to come.
    open: Vec<(clawnode_protocol::WorkId, u64, u64, u64)>,
}

impl Ordinary {
    pub(crate) fn new(behaviour: Behaviour, largest: usize) -> Self {
        Self { behaviour, largest, runs: 0, open: Vec::new() }
    }
}

impl Handlers for Ordinary {
    fn start(&mut self, work: &Work, job: &mut Job<'_>) {
        self.runs += 1;
        let updates = job.random.between(0, self.behaviour.updates);
        self.open.push((work.id, self.runs, 0, updates));
        let pause = job.random.around(self.behaviour.step);
        if pause < Duration::from_millis(5) { self.wake(work, job) } else { job.wake_in(pause) }
    }

    fn wake(&mut self, work: &Work, job: &mut Job<'_>) {
        let Some(place) = self.open.iter().position(|(id, ..)| *id == work.id) else { return };
        let behaviour = self.behaviour;
        let (_, run, sent, updates) = &mut self.open[place];
        let run = *run;
        while sent < updates {
            *sent += 1;
            let padding = "u".repeat(job.random.size(0, behaviour.update_size));
            let data = json(format!(r#"{{"run":{run},"n":{sent},"padding":"{padding}"}}"#));
            let mut update = Update::new("progress", data);
            if job.random.chance(200) {
                update.key = Some("bar".to_owned());
            }
            job.update(update);
            if job.random.chance(700) {
                let pause = job.random.around(behaviour.step);
                return job.wake_in(pause);
            }
        }
        self.open.swap_remove(place);
        let length = match job.random.chance(behaviour.too_large) {
            true => job.random.size(self.largest, self.largest + 10),
            false => job.random.size(0, behaviour.result_size),
        };
        let padding = "r".repeat(length.min(MOST_RESULT));
        let result = json(format!(r#"{{"run":{run},"padding":"{padding}"}}"#));
        let outcome = match job.random.chance(behaviour.fails) {
            true => Outcome::failed(format!("run {run} failed")),
            false => Outcome::Completed(result),
        };
        job.answer(outcome);
    }

    fn cancelled(&mut self, work: &Work) {
        self.open.retain(|(id, ..)| *id != work.id);
    }
}

/// Enough for every way in which a frame tells its length; more is only slow.
const MOST_RESULT: usize = 70_000;

pub(crate) fn json(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("the text was written as JSON")
}
