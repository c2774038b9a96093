//! A proxy between nodes and a gateway that tells what passes, and falsifies it where asked.

use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{accept_async_with_config, client_async_with_config};

use crate::Failure;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Falsify {
    /// Milliseconds added to the time of the challenge, which the node signs
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock: i64,
    /// What the node is made to say of the versions it speaks
    #[arg(long, value_name = "MIN,MAX", value_delimiter = ',')]
    range: Vec<u32>,
    /// Replace the device's id by one that is not its key's
    #[arg(long)]
    other_id: bool,
    /// Refuse a node that speaks version 4 alone, as a gateway of version 3 does
    #[arg(long)]
    older: bool,
}

/// What passes.
#[derive(Debug)]
pub(crate) enum Seen {
    Connect { min: u64, max: u64, bytes: usize },
    LetIn,
    Refused(String),
    Invoke(String),
    Result(String),
    Event(String),
    Closed { by: Side, code: u16, reason: String },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Node,
    Gateway,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { min, max, bytes } => write!(f, "connect [{min},{max}] {bytes} bytes"),
            Self::LetIn => f.write_str("hello-ok"),
            Self::Refused(code) => write!(f, "refused {code}"),
            Self::Invoke(command) => write!(f, "invoke {command}"),
            Self::Result(code) => write!(f, "result {code}"),
            Self::Event(event) => write!(f, "event {event}"),
            Self::Closed { by, code, reason } => write!(f, "{by:?} closed {code} {reason}"),
        }
    }
}

/// Until it is killed.
pub(crate) async fn run(
    listen: SocketAddr,
    gateway: SocketAddr,
    falsify: Falsify,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    let (tell, mut seen) = mpsc::unbounded_channel();
    let serving = tokio::spawn(serve(listener, gateway, falsify, tell));
    while let Some((connection, seen)) = seen.recv().await {
        println!("{connection} {seen}");
        std::io::stdout().flush()?;
    }
    serving.await?
}

/// Takes connections for ever; each is numbered from 1.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: SocketAddr,
    falsify: Falsify,
    tell: UnboundedSender<(u64, Seen)>,
) -> Result<(), Failure> {
    for number in 1.. {
        let (stream, _) = listener.accept().await?;
        let connection = Connection { number, falsify: falsify.clone(), tell: tell.clone() };
        tokio::spawn(async move {
            // A connection that is cut, or a gateway that is not there, is part of what is tried.
            let _ = connection.pass(stream, gateway).await;
        });
    }
    Ok(())
}

struct Connection {
    number: u64,
    falsify: Falsify,
    tell: UnboundedSender<(u64, Seen)>,
}

impl Connection {
    async fn pass(&self, node: TcpStream, gateway: SocketAddr) -> Result<(), Failure> {
        let upstream = TcpStream::connect(gateway).await?;
        upstream.set_nodelay(true)?;
        node.set_nodelay(true)?;
        // Limits are for the two to have.
        let limits = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let url = format!("ws://{gateway}/");
        let (gateway, _) = client_async_with_config(url, upstream, Some(limits)).await?;
        let node = accept_async_with_config(node, Some(limits)).await?;
        let (mut to_node, mut of_node) = node.split();
        let (mut to_gateway, mut of_gateway) = gateway.split();
        {
            let (refuse, mut refused) = mpsc::unbounded_channel();
            let up = self.messages(Side::Node, &mut of_node, &mut to_gateway, &refuse);
            let down = self.messages(Side::Gateway, &mut of_gateway, &mut to_node, &refuse);
            tokio::select! {
                done = up => done?,
                done = down => done?,
                Some(id) = refused.recv() => {
                    self.tell(Seen::Refused("PROTOCOL_MISMATCH".to_owned()));
                    return refuse_as_older(&id, to_node, of_node).await;
                }
            }
        }
        // The other side reads the end of it all before its socket is gone.
        let ending = async { tokio::join!(of_node.count(), of_gateway.count()) };
        let _ = timeout(Duration::from_secs(1), ending).await;
        Ok(())
    }

    /// Everything from one side to the other, up to the end.
    async fn messages(
        &self,
        from: Side,
        source: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
        sink: &mut (impl Sink<Message, Error = Error> + Unpin),
        refuse: &UnboundedSender<Value>,
    ) -> Result<(), Failure> {
        while let Some(message) = source.next().await {
            match message? {
                Message::Text(text) => {
                    let Ok(mut frame) = serde_json::from_str::<Value>(&text) else {
                        sink.send(Message::Text(text)).await?;
                        continue;
                    };
                    let falsified = match from {
                        Side::Node => self.falsify_connect(&mut frame),
                        Side::Gateway => self.falsify_challenge(&mut frame),
                    };
                    self.look_at(from, &frame, text.len());
                    if self.falsify.older
                        && frame["method"] == "connect"
                        && frame["params"]["minProtocol"] == 4
                    {
                        let _ = refuse.send(frame["id"].clone());
                        continue;
                    }
                    let text = if falsified { frame.to_string().into() } else { text };
                    sink.send(Message::Text(text)).await?;
                }
                Message::Close(frame) => {
                    let (code, reason) = frame.as_ref().map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.to_string())
                    });
                    self.tell(Seen::Closed { by: from, code, reason });
                    sink.send(Message::Close(frame)).await?;
                    return Ok(());
                }
                // Each side of this proxy has pings of its own.
                _ => {}
            }
        }
        Ok(())
    }

    fn falsify_challenge(&self, frame: &mut Value) -> bool {
        if self.falsify.clock == 0 || frame["event"] != "connect.challenge" {
            return false;
        }
        let at = frame["payload"]["ts"].as_i64().unwrap_or_default() + self.falsify.clock;
        frame["payload"]["ts"] = json!(at);
        true
    }

    fn falsify_connect(&self, frame: &mut Value) -> bool {
        if frame["method"] != "connect" {
            return false;
        }
        let params = &mut frame["params"];
        if let [min, max] = self.falsify.range[..] {
            params["minProtocol"] = json!(min);
            params["maxProtocol"] = json!(max);
        }
        if self.falsify.other_id {
            params["device"]["id"] = json!("0".repeat(64));
        }
        self.falsify.other_id || !self.falsify.range.is_empty()
    }

    fn look_at(&self, from: Side, frame: &Value, bytes: usize) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let params = &frame["params"];
        let seen = match (from, frame["type"].as_str(), frame["method"].as_str()) {
            (Side::Node, _, Some("connect")) => Seen::Connect {
                min: params["minProtocol"].as_u64().unwrap_or_default(),
                max: params["maxProtocol"].as_u64().unwrap_or_default(),
                bytes,
            },
            (Side::Node, _, Some("node.invoke.result")) if params["ok"] == true => {
                Seen::Result("ok".to_owned())
            }
            (Side::Node, _, Some("node.invoke.result")) => {
                Seen::Result(text(&params["error"]["code"]))
            }
            (Side::Gateway, Some("event"), _) => match text(&frame["event"]).as_str() {
                "node.invoke.request" => Seen::Invoke(text(&frame["payload"]["command"])),
                event => Seen::Event(event.to_owned()),
            },
            (Side::Gateway, Some("res"), _) if frame["payload"]["type"] == "hello-ok" => {
                Seen::LetIn
            }
            (Side::Gateway, Some("res"), _) if frame["ok"] == false => {
                let details = &frame["error"]["details"];
                let code = [&details["code"], &details["reason"], &frame["error"]["code"]];
                Seen::Refused(
                    code.into_iter().find(|code| code.is_string()).map(text).unwrap_or_default(),
                )
            }
            _ => return,
        };
        self.tell(seen);
    }

    fn tell(&self, seen: Seen) {
        // Nobody may be listening any more.
        let _ = self.tell.send((self.number, seen));
    }
}

/// As a gateway of version 3 answers a node that speaks nothing older than 4 (openclaw page 17).
async fn refuse_as_older(
    id: &Value,
    mut to_node: impl Sink<Message, Error = Error> + Unpin,
    of_node: impl Stream<Item = Result<Message, Error>>,
) -> Result<(), Failure> {
    let details = json!({
        "code": "PROTOCOL_MISMATCH", "clientMinProtocol": 4, "clientMaxProtocol": 4,
        "expectedProtocol": 3, "minimumProbeProtocol": 3,
    });
    let error =
        json!({ "code": "INVALID_REQUEST", "message": "protocol mismatch", "details": details });
    let reply = json!({ "type": "res", "id": id, "ok": false, "error": error });
    to_node.send(Message::text(reply.to_string())).await?;
    let close = CloseFrame { code: 1002.into(), reason: "protocol mismatch".into() };
    to_node.send(Message::Close(Some(close))).await?;
    let _ = timeout(Duration::from_secs(1), of_node.count()).await;
    Ok(())
}
