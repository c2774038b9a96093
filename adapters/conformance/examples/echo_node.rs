//! A node with a command of each kind that the suite can use.
//!
//! ```sh
//! cargo build -p clawnode-conformance --example echo_node
//! clawnode conformance --node 'target/debug/examples/echo_node {url}' --heartbeat-interval 0.5 \
//!     --command echo --args '{"text":"hello"}' --slow-command sleep --slow-args '{"seconds":1.5}' --unique-command count
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clawnode_tokio::{Context, Failed, Node};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Sleep {
    seconds: f64,
}

static COUNT: AtomicU64 = AtomicU64::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("give the gateway's URL")?;
    let mut builder = Node::builder(&url)?
        .node_id("echo-node")
        .heartbeat_interval(Duration::from_millis(500))
        .reconnect_delay(Duration::from_millis(200))
        .command("echo", |_: Context, args: Value| async move { Ok::<_, Failed>(args) })
        .command("sleep", |_: Context, args: Sleep| async move {
            tokio::time::sleep(Duration::from_secs_f64(args.seconds)).await;
            Ok::<_, Failed>(json!({ "slept": args.seconds }))
        })
        .command("count", |_: Context, _: Value| async move {
            Ok::<_, Failed>(json!({ "count": COUNT.fetch_add(1, Ordering::Relaxed) }))
        });
    if let Ok(token) = std::env::var("CLAWNODE_AUTH_TOKEN") {
        builder = builder.token(token);
    }
    let node = builder.build()?;
    let handle = node.handle();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            terminate.recv().await;
            handle.stop(Duration::ZERO);
        });
    }
    #[cfg(not(unix))]
    drop(handle);
    match node.run().await {
        clawnode_tokio::StopReason::Requested => Ok(()),
        reason => Err(reason.into()),
    }
}
