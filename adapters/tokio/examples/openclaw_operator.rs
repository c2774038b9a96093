//! An operator of an OpenClaw gateway that lists the nodes and asks those that know how where a program is:
//! `OPENCLAW_GATEWAY_TOKEN=... cargo run -p clawnode-tokio --example openclaw_operator -- git`.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::Duration;

use clawnode_tokio::Node;
use clawnode_tokio::openclaw::Openclaw;
use clawnode_tokio::openclaw::operator::{Operator, OperatorError};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Found {
    bins: BTreeMap<String, String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::args().nth(1).unwrap_or_else(|| "git".to_owned());
    // On its own machine a gateway takes an operator's word for who it is.
    let openclaw =
        Openclaw::operator(None, env!("CARGO_PKG_VERSION"), ["operator.read", "operator.write"]);
    let mut node = Node::builder("ws://127.0.0.1:18789")?.openclaw(openclaw);
    if let Ok(token) = std::env::var("OPENCLAW_GATEWAY_TOKEN") {
        node = node.token(token);
    }
    let node = node.build()?;
    let operator = Operator::new(node.handle());
    let running = tokio::spawn(node.run());
    operator.connected().await?;
    for node in operator.nodes().await? {
        let name = node.display_name.as_deref().unwrap_or(&node.node_id);
        if !node.connected || !node.commands.iter().any(|command| command == "system.which") {
            println!("{name}: cannot be asked");
            continue;
        }
        let params = json!({ "bins": [program] });
        let found =
            operator.invoke(&node.node_id, "system.which", &params, Duration::from_secs(10));
        match found.await {
            Ok(Found { bins }) => {
                println!("{name}: {}", bins.get(&program).map_or("not there", String::as_str))
            }
            Err(OperatorError::Refused(refused)) => println!("{name}: {refused}"),
            Err(error) => return Err(error.into()),
        }
    }
    operator.handle().stop(Duration::ZERO);
    running.await?;
    Ok(())
}
