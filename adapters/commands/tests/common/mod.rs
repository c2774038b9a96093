//! Shared by the tests.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use clawnode_workflows::{Engine, NodeLibrary, Run, RunEvent, RunOutcome};

pub fn engine() -> Engine {
    Engine::new(Arc::new(NodeLibrary::standard()))
}

/// Runs to the end; panics if the run waits for anything outside.
pub fn finish(mut run: Run) -> (Vec<RunEvent>, RunOutcome) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut events = Vec::new();
    let mut idle = 0;
    loop {
        match run.poll_next_event(&mut cx) {
            Poll::Ready(Some(event)) => {
                idle = 0;
                events.push(event);
            }
            Poll::Ready(None) => {
                let outcome = run.outcome().expect("an outcome after the end").clone();
                return (events, outcome);
            }
            Poll::Pending => {
                idle += 1;
                assert!(idle < 10_000, "the run hangs after {} events", events.len());
            }
        }
    }
}
