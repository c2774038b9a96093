//! What the core has none of: clocks, and randomness for the seed.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{Config, Endpoint};
use clawnode_protocol::{Node, Now, Timestamp};

pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Now::new(self.0.elapsed(), Timestamp::from_micros(micros))
    }
}

/// A node that serves `greet`. Outside of simulations no seed is used twice: masks, keys and ids come from it.
pub(crate) fn node(name: &str, gateway: &str) -> Result<Node, getrandom::Error> {
    let mut config = Config::new(Endpoint::new(gateway, "/"), nodetool::Config::new(name));
    config.commands = vec!["greet".into()];
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Node::new(config, seed))
}
