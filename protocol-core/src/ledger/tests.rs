//! The ledger under both sets of rules: nodetool's, and those of a dialect that contradicts it in every point.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::dialect::{Delivered, Dialect, Liveness, nodetool};
use crate::websocket;

pub(super) const KEEPING: Rules = Rules {
    acknowledge: true,
    repeated_id: RepeatedId::Replay,
    disconnect: OnDisconnect::Keep,
    cancelled: OnCancel::Answer,
    delivered: Delivered::WhenConfirmed,
    liveness: Liveness::Heartbeats,
};

pub(super) const ABORTING: Rules = Rules {
    acknowledge: false,
    repeated_id: RepeatedId::Supersede,
    disconnect: OnDisconnect::Abort,
    cancelled: OnCancel::Silence,
    delivered: Delivered::WhenWritten,
    liveness: Liveness::Ticks,
};

/// A ledger and what came out of it, as short words.
pub(super) struct Desk {
    pub(super) ledger: Ledger,
    pub(super) now: Duration,
    pub(super) actions: Actions,
}

impl Desk {
    pub(super) fn new(rules: Rules) -> Self {
        Self::limited(rules, |_| {})
    }

    pub(super) fn limited(rules: Rules, limit: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        limit(&mut limits);
        let ledger = Ledger::new(rules, limits, Random::from_seed([1; 32]));
        Self { ledger, now: Duration::ZERO, actions: Actions::new() }
    }

    pub(super) fn ask(&mut self, id: &str) -> String {
        self.ask_with(id, "{}")
    }

    pub(super) fn ask_with(&mut self, id: &str, args: &str) -> String {
        let task = Task::Command { name: "echo".to_owned(), args: raw(args) };
        self.ledger.request(self.now, id.to_owned(), "1".to_owned(), task, None, &mut self.actions);
        self.acted()
    }

    /// Asks and admits.
    pub(super) fn run(&mut self, id: &str) -> WorkId {
        self.ask(id);
        let id = self.ledger.by_request[id];
        self.ledger.admitted(id, &mut self.actions).unwrap();
        self.acted();
        id
    }

    pub(super) fn answer(&mut self, id: WorkId, result: &str) -> String {
        let outcome = Outcome::Completed(raw(result));
        self.ledger.answer(id, outcome, &mut self.actions).unwrap();
        self.ledger.recorded(id).unwrap();
        self.acted()
    }

    pub(super) fn update(&mut self, id: WorkId, data: &str, key: Option<&str>) -> String {
        let update =
            Update { kind: "note".to_owned(), data: raw(data), key: key.map(str::to_owned) };
        self.ledger.progress(id, update, &mut self.actions).unwrap();
        self.acted()
    }

    pub(super) fn acted(&mut self) -> String {
        let words: Vec<String> = self.actions.drain(..).map(|action| shown(&action)).collect();
        words.join(", ")
    }

    /// What is written now, given room for `room` messages.
    pub(super) fn written(&mut self, room: usize) -> String {
        let mut words = Vec::new();
        if room > 0 {
            self.ledger.transmit(self.now, &mut self.actions, |word| {
                words.push(match word {
                    ToGateway::Accept { request_id, repeated: false, .. } => {
                        format!("accept {request_id}")
                    }
                    ToGateway::Accept { request_id, .. } => format!("accept {request_id} again"),
                    ToGateway::Progress { request_id, update, .. } => {
                        format!("update {request_id} {}", update.data)
                    }
                    ToGateway::Answer { request_id, outcome, .. } => match outcome {
                        Outcome::Completed(result) => format!("answer {request_id} {result}"),
                        Outcome::Failed(failure) => {
                            format!("fail {request_id}: {}", failure.message)
                        }
                    },
                    other => format!("{other:?}"),
                });
                words.len() < room
            });
        }
        words.join(", ")
    }

    pub(super) fn confirm(&mut self) -> String {
        let written = self.ledger.written();
        self.ledger.confirm_through(self.now, written, &mut self.actions);
        self.acted()
    }

    pub(super) fn disconnect(&mut self) -> String {
        self.ledger.disconnected(&mut self.actions);
        self.acted()
    }
}

fn shown(action: &Action) -> String {
    match action {
        Action::Admit(work) => format!("admit {}", work.request_id),
        Action::Start(work) => format!("start {}", work.request_id),
        Action::Cancel(id) => format!("cancel {id}"),
        Action::Record(answer) => format!("record {}", answer.request_id),
        Action::Settled(id) => format!("settled {id}"),
        Action::Notify(event) => format!("{event:?}"),
        other => format!("{other:?}"),
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

#[test]
fn the_nodetool_dialect_has_the_keeping_rules() {
    assert_eq!(Dialect::from(nodetool::Config::new("n")).rules(), KEEPING);
}

#[test]
fn work_is_admitted_then_acknowledged_then_answered() {
    let mut desk = Desk::new(KEEPING);
    assert_eq!(desk.ask("a"), "admit a");
    assert_eq!(desk.written(9), "", "nothing is said before it is admitted");
    let id = desk.run("a");
    assert_eq!(desk.written(9), "accept a");
    desk.update(id, "1", None);
    desk.update(id, "2", None);
    assert_eq!(desk.answer(id, "{}"), "record a");
    assert_eq!(desk.written(9), "update a 1, update a 2, answer a {}");
    assert_eq!(desk.confirm(), "settled work-0");
    assert_eq!(desk.written(9), "");
    assert_eq!(desk.ledger.tally().owed, 0);
}

#[test]
fn without_acknowledgement_work_is_accepted_silently() {
    let mut desk = Desk::new(ABORTING);
    let id = desk.run("a");
    assert_eq!(desk.written(9), "");
    desk.answer(id, "{}");
    assert_eq!(desk.written(9), "answer a {}");
    assert_eq!(desk.confirm(), "settled work-0");
    assert_eq!(desk.ledger.entries.len(), 0, "nothing is remembered for replay");
}

#[test]
fn room_runs_out_anywhere_and_nothing_is_lost_or_doubled() {
    let mut desk = Desk::new(KEEPING);
    let a = desk.run("a");
    let b = desk.run("b");
    desk.update(a, "1", None);
    desk.answer(a, "{}");
    desk.answer(b, "{}");
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(desk.written(1));
    }
    assert_eq!(all, ["accept a", "update a 1", "answer a {}", "accept b", "answer b {}", ""]);
}

#[test]
fn a_repeated_id_joins_or_replays_when_kept() {
    let mut desk = Desk::new(KEEPING);
    assert_eq!(desk.ask("a"), "admit a");
    assert_eq!(desk.ask("a"), "", "joined while being admitted");
    let id = desk.run("a");
    assert_eq!(desk.written(9), "accept a");
    assert_eq!(desk.ask("a"), "");
    assert_eq!(desk.written(9), "accept a again");
    desk.answer(id, "{}");
    assert_eq!(desk.written(9), "answer a {}");
    desk.ask("a");
    assert_eq!(desk.written(9), "accept a again, answer a {}", "written, not yet confirmed");
    assert_eq!(desk.confirm(), "settled work-0");
    desk.ask("a");
    assert_eq!(desk.written(9), "accept a again, answer a {}", "confirmed");
    assert_eq!(desk.confirm(), "");
    desk.ask_with("a", r#"{"other":1}"#);
    assert_eq!(
        desk.written(9),
        "fail a: this request id was used for another request; choose a new one"
    );
}

#[test]
fn a_repeated_id_supersedes_otherwise() {
    let mut desk = Desk::new(ABORTING);
    let first = desk.run("a");
    assert_eq!(desk.ask("a"), "cancel work-0, admit a");
    desk.answer(first, r#"{"late":1}"#);
    assert_eq!(desk.written(9), "", "the older work is silent");
    let second = desk.run("b");
    desk.answer(second, "{}");
    assert_eq!(desk.written(9), "answer b {}");
}

#[test]
fn a_disconnect_keeps_work_and_answers() {
    let mut desk = Desk::new(KEEPING);
    let a = desk.run("a");
    let b = desk.run("b");
    desk.answer(a, "{}");
    assert_eq!(desk.written(9), "accept a, answer a {}, accept b");
    assert_eq!(desk.disconnect(), "");
    desk.answer(b, "{}");
    assert_eq!(
        desk.written(9),
        "answer a {}, answer b {}",
        "the unconfirmed one goes first, again"
    );
    assert_eq!(desk.confirm(), "settled work-0, settled work-1");
    desk.disconnect();
    assert_eq!(desk.written(9), "", "what is confirmed is not sent again");
}

#[test]
fn a_disconnect_aborts_everything_otherwise() {
    let mut desk = Desk::new(ABORTING);
    let a = desk.run("a");
    let b = desk.run("b");
    desk.ask("c");
    desk.answer(a, "{}");
    desk.update(b, "1", None);
    assert_eq!(desk.disconnect(), "cancel work-1");
    assert_eq!(desk.written(9), "");
    assert_eq!(desk.ledger.tally(), Tally::default());
    desk.answer(b, "{}");
    assert_eq!(desk.written(9), "");
}

#[test]
fn work_that_the_application_ends_fails() {
    for (rules, words) in [(KEEPING, "accept a, fail a: enough"), (ABORTING, "fail a: enough")] {
        let mut desk = Desk::new(rules);
        let id = desk.run("a");
        desk.ledger.cancel(id, "enough", &mut desk.actions).unwrap();
        assert!(desk.acted().starts_with("cancel work-0"));
        desk.ledger.recorded(id).unwrap();
        assert_eq!(desk.written(9), words);
        desk.answer(id, "{}");
        assert_eq!(desk.written(9), "", "a late answer is ignored");
    }
}

#[test]
fn work_that_the_gateway_cancels_fails_or_is_silent() {
    let failed = "accept a, fail a: the gateway cancelled the request";
    for (rules, words) in [(KEEPING, failed), (ABORTING, "")] {
        let mut desk = Desk::new(rules);
        let id = desk.run("a");
        desk.ledger.cancel_request("a", &mut desk.actions);
        assert!(desk.acted().starts_with("cancel work-0"));
        desk.ledger.recorded(id).unwrap();
        assert_eq!(desk.written(9), words);
        desk.answer(id, "{}");
        assert_eq!(desk.written(9), "", "a late answer is ignored");
    }
}

#[test]
fn a_refusal_is_withdrawn_with_its_request_where_others_are() {
    for (rules, words) in [(KEEPING, "2 of them"), (ABORTING, "1 of them")] {
        let mut desk = Desk::limited(rules, |limits| limits.owed = 2);
        desk.run("a");
        desk.run("b");
        desk.written(9);
        // Refused, asked again, and refused again.
        desk.ask("c");
        desk.ask("c");
        let told = desk.written(9);
        assert_eq!(format!("{} of them", told.matches("fail c").count()), words);
        desk.ask("c");
        desk.ledger.cancel_request("c", &mut desk.actions);
        let told = desk.written(9);
        let silent = rules.cancelled == OnCancel::Silence;
        assert_eq!(told.contains("fail c"), !silent, "{told}");
    }
}

#[test]
fn running_work_is_bounded_and_the_rest_waits_its_turn() {
    let mut desk = Desk::limited(KEEPING, |limits| limits.running = 2);
    let [a, _, c] = ["a", "b", "c"].map(|id| desk.run(id));
    assert_eq!((desk.ledger.tally().running, desk.ledger.tally().waiting), (2, 1));
    assert_eq!(desk.answer(a, "{}"), "record a, start c");
    desk.answer(c, "{}");
    assert_eq!(desk.ledger.tally().running, 1);
}

#[test]
fn work_waits_until_it_begins_or_is_wanted_no_more() {
    for rules in [KEEPING, ABORTING] {
        let mut desk = Desk::limited(rules, |limits| limits.running = 1);
        let [a, b] = ["a", "b"].map(|id| desk.run(id));
        desk.ask("c");
        let c = desk.ledger.by_request["c"];
        let waits = |desk: &Desk| [a, b, c].map(|id| desk.ledger.is_waiting(id));
        assert_eq!(waits(&desk), [false, true, true]);
        desk.ledger.cancel_request("b", &mut desk.actions);
        assert_eq!(waits(&desk), [false, false, true]);
        desk.ledger.cancel_request("c", &mut desk.actions);
        assert_eq!(waits(&desk), [false, false, false]);
    }
}

#[test]
fn what_is_owed_is_bounded() {
    let mut desk = Desk::limited(KEEPING, |limits| limits.owed = 2);
    let a = desk.run("a");
    assert_eq!(desk.ask("b"), "admit b", "at the bound");
    assert_eq!(desk.ask("c"), "", "one past it");
    assert_eq!(
        desk.written(9),
        "fail c: this node has 2 requests to answer already, as many as it takes; try again later, accept a"
    );
    desk.answer(a, "{}");
    desk.written(9);
    assert_eq!(desk.ask("c"), "", "written is not delivered");
    desk.confirm();
    assert_eq!(desk.ask("c"), "admit c", "a refusal is not remembered");
}

#[test]
fn refusals_are_bounded() {
    let mut desk = Desk::limited(KEEPING, |limits| limits.owed = 2);
    for id in ["a", "b", "c", "d", "e"] {
        desk.ask(id);
    }
    assert_eq!(desk.ledger.tally().refusals_dropped, 1);
    assert_eq!(desk.written(9).matches("fail").count(), 2);
}

#[test]
fn waiting_bytes_are_bounded() {
    let task = "echo".len() + "{}".len();
    let mut desk = Desk::limited(KEEPING, |limits| limits.waiting_bytes = 2 * task);
    assert_eq!(desk.ask("a"), "admit a");
    assert_eq!(desk.ask("b"), "admit b", "at the bound");
    assert_eq!(desk.ask("c"), "", "one past it");
    assert!(desk.written(9).contains("try again later or send less"));
}

#[test]
fn a_result_is_bounded() {
    let mut desk = Desk::limited(KEEPING, |limits| limits.result_bytes = 4);
    let a = desk.run("a");
    let b = desk.run("b");
    desk.answer(a, "[12]");
    desk.answer(b, "[123]");
    assert_eq!(
        desk.written(9),
        "accept a, answer a [12], accept b, fail b: the result has 5 bytes; this node sends at most 4"
    );
}

#[test]
fn kept_results_are_bounded_and_delivered_ones_give_way() {
    let mut desk = Desk::limited(KEEPING, |limits| limits.kept_bytes = 8);
    let [a, b, c] = ["a", "b", "c"].map(|id| desk.run(id));
    desk.answer(a, "[12]");
    desk.written(9);
    desk.confirm();
    desk.answer(b, "[12]");
    assert_eq!(desk.ledger.tally().kept_bytes, 8, "at the bound");
    desk.answer(c, "[12]");
    assert_eq!(desk.ledger.tally().kept_bytes, 8, "one past it: the delivered one gave way");
    desk.ask("a");
    assert!(
        desk.written(9)
            .contains("fail a: this request was answered before, and its answer is no longer kept")
    );
    let d = desk.run("d");
    desk.answer(d, "[12]");
    assert!(desk.written(9).contains("fail d: the result has 4 bytes, and the results that wait"));
}

#[test]
fn answered_requests_are_remembered_in_number_and_time() {
    let mut desk = Desk::limited(KEEPING, |limits| {
        limits.remembered = 2;
        limits.remembered_for = Duration::from_secs(10);
    });
    for id in ["a", "b", "c"] {
        let id = desk.run(id);
        desk.answer(id, "{}");
        desk.written(9);
        desk.confirm();
    }
    assert_eq!(desk.ledger.tally().remembered, 2);
    assert_eq!(desk.ask("b"), "", "at the bound");
    assert_eq!(desk.ask("a"), "admit a", "one past it");
    desk.now = Duration::from_nanos(9_999_999_999);
    assert_eq!(desk.ask("c"), "");
    desk.now = Duration::from_secs(10);
    assert_eq!(desk.ask("c"), "admit c");
}

#[test]
fn updates_are_bounded_in_number_oldest_first() {
    let mut desk = Desk::limited(KEEPING, |limits| limits.updates = 2);
    let id = desk.run("a");
    assert_eq!(desk.update(id, "1", None), "");
    assert_eq!(desk.update(id, "2", None), "", "at the bound");
    assert!(desk.update(id, "3", None).starts_with("UpdatesDropped"));
    assert_eq!(desk.written(9), "accept a, update a 2, update a 3");
}

#[test]
fn updates_are_bounded_in_bytes_over_all_work() {
    let one = Update::new("note", raw("1")).size();
    let mut desk = Desk::limited(KEEPING, |limits| limits.update_bytes = 2 * one);
    let a = desk.run("a");
    let b = desk.run("b");
    desk.update(a, "1", None);
    desk.update(b, "2", None);
    assert_eq!(desk.ledger.tally().update_bytes, 2 * one, "at the bound");
    desk.update(b, "3", None);
    assert_eq!(desk.written(9), "accept a, update a 1, accept b, update b 3");
    let large = format!("\"{}\"", "x".repeat(10 * one));
    desk.update(a, &large, None);
    assert_eq!(desk.written(9), format!("update a {large}"), "a large one passes alone");
}

#[test]
fn newer_news_of_the_same_key_replaces_older() {
    let mut desk = Desk::new(KEEPING);
    let id = desk.run("a");
    desk.update(id, "1", Some("edge"));
    desk.update(id, "2", None);
    desk.update(id, "3", Some("edge"));
    assert_eq!(desk.written(9), "accept a, update a 2, update a 3");
}

#[test]
fn no_new_work_while_stopping() {
    let mut desk = Desk::new(KEEPING);
    desk.run("a");
    desk.ledger.close_to_new_work();
    assert_eq!(desk.ask("b"), "");
    assert_eq!(desk.written(9), "fail b: this node is stopping and takes no new work, accept a");
    desk.ledger.cancel_all("over", &mut desk.actions);
    assert_eq!(desk.acted(), "cancel work-0, record a");
}

#[test]
fn the_callers_mistakes_are_told_and_races_are_not() {
    let mut desk = Desk::new(KEEPING);
    let stranger = WorkId(7);
    let outcome = || Outcome::failed("x");
    assert_eq!(desk.ledger.admitted(stranger, &mut desk.actions), Err(Misuse::UnknownWork));
    assert_eq!(
        desk.ledger.answer(stranger, outcome(), &mut desk.actions),
        Err(Misuse::UnknownWork)
    );
    desk.ask("a");
    let id = desk.ledger.by_request["a"];
    assert_eq!(
        desk.ledger.answer(id, outcome(), &mut desk.actions),
        Err(Misuse::UnknownWork),
        "not started"
    );
    assert_eq!(desk.ledger.recorded(id), Err(Misuse::UnknownWork), "not answered");
    desk.ledger.not_admitted(id, "disk full").unwrap();
    assert_eq!(desk.written(9), "fail a: this node could not take the request: disk full");
    assert_eq!(
        desk.ledger.answer(id, outcome(), &mut desk.actions),
        Ok(()),
        "a late answer is a race"
    );
}

#[test]
fn the_limits_of_the_websocket_hold_the_largest_result() {
    let limits = Limits::default();
    assert!(limits.result_bytes < websocket::Limits::default().max_message);
    assert!(limits.result_bytes < limits.kept_bytes);
}

#[derive(Debug, Clone)]
enum Step {
    Ask(u8, bool),
    Admit,
    Update(u8),
    Answer(u8),
    Cancel(u8),
    Write(u8),
    Confirm,
    Disconnect,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8, any::<bool>()).prop_map(|(id, same)| Step::Ask(id, same)),
        4 => Just(Step::Admit),
        2 => (0..8_u8).prop_map(Step::Update),
        4 => (0..8_u8).prop_map(Step::Answer),
        1 => (0..8_u8).prop_map(Step::Cancel),
        4 => (0..6_u8).prop_map(Step::Write),
        2 => Just(Step::Confirm),
        1 => Just(Step::Disconnect),
        1 => Just(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens in whatever order: counts stay true, bounds hold, and in the end every admitted request of the
    /// keeping rules has had its answer.
    #[test]
    fn any_sequence_keeps_the_books(steps in prop::collection::vec(step(), 1..120), keeping: bool) {
        let rules = if keeping { KEEPING } else { ABORTING };
        let mut desk = Desk::limited(rules, |limits| {
            limits.running = 2;
            limits.owed = 4;
            limits.remembered = 3;
            limits.kept_bytes = 40;
            limits.updates = 2;
        });
        let mut admitted = Vec::new();
        let mut started = Vec::new();
        let mut answered = Vec::new();
        let settle = |desk: &mut Desk, admitted: &mut Vec<WorkId>, started: &mut Vec<WorkId>| {
            while let Some(action) = desk.actions.pop_front() {
                match action {
                    Action::Admit(work) => admitted.push(work.id),
                    Action::Start(work) => {
                        assert!(!started.contains(&work.id), "started twice");
                        started.push(work.id);
                    }
                    Action::Record(answer) => desk.ledger.recorded(answer.work).unwrap(),
                    _ => {}
                }
            }
        };
        for step in steps {
            match step {
                Step::Ask(id, same) => {
                    let args = if same { "{}" } else { "[]" };
                    let task = Task::Command { name: "x".to_owned(), args: raw(args) };
                    desk.ledger.request(desk.now, id.to_string(), "1".to_owned(), task, None, &mut desk.actions);
                }
                Step::Admit => {
                    for id in std::mem::take(&mut admitted) {
                        desk.ledger.admitted(id, &mut desk.actions).unwrap();
                    }
                }
                Step::Update(index) => if let Some(&id) = started.get(usize::from(index)) {
                    desk.ledger.progress(id, Update::new("x", raw("1")), &mut desk.actions).unwrap();
                },
                Step::Answer(index) => if let Some(&id) = started.get(usize::from(index)) {
                    desk.ledger.answer(id, Outcome::Completed(raw("[0]")), &mut desk.actions).unwrap();
                },
                Step::Cancel(index) => if let Some(&id) = started.get(usize::from(index)) {
                    desk.ledger.cancel(id, "x", &mut desk.actions).unwrap();
                },
                Step::Write(room) => answered.push(desk.written(usize::from(room))),
                Step::Confirm => {
                    let written = desk.ledger.written();
                    desk.ledger.confirm_through(desk.now, written, &mut desk.actions);
                }
                Step::Disconnect => desk.ledger.disconnected(&mut desk.actions),
                Step::Wait => desk.now += Duration::from_secs(1000),
            }
            settle(&mut desk, &mut admitted, &mut started);
            let tally = desk.ledger.tally();
            let entries = desk.ledger.entries.values();
            let unfinished = entries.clone().filter(|entry| entry.stage.is_unfinished()).count();
            prop_assert_eq!(tally.running + tally.waiting, unfinished);
            prop_assert!(tally.running <= 2 && tally.owed <= 4 && tally.remembered <= 3 && tally.kept_bytes <= 40);
            prop_assert_eq!(tally.owed + tally.remembered, desk.ledger.entries.len());
            prop_assert_eq!(tally.update_bytes, entries.clone().map(|entry| entry.update_bytes).sum::<usize>());
            prop_assert!(entries.clone().all(|entry| entry.updates.len() <= 2));
            prop_assert!(desk.ledger.outgoing.len() <= desk.ledger.entries.len() + 8);
        }
        for id in std::mem::take(&mut admitted) {
            desk.ledger.admitted(id, &mut desk.actions).unwrap();
        }
        for _ in 0..8 {
            settle(&mut desk, &mut admitted, &mut started);
            for &id in &started {
                desk.ledger.answer(id, Outcome::Completed(raw("[0]")), &mut desk.actions).unwrap();
            }
        }
        settle(&mut desk, &mut admitted, &mut started);
        desk.written(1000);
        desk.confirm();
        prop_assert_eq!(desk.ledger.tally().owed, 0);
        prop_assert_eq!(desk.ledger.tally().update_bytes, 0);
    }
}
