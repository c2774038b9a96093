//! Tests: each limit of the book, at the bound and one past it.

use clawnode_protocol::peer::Request;

use super::tests::{Step, World, json, registration, task};
use super::*;

/// A book without limits that matter, but for one.
fn world(limit: impl FnOnce(&mut Limits)) -> World {
    let mut world = World::new();
    world.book.limits = Limits::default();
    limit(&mut world.book.limits);
    world.take(Step::Register { node: 0 });
    world
}

impl World {
    fn submit(&mut self, request: u8, size: usize) -> Result<Submitted, SubmitError> {
        let request = Request::new(format!("r{request}"), task(size));
        self.book.submit(request, None, Timestamp::default())
    }

    fn answers(&mut self, request: u8, size: usize) {
        self.take(Step::Answer { node: 0, request, size });
    }

    fn progresses(&mut self, request: u8, size: usize) {
        self.take(Step::Progress { node: 0, request, size });
    }

    fn knows(&self, request: u8) -> bool {
        self.book.request(&format!("r{request}")).is_some()
    }

    fn dropped(&self, request: u8) -> u64 {
        self.book.read(&format!("r{request}"), 1, usize::MAX).expect("known").dropped
    }
}

#[test]
fn as_many_nodes_as_the_bound_are_taken_and_one_more_only_in_the_place_of_a_lost_one() {
    let mut world = world(|limits| limits.nodes = 2);
    world.take(Step::Register { node: 1 });
    assert_eq!(world.book.nodes.len(), 2);
    world.take(Step::Register { node: 2 });
    assert!(!world.book.nodes.contains_key("2"));
    world.take(Step::Disconnect { node: 1 });
    world.take(Step::Register { node: 2 });
    assert!(world.book.nodes.contains_key("2") && !world.book.nodes.contains_key("1"));
}

#[test]
fn as_many_requests_as_the_bound_are_in_flight_and_one_more_is_refused() {
    let mut world = world(|limits| limits.in_flight = 2);
    assert!(world.submit(0, 0).is_ok() && world.submit(1, 0).is_ok());
    assert_eq!(world.submit(2, 0).unwrap_err(), SubmitError::TooMany(2));
}

#[test]
fn requests_of_as_many_bytes_as_the_bound_wait_and_one_byte_more_is_refused() {
    let size = task(100).size();
    let mut world = world(|limits| limits.unaccepted_bytes = 2 * size);
    assert!(world.submit(0, 100).is_ok());
    assert_eq!(world.submit(1, 101).unwrap_err(), SubmitError::TooManyBytes);
    assert!(world.submit(1, 100).is_ok());
}

#[test]
fn as_many_finished_requests_as_the_bound_are_remembered_and_one_more_makes_the_oldest_go() {
    let mut world = world(|limits| limits.finished = 2);
    for request in 0..2 {
        world.submit(request, 0).unwrap();
        world.answers(request, 0);
    }
    assert!(world.knows(0) && world.knows(1));
    world.submit(2, 0).unwrap();
    world.answers(2, 0);
    assert!(!world.knows(0) && world.knows(1) && world.knows(2));
}

#[test]
fn as_many_events_as_the_bound_are_kept_and_one_more_makes_the_oldest_go() {
    let mut world = world(|limits| limits.events = 4);
    world.submit(0, 0).unwrap();
    let first = world.book.requests["r0"].log.len();
    (first..4).for_each(|_| world.progresses(0, 0));
    assert_eq!(world.dropped(0), 0);
    world.progresses(0, 0);
    assert_eq!(world.dropped(0), 1);
}

#[test]
fn events_of_as_many_bytes_as_the_bound_are_kept_and_one_byte_more_makes_the_oldest_go() {
    let bytes = |last: usize, limit: usize| {
        let mut world = world(|limits| limits.event_bytes = limit);
        world.submit(0, 0).unwrap();
        world.progresses(0, 100);
        world.progresses(0, last);
        (world.book.requests["r0"].log.bytes(), world.dropped(0))
    };
    let (all, _) = bytes(100, usize::MAX);
    assert_eq!(bytes(100, all), (all, 0));
    assert_eq!(bytes(101, all).1, 1);
}

#[test]
fn answers_and_events_of_as_many_bytes_as_the_bound_are_kept_and_one_byte_more_makes_the_oldest_go()
{
    let kept = |last: usize, limit: usize| {
        let mut world = world(|limits| limits.kept_bytes = limit);
        for (request, size) in [(0, 100), (1, last)] {
            world.submit(request, 0).unwrap();
            world.answers(request, size);
        }
        (world.book.kept_bytes, world.knows(0), world.knows(1))
    };
    let (all, ..) = kept(100, usize::MAX);
    assert_eq!(kept(100, all), (all, true, true));
    let (_, first, last) = kept(101, all);
    assert!(!first && last);
}

#[test]
fn a_request_is_sent_three_times_and_not_a_fourth() {
    let mut world = world(|_| {});
    world.submit(0, 0).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        world.take(Step::Disconnect { node: 0 });
        world.take(Step::Register { node: 0 });
        statuses.push(world.book.request("r0").expect("known").status);
    }
    assert_eq!(statuses, [Status::Sent, Status::Sent, Status::Lost]);
}

#[test]
fn a_job_id_is_kept_up_to_its_bound() {
    for (length, kept) in [(LONGEST_ID, true), (LONGEST_ID + 1, false)] {
        let mut world = world(|_| {});
        world.submit(0, 0).unwrap();
        let job_id = Some("j".repeat(length));
        let news = News::Progress { job_id, kind: "k".into(), data: json(0) };
        world.book.news("0", "r0", news, Timestamp::default());
        let view = serde_json::to_string(&world.book.request("r0")).expect("JSON");
        assert_eq!(view.contains("jjj"), kept);
    }
}

#[test]
fn what_a_node_says_of_itself_is_bounded() {
    use crate::link::{LARGEST_REGISTRATION, problem_of};
    let mut said = registration(0);
    said.node_id = "n".repeat(LONGEST_ID);
    assert_eq!(problem_of(&said), None);
    said.node_id.push('n');
    assert!(problem_of(&said).is_some());
    let mut said = registration(0);
    let name = LARGEST_REGISTRATION - said.metadata.get().len() - 32;
    said.commands = vec!["c".repeat(name)];
    assert_eq!(problem_of(&said), None);
    said.commands = vec!["c".repeat(name + 1)];
    assert!(problem_of(&said).is_some());
}
