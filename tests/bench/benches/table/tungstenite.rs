//! The same job as most Rust nodes would do it: tokio-tungstenite on an in-memory stream, every message a `serde_json::Value`.

use clawnode_bench::GatewayEnd;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Room for everything that is under way at a time, so that neither end waits.
const DUPLEX: usize = 1 << 20;

/// A node that is nothing but a loop, and the other end of its stream.
pub(crate) struct TungsteniteNode {
    websocket: WebSocketStream<DuplexStream>,
    stream: DuplexStream,
    gateway: GatewayEnd,
    buffer: Vec<u8>,
}

impl TungsteniteNode {
    /// `read_buffer`: tungstenite clears this much memory at each read; its default is 128 KiB.
    pub(crate) async fn new(read_buffer: usize) -> Self {
        let (stream, other) = tokio::io::duplex(DUPLEX);
        let config = WebSocketConfig::default().read_buffer_size(read_buffer);
        let websocket = WebSocketStream::from_raw_socket(other, Role::Client, Some(config)).await;
        Self { websocket, stream, gateway: GatewayEnd::default(), buffer: vec![0; DUPLEX] }
    }

    /// Takes a request and answers it; both answers reach the gateway's end.
    pub(crate) async fn serve(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.expect("the node reads");
        self.answer().await;
        let mut messages = 0;
        while messages < 2 {
            let count = self.stream.read(&mut self.buffer).await.expect("the node writes");
            self.gateway.take(&self.buffer[..count]);
            messages += self.gateway.messages();
        }
    }

    async fn answer(&mut self) {
        let message = self.websocket.next().await.expect("it is open").expect("it is valid");
        let mut request: Value = match &message {
            Message::Text(text) => serde_json::from_str(text).expect("it is JSON"),
            other => panic!("a gateway sends text, not {other:?}"),
        };
        assert_eq!(request["type"], "command_request");
        let command = request["command"].as_str().expect("a command has a name");
        let executing = format!("Executing command: {command}");
        let args = request["args"].take();
        let request_id = request["request_id"].take();
        let timestamp = format!("{:.6}", jiff::Timestamp::now());
        let ack = json!({
            "type": "ack",
            "timestamp": timestamp,
            "request_id": request_id,
            "message": executing,
        });
        self.websocket.feed(Message::text(ack.to_string())).await.expect("it is open");
        let response = json!({
            "type": "command_response",
            "timestamp": timestamp,
            "request_id": request_id,
            "status": "success",
            "result": args,
            "error": null,
        });
        self.websocket.feed(Message::text(response.to_string())).await.expect("it is open");
        self.websocket.flush().await.expect("it is open");
    }
}
