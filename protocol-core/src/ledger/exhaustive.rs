//! Every order in which two requests can be asked, asked again, admitted late, reported on, answered, cancelled, written, confirmed
//! and cut off, up to a depth, under each set of rules.
//!
//! A breadth-first search over distinct states; each is reached by playing its script anew, so a failure is a script.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::value::RawValue;

use super::tests::{ABORTING, KEEPING};
use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Ask(usize),
    AskOther(usize),
    Admit(usize),
    Update(usize),
    Answer(usize),
    Record(usize),
    Cancel(usize),
    /// The gateway cancels it.
    CancelRequest(usize),
    Acknowledge(usize),
    Write,
    Confirm,
    Disconnect,
}

const NAMES: [&str; 2] = ["a", "b"];

fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Write, Step::Confirm, Step::Disconnect];
    for request in 0..NAMES.len() {
        steps.extend([
            Step::Ask(request),
            Step::Admit(request),
            Step::Answer(request),
            Step::Record(request),
            Step::Cancel(request),
        ]);
    }
    // These say nothing new about a second request.
    steps.extend([
        Step::AskOther(0),
        Step::Update(0),
        Step::Acknowledge(0),
        Step::CancelRequest(0),
    ]);
    steps
}

/// A ledger, the books of a gateway and an application beside it, and what went over the current connection.
struct Play {
    ledger: Ledger,
    actions: Actions,
    /// The latest work of each request.
    latest: [Option<WorkId>; 2],
    admitted: BTreeSet<WorkId>,
    started: BTreeSet<WorkId>,
    cancelled: BTreeSet<WorkId>,
    /// The run of each work, and those of which nothing may be heard any more.
    runs: Vec<(JobId, WorkId)>,
    silenced: BTreeSet<WorkId>,
    /// What was written for each request on this connection, and how often it was asked there.
    written: BTreeMap<String, Vec<char>>,
    asked: BTreeMap<String, usize>,
    /// How often each was ever asked, as any of these may have been refused.
    asked_ever: BTreeMap<String, usize>,
}

impl Play {
    fn new(rules: Rules) -> Self {
        let limits = Limits { running: 1, owed: 2, remembered: 1, updates: 1, ..Limits::default() };
        Self {
            ledger: Ledger::new(rules, limits, Random::from_seed([0; 32])),
            actions: Actions::new(),
            latest: [None; 2],
            admitted: BTreeSet::new(),
            started: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            runs: Vec::new(),
            silenced: BTreeSet::new(),
            written: BTreeMap::new(),
            asked: BTreeMap::new(),
            asked_ever: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask(request) => self.ask(request, "{}"),
            Step::AskOther(request) => self.ask(request, "[]"),
            Step::Admit(request) => {
                self.with(request, |ledger, id, actions| {
                    let _ = ledger.admitted(id, actions);
                });
            }
            Step::Update(request) => self.with(request, |ledger, id, actions| {
                let _ = ledger.progress(id, Update::new("u", raw("{}")), actions);
            }),
            Step::Answer(request) => self.with(request, |ledger, id, actions| {
                let _ = ledger.answer(id, Outcome::Completed(raw("{}")), actions);
            }),
            Step::Record(request) => self.with(request, |ledger, id, _| {
                let _ = ledger.recorded(id);
            }),
            Step::Cancel(request) => {
                self.with(request, |ledger, id, actions| {
                    let _ = ledger.cancel(id, "enough", actions);
                });
            }
            Step::CancelRequest(request) => {
                if self.ledger.rules.cancelled == OnCancel::Silence {
                    self.silenced.extend(self.latest[request]);
                }
                self.ledger.cancel_request(NAMES[request], &mut self.actions);
            }
            Step::Acknowledge(request) => {
                self.ledger.settled(Duration::ZERO, NAMES[request], &mut self.actions);
            }
            Step::Write => self.write(1),
            Step::Confirm => {
                let written = self.ledger.written();
                self.ledger.confirm_through(Duration::ZERO, written, &mut self.actions);
            }
            Step::Disconnect => {
                if self.ledger.rules.disconnect == OnDisconnect::Abort {
                    self.silenced.extend(self.admitted.iter().copied());
                }
                self.ledger.disconnected(&mut self.actions);
                self.written.clear();
                self.asked.clear();
            }
        }
        self.act();
        self.check();
    }

    fn ask(&mut self, request: usize, args: &str) {
        let task = Task::Command { name: "x".to_owned(), args: raw(args) };
        let name = NAMES[request].to_owned();
        *self.asked.entry(name.clone()).or_default() += 1;
        *self.asked_ever.entry(name.clone()).or_default() += 1;
        if self.ledger.rules.repeated_id == RepeatedId::Supersede {
            self.silenced.extend(self.latest[request]);
        }
        self.ledger.request(Duration::ZERO, name, "1".to_owned(), task, None, &mut self.actions);
    }

    fn with(&mut self, request: usize, act: impl FnOnce(&mut Ledger, WorkId, &mut Actions)) {
        if let Some(id) = self.latest[request] {
            act(&mut self.ledger, id, &mut self.actions);
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.actions.pop_front() {
            match action {
                Action::Admit(work) => {
                    let request = NAMES.iter().position(|name| *name == work.request_id);
                    self.latest[request.expect("only these were asked")] = Some(work.id);
                    assert!(self.admitted.insert(work.id), "admitted twice");
                    self.runs.push((work.job_id, work.id));
                }
                Action::Start(work) => {
                    assert!(self.admitted.contains(&work.id), "started unasked");
                    assert!(self.started.insert(work.id), "started twice");
                }
                Action::Cancel(id) => {
                    assert!(self.started.contains(&id), "cancelled before it began");
                    assert!(self.cancelled.insert(id), "cancelled twice");
                }
                _ => {}
            }
        }
    }

    fn write(&mut self, room: usize) {
        let mut left = room;
        let written = &mut self.written;
        let mut note = |request_id: &str, word| {
            written.entry(request_id.to_owned()).or_default().push(word);
        };
        let (runs, silenced) = (&self.runs, &self.silenced);
        let is_silenced = |job_id: JobId| {
            let mut work = runs.iter().filter(|(run, _)| *run == job_id);
            work.any(|(_, work)| silenced.contains(work))
        };
        self.ledger.transmit(Duration::ZERO, &mut self.actions, |words| {
            if let ToGateway::Progress { job_id, .. }
            | ToGateway::Answer { job_id: Some(job_id), .. } = &words
            {
                assert!(!is_silenced(*job_id), "nobody wants to hear it any more: {words:?}");
            }
            match words {
                ToGateway::Accept { request_id, .. } => note(request_id, 'k'),
                ToGateway::Progress { request_id, .. } => note(request_id, 'u'),
                ToGateway::Answer { request_id, job_id: None, .. } => note(request_id, 'r'),
                ToGateway::Answer { request_id, .. } => note(request_id, 'a'),
                other => panic!("a ledger does not say {other:?}"),
            }
            left -= 1;
            left > 0
        });
    }

    fn check(&self) {
        let rules = self.ledger.rules;
        let tally = self.ledger.tally();
        assert!(tally.running <= 1 && tally.owed <= 2 && tally.remembered <= 1, "{tally:?}");
        assert!(self.ledger.entries.values().all(|entry| entry.updates.len() <= 1));
        assert_eq!(tally.owed + tally.remembered, self.ledger.entries.len());
        if rules.disconnect == OnDisconnect::Abort {
            let entries = &self.ledger.entries;
            let runs =
                |work| matches!(entries.get(work), Some(Entry { stage: Stage::Running, .. }));
            assert!(!self.silenced.iter().any(runs), "it runs though nobody wants it any more");
        }
        if rules.repeated_id == RepeatedId::Supersede {
            return;
        }
        for (request_id, words) in &self.written {
            let asked = self.asked.get(request_id).copied().unwrap_or_default();
            let said = |word| words.iter().filter(|other| **other == word).count();
            // What was asked before this connection may be accepted and answered on it once more; a request that was refused
            // before it (other content under the id) still hears so.
            assert!(said('k') <= asked + 1 && said('a') <= asked + 1, "{words:?}");
            assert!(
                said('r') <= self.asked_ever.get(request_id).copied().unwrap_or_default(),
                "{words:?}"
            );
            let answer = words.iter().position(|word| *word == 'a');
            let update = words.iter().rposition(|word| *word == 'u');
            if let (Some(answer), Some(update)) = (answer, update) {
                let again = answer < update && words[answer..update].contains(&'k');
                assert!(update < answer || again, "an update after the answer: {words:?}");
            }
        }
    }

    /// Lets everything that is unfinished end, and demands what is promised then.
    fn finish(&mut self) {
        for _ in 0..4 {
            for request in 0..NAMES.len() {
                for step in [Step::Admit(request), Step::Answer(request), Step::Record(request)] {
                    self.step(step);
                }
            }
        }
        self.write(1000);
        self.step(Step::Confirm);
        let tally = self.ledger.tally();
        assert_eq!((tally.owed, tally.running, tally.waiting), (0, 0, 0));
        assert_eq!((tally.waiting_bytes, tally.update_bytes), (0, 0));
        self.write(1000);
        self.step(Step::Disconnect);
        self.write(1000);
        assert!(self.written.is_empty(), "said again though it was confirmed: {:?}", self.written);
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("the test gives JSON")
}

fn play(rules: Rules, script: &[Step]) -> Play {
    let mut play = Play::new(rules);
    script.iter().for_each(|step| play.step(*step));
    play
}

/// How far from the start every order is tried; the states reached are some tens of thousands.
const DEPTH: usize = 7;

fn search(rules: Rules) -> usize {
    let steps = steps();
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([Vec::new()]);
    while let Some(script) = queue.pop_front() {
        for &step in &steps {
            let mut script: Vec<Step> = script.clone();
            script.push(step);
            let reached = std::panic::catch_unwind(|| {
                let mut play = play(rules, &script);
                let state = format!("{:?}{:?}{:?}", play.ledger, play.written, play.asked);
                play.finish();
                state
            });
            let state = reached.unwrap_or_else(|_| panic!("this script breaks a rule: {script:?}"));
            let digest = xxhash_rust::xxh3::xxh3_128(state.as_bytes());
            if seen.insert(digest) && script.len() < DEPTH {
                queue.push_back(script);
            }
        }
    }
    seen.len()
}

#[test]
fn every_order_is_right_when_work_is_kept() {
    assert!(search(KEEPING) > 1000);
}

#[test]
fn every_order_is_right_when_work_is_aborted() {
    assert!(search(ABORTING) > 1000);
}
