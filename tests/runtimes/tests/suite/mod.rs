//! A node against a scripted gateway, over real sockets on this machine, on the runtime that the crate's root calls `Tested`.

/// For `#[apply(async_test)]`: the function is a test that runs on the runtime.
macro_rules! async_test {
    ($(#[$attribute:meta])* async fn $name:ident() $body:block) => {
        $(#[$attribute])*
        #[test]
        fn $name() {
            crate::block_on(async $body)
        }
    };
}

mod commands;
mod connecting;
mod connection;
mod credentials;
mod dropping;
mod handlers;
mod hooks;
mod logs;
mod many;
mod progress;
mod proxy;
mod reconnecting;
mod recording;
mod stopping;
mod tls;

use std::time::Duration;

use clawnode_runtime::{Context, Failed, Handle, Runtime, StopReason};
use clawnode_runtimes::{Gateway, soon};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::Tested;

type Node = clawnode_runtime::Node<Tested>;
type NodeBuilder = clawnode_runtime::NodeBuilder<Tested>;

/// A description with periods short enough for tests.
fn builder(gateway: &Gateway) -> NodeBuilder {
    describe(&gateway.url())
}

fn describe(url: &str) -> NodeBuilder {
    Node::builder(url)
        .unwrap()
        .node_id("node-A")
        .heartbeat_interval(Duration::from_millis(200))
        .reconnect_delay(Duration::from_millis(20))
        .max_reconnect_delay(Duration::from_millis(100))
}

/// A node that runs beside the test; it is dropped with this.
struct Running {
    handle: Handle,
    stopped: oneshot::Receiver<StopReason>,
    _drop: oneshot::Sender<()>,
}

impl Running {
    fn start(builder: NodeBuilder) -> Self {
        Self::run(builder.build().unwrap())
    }

    fn run(node: Node) -> Self {
        let handle = node.handle();
        let (stops, stopped) = oneshot::channel();
        let (_drop, dropped) = oneshot::channel::<()>();
        Tested.spawn(async move {
            tokio::select! {
                reason = node.run() => drop(stops.send(reason)),
                _ = dropped => {}
            }
        });
        Self { handle, stopped, _drop }
    }

    async fn stopped(self) -> StopReason {
        soon(self.stopped).await.unwrap()
    }

    /// Drops the run, where it is.
    fn abort(self) {}
}

/// A command that gives its arguments back.
async fn echo(_: Context, args: Value) -> Result<Value, Failed> {
    Ok(json!({ "echo": args }))
}
