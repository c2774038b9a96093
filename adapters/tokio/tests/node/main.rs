//! A node on tokio against a scripted gateway, over real sockets on this machine.

mod approval;
mod commands;
mod connecting;
mod credentials;
mod dropping;
mod gateway;
mod handlers;
mod logs;
mod progress;
mod reconnecting;
mod recording;
mod stopping;
mod tls;

use std::time::Duration;

use clawnode_tokio::{Handle, Node, NodeBuilder, StopReason};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use gateway::Gateway;

/// A description with periods short enough for tests.
fn builder(gateway: &Gateway) -> NodeBuilder {
    Node::builder(&gateway.url())
        .unwrap()
        .node_id("node-A")
        .heartbeat_interval(Duration::from_millis(200))
        .reconnect_delay(Duration::from_millis(20))
        .max_reconnect_delay(Duration::from_millis(100))
}

/// A node that runs beside the test; it ends with the test.
struct Running {
    handle: Handle,
    run: JoinHandle<StopReason>,
}

impl Running {
    fn start(builder: NodeBuilder) -> Self {
        let node = builder.build().unwrap();
        Self { handle: node.handle(), run: tokio::spawn(node.run()) }
    }

    async fn stopped(self) -> StopReason {
        soon(self.run).await.unwrap()
    }
}

/// Whatever a test waits for should be there well before this.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(8), future).await.expect("it should not take so long")
}

/// A command that gives its arguments back.
async fn echo(_: clawnode_tokio::Context, args: Value) -> Result<Value, clawnode_tokio::Failed> {
    Ok(json!({ "echo": args }))
}
