//! Messages of a type of your own, both ways: this node says hello, and answers questions.
//!
//! `cargo run -p clawnode-examples --bin custom_message -- ws://127.0.0.1:8080`
//!
//! The gateway must know them too. (The development gateway logs such messages and sends none.)

use clawnode_tokio::{Connection, Event, Handle, Node};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Question {
    text: String,
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
        match event {
            Event::Connection(Connection::Ready) => {
                say(&handle, json!({ "type": "hello", "from": "me" })).await;
            }
            Event::Custom { kind, text } if kind == "question" => {
                let answer = match serde_json::from_str::<Question>(&text) {
                    Ok(question) => format!("{}? I do not know.", question.text),
                    Err(error) => format!("I do not understand: {error}"),
                };
                say(&handle, json!({ "type": "answer", "text": answer })).await;
            }
            Event::Custom { kind, .. } if kind == "bye" => {
                handle.stop(std::time::Duration::from_secs(5));
            }
            _ => {}
        }
    }
    println!("{}", run.await?);
    Ok(())
}

/// The application's own messages are never repeated: what still matters must be said again after the next `Ready`.
async fn say(handle: &Handle, message: Value) {
    if let Err(error) = handle.send_custom(message.to_string()).await {
        println!("not said: {error}");
    }
}
