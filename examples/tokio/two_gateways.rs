//! One program, a node of two gateways: both count with the same counter. When one has to give up, the other stops too.
//!
//! `cargo run -p clawnode-examples --bin two_gateways -- ws://127.0.0.1:8080 ws://127.0.0.1:8081`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clawnode_tokio::{Context, Failed, NoArgs, Node};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut urls = std::env::args().skip(1);
    let (Some(one), Some(other)) = (urls.next(), urls.next()) else {
        return Err("give the URLs of two gateways".into());
    };
    let counter = Arc::new(AtomicU64::new(0));
    println!("`count` is served to {one} and to {other}; Ctrl-C ends it");
    let (one, other) = (describe(&one, &counter)?, describe(&other, &counter)?);
    let handles = [one.handle(), other.handle()];
    // Each reconnects on its own; neither waits for the other.
    let (mut one, mut other) = (tokio::spawn(one.run()), tokio::spawn(other.run()));
    let (reason, rest) = tokio::select! {
        reason = &mut one => (reason?, other),
        reason = &mut other => (reason?, one),
    };
    for handle in handles {
        handle.stop(Duration::from_secs(5));
    }
    println!("one stopped: {reason}; the other: {}", rest.await?);
    Ok(())
}

fn describe(url: &str, counter: &Arc<AtomicU64>) -> Result<Node, Box<dyn std::error::Error>> {
    let counter = Arc::clone(counter);
    let node = Node::builder(url)?.command("count", move |_: Context, _: NoArgs| {
        let count = counter.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok::<_, Failed>(json!({ "count": count })) }
    });
    Ok(node.build()?)
}
