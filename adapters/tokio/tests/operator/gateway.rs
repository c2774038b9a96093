//! A gateway of one connection, with tungstenite on a thread of its own, that says what a test tells it to.

use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// What the gateway makes of a request.
pub(crate) enum Reply {
    Done(Value),
    Refused(Value),
    Silence,
    /// It breaks the connection off.
    Gone,
}

/// A gateway that lets one operator in, tells it `events`, and answers its requests. Its URL.
pub(crate) fn start(
    events: Vec<Value>,
    mut answer: impl FnMut(&str, &Value) -> Reply + Send + 'static,
) -> String {
    start_on_frames(events, move |request| {
        answer(request["method"].as_str().expect("a request has a method"), &request["params"])
    })
}

/// The same for who wants to see the whole request.
pub(crate) fn start_on_frames(
    events: Vec<Value>,
    answer: impl FnMut(&Value) -> Reply + Send + 'static,
) -> String {
    serve(move |socket| {
        let connect = hear(socket)?;
        assert_eq!(connect["method"], "connect");
        assert_eq!(connect["params"]["role"], "operator");
        say(
            socket,
            &json!({ "type": "res", "id": connect["id"], "ok": true, "payload": {
            "type": "hello-ok", "protocol": 4, "policy": { "maxPayload": 26_214_400, "tickIntervalMs": 30_000 },
            "auth": { "role": "operator", "scopes": ["operator.read"] },
        } }),
        );
        for event in &events {
            say(socket, event);
        }
        talk(socket, answer)
    })
}

/// A gateway that refuses whoever comes, with this error.
pub(crate) fn refusing(error: Value) -> String {
    serve(move |socket| {
        let connect = hear(socket)?;
        say(socket, &json!({ "type": "res", "id": connect["id"], "ok": false, "error": error }));
        let _ = socket.close(None);
        while hear(socket).is_some() {}
        None
    })
}

fn talk(socket: &mut WebSocket<TcpStream>, mut answer: impl FnMut(&Value) -> Reply) -> Option<()> {
    loop {
        let request = hear(socket)?;
        let mut reply = json!({ "type": "res", "id": request["id"] });
        let (ok, name, value) = match answer(&request) {
            Reply::Done(payload) => (true, "payload", payload),
            Reply::Refused(error) => (false, "error", error),
            Reply::Silence => continue,
            Reply::Gone => return None,
        };
        reply["ok"] = ok.into();
        reply[name] = value;
        say(socket, &reply);
    }
}

fn serve(talk: impl FnOnce(&mut WebSocket<TcpStream>) -> Option<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        drop(listener);
        let limits = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let mut socket = tungstenite::accept_with_config(stream, Some(limits)).unwrap();
        say(
            &mut socket,
            &json!({
                "type": "event", "event": "connect.challenge",
                "payload": { "nonce": "n", "ts": 1_795_347_600_000_u64 },
            }),
        );
        talk(&mut socket);
    });
    url
}

/// The next request, held against what a gateway takes; `None` when nobody is there any more.
fn hear(socket: &mut WebSocket<TcpStream>) -> Option<Value> {
    loop {
        match socket.read().ok()? {
            Message::Text(text) => {
                let message = serde_json::from_str(&text).unwrap();
                clawnode_openclaw_schema::check(&message);
                return Some(message);
            }
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

fn say(socket: &mut WebSocket<TcpStream>, message: &Value) {
    // A test that is over does not listen any more.
    let _ = socket.send(Message::text(message.to_string()));
}
