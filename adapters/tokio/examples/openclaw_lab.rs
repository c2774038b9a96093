//! A node of an OpenClaw gateway with commands that behave badly, for trying what a gateway makes of it:
//! `LAB_SEED=1 LAB_URL=ws://127.0.0.1:18789 OPENCLAW_GATEWAY_TOKEN=... cargo run --example openclaw_lab -- lab.sleep lab.large lab.fail`.
//!
//! The commands are named as arguments. The gateway must allow them: `gateway.nodes.commands.allow`.

#![allow(clippy::print_stdout)]

use std::time::Duration;

use clawnode_tokio::openclaw::{Identity, Openclaw};
use clawnode_tokio::{Context, Failed, Node};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Sleep {
    millis: u64,
}

#[derive(Deserialize)]
struct Large {
    bytes: usize,
}

/// Says when it is stopped before its time.
struct Alarm(Option<String>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(id) = self.0.take() {
            println!("stopped {id}");
        }
    }
}

async fn sleep(context: Context, Sleep { millis }: Sleep) -> Result<Value, Failed> {
    println!("sleeping {}", context.request_id());
    let mut alarm = Alarm(Some(context.request_id().to_owned()));
    tokio::time::sleep(Duration::from_millis(millis)).await;
    alarm.0 = None;
    Ok(json!({ "slept": millis }))
}

async fn large(_: Context, Large { bytes }: Large) -> Result<Value, Failed> {
    Ok(json!({ "text": "x".repeat(bytes) }))
}

async fn fail(_: Context, _: Value) -> Result<Value, Failed> {
    Err(Failed::new("as it was asked to").with_code("LAB_FAILED"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let url = std::env::var("LAB_URL").unwrap_or_else(|_| "ws://127.0.0.1:18789".to_owned());
    let seed = std::env::var("LAB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let openclaw = Openclaw::node(Identity::from_seed([seed; 32]), env!("CARGO_PKG_VERSION"))
        .display_name("lab")
        .cap("system");
    let mut node = Node::builder(&url)?
        .openclaw(openclaw)
        .command("lab.sleep", sleep)
        .command("lab.large", large)
        .command("lab.fail", fail)
        .only_commands(std::env::args().skip(1));
    if let Ok(token) = std::env::var("OPENCLAW_GATEWAY_TOKEN") {
        node = node.token(token);
    }
    println!("{}", node.build()?.run().await);
    Ok(())
}
