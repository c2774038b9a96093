//! The driver on a runtime of memory alone: each poll is counted, and time passes only when told to.

mod world;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use clawnode_protocol::peer::{FromNode, Input, Request};
use clawnode_protocol::{Outcome, Task};
use clawnode_runtime::{Connection, Context, Failed, Handle, NoArgs, NodeBuilder, StopReason};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use world::{Gateway, Memory, Wakes};

type Run = Pin<Box<dyn Future<Output = StopReason> + Send>>;

fn node(memory: &Memory) -> (Handle, Run) {
    let node = NodeBuilder::new(memory.clone(), "ws://gateway.example")
        .unwrap()
        .command("echo", |_: Context, args: Value| async move {
            Ok::<_, Failed>(json!({ "echo": args }))
        })
        .command("endless", |_: Context, _: NoArgs| std::future::pending::<Result<Value, Failed>>())
        .build()
        .unwrap();
    (node.handle(), Box::pin(node.run()))
}

fn poll(run: &mut Run, waker: &Waker) -> Poll<StopReason> {
    run.as_mut().poll(&mut TaskContext::from_waker(waker))
}

/// Everybody takes turns until nobody has anything to do.
fn settle(memory: &Memory, gateway: &mut Gateway, run: &mut Run) -> Option<StopReason> {
    for _ in 0..200_000 {
        let wakes = Arc::new(Wakes::default());
        if let Poll::Ready(reason) = poll(run, &wakes.clone().into()) {
            return Some(reason);
        }
        memory.world.poll_tasks();
        if !gateway.turn() && wakes.take() == 0 {
            return None;
        }
    }
    panic!("they never come to rest");
}

fn command(gateway: &mut Gateway, request_id: &str, name: &str, args: &Value) {
    let args = RawValue::from_string(args.to_string()).unwrap();
    let task = Task::Command { name: name.to_owned(), args };
    let request = Request::new(request_id.to_owned(), task);
    gateway.say(Input::Request(&request));
}

fn answers(gateway: &Gateway) -> usize {
    let answered = |message: &&FromNode| {
        matches!(message, FromNode::Answered { outcome: Outcome::Completed(_), .. })
    };
    gateway.heard.iter().filter(answered).count()
}

#[test]
fn idling_costs_one_timer_for_each_deadline() {
    let memory = Memory::new(4096);
    let mut gateway = Gateway::new(&memory);
    let (handle, mut run) = node(&memory);
    assert!(settle(&memory, &mut gateway, &mut run).is_none());
    assert_eq!(handle.connection(), Connection::Ready);
    let before = memory.world.sleeps.load(Ordering::SeqCst);
    for _ in 0..50 {
        // Spurious polls, and time that passes without a deadline.
        assert!(poll(&mut run, Waker::noop()).is_pending());
        memory.world.advance(Duration::from_millis(100));
    }
    assert_eq!(memory.world.sleeps.load(Ordering::SeqCst), before, "the deadline did not change");
    let heartbeats = |gateway: &Gateway| {
        gateway.heard.iter().filter(|message| matches!(message, FromNode::Alive { .. })).count()
    };
    assert_eq!(heartbeats(&gateway), 0);
    for beat in 1..=3 {
        memory.world.advance(Duration::from_secs(30));
        assert!(settle(&memory, &mut gateway, &mut run).is_none());
        assert_eq!(heartbeats(&gateway), beat);
    }
}

/// A process that was stopped, or a thread that was busy, must not take its own absence for the gateway's.
#[test]
fn a_driver_that_was_held_up_reads_before_it_judges() {
    let memory = Memory::new(4096);
    let mut gateway = Gateway::new(&memory);
    let (handle, mut run) = node(&memory);
    settle(&memory, &mut gateway, &mut run);
    for _ in 0..2 {
        memory.world.advance(Duration::from_secs(30));
        assert!(poll(&mut run, Waker::noop()).is_pending());
    }
    // The gateway answers the ping at last, and nobody looks until the next heartbeat is due.
    gateway.turn();
    memory.world.advance(Duration::from_secs(30));
    assert!(settle(&memory, &mut gateway, &mut run).is_none());
    assert_eq!(handle.connection(), Connection::Ready);
}

#[test]
fn a_flood_does_not_keep_the_driver_from_yielding() {
    let memory = Memory::new(8 << 20);
    let mut gateway = Gateway::new(&memory);
    let (_handle, mut run) = node(&memory);
    settle(&memory, &mut gateway, &mut run);
    let text = format!(r#"{{"type":"flood","text":"{}"}}"#, "x".repeat(1000));
    for _ in 0..4000 {
        gateway.say(Input::Custom(&text));
    }
    gateway.turn();
    let wakes = Arc::new(Wakes::default());
    memory.world.reads.store(0, Ordering::SeqCst);
    assert!(poll(&mut run, &wakes.clone().into()).is_pending());
    let reads = memory.world.reads.load(Ordering::SeqCst);
    assert!((2..=64).contains(&reads), "{reads} reads in one poll");
    assert!(wakes.take() > 0, "it asked to be polled again");
}

#[test]
fn two_writers_get_through_pipes_of_any_width() {
    for capacity in [1, 2, 7, 64, 1000] {
        let memory = Memory::new(capacity);
        let mut gateway = Gateway::new(&memory);
        let (_handle, mut run) = node(&memory);
        assert!(settle(&memory, &mut gateway, &mut run).is_none());
        let size = 200 * capacity.max(10);
        for request in 0..4 {
            let args = json!({ "text": "y".repeat(size) });
            command(&mut gateway, &request.to_string(), "echo", &args);
        }
        assert!(settle(&memory, &mut gateway, &mut run).is_none());
        assert_eq!(answers(&gateway), 4, "with pipes of {capacity} bytes");
    }
}

#[test]
fn a_run_dropped_after_any_number_of_polls_leaves_nothing_behind() {
    let mut polls = 0;
    loop {
        let memory = Memory::new(16);
        let mut gateway = Gateway::new(&memory);
        let (handle, mut run) = node(&memory);
        let mut asked = false;
        let mut ended = false;
        for _ in 0..polls {
            if poll(&mut run, Waker::noop()).is_ready() {
                ended = true;
                break;
            }
            memory.world.poll_tasks();
            gateway.turn();
            if gateway.peer.is_ready() && !asked {
                asked = true;
                command(&mut gateway, "1", "endless", &json!({}));
            }
            if handle.status().tally.running == 1 {
                handle.stop(Duration::ZERO);
            }
        }
        drop(run);
        assert!(!memory.world.is_connected(), "after {polls} polls");
        memory.world.poll_tasks();
        assert!(!memory.world.has_tasks(), "after {polls} polls");
        assert_eq!(handle.connection(), Connection::Stopped);
        if ended {
            break;
        }
        polls += 1;
        assert!(polls < 10_000);
    }
    assert!(polls > 20, "only {polls} polls");
}
