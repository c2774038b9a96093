//! A node of an OpenClaw gateway that behaves badly, for trying what a gateway makes of it:
//! `LAB_URL=ws://127.0.0.1:18789 OPENCLAW_GATEWAY_TOKEN=... cargo run -p clawnode-tokio --example openclaw_lab -- lab.sleep lab.large lab.fail`.
//!
//! The commands are named as arguments. The gateway must allow them: `gateway.nodes.commands.allow`. On SIGTERM the node takes no new
//! work, and gives what runs 20 s. More in the environment:
//!
//! - `LAB_NAME`: its display name; `lab` if nothing is said.
//! - `LAB_SEED`: a number; another one is another device.
//! - `LAB_SIGNING_SEED`: the seed of the key that signs, if it is to be another device's.
//! - `LAB_PATH_BYTES`: how long the `PATH` is that it declares.
//! - `LAB_BULK`: how many commands `lab.bulk.0` and so on it has besides; they are served without being named.

#![allow(clippy::print_stdout)]

use std::time::Duration;

use clawnode_tokio::openclaw::{Device, Identity, Openclaw};
use clawnode_tokio::{Context, Failed, Node};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

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

async fn bulk(_: Context, _: Value) -> Result<Value, Failed> {
    Ok(json!({}))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let url = std::env::var("LAB_URL").unwrap_or_else(|_| "ws://127.0.0.1:18789".to_owned());
    let seed = number("LAB_SEED")?.unwrap_or(1);
    let identity = Identity::from_seed([seed; 32]);
    let signer = Identity::from_seed([number("LAB_SIGNING_SEED")?.unwrap_or(seed); 32]);
    let mut openclaw =
        Openclaw::signed_by(Device::from(&identity), signer, env!("CARGO_PKG_VERSION"))
            .display_name(std::env::var("LAB_NAME").unwrap_or_else(|_| "lab".to_owned()))
            .cap("system");
    if let Some(bytes) = number("LAB_PATH_BYTES")? {
        openclaw = openclaw.path_env("x".repeat(bytes));
    }
    let bulks = 0..number("LAB_BULK")?.unwrap_or(0);
    let bulks: Vec<String> = bulks.map(|index: u16| format!("lab.bulk.{index}")).collect();
    let mut node = Node::builder(&url)?
        .openclaw(openclaw)
        .command("lab.sleep", sleep)
        .command("lab.large", large)
        .command("lab.fail", fail);
    for name in &bulks {
        node = node.command(name, bulk);
    }
    node = node.only_commands(std::env::args().skip(1).chain(bulks));
    if let Ok(token) = std::env::var("OPENCLAW_GATEWAY_TOKEN") {
        node = node.token(token);
    }
    let node = node.build()?;
    let handle = node.handle();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminate.recv().await;
        handle.stop(Duration::from_secs(20));
    });
    println!("{}", node.run().await);
    Ok(())
}

fn number<T: std::str::FromStr>(name: &str) -> Result<Option<T>, String> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("{name} must be a number in its range"))
}
