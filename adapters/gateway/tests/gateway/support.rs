use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use clawnode_gateway::client::{Client, RequestInfo};
use clawnode_gateway::{Config, Gateway, Status, StopError};
use clawnode_protocol::websocket::{ClientRequest, Closed, Connection, Event, Limits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "s3cret";

/// A gateway in this process.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    stop: CancellationToken,
    running: JoinHandle<Result<(), StopError>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("127.0.0.1:0".parse().unwrap());
        config.auth_token = Some(TOKEN.to_owned().into());
        configure(&mut config);
        let token = config.auth_token.clone();
        let gateway = Gateway::bind(config).await.expect("a free port");
        let address = gateway.local_addr();
        let stop = CancellationToken::new();
        let running = tokio::spawn(gateway.run(stop.clone().cancelled_owned()));
        let client = Client::new(&format!("http://{address}"), token).expect("a valid URL");
        Self { address, client, stop, running }
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn stop(self) -> Result<(), StopError> {
        self.stop.cancel();
        soon(self.running).await.expect("no panic")
    }

    /// A node that serves workflows and the command `echo`.
    pub(crate) async fn node(&self, node_id: &str) -> Node {
        let mut node = Node::open(self.address, "/", Some(TOKEN)).await;
        node.register(node_id, true, &["echo"]).await;
        self.until_connected(node_id).await;
        node
    }

    pub(crate) async fn until_connected(&self, node_id: &str) {
        self.until_node(node_id, "connected").await;
    }

    pub(crate) async fn until_node(&self, node_id: &str, status: &str) {
        until(|| async {
            let nodes = self.client.nodes().await.expect("nodes");
            nodes.iter().any(|node| node.node_id == node_id && node.status == status)
        })
        .await;
    }

    pub(crate) async fn until_status(&self, request_id: &str, status: Status) -> RequestInfo {
        until(|| async {
            let info = self.client.result(request_id, None).await;
            info.is_ok_and(|info| info.status == status)
        })
        .await;
        self.client.result(request_id, None).await.expect("known")
    }

    /// A call with the token.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        let headers = [("Authorization", format!("Bearer {TOKEN}"))];
        call(self.address, method, path, &headers, body.as_bytes()).await
    }

    pub(crate) async fn submit(&self, body: Value) -> Reply {
        self.call("POST", "/api/requests", &body.to_string()).await
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {}", self.body))
    }

    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().expect("an error").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// One HTTP call on a connection of its own.
pub(crate) async fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> Reply {
    let mut stream = TcpStream::connect(address).await.expect("a gateway");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    if !headers.iter().any(|(name, _)| *name == "Upgrade") {
        head.push_str("Connection: close\r\n");
    }
    let chunked = headers.iter().any(|(name, _)| *name == "Transfer-Encoding");
    if !body.is_empty() && !chunked {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.expect("head written");
    stream.write_all(body).await.expect("body written");
    let mut reply = Vec::new();
    soon(async {
        let mut buffer = [0; 4096];
        while !is_whole(&reply) {
            match stream.read(&mut buffer).await.expect("an answer") {
                0 => break,
                count => reply.extend_from_slice(&buffer[..count]),
            }
        }
    })
    .await;
    let reply = String::from_utf8(reply).expect("UTF-8");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

fn is_whole(reply: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(reply) else { return false };
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
    });
    length.is_some_and(|length| body.len() >= length.parse().expect("a number"))
}

/// A scripted node.
pub(crate) struct Node {
    stream: TcpStream,
    connection: Connection,
    pub(crate) node_id: String,
}

impl Node {
    /// Opens the WebSocket, with the token in the header.
    pub(crate) async fn open(address: SocketAddr, target: &str, token: Option<&str>) -> Self {
        let mut request = ClientRequest::new(&address.to_string(), target).expect("valid");
        if let Some(token) = token {
            request = request.header("Authorization", &format!("Bearer {token}")).expect("valid");
        }
        let stream = TcpStream::connect(address).await.expect("a gateway");
        let connection = Connection::client(&request, Limits::default(), [7; 32]);
        let mut node = Self { stream, connection, node_id: String::new() };
        loop {
            match node.connection.poll() {
                Some(Event::Open) => return node,
                Some(other) => panic!("not open: {other:?}"),
                None => node.exchange().await,
            }
        }
    }

    pub(crate) async fn register(&mut self, node_id: &str, workflows: bool, commands: &[&str]) {
        node_id.clone_into(&mut self.node_id);
        self.say(json!({
            "type": "node_registration", "node_id": node_id, "metadata": {"user_id": "1"},
            "capabilities": {"workflow_execution": workflows, "commands": commands},
        }))
        .await;
    }

    pub(crate) async fn register_instance(&mut self, node_id: &str, instance_id: &str) {
        node_id.clone_into(&mut self.node_id);
        self.say(json!({
            "type": "node_registration", "node_id": node_id, "metadata": {"instance_id": instance_id},
            "capabilities": {"workflow_execution": true, "commands": []},
        }))
        .await;
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.connection.send_text(text).expect("open");
        self.flush().await;
    }

    pub(crate) async fn accept(&mut self, request_id: &str) {
        self.say(json!({"type": "ack", "request_id": request_id, "message": "Taken"})).await;
    }

    pub(crate) async fn update(&mut self, request_id: &str, data: Value) {
        self.say(json!({
            "type": "workflow_update", "request_id": request_id, "job_id": "job-1",
            "update_type": "chunk", "data": data,
        }))
        .await;
    }

    /// Answers a workflow, and waits until the gateway has it.
    pub(crate) async fn complete(&mut self, request_id: &str, result: Value) {
        self.say(json!({
            "type": "workflow_response", "request_id": request_id, "status": "completed",
            "result": result, "error": null, "job_id": "job-1",
        }))
        .await;
        self.expect_ack(request_id).await;
    }

    pub(crate) async fn expect_ack(&mut self, request_id: &str) {
        let ack = self.hear().await;
        assert_eq!(
            (&ack["type"], &ack["request_id"]),
            (&json!("ack"), &json!(request_id)),
            "{ack}"
        );
    }

    /// The next message of the gateway.
    pub(crate) async fn hear(&mut self) -> Value {
        soon(async {
            loop {
                match self.connection.poll() {
                    Some(Event::Text(text)) => return serde_json::from_str(text).expect("JSON"),
                    Some(Event::Ping(_)) => {}
                    Some(other) => panic!("no message: {other:?}"),
                    None => self.exchange().await,
                }
            }
        })
        .await
    }

    /// Waits for the end of the connection.
    pub(crate) async fn closed(&mut self) -> Closed {
        soon(async {
            loop {
                match self.connection.poll() {
                    Some(Event::Closed(closed)) => {
                        let closed = closed.clone();
                        self.flush().await;
                        return closed;
                    }
                    Some(_) => {}
                    None => self.exchange().await,
                }
            }
        })
        .await
    }

    async fn exchange(&mut self) {
        self.flush().await;
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => self.connection.receive_eof(),
            Ok(count) => self.connection.receive(&buffer[..count]),
        }
    }

    async fn flush(&mut self) {
        while !self.connection.transmit().is_empty() {
            let Ok(count) = self.stream.write(self.connection.transmit()).await else { return };
            self.connection.sent(count).expect("as lent");
        }
    }
}

/// Fails rather than hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(8), future).await.expect("it takes too long")
}

pub(crate) async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    soon(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
