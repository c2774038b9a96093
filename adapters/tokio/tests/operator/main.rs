//! An operator on tokio against a scripted gateway, over real sockets on this machine.

mod asking;
mod events;
mod failing;
mod gateway;
mod recorded;

use std::time::Duration;

use clawnode_tokio::openclaw::Openclaw;
use clawnode_tokio::openclaw::operator::Operator;
use clawnode_tokio::{Node, StopReason};
use tokio::task::JoinHandle;

/// An operator of the gateway at `url`, and its run.
fn operator(url: &str) -> (Operator, JoinHandle<StopReason>) {
    let openclaw = Openclaw::operator(None, "1.0", ["operator.read"]);
    let node = Node::builder(url).unwrap().openclaw(openclaw).token("s3cret").build().unwrap();
    let operator = Operator::new(node.handle());
    (operator, tokio::spawn(node.run()))
}

/// One that the gateway has let in.
async fn connected(url: &str) -> Operator {
    let (operator, _) = operator(url);
    soon(operator.connected()).await.unwrap();
    operator
}

/// Whatever a test waits for should be there well before this.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it should not take so long")
}
