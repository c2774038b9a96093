//! A web service that is a node as well: what the gateway's work does shows on its page, and Ctrl-C stops both in order.
//!
//! `cargo run -p clawnode-examples --bin axum_app -- ws://127.0.0.1:8080 127.0.0.1:3000`, then open http://127.0.0.1:3000

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use clawnode_tokio::{Context, Failed, Handle, Node};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Notes = Arc<Mutex<Vec<String>>>;

#[derive(Deserialize)]
struct Note {
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or("ws://127.0.0.1:8080".to_owned());
    let listen = arguments.next().unwrap_or("127.0.0.1:3000".to_owned());

    let notes = Notes::default();
    let kept = Arc::clone(&notes);
    let node = Node::builder(&url)?.command("note", move |_: Context, note: Note| {
        let kept = Arc::clone(&kept);
        async move {
            let mut kept = kept.lock().map_err(|_| Failed::new("the notes are lost"))?;
            // A client of the gateway must not fill the memory.
            if kept.len() == 100 {
                kept.remove(0);
            }
            kept.push(note.text);
            Ok::<_, Failed>(json!({ "notes": kept.len() }))
        }
    });
    let node = node.build()?;
    let handle = node.handle();
    let app = Router::new().route("/", get(show)).with_state((handle.clone(), notes));

    let listener = TcpListener::bind(listen).await?;
    println!("http://{}", listener.local_addr()?);
    // Neither waits for the other: the page is there while the node still connects.
    let mut run = tokio::spawn(node.run());
    let reason = tokio::select! {
        reason = &mut run => reason?,
        served = axum::serve(listener, app) => return Ok(served?),
        _ = tokio::signal::ctrl_c() => {
            handle.stop(Duration::from_secs(10));
            run.await?
        }
    };
    println!("{reason}");
    Ok(())
}

async fn show(State((handle, notes)): State<(Handle, Notes)>) -> Json<Value> {
    let status = handle.status();
    let notes = notes.lock().map(|notes| notes.clone()).unwrap_or_default();
    Json(json!({
        "gateway": status.connection.to_string(),
        "running": status.tally.running,
        "notes": notes,
    }))
}
