//! A simulated world for nodes of an agent gateway: many nodes, a gateway and a faulty network, in virtual time, from one seed.
//!
//! The nodes are [`clawnode_protocol::Node`], the gateway's ends of connections are [`clawnode_protocol::Peer`], and everything
//! else is made up: clocks, journals, handlers, and a [network](mod@network) that delays, splits, joins, stalls and cuts what it
//! carries. There are no threads and no sockets. A day of a thousand nodes takes less than a minute, and the same seed gives the
//! same run to the byte.
//!
//! While a world runs, it checks [rules](Rule) at each step: each request has one answer, nothing runs twice, one heartbeat at a
//! time, delays and buffers within their bounds, no secret in any text. Then faults end, and what was promised must come true:
//! every node is ready again in time, and every request is answered. A rule that is broken is a [`Violation`], a value with the
//! seed that replays it.
//!
//! ```text
//!   Simulation::new(mix, seed)  -- one thread, no sockets, no clock but the world's -->  Report
//!
//!   +--------------------+      +-------------------+      +-------------------+
//!   | Handlers, yours or |      | network:          |      | gateway:          |
//!   | made up            | <==> | delay, portions,  | <==> | a Peer for each   |
//!   | Node 0, 1, 2 ...   |      | stalls, cuts      |      | connection        |
//!   | journal, clocks    |      +-------------------+      | requests you plan |
//!   +--------------------+                                 +-------------------+
//!              \___________________ rules, checked at every step ___________/
//! ```
//!
//! # Contract
//!
//! A seed and what you describe are all that a run depends on: no clock, no thread, no order of a hash map. Do not bring such things in
//! with handlers of your own, and a seed that fails will fail as often as you look at it. [`Simulation::run`] never panics over what the
//! world did: look at [`Report::violations`].
//!
//! # Ten lines
//!
//! ```
//! use clawnode_simulation::{Mix, Simulation};
//!
//! for seed in 0..10 {
//!     let report = Simulation::new(Mix::Hostile, seed).nodes(3).run();
//!     if let Some(violation) = report.violations.first() {
//!         panic!("seed {seed}: {violation}");
//!     }
//! }
//! ```
//!
//! # Explore
//!
//! ```text
//! cargo run -p clawnode-simulation --release -- --seeds 10000 --nodes 5 --mix hostile
//! cargo run -p clawnode-simulation --release -- --seed 17 --mix hostile --transcript
//! cargo run -p clawnode-simulation --release -- --seed 17 --mix hostile --html run.html
//! cargo run -p clawnode-simulation --release -- --seeds 10000 --mix hostile --dialect openclaw
//! ```
//!
//! The first explores, prints the seeds that failed and how to replay them, and exits with 1 if there are any. The second prints
//! one line for each event of one run, the third draws it. The last explores the worlds of an OpenClaw gateway.
//!
//! # Test your own handlers
//!
//! Handlers that work on a quiet afternoon may not when an answer is late, a run is cancelled, or the connection is cut between
//! two updates. Here is how to see yours in such a world. Implement [`Handlers`] around the part of your code that decides what
//! to do next; what it would wait for becomes [`Job::wake_in`]. Plan requests, run some hundred seeds, and look at the
//! [`Report`]:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::time::Duration;
//!
//! use clawnode_protocol::{Outcome, Task, Update, Work, WorkId};
//! use clawnode_simulation::{Handlers, Job, Mix, Simulation};
//! use serde_json::value::RawValue;
//!
//! /// Counts down, a second a step, and tells of each step.
//! #[derive(Default)]
//! struct Countdown {
//!     left: BTreeMap<WorkId, u32>,
//! }
//!
//! impl Handlers for Countdown {
//!     fn start(&mut self, work: &Work, job: &mut Job<'_>) {
//!         let Task::Command { args, .. } = &work.task else {
//!             return job.answer(Outcome::failed("only commands, please"));
//!         };
//!         let args: BTreeMap<String, u32> = serde_json::from_str(args.get()).unwrap_or_default();
//!         self.left.insert(work.id, args.get("from").copied().unwrap_or(0));
//!         job.wake_in(Duration::from_secs(1));
//!     }
//!
//!     fn wake(&mut self, work: &Work, job: &mut Job<'_>) {
//!         let left = self.left.get_mut(&work.id).expect("it was started");
//!         if *left == 0 {
//!             self.left.remove(&work.id);
//!             return job.answer(Outcome::Completed(json("{\"lift\":\"off\"}")));
//!         }
//!         job.update(Update::new("count", json(&format!("{{\"left\":{left}}}"))));
//!         *left -= 1;
//!         job.wake_in(Duration::from_secs(1));
//!     }
//!
//!     fn cancelled(&mut self, work: &Work) {
//!         self.left.remove(&work.id);
//!     }
//! }
//!
//! fn json(text: &str) -> Box<RawValue> {
//!     RawValue::from_string(text.to_owned()).expect("the text is JSON")
//! }
//!
//! for seed in 0..20 {
//!     let report = Simulation::new(Mix::Lossy, seed)
//!         .nodes(2)
//!         .handlers(|_| Box::new(Countdown::default()))
//!         .command(Duration::from_secs(30), 0, "count", "{\"from\":3}")
//!         .command(Duration::from_secs(90), 1, "count", "{\"from\":60}")
//!         .run();
//!     // Each request was answered once, however often the connection was cut.
//!     assert!(report.violations.is_empty(), "{}", report.violations[0]);
//!     for answered in &report.answers {
//!         assert!(matches!(answered.outcome, Some(Outcome::Completed(_)) | Some(Outcome::Failed(_))));
//!     }
//! }
//! ```
//!
//! A world with handlers of yours asks only what you plan with [`Simulation::command`] and [`Simulation::request`]. In
//! [`Mix::Calm`], [`Mix::Lossy`] and [`Mix::Crowded`] every planned request ends with an answer; in [`Mix::Hostile`] the gateway
//! may lose its memory, and a request with it. Work may be cancelled, and then ends with a failure. In the openclaw dialect
//! ([`Simulation::dialect`]) a request also ends without an answer when its connection does, when its time is over, or when whoever
//! asked does not want it any more.
//!
//! [The cookbook](https://github.com/clawnode/clawnode/blob/main/adapters/tokio/docs/cookbook.md#simulation) has a shorter one, among
//! recipes for everything else that nodes are made for.
//!
//! # What a mix does to a world
//!
//! Each seed draws its own subset of the faults of its [`Mix`], since a fault that is always there may hide another:
//!
//! - The network: latency, jitter, bandwidth; portions from everything at once down to single bytes, drawn for the world or for
//!   each direction of each connection; small windows and slow readers; stalls, cuts at any byte, half-open connections; attempts
//!   that are refused, slow, or never end.
//! - The gateway: restarts with and without its memory, refusals, answers to HTTP that no gateway gives, closing, nonsense (alone
//!   and in floods), broken frames, messages in fragments, pings in floods, requests that come twice, or twice with different
//!   content, or invalid, or too large; small buffers, so that requests have to wait.
//! - The node's surroundings: a wall clock that jumps both ways, a monotonic clock that jumps forward, journals and credentials
//!   that are late, for up to half a minute, or fail; handlers that are slow, fail, or give more than fits; work that is cancelled.
//! - In the openclaw dialect: devices and what they can do that somebody has yet to approve of, setup codes, tokens that are rotated,
//!   devices that are removed, a shared token that changes, announced restarts, a gateway that is starting or is an older one, callers
//!   that give up, signatures and device tokens that are late or fail.
//!   (A journal may refuse a request, but not an answer: the state machine has no such input.)
//!
//! What TCP rules out is not among them: bytes that are lost, changed or out of order, and a way to the gateway that is dead for
//! minutes while the way from it lives.

mod handlers;
mod host;
mod html;
mod mix;
pub mod network;
mod random;
mod record;
mod rules;
mod schedule;
mod simulation;
mod ticket;
mod world;

pub use handlers::{Handlers, Job};
pub use html::sequence_diagram;
pub use mix::Mix;
pub use random::Random;
pub use record::{Kind, Lane, Record, transcript};
pub use rules::{Rule, Violation};
pub use simulation::{Answered, Figures, Report, Simulation};
