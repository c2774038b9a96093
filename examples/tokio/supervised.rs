//! A retry policy of your own around a node's own: it gives up after three attempts without success, and a gateway that refuses
//! the token is asked again with a new one, twice.
//!
//! To see it give up, let no gateway run. To see the second life, run `clawnode gateway --auth-token right`, put another word into a
//! file, and the right one once the first life is over:
//!
//! `TOKEN_FILE=token cargo run -p clawnode-examples --bin supervised -- ws://127.0.0.1:8080`

use std::time::Duration;

use clawnode_tokio::{
    Connection, Context, Event, Events, Failed, Handle, NoArgs, Node, StopReason,
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:8080".to_owned());
    for life in 1..=3 {
        // A node that has stopped does not run again, so each life has its own.
        let mut builder = Node::builder(&url)?
            .command("life", move |_: Context, _: NoArgs| async move {
                Ok::<_, Failed>(json!({ "life": life }))
            });
        if let Some(file) = std::env::var_os("TOKEN_FILE") {
            builder = builder.token_file(file);
        }
        let node = builder.reconnect_delay(Duration::from_millis(200)).build()?;
        let (handle, events) = (node.handle(), node.handle().events());
        let watch = tokio::spawn(give_up(handle, events));
        match node.run().await {
            StopReason::Requested if watch.await? => {
                return Err("gave up after three attempts".into());
            }
            StopReason::Requested => return Ok(()),
            StopReason::Refused(refusal) if refusal.status() == 401 => {
                println!(
                    "life {life}: the token is refused; once more, with what the file holds then"
                );
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            reason => return Err(reason.to_string().into()),
        }
    }
    Err("the token is refused".into())
}

/// Stops the node after three attempts in a row without success. Whether it did.
async fn give_up(handle: Handle, mut events: Events) -> bool {
    let mut failed = 0;
    while let Some(event) = events.next().await {
        match event {
            Event::Connection(Connection::Ready) => failed = 0,
            Event::Connection(Connection::Lost { reason, .. }) => {
                failed += 1;
                println!("attempt {failed}: {reason}");
                if failed == 3 {
                    handle.stop(Duration::ZERO);
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}
