//! A small node that does one thing wrong, named on its command line, so that the suite can be seen to catch it.
//!
//! `wrong_node URL [FAULT]`. Without a fault it passes every check.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use clawnode_protocol::websocket::{ClientRequest, CloseCode, Connection, Event, Limits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

const HEARTBEAT: Duration = Duration::from_millis(200);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const HAMMER: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_default();
    let address = url.trim_start_matches("ws://").trim_end_matches('/').to_owned();
    let fault = arguments.next().unwrap_or_default();
    let (done, finished) = mpsc::unbounded_channel();
    let terminate = if fault == "dies-on-sigterm" { None } else { termination()? };
    let mut node = Node {
        fault,
        address,
        name: 0,
        runs: 0,
        answers: BTreeMap::new(),
        owed: Vec::new(),
        running: BTreeSet::new(),
        sources: 0,
        done,
        finished,
        terminate,
    };
    let mut pause = FIRST_PAUSE;
    loop {
        match node.connect().await {
            Over::Stop => return Ok(()),
            Over::Lost => pause = FIRST_PAUSE,
            Over::Refused(401) => pause = FIRST_PAUSE,
            Over::Refused(_) if node.is("hammers") => pause = HAMMER,
            Over::Refused(_) => pause *= 2,
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stop(&mut node.terminate) => return Ok(()),
        }
        while let Ok((id, result)) = node.finished.try_recv() {
            if !node.is("loses-late-answers") {
                node.finish(&id, Ok(result));
            }
        }
    }
}

struct Node {
    fault: String,
    address: String,
    name: u32,
    runs: u64,
    answers: BTreeMap<String, Value>,
    /// Ids of answers whose arrival nothing proves yet.
    owed: Vec<String>,
    running: BTreeSet<String>,
    /// How many sources of heartbeats there are: one, when all is well.
    sources: u32,
    done: mpsc::UnboundedSender<(String, Value)>,
    finished: mpsc::UnboundedReceiver<(String, Value)>,
    terminate: Option<Termination>,
}

enum Over {
    Stop,
    Lost,
    /// With an HTTP status, or 0 for no answer at all.
    Refused(u16),
}

/// A connection, and what it does wrong with bytes.
struct Wire {
    stream: TcpStream,
    connection: Connection,
    fault: String,
}

impl Wire {
    async fn flush(&mut self) -> io::Result<()> {
        while !self.connection.transmit().is_empty() {
            let count = self.stream.write(self.connection.transmit()).await?;
            self.connection.sent(count).map_err(io::Error::other)?;
        }
        Ok(())
    }

    async fn say(&mut self, message: &Value) -> io::Result<()> {
        let text = message.to_string();
        let by_hand = match self.fault.as_str() {
            "unmasked" => Some((None, text.into_bytes())),
            "one-mask" => Some((Some([1, 2, 3, 4]), text.into_bytes())),
            "invalid-utf8" if message["type"] == "ack" => {
                let bytes = text.into_bytes();
                let taken = |byte: u8| if byte == b'!' { 0xff } else { byte };
                Some((Some([7, 8, 9, 1]), bytes.into_iter().map(taken).collect()))
            }
            _ => {
                let _ = self.connection.send_text(&text);
                None
            }
        };
        self.flush().await?;
        if let Some((mask, payload)) = by_hand {
            self.stream.write_all(&frame(mask, &payload)).await?;
        }
        Ok(())
    }

    /// Reads more; false at the end.
    async fn read(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        let Ok(count @ 1..) = self.stream.read(&mut buffer).await else {
            self.connection.receive_eof();
            return false;
        };
        let bytes = &mut buffer[..count];
        match self.fault.as_str() {
            "reads-invalid-utf8" => {
                bytes.iter_mut().filter(|byte| **byte == 0xff).for_each(|byte| *byte = b'?');
            }
            // Small frames come whole.
            "reads-masked" if bytes[0] == 0x81 && bytes.get(1).is_some_and(|b| *b > 0x80) => {
                return true;
            }
            "no-fragments" if bytes[0] == 0x01 => return true,
            _ => {}
        }
        self.connection.receive(bytes);
        true
    }
}

/// A text frame of less than 64 KiB.
fn frame(mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![0x81];
    match payload.len() {
        short @ 0..126 => bytes.push(bit | short as u8),
        long => {
            bytes.push(bit | 126);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    let mask = mask.inspect(|mask| bytes.extend_from_slice(mask)).unwrap_or_default();
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    bytes
}

/// What came, owned.
enum Came {
    Open,
    Refused(u16),
    Message(Result<Value, ()>),
    Ping,
    Pong(Vec<u8>),
    Closed,
}

impl Node {
    fn is(&self, fault: &str) -> bool {
        self.fault == fault
    }

    async fn connect(&mut self) -> Over {
        let Ok(stream) = TcpStream::connect(&self.address).await else { return Over::Refused(0) };
        let mut request = ClientRequest::new(&self.address, "/").expect("an address is valid");
        if let (Ok(token), false) = (std::env::var("CLAWNODE_AUTH_TOKEN"), self.is("no-token")) {
            request = request.header("Authorization", &format!("Bearer {token}")).expect("visible");
        }
        let mut limits = Limits::default();
        if self.is("small-messages") {
            limits.max_message = 1 << 20;
        }
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&std::process::id().to_be_bytes());
        let connection = Connection::client(&request, limits, seed);
        let mut wire = Wire { stream, connection, fault: self.fault.clone() };
        if self.is("new-names") {
            self.name += 1;
        }
        self.sources = if self.is("doubled-heartbeats") { self.sources + 1 } else { 1 };
        self.live(&mut wire).await.unwrap_or(Over::Lost)
    }

    async fn live(&mut self, wire: &mut Wire) -> io::Result<Over> {
        let mut beat = Instant::now() + HEARTBEAT;
        let (mut open, mut requests) = (false, 0);
        loop {
            wire.flush().await?;
            let came = match wire.connection.poll() {
                None => None,
                Some(Event::Open) => Some(Came::Open),
                Some(Event::Refused(refusal)) => Some(Came::Refused(refusal.status())),
                Some(Event::Text(text)) => {
                    Some(Came::Message(serde_json::from_str(text).map_err(drop)))
                }
                Some(Event::Binary(bytes)) => {
                    Some(Came::Message(serde_json::from_slice(bytes).map_err(drop)))
                }
                Some(Event::Ping(_)) => Some(Came::Ping),
                Some(Event::Pong(payload)) => Some(Came::Pong(payload.to_vec())),
                Some(_) => Some(Came::Closed),
            };
            match came {
                Some(Came::Open) => {
                    open = true;
                    beat = Instant::now() + HEARTBEAT;
                    if self.is("speaks-first") {
                        wire.say(&self.message("heartbeat", json!({"status": "active"}))).await?;
                    }
                    wire.say(&self.registration()).await?;
                    for id in self.owed.clone() {
                        wire.say(&self.answers[&id]).await?;
                    }
                }
                Some(Came::Refused(401)) if !self.is("hammers") => return Ok(Over::Stop),
                Some(Came::Refused(status)) => return Ok(Over::Refused(status)),
                // The pong is what waits to be written.
                Some(Came::Ping) if self.is("ignores-pings") => {
                    let count = wire.connection.transmit().len();
                    wire.connection.sent(count).map_err(io::Error::other)?;
                }
                Some(Came::Ping) => {}
                // It proves what was sent before its ping, which names the last of it.
                Some(Came::Pong(last)) => {
                    let place = self.owed.iter().position(|id| ping(id) == last);
                    self.owed.drain(..place.map_or(0, |place| place + 1));
                }
                Some(Came::Message(message)) => {
                    requests += 1;
                    if !(self.is("forgets-the-many") && requests > 100) {
                        self.hear(wire, message).await?;
                    }
                }
                Some(Came::Closed) => {
                    if self.is("no-close-frame") {
                        return Ok(Over::Lost);
                    }
                    wire.flush().await?;
                    return Ok(Over::Lost);
                }
                None => {
                    tokio::select! {
                        more = wire.read() => if !more && wire.connection.is_finished() {
                            return Ok(Over::Lost);
                        },
                        Some((id, result)) = self.finished.recv() => {
                            self.finish(&id, Ok(result));
                            self.deliver(wire, &id).await?;
                        }
                        () = sleep_until(beat), if open => {
                            beat += HEARTBEAT;
                            if !self.is("no-heartbeats") {
                                for _ in 0..self.sources {
                                    let heartbeat = self.message("heartbeat", json!({"status": "active"}));
                                    wire.say(&heartbeat).await?;
                                }
                            }
                            if let Some(last) = self.owed.last() {
                                let _ = wire.connection.ping(&ping(last));
                            }
                        }
                        () = stop(&mut self.terminate) => {
                            let _ = wire.connection.close(CloseCode::GOING_AWAY, "");
                            wire.flush().await?;
                            while wire.read().await {}
                            return Ok(Over::Stop);
                        }
                    }
                }
            }
        }
    }

    async fn hear(&mut self, wire: &mut Wire, message: Result<Value, ()>) -> io::Result<()> {
        let message = match message {
            Ok(message @ Value::Object(_)) => message,
            _ if self.is("closes-on-malformed") => return Err(io::Error::other("malformed")),
            _ if self.is("ignores-malformed") => return Ok(()),
            _ => {
                let error = json!({"error": "not a JSON object", "details": null});
                return wire.say(&self.message("error", error)).await;
            }
        };
        let id = message["request_id"].as_str().unwrap_or_default().to_owned();
        let id = if self.is("mangles-unicode") { id.replace('\u{1f980}', "?") } else { id };
        let is_workflow = message["type"] == "workflow_request";
        match message["type"].as_str() {
            Some("command_request" | "workflow_request") => {}
            Some("ack") => {
                self.owed.retain(|owed| *owed != id);
                return Ok(());
            }
            Some("conformance_no_such_type") if self.is("closes-on-unknown-type") => {
                return Err(io::Error::other("unknown type"));
            }
            _ => return Ok(()),
        }
        let strict = self.is("strict-fields") && message.get("conformance_extra").is_some();
        let time = message["timestamp"].as_str().unwrap_or("Z");
        let naive = self.is("refuses-naive-times") && !time.contains(['Z', '+']);
        let no_command =
            !is_workflow && (!message["command"].is_string() || !message["args"].is_object());
        if strict || naive || no_command {
            let details = if self.is("anonymous-errors") || naive {
                json!(null)
            } else {
                json!({"request_id": id})
            };
            let error = json!({"error": "invalid request", "details": details});
            return wire.say(&self.message("error", error)).await;
        }
        if !self.is("runs-twice") && (self.answers.contains_key(&id) || self.running.contains(&id))
        {
            return self.deliver(wire, &id).await;
        }
        if !self.is("no-ack") {
            wire.say(&self.message("ack", json!({"request_id": id, "message": "Taken!"}))).await?;
        }
        if is_workflow {
            let outcome = self.run_workflow(&message["graph"]);
            self.finish_workflow(&id, outcome);
            return self.deliver(wire, &id).await;
        }
        let outcome = match message["command"].as_str().unwrap_or_default() {
            "echo" => Ok(message["args"].clone()),
            "count" => {
                self.runs += 1;
                Ok(json!({ "runs": self.runs }))
            }
            "sleep" => {
                let time =
                    Duration::from_secs_f64(message["args"]["seconds"].as_f64().unwrap_or(1.0));
                if self.is("blocks") {
                    std::thread::sleep(time);
                    Ok(json!({}))
                } else {
                    self.running.insert(id.clone());
                    let done = self.done.clone();
                    tokio::spawn(async move {
                        sleep(time).await;
                        let _ = done.send((id, json!({})));
                    });
                    return Ok(());
                }
            }
            _ if self.is("knows-everything") => Ok(json!({})),
            _ => Err("unknown command"),
        };
        self.finish(&id, outcome);
        self.deliver(wire, &id).await?;
        if self.is("answers-twice") {
            self.deliver(wire, &id).await?;
        }
        Ok(())
    }

    fn run_workflow(&self, graph: &Value) -> Result<Value, &'static str> {
        if self.is("completes-everything") {
            return Ok(json!({}));
        }
        match graph["nodes"][0]["type"].as_str() {
            // As much of an engine as the suite asks for.
            Some("nodetool.constant.String") => {
                Ok(json!({"text": [graph["nodes"][0]["data"]["value"]]}))
            }
            _ => Err("this graph cannot run"),
        }
    }

    fn finish(&mut self, id: &str, outcome: Result<Value, &str>) {
        let fields = match outcome {
            Ok(result) => {
                json!({"request_id": id, "status": "success", "result": result, "error": null})
            }
            Err(error) => {
                json!({"request_id": id, "status": "error", "result": null, "error": error})
            }
        };
        self.keep(id, "command_response", fields);
    }

    fn finish_workflow(&mut self, id: &str, outcome: Result<Value, &str>) {
        let fields = match outcome {
            Ok(result) => {
                json!({"request_id": id, "status": "completed", "result": result, "error": null})
            }
            Err(error) => {
                json!({"request_id": id, "status": "failed", "result": null, "error": error})
            }
        };
        self.keep(id, "workflow_response", fields);
    }

    fn keep(&mut self, id: &str, kind: &str, fields: Value) {
        let answer = self.message(kind, fields);
        self.running.remove(id);
        self.answers.insert(id.to_owned(), answer);
        self.owed.push(id.to_owned());
    }

    async fn deliver(&mut self, wire: &mut Wire, id: &str) -> io::Result<()> {
        let Some(answer) = self.answers.get(id) else { return Ok(()) };
        wire.say(answer).await?;
        if self.is("trusts-the-network") {
            self.owed.clear();
        }
        Ok(())
    }

    fn registration(&self) -> Value {
        let mut commands = json!(["echo", "sleep", "count"]);
        if self.is("wrong-types") {
            commands = json!({"echo": true, "sleep": true, "count": true});
        }
        let capabilities = json!({"workflow_execution": true, "commands": commands});
        self.message("node_registration", json!({"capabilities": capabilities, "metadata": {}}))
    }

    fn message(&self, kind: &str, mut fields: Value) -> Value {
        let micros = std::time::SystemTime::now()
            .duration_since(std::time::SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros() as i64;
        let shift = if self.is("local-time") { 7_200_000_000 } else { 0 };
        let time = clawnode_protocol::Timestamp::from_micros(micros + shift).to_string();
        fields["type"] = json!(kind);
        fields["timestamp"] =
            json!(if self.is("naive-time") { time.trim_end_matches('Z') } else { &time });
        if matches!(kind, "node_registration" | "heartbeat") {
            fields["node_id"] = json!(format!("wrong-node-{}", self.name));
        }
        fields
    }
}

/// A ping that names an answer.
fn ping(id: &str) -> Vec<u8> {
    id.bytes().take(125).collect()
}

async fn stop(signal: &mut Option<Termination>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(unix)]
type Termination = tokio::signal::unix::Signal;

#[cfg(unix)]
fn termination() -> io::Result<Option<Termination>> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map(Some)
}

#[cfg(windows)]
type Termination = tokio::signal::windows::CtrlC;

#[cfg(windows)]
fn termination() -> io::Result<Option<Termination>> {
    tokio::signal::windows::ctrl_c().map(Some)
}
