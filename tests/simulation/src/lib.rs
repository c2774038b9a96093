//! A simulated world.

mod handlers;
mod host;
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
pub use mix::Mix;
pub use random::Random;
pub use record::{Kind, Lane, Record, transcript};
pub use rules::{Rule, Violation};
pub use simulation::{Answered, Figures, Report, Simulation};
