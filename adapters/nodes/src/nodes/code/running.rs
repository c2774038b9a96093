use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender, bounded};
use async_lock::SemaphoreGuardArc;
use clawnode_workflows::{NodeError, Severity};
use serde_json::Value;

use super::script::{Ended, Script};
use crate::blocking::{self, Blocking, Cancelled};

/// A script that runs. Dropping it ends the script.
pub(super) struct Running {
    given: Receiver<Given>,
    end: Blocking<Ended>,
}

/// What a script hands over while it runs.
#[derive(Debug, PartialEq)]
pub(super) enum Given {
    Line(Severity, String),
    Value(String, Value),
}

impl Running {
    pub(super) fn start(script: Script, turn: SemaphoreGuardArc) -> Self {
        let (sender, given) = bounded(MOST_WAITING);
        let end = blocking::spawn(move |cancelled| run_apart(script, &cancelled, turn, sender));
        Self { given, end }
    }

    /// The next line or value; `None` when there will be no more.
    pub(super) async fn next(&mut self) -> Option<Given> {
        self.given.recv().await.ok()
    }

    /// How it ended, once there is nothing more.
    pub(super) async fn end(self) -> Result<Ended, NodeError> {
        self.end.await
    }
}

/// Runs on a thread of its own and waits for it. A few functions of the engine loop without looking whether they should end; a
/// script that is in one of those is left behind, and keeps its turn until it ends, so that there are never more of them than
/// scripts at once.
fn run_apart(
    script: Script,
    cancelled: &Cancelled,
    turn: SemaphoreGuardArc,
    to: Sender<Given>,
) -> Result<Ended, NodeError> {
    let too_long = script.too_long();
    let deadline = Deadline::after(script.time);
    let (sender, receiver) = channel();
    let (still_wanted, gives, its_deadline) = (cancelled.clone(), to.clone(), deadline.clone());
    let thread = thread::Builder::new().name("clawnode-script".to_owned());
    let thread = thread.stack_size(THREAD_STACK).spawn(move || {
        // Nobody waits any more if this fails.
        let _ = sender.send(script.run(&still_wanted, &its_deadline, gives));
        drop(turn);
    });
    thread.map_err(|error| format!("there is no thread for the code: {error}"))?;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(ended) => return Ok(ended),
            Err(RecvTimeoutError::Disconnected) => {
                return Err("the code ended unexpectedly".into());
            }
            Err(RecvTimeoutError::Timeout) => {
                if cancelled.is_set() || deadline.is_over() {
                    // Ends the wait of a script for room, and that of the node for a script that is left behind.
                    to.close();
                }
                if cancelled.is_set() || deadline.is_over_for(GRACE) {
                    return Err(too_long);
                }
            }
        }
    }
}

/// When the time of a script is over. What it waits for others does not count.
#[derive(Clone, Debug)]
pub(super) struct Deadline(Arc<Mutex<Clock>>);

#[derive(Debug)]
struct Clock {
    at: Instant,
    waits: bool,
}

impl Deadline {
    fn after(time: Duration) -> Self {
        Self(Arc::new(Mutex::new(Clock { at: Instant::now() + time, waits: false })))
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over_for(Duration::ZERO)
    }

    fn is_over_for(&self, time: Duration) -> bool {
        let clock = self.clock();
        !clock.waits && Instant::now() > clock.at + time
    }

    /// Stands still while the script waits.
    pub(super) fn pause<T>(&self, wait: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        self.clock().waits = true;
        let waited = wait();
        let mut clock = self.clock();
        clock.waits = false;
        clock.at += began.elapsed();
        waited
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines and values that wait for their node; then the script has to wait. Their bytes are bounded by those of all that one script
/// gives and logs.
const MOST_WAITING: usize = 64;
/// Bytes of stack of its thread: some functions of the engine look at how much is left only now and then.
const THREAD_STACK: usize = 8 * 1024 * 1024;
/// How often the thread that waits looks whether it still should.
const LOOK: Duration = Duration::from_millis(50);
/// What a script has to notice that its time is over.
const GRACE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_lock::Semaphore;
    use futures_lite::future::{block_on, yield_now};
    use serde_json::json;

    use super::*;
    use crate::limits::Limits;

    fn start(source: &str, time: Duration, turns: &Arc<Semaphore>) -> Running {
        let (inputs, limits) = (serde_json::Map::new(), Limits::default());
        let script = Script { source: source.to_owned(), inputs, time, limits };
        Running::start(script, turns.try_acquire_arc().expect("there is a turn"))
    }

    fn gives(values: usize) -> String {
        format!("for (let i = 0; i < {values}; i++) output('n', i)")
    }

    /// The turn of a script, when its thread has ended.
    fn comes_back(turns: &Semaphore) {
        let is_back = || {
            thread::sleep(Duration::from_millis(10));
            turns.try_acquire().is_some()
        };
        assert!((0..3_000).any(|_| is_back()), "the script still runs");
    }

    fn waiting(given: &Receiver<Given>) -> Vec<Given> {
        std::iter::from_fn(|| given.try_recv().ok()).collect()
    }

    #[test]
    fn as_much_as_the_bound_waits_and_for_one_more_the_script_does() {
        let turns = Arc::new(Semaphore::new(1));
        let bound: Vec<_> =
            (0..MOST_WAITING).map(|i| Given::Value("n".to_owned(), json!(i))).collect();

        let Running { given, end } = start(&gives(MOST_WAITING), LONG, &turns);
        assert_eq!(block_on(end).unwrap().result, Ok(()));
        comes_back(&turns);
        assert_eq!(waiting(&given), bound);

        // Until there is room, however long that takes: it is not the script's time.
        for source in [gives(MOST_WAITING + 1), gives(MOST_WAITING) + "; console.log(1)"] {
            let time = Duration::from_secs(1);
            let mut running = start(&source, time, &turns);
            block_on(async {
                while !running.given.is_full() {
                    yield_now().await;
                }
            });
            thread::sleep(time + GRACE);
            assert!(turns.try_acquire().is_none(), "{source}");
            let mut given = Vec::new();
            while let Some(next) = block_on(running.next()) {
                given.push(next);
            }
            assert_eq!(given[..MOST_WAITING], bound, "{source}");
            assert_eq!(given.len(), MOST_WAITING + 1, "{source}");
            assert_eq!(block_on(running.end()).unwrap().result, Ok(()), "{source}");
            comes_back(&turns);
        }
    }

    #[test]
    fn a_script_that_waits_ends_when_it_is_dropped() {
        let turns = Arc::new(Semaphore::new(1));
        for source in [
            "for (let i = 0; ; i++) output('n', i)",
            "for (;;) { try { console.log(1) } catch {} }",
        ] {
            let running = start(source, LONG, &turns);
            block_on(async {
                while !running.given.is_full() {
                    yield_now().await;
                }
            });
            assert!(turns.try_acquire().is_none(), "{source}");
            drop(running);
            comes_back(&turns);
        }
    }

    const LONG: Duration = Duration::from_secs(5 * 60);
}
