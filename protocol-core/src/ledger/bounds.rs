//! Tests: no queue of the ledger grows beyond its tables, whatever a gateway leaves out.

use super::tests::{Desk, KEEPING};
use super::*;

/// Far more rounds than any table of the ledgers here has places.
const ROUNDS: usize = 2_000;

fn small() -> Desk {
    Desk::limited(KEEPING, |limits| {
        limits.owed = 8;
        limits.remembered = 8;
        limits.updates = 64;
    })
}

impl Desk {
    fn settle(&mut self, request: &str) {
        self.ledger.settled(self.now, request, &mut self.actions);
        self.acted();
    }
}

#[test]
fn a_gateway_that_acknowledges_answers_it_never_read_leaves_nothing_behind_in_the_queues() {
    let mut desk = small();
    for round in 0..ROUNDS {
        let request = round.to_string();
        let id = desk.run(&request);
        desk.answer(id, "{}");
        desk.settle(&request);
    }
    assert!(desk.ledger.outgoing.len() <= 64, "{}", desk.ledger.outgoing.len());
}

#[test]
fn answers_acknowledged_but_never_confirmed_by_a_pong_leave_nothing_behind() {
    let mut desk = small();
    for round in 0..ROUNDS {
        let request = round.to_string();
        let id = desk.run(&request);
        desk.answer(id, "{}");
        desk.written(usize::MAX);
        desk.settle(&request);
    }
    assert!(desk.ledger.unconfirmed() <= 64, "{}", desk.ledger.unconfirmed());
}

#[test]
fn an_answer_asked_for_again_and_again_is_awaited_once() {
    let mut desk = small();
    let id = desk.run("r");
    desk.answer(id, "{}");
    for _ in 0..ROUNDS {
        desk.written(usize::MAX);
        desk.ask("r");
    }
    assert_eq!(desk.written(usize::MAX), "accept r again, answer r {}");
    assert_eq!(desk.ledger.unconfirmed(), 1);
    assert_eq!(desk.confirm(), "settled work-0");
}

#[test]
fn the_first_copy_that_arrives_proves_the_answer() {
    let mut desk = small();
    let id = desk.run("r");
    desk.answer(id, "{}");
    desk.written(usize::MAX);
    let first = desk.ledger.written();
    desk.ask("r");
    desk.written(usize::MAX);
    desk.ledger.confirm_through(desk.now, first, &mut desk.actions);
    assert_eq!(desk.acted(), "settled work-0");
}

#[test]
fn positions_stay_right_when_what_is_settled_is_swept_out() {
    let mut desk = small();
    let kept = desk.run("kept");
    for round in 0..ROUNDS {
        let request = round.to_string();
        let id = desk.run(&request);
        desk.answer(id, "{}");
        desk.written(usize::MAX);
        desk.settle(&request);
    }
    let before = desk.ledger.written();
    desk.answer(kept, "{}");
    desk.written(usize::MAX);
    desk.ledger.confirm_through(desk.now, before, &mut desk.actions);
    assert_eq!(desk.acted(), "");
    assert_eq!(desk.confirm(), "settled work-0");
}

#[test]
fn a_remembered_request_keeps_no_updates_and_no_room_for_them() {
    let mut desk = small();
    let id = desk.run("r");
    for _ in 0..64 {
        desk.update(id, "{}", None);
    }
    desk.answer(id, "{}");
    desk.settle("r");
    assert_eq!(desk.ledger.tally().update_bytes, 0);
    assert_eq!(desk.ledger.entries[&id].updates.capacity(), 0);
    assert_eq!(desk.written(usize::MAX), "accept r");
}

#[test]
fn a_failure_is_measured_as_it_is_written() {
    let mut desk = Desk::limited(KEEPING, |limits| limits.result_bytes = 60);
    let fails = |desk: &mut Desk, request: &str, message: String| {
        let id = desk.run(request);
        desk.ledger.answer(id, Outcome::failed(message), &mut desk.actions).unwrap();
        desk.acted();
        desk.ledger.tally().kept_bytes
    };
    // Ten controls are six bytes each in JSON: sixty.
    assert_eq!(fails(&mut desk, "at the bound", "\u{1}".repeat(10)), 60);
    let kept = fails(&mut desk, "past it", "\u{1}".repeat(10) + "x");
    assert_eq!(kept - 60, "the result has 61 bytes; this node sends at most 60".len());
}

#[test]
fn the_reason_of_a_refusal_is_cut() {
    let mut desk = Desk::new(KEEPING);
    let at_the_bound = "é".repeat(MOST_REASON_BYTES / 2);
    let told: Vec<usize> =
        [at_the_bound.clone(), format!("{at_the_bound}x"), format!("x{at_the_bound}")]
            .into_iter()
            .map(|reason| {
                desk.ledger.refuse("r".to_owned(), TaskKind::Workflow, Failure::new(reason));
                desk.ledger.refusals.back().unwrap().outcome.size()
            })
            .collect();
    assert_eq!(told, [MOST_REASON_BYTES, MOST_REASON_BYTES, MOST_REASON_BYTES - 1]);
}
