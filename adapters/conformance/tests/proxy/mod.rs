//! A proxy for WebSocket messages that does one thing wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use clawnode_protocol::websocket::{
    ClientRequest, CloseCode, Closed, Connection, Event, Limits, UpgradeRequest,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The address of a proxy before the gateway at `gateway`.
pub(crate) async fn start(
    gateway: SocketAddr,
    token: &'static str,
    fault: &'static str,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let (newest, _) = watch::channel(0);
    let world = Arc::new(World { gateway, token, fault, newest, names: Mutex::default() });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut pair = Pair::new(stream, &world);
                // A connection that is cut is part of what is tested.
                let _ = pair.serve().await;
            });
        }
    });
    address
}

struct World {
    gateway: SocketAddr,
    token: &'static str,
    fault: &'static str,
    newest: watch::Sender<u64>,
    /// How many connections each node has, and has had.
    names: Mutex<BTreeMap<String, (usize, usize)>>,
}

struct Pair<'a> {
    world: &'a World,
    node: (TcpStream, Connection),
    gateway: Option<(TcpStream, Connection)>,
    name: Option<String>,
    /// Its place in the order of registrations.
    number: u64,
    came_back: bool,
    asked: BTreeSet<String>,
}

type End = Box<dyn std::error::Error + Send + Sync>;

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        let mut names = self.world.names.lock().expect("no panic");
        if let Some((now, _)) = self.name.as_ref().and_then(|name| names.get_mut(name)) {
            *now -= 1;
        }
    }
}

impl<'a> Pair<'a> {
    fn new(stream: TcpStream, world: &'a World) -> Self {
        let node = (stream, Connection::server(Limits::default()));
        Self {
            world,
            node,
            gateway: None,
            name: None,
            number: 0,
            came_back: false,
            asked: BTreeSet::new(),
        }
    }

    fn is(&self, fault: &str) -> bool {
        self.world.fault == fault
    }

    async fn serve(&mut self) -> Result<(), End> {
        let mut newest = self.world.newest.subscribe();
        let (mut carry_node, mut carry_gateway) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        loop {
            self.work().await?;
            let alone = self.is("one-node") && self.name.is_some();
            let number = self.number;
            let gateway = self.gateway.as_mut();
            tokio::select! {
                count = self.node.0.read(&mut carry_node) => match count? {
                    0 => return Ok(()),
                    count => self.carry_node(&mut carry_node[..count]).await?,
                },
                count = async { match gateway {
                    Some((stream, _)) => stream.read(&mut carry_gateway).await,
                    None => std::future::pending().await,
                } } => match (count?, &mut self.gateway) {
                    (count @ 1.., Some((_, connection))) => connection.receive(&carry_gateway[..count]),
                    _ => return Ok(()),
                },
                () = async { drop(newest.wait_for(|newest| *newest > number).await) }, if alone => return Ok(()),
            }
        }
    }

    /// Bytes of the node, of which small frames come whole.
    async fn carry_node(&mut self, bytes: &mut [u8]) -> Result<(), End> {
        let masked = bytes.get(1).is_some_and(|byte| byte & 0x80 != 0);
        let skip = match self.world.fault {
            "accepts-any-upgrade" if bytes.starts_with(b"GET") => {
                let head = String::from_utf8_lossy(bytes);
                if !head.contains("Key") || head.contains("AAAAAA==") || head.contains("Version: 8")
                {
                    self.node.0.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await?;
                    return Err("upgraded what is none".into());
                }
                false
            }
            "no-fragments" => bytes[0] == 0x01,
            "reads-unmasked" => bytes[0] == 0x81 && !masked,
            "reads-reserved" => {
                if bytes[0] == 0xc1 {
                    bytes[0] = 0x81;
                }
                false
            }
            "reads-invalid-utf8" if bytes[0] == 0x81 && masked => {
                // What follows the frame may have come with it.
                let end = 6 + usize::from(bytes[1] & 0x7f);
                let frame = bytes.get(..end).filter(|_| end < 6 + 126);
                let invalid = frame.is_some_and(|frame| {
                    let (mask, payload) = (&frame[2..6], &frame[6..]);
                    payload.iter().zip(mask.iter().cycle()).any(|(byte, mask)| byte ^ mask == 0xff)
                });
                if invalid {
                    self.node.1.receive(&bytes[end..]);
                }
                invalid
            }
            "waits-for-the-oversize" => bytes.starts_with(&[0x81, 0xff, 0, 0, 1, 0]),
            _ => false,
        };
        if !skip {
            self.node.1.receive(bytes);
        }
        Ok(())
    }

    async fn work(&mut self) -> Result<(), End> {
        loop {
            flush(&mut self.node).await?;
            if let Some(gateway) = &mut self.gateway {
                flush(gateway).await?;
            }
            if let Some(event) = self.node.1.poll() {
                match event {
                    Event::Request(request) => {
                        self.open(&request).await?;
                    }
                    Event::Text(text) => {
                        let text = text.to_owned();
                        self.carry_node_text(&text)?;
                    }
                    Event::Binary(bytes) => {
                        let gateway = self.gateway.as_mut().ok_or("no gateway")?;
                        gateway.1.send_binary(bytes)?;
                    }
                    Event::Ping(payload)
                        if payload.len() == 125 && self.world.fault == "ignores-long-pings" =>
                    {
                        // The pong is what waits to be written.
                        let count = self.node.1.transmit().len();
                        self.node.1.sent(count)?;
                    }
                    Event::Closed(_) => {
                        flush(&mut self.node).await?;
                        if self.is("keeps-tcp-open") {
                            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
                        }
                        self.node.0.shutdown().await?;
                        return Err("closed".into());
                    }
                    _ => {}
                }
                continue;
            }
            let Some(gateway) = &mut self.gateway else { return Ok(()) };
            match gateway.1.poll() {
                None => return Ok(()),
                Some(Event::Text(text)) => {
                    let message = serde_json::from_str(text)?;
                    self.carry_gateway_message(message).await?;
                }
                Some(Event::Closed(closed)) => {
                    let Closed::Clean { code, reason, .. } = closed else {
                        return Err("cut".into());
                    };
                    self.node.1.close(code.unwrap_or(CloseCode::NORMAL), &reason)?;
                }
                Some(Event::Refused(_)) => return Err("refused".into()),
                Some(_) => {}
            }
        }
    }

    async fn open(&mut self, request: &UpgradeRequest) -> Result<(), End> {
        let right = Some(self.world.token);
        let query = request.query().unwrap_or_default();
        // The suite encodes each byte.
        let encoded: String = self.world.token.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let in_query = query.contains(&format!("token={encoded}")) && !self.is("header-only");
        let welcome = request.bearer_token() == right || in_query || self.is("accepts-any-token");
        assert!(query.contains("tenant=7") && request.path() == "/nodes", "{request:?}");
        if self.is("refuses-nodes") {
            return Ok(self.node.1.reject(503, &[], "")?);
        }
        if !welcome {
            return Ok(self.node.1.reject(401, &[("WWW-Authenticate", "Bearer")], "")?);
        }
        let stream = TcpStream::connect(self.world.gateway).await?;
        let request = ClientRequest::new(&self.world.gateway.to_string(), "/")?
            .header("Authorization", &format!("Bearer {}", self.world.token))?;
        let mut gateway = (stream, Connection::client(&request, Limits::default(), [7; 32]));
        flush(&mut gateway).await?;
        let mut bytes = vec![0; 4096];
        while !gateway.1.is_open() {
            let count = gateway.0.read(&mut bytes).await?;
            gateway.1.receive(&bytes[..count]);
            if !matches!(gateway.1.poll(), None | Some(Event::Open)) || count == 0 {
                return Err("the gateway does not open".into());
            }
        }
        self.gateway = Some(gateway);
        Ok(self.node.1.accept()?)
    }

    fn carry_node_text(&mut self, text: &str) -> Result<(), End> {
        let mut message: Value = serde_json::from_str(text).unwrap_or_default();
        let kind = message["type"].as_str().unwrap_or_default().to_owned();
        let id = message["request_id"].as_str().unwrap_or_default().to_owned();
        let response = kind.ends_with("_response");
        let time = message["timestamp"].as_str().unwrap_or("Z");
        let error = match self.world.fault {
            "errors-at-heartbeats" => kind == "heartbeat",
            "refuses-naive-times" => !time.contains(['Z', '+']),
            "strict-fields" => message.get("conformance_extra").is_some(),
            _ => false,
        };
        let cut = match self.world.fault {
            "closes-on-unknown-type" => kind == "conformance_no_such_type",
            "closes-on-malformed" => !message.is_object(),
            "closes-on-unasked" => id.starts_with("conformance-unasked"),
            "cuts-second-registration" => kind == "node_registration" && self.name.is_some(),
            _ => false,
        };
        let lost = match self.world.fault {
            "loses-answers" => response,
            "last-answer-wins" => message["result"]["conformance"] == "first",
            "forgets-late" => response && self.came_back && !self.asked.contains(&id),
            _ => false,
        };
        if cut {
            return Err("cut".into());
        }
        if error {
            let error = json!({"type": "error", "error": "refused", "details": null});
            return Ok(self.node.1.send_text(&error.to_string())?);
        }
        if lost {
            return Ok(());
        }
        if kind == "node_registration" && self.name.is_none() {
            let name = message["node_id"].as_str().unwrap_or_default().to_owned();
            let mut names = self.world.names.lock().expect("no panic");
            let (now, ever) = names.entry(name.clone()).or_default();
            if *now > 0 && self.world.fault == "two-of-a-name" {
                message["node_id"] = json!(format!("{name}-{ever}"));
            }
            self.came_back = *ever > 0;
            (*now, *ever) = (*now + 1, *ever + 1);
            self.name = Some(name);
            let number = &mut self.number;
            self.world.newest.send_modify(|newest| {
                *newest += 1;
                *number = *newest;
            });
        }
        if self.is("completes-everything") && message["status"] == "error" {
            message["status"] = json!("success");
        }
        let text = if message.is_object() { message.to_string() } else { text.to_owned() };
        let gateway = self.gateway.as_mut().ok_or("no gateway")?;
        Ok(gateway.1.send_text(&text)?)
    }

    async fn carry_gateway_message(&mut self, mut message: Value) -> Result<(), End> {
        if message["type"] == "command_request" {
            if self.is("forgets-unaccepted") && self.came_back {
                return Ok(());
            }
            if self.is("args-as-text") {
                message["args"] = json!("{}");
            }
            self.asked.insert(message["request_id"].as_str().unwrap_or_default().to_owned());
        }
        if message["type"] == "ack" && self.is("no-acks") {
            return Ok(());
        }
        let text = message.to_string();
        if self.is("masks") && (126..1 << 16).contains(&text.len()) {
            flush(&mut self.node).await?;
            let mask = [1, 2, 3, 4];
            let mut frame = vec![0x81, 0xfe];
            frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
            frame.extend_from_slice(&mask);
            frame.extend(text.bytes().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
            return Ok(self.node.0.write_all(&frame).await?);
        }
        Ok(self.node.1.send_text(&text)?)
    }
}

async fn flush((stream, connection): &mut (TcpStream, Connection)) -> Result<(), End> {
    while !connection.transmit().is_empty() {
        let count = stream.write(connection.transmit()).await?;
        connection.sent(count)?;
    }
    Ok(())
}
