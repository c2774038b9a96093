//! Messages of types of your own, both ways: this node says hello, and answers questions.
//!
//! `cargo run -p clawnode-examples --bin custom_message -- ws://127.0.0.1:8080`
//!
//! The gateway must know them too. The development gateway sends none and only logs that one came: start it with
//! `clawnode gateway --log debug` to see the hello.

use clawnode_tokio::{Connection, Event, Handle, Node};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromGateway {
    Question { text: String },
    Bye,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ToGateway {
    Hello { from: String },
    Answer { text: String },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:8080".to_owned());
    let node = Node::builder(&url)?.node_id("custom").build()?;
    let handle = node.handle();
    // From before the run, so that nothing is missed.
    let mut events = handle.events();
    let run = tokio::spawn(node.run());
    while let Some(event) = events.next().await {
        if let Event::Connection(Connection::Ready) = event {
            say(&handle, ToGateway::Hello { from: "me".to_owned() }).await;
        }
        let text = match event.message() {
            Some(Ok(FromGateway::Question { text })) => format!("{text}? I do not know."),
            Some(Ok(FromGateway::Bye)) => {
                handle.stop(std::time::Duration::from_secs(5));
                continue;
            }
            // Another `type` is among what it does not understand.
            Some(Err(error)) => format!("I do not understand: {error}"),
            None => continue,
        };
        say(&handle, ToGateway::Answer { text }).await;
    }
    println!("{}", run.await?);
    Ok(())
}

/// The application's own messages are never repeated: what still matters must be said again after the next `Ready`.
async fn say(handle: &Handle, message: ToGateway) {
    match handle.send_message(&message).await {
        Ok(()) => println!("said: {message:?}"),
        Err(error) => println!("not said: {error}"),
    }
}
