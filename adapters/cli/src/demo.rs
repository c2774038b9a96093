use std::time::{Duration, Instant};

use clawnode_gateway::client::{Client, News, Submission};
use clawnode_gateway::{Config, Gateway};
use clawnode_protocol::Secret;
use clawnode_tokio::{Event, Node, NodeEvent, Runtime as _, Tokio};
use clawnode_workflows::Workflow;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::error::{FAILED, Failure};
use crate::output::{describe, finish, note};
use crate::workflows::{self, Service};

/// A workflow that judges a temperature and writes one line about it.
const EXAMPLE: &str = include_str!("../../workflows/examples/threshold_report.json");

/// A gateway and a node on loopback, and one workflow through both.
pub(crate) async fn demo() -> Result<(), Failure> {
    let token = random_token();
    let mut config = Config::new(([127, 0, 0, 1], 0).into());
    config.auth_token = Some(token.clone());
    let gateway = Gateway::bind(config).await?;
    let address = gateway.local_addr();
    let (stop_gateway, stopped) = oneshot::channel::<()>();
    let gateway = tokio::spawn(gateway.run(async {
        let _ = stopped.await;
    }));
    note(&format!("gateway  listens on {address}"));

    let started = Instant::now();
    let builder =
        Node::builder(&format!("ws://{address}"))?.node_id("demo-node").token(token.expose());
    let node = workflows::serve(builder, &Service::in_memory()?).build()?;
    let handle = node.handle();
    let mut events = handle.events();
    let node = tokio::spawn(node.run());
    while let Some(event) = events.next().await {
        match event {
            Event::Node(NodeEvent::Ready) => break,
            Event::Stopped(reason) => {
                return Err(Failure::new(FAILED, format!("the node stopped: {reason}")));
            }
            _ => {}
        }
    }
    note(&format!(
        "node     demo-node is registered after {:.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    ));

    let client = Client::new(&format!("http://{address}"), Some(token))?;
    // The node is ready once its registration is written, which is before the gateway has read it.
    while client.nodes().await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let workflow = Workflow::from_json(serde_json::from_str(EXAMPLE)?, "threshold_report")?;
    let submission = Submission::graph(to_raw_value(&workflow.graph)?)
        .input(to_raw_value(&json!({ "temperature": 31 }))?);
    let asked = Instant::now();
    let submitted = client.submit(&submission).await?;
    note(&format!(
        "request  {} goes to {}: {} with temperature 31",
        submitted.request_id, submitted.node_id, workflow.name
    ));
    let mut news = client.events(&submitted.request_id, None).await?;
    let mut done = None;
    while let Some(event) = news.next().await? {
        match event.news {
            News::Accepted { message } => {
                note(&format!("ack      {}", message.unwrap_or_default()))
            }
            News::Update { update_type, data, .. } => {
                let data: Value = serde_json::from_str(data.get())?;
                if let Some(line) = describe(&update_type, &data) {
                    note(&format!("update   {line}"));
                }
            }
            News::Answer { status, result, error, .. } => done = Some((status, result, error)),
            _ => {}
        }
    }
    note(&format!("answer   after {:.1} ms", asked.elapsed().as_secs_f64() * 1e3));

    handle.stop(std::time::Duration::from_secs(5));
    let reason = node.await?;
    note(&format!("node     {reason}"));
    let _ = stop_gateway.send(());
    gateway.await??;

    let (status, result, error) =
        done.ok_or_else(|| Failure::new(FAILED, "the gateway ended the events without an answer"))?;
    finish(status, result, error)?;
    Ok(())
}

fn random_token() -> Secret {
    let seed = Tokio.seed();
    Secret::new(seed.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
