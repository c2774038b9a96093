//! The parts of the trials against a real OpenClaw gateway that a shell script cannot do; `openclaw.sh` and `compare.sh` call them.
//!
//! What is measured is printed as lines of a name, a tab and a value, so that the figures of two nodes can be put side by side.

#![allow(clippy::print_stdout)]

mod alone;
mod figures;
mod load;
mod process;
mod start;
mod tap;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser};

#[derive(Debug, Parser)]
enum Options {
    /// Pass on what a node and a gateway say to each other, tell what passes, and falsify it where asked
    Tap {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        #[arg(long)]
        gateway: SocketAddr,
        #[command(flatten)]
        falsify: tap::Falsify,
    },
    /// Start a node several times through a tap, and measure the time until it is let in, its CPU time and its memory
    Start {
        /// Where the node will connect to
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        gateway: SocketAddr,
        /// How often
        #[arg(long, default_value_t = 5)]
        starts: usize,
        /// Seconds that the last one is watched while it has nothing to do
        #[arg(long, default_value_t = 60)]
        idle: u64,
        #[command(flatten)]
        node: NodeCommand,
    },
    /// Ask a node for `system.which` through its gateway, as an operator whose token is in OPENCLAW_GATEWAY_TOKEN
    Load {
        #[arg(long)]
        url: String,
        /// The node's name
        #[arg(long)]
        node: String,
        #[command(flatten)]
        counts: figures::Counts,
    },
    /// Be a gateway that does nothing but ask one node for `system.which`
    Alone {
        /// Where the node will connect to
        #[arg(long)]
        listen: SocketAddr,
        #[command(flatten)]
        counts: figures::Counts,
        #[command(flatten)]
        node: NodeCommand,
    },
}

#[derive(Debug, Args)]
struct NodeCommand {
    /// Where the node's output goes
    #[arg(long)]
    log: PathBuf,
    /// The node's command line
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let asked = async {
        match Options::parse() {
            Options::Tap { listen, gateway, falsify } => tap::run(listen, gateway, falsify).await,
            Options::Start { listen, gateway, starts, idle, node } => {
                start::measure(listen, gateway, starts, idle, &node).await
            }
            Options::Load { url, node, counts } => load::measure(&url, &node, counts).await,
            Options::Alone { listen, counts, node } => alone::measure(listen, counts, &node).await,
        }
    };
    // Whatever was started is stopped when its owner is dropped, here as well.
    tokio::select! {
        done = asked => done,
        signal = process::told_to_stop() => Err(signal?.into()),
    }
}
