//! A node of an OpenClaw gateway that knows one command:
//! `OPENCLAW_GATEWAY_TOKEN=... cargo run -p clawnode-tokio --example openclaw_node -- ws://127.0.0.1:18789`.
//!
//! The gateway's operator approves it twice: the device (`openclaw devices approve`), and what it may do (`openclaw nodes approve`).

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;

use clawnode_tokio::openclaw::{Identity, Openclaw};
use clawnode_tokio::{Context, Failed, Node};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Which {
    bins: Vec<String>,
}

#[derive(Serialize)]
struct Found {
    bins: BTreeMap<String, String>,
}

async fn which(_: Context, Which { bins }: Which) -> Result<Found, Failed> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: String| {
        let places = std::env::split_paths(&path).map(|folder| folder.join(&name));
        let place = places.into_iter().find(|place| place.is_file())?;
        Some((name, place.to_string_lossy().into_owned()))
    };
    Ok(Found { bins: bins.into_iter().filter_map(find).collect() })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).init();
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:18789".to_owned());
    // A real program makes the seed once, at random, and keeps it like a password.
    let identity = Identity::from_seed([42; 32]);
    let openclaw =
        Openclaw::node(identity, env!("CARGO_PKG_VERSION")).display_name("example").cap("system");
    let mut node = Node::builder(&url)?.openclaw(openclaw).command("system.which", which);
    if let Ok(token) = std::env::var("OPENCLAW_GATEWAY_TOKEN") {
        node = node.token(token);
    }
    println!("{}", node.build()?.run().await);
    Ok(())
}
