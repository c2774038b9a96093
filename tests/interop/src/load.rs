//! `system.which` through a gateway, asked by our operator.

use std::time::{Duration, Instant};

use clawnode_tokio::openclaw::Openclaw;
use clawnode_tokio::{Connection, Event, Handle, Node};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::Failure;
use crate::figures::{Counts, WARM_UP, WINDOW, latencies};

pub(crate) async fn measure(url: &str, node: &str, counts: Counts) -> Result<(), Failure> {
    let token = std::env::var("OPENCLAW_GATEWAY_TOKEN")?;
    let scopes = ["operator.read", "operator.write", "operator.admin"];
    let openclaw = Openclaw::operator(None, env!("CARGO_PKG_VERSION"), scopes);
    let operator = Node::builder(url)?.openclaw(openclaw).token(token).build()?;
    let handle = operator.handle();
    let running = tokio::spawn(operator.run());
    timeout(Duration::from_secs(30), ready(&handle)).await??;

    let node_id = timeout(Duration::from_secs(60), connected(&handle, node)).await??;
    for key in 0..WARM_UP {
        ask(&handle, &node_id, format!("warm-up-{key}")).await?;
    }
    let start = Instant::now();
    let mut each = Vec::with_capacity(counts.sequential);
    for key in 0..counts.sequential {
        each.push(ask(&handle, &node_id, format!("sequential-{key}")).await?);
    }
    latencies("through the gateway, one at a time", each, start.elapsed());

    let start = Instant::now();
    let asks = (0..counts.in_flight).map(|key| ask(&handle, &node_id, format!("in-flight-{key}")));
    let each: Vec<Result<Duration, Failure>> =
        stream::iter(asks).buffer_unordered(WINDOW).collect().await;
    let all = start.elapsed();
    let each = each.into_iter().collect::<Result<_, _>>()?;
    latencies("through the gateway, 32 in flight", each, all);
    handle.stop(Duration::ZERO);
    running.await?;
    Ok(())
}

async fn ready(operator: &Handle) -> Result<(), Failure> {
    let mut events = operator.events();
    while let Some(event) = events.next().await {
        match event {
            Event::Connection(Connection::Ready) => return Ok(()),
            Event::Connection(Connection::Refused(reason)) => {
                return Err(reason.to_string().into());
            }
            _ => {}
        }
    }
    Err("the operator ended".into())
}

/// The id of the node of this name, once it is connected and may be asked.
async fn connected(operator: &Handle, name: &str) -> Result<String, Failure> {
    loop {
        let list: Value = operator.call("node.list", &json!({})).await?;
        let found = list["nodes"].as_array().into_iter().flatten().find(|node| {
            let asked =
                node["commands"].as_array().into_iter().flatten().any(|command| command == COMMAND);
            node["displayName"] == name && node["connected"] == true && asked
        });
        if let Some(id) = found.and_then(|node| node["nodeId"].as_str()) {
            return Ok(id.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn ask(operator: &Handle, node_id: &str, key: String) -> Result<Duration, Failure> {
    let asked = json!({
        "nodeId": node_id,
        "command": COMMAND,
        "params": { "bins": ["ls"] },
        "timeoutMs": 30_000,
        "idempotencyKey": key,
    });
    let start = Instant::now();
    let answer: Value = operator.call("node.invoke", &asked).await?;
    let time = start.elapsed();
    match answer["payload"]["bins"]["ls"].as_str() {
        Some(_) => Ok(time),
        None => Err(format!("the node answered {answer}").into()),
    }
}

const COMMAND: &str = "system.which";
