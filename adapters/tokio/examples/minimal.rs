//! A node with one command.
//!
//! `cargo run -p clawnode-tokio --example minimal -- ws://127.0.0.1:8080`
//!
//! The gateway is `clawnode gateway`, which wants no token. To ask the node:
//! `curl http://127.0.0.1:8080/api/requests -d '{"command": "add", "args": {"numbers": [1, 2.5]}, "request_id": "add-1"}'`
//! and `curl 'http://127.0.0.1:8080/api/requests/add-1?wait=10'`.

#![allow(clippy::print_stdout)]

use clawnode_tokio::{Context, Failed, Node};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Add {
    numbers: Vec<f64>,
}

#[derive(Serialize)]
struct Sum {
    sum: f64,
}

async fn add(_: Context, args: Add) -> Result<Sum, Failed> {
    Ok(Sum { sum: args.numbers.iter().sum() })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:8080".to_owned());
    let node = Node::builder(&url)?.command("add", add).build()?;
    println!("{} serves `add` to {url}; Ctrl-C ends it", node.node_id());
    match node.run().await {
        clawnode_tokio::StopReason::Requested => Ok(()),
        reason => Err(reason.to_string().into()),
    }
}
