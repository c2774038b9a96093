//! A gateway that lets one node in and asks it for `system.which`: what is timed is the node and nothing else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::figures::{Counts, WARM_UP, WINDOW, latencies};
use crate::process::Running;
use crate::{Failure, NodeCommand};

pub(crate) async fn measure(
    listen: SocketAddr,
    counts: Counts,
    command: &NodeCommand,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await?;
    let mut node = Running::start(command)?;
    tokio::select! {
        served = timeout(MOST_TIME, serve(&listener, counts)) => {
            served.map_err(|_| "the node took too long")??;
        }
        ended = node.ended() => return Err(ended),
    }
    node.stop().await
}

async fn serve(listener: &TcpListener, counts: Counts) -> Result<(), Failure> {
    let mut gateway = Gateway::let_in(listener).await?;
    gateway.settle().await?;
    gateway.ask(WARM_UP, 1).await?;
    let start = Instant::now();
    let each = gateway.ask(counts.sequential, 1).await?;
    latencies("node alone, one at a time", each, start.elapsed());
    let start = Instant::now();
    let each = gateway.ask(counts.in_flight, WINDOW).await?;
    latencies("node alone, 32 in flight", each, start.elapsed());
    gateway.node.close(None).await?;
    Ok(())
}

struct Gateway {
    node: WebSocketStream<TcpStream>,
    node_id: String,
    asked: u64,
}

impl Gateway {
    async fn let_in(listener: &TcpListener) -> Result<Self, Failure> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut node = accept_async(stream).await?;
        let nonce = "7f4df7a2-5b0e-4a86-9a0c-1d2e3f405162";
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
        let payload = json!({ "nonce": nonce, "ts": u64::try_from(now)?, "capabilities": [] });
        let challenge =
            json!({ "type": "event", "event": "connect.challenge", "payload": payload });
        node.send(Message::text(challenge.to_string())).await?;
        let mut gateway = Self { node, node_id: String::new(), asked: 0 };
        let connect = gateway.request().await?;
        let node_id = &connect["params"]["device"]["id"];
        gateway.node_id = node_id.as_str().ok_or("the node sent no device id")?.to_owned();
        gateway.reply(&connect["id"], hello()).await?;
        gateway.node.flush().await?;
        Ok(gateway)
    }

    /// What a node publishes on being let in is taken, and not counted.
    async fn settle(&mut self) -> Result<(), Failure> {
        while let Ok(request) = timeout(Duration::from_secs(2), self.request()).await {
            let request = request?;
            let id = self.node_id.clone();
            let taken = json!({ "ok": true, "nodeId": id, "tools": [] });
            self.reply(&request["id"], taken).await?;
            self.node.flush().await?;
        }
        Ok(())
    }

    /// So many invokes, of which so many are under way together; from the sending to the result of each.
    async fn ask(&mut self, count: usize, window: usize) -> Result<Vec<Duration>, Failure> {
        let mut started = HashMap::with_capacity(window);
        let mut each = Vec::with_capacity(count);
        let mut left = count;
        while each.len() < count {
            while left > 0 && started.len() < window {
                let id = self.invoke().await?;
                started.insert(id, Instant::now());
                left -= 1;
            }
            self.node.flush().await?;
            let request = self.request().await?;
            if request["method"] == "node.invoke.result" {
                let result = &request["params"];
                let id = result["id"].as_str().unwrap_or_default();
                let start = started.remove(id).ok_or("a result of nothing that was asked")?;
                each.push(start.elapsed());
                check(result)?;
            }
            self.reply(&request["id"], json!({ "ok": true })).await?;
        }
        self.node.flush().await?;
        Ok(each)
    }

    async fn invoke(&mut self) -> Result<String, Failure> {
        self.asked += 1;
        let id = format!("{:08x}-5b0e-4a86-9a0c-1d2e3f405162", self.asked);
        let payload = json!({
            "id": id,
            "nodeId": self.node_id,
            "command": "system.which",
            "paramsJSON": r#"{"bins":["ls"]}"#,
            "timeoutMs": 30_000,
            "idempotencyKey": id,
        });
        let event = json!({ "type": "event", "event": "node.invoke.request", "payload": payload });
        self.node.feed(Message::text(event.to_string())).await?;
        Ok(id)
    }

    async fn reply(&mut self, id: &Value, payload: Value) -> Result<(), Failure> {
        let reply = json!({ "type": "res", "id": id, "ok": true, "payload": payload });
        Ok(self.node.feed(Message::text(reply.to_string())).await?)
    }

    async fn request(&mut self) -> Result<Value, Failure> {
        while let Some(message) = self.node.next().await {
            if let Message::Text(text) = message? {
                return Ok(serde_json::from_str(&text)?);
            }
        }
        Err("the node has gone".into())
    }
}

fn check(result: &Value) -> Result<(), Failure> {
    let found = |result: &Value| result["bins"]["ls"].is_string();
    let text = result["payloadJSON"].as_str().unwrap_or("null");
    if result["ok"] == true && (found(&result["payload"]) || found(&serde_json::from_str(text)?)) {
        return Ok(());
    }
    Err(format!("the node answered {result}").into())
}

fn hello() -> Value {
    json!({
        "type": "hello-ok",
        "protocol": 4,
        "server": { "version": "2026.9.6", "connId": "4413336c-6548-4b24-aead-21ac30729648" },
        "features": { "methods": [], "events": [] },
        "snapshot": { "presence": [], "health": {}, "stateVersion": { "presence": 0, "health": 0 }, "uptimeMs": 1 },
        "auth": { "role": "node", "scopes": [], "deviceToken": "of-a-scripted-gateway" },
        "policy": { "maxPayload": 26_214_400, "maxBufferedBytes": 52_428_800, "tickIntervalMs": 30_000 },
    })
}

const MOST_TIME: Duration = Duration::from_secs(300);
