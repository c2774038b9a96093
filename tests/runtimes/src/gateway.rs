//! A gateway made of the protocol's own `Peer` and tokio sockets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clawnode_protocol::dialect::openclaw::{GatewayConfig, Hello};
use clawnode_protocol::peer::{
    Action, Applicant, Config, Decision, Dialect, FromNode, Input, LostReason, Misuse,
    Registration, Request,
};
use clawnode_protocol::websocket::{CloseCode, UpgradeRequest};
use clawnode_protocol::{Now, Outcome, Peer, Task, WorkflowSource};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::{beside, soon};

/// Decides about an upgrade request: `None` lets it in, a status rejects it.
type Guard = Arc<Mutex<Box<dyn FnMut(&UpgradeRequest) -> Option<u16> + Send>>>;

/// A gateway that tests script message by message.
pub struct Gateway {
    listener: Option<Arc<TcpListener>>,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    dialect: Dialect,
    guard: Guard,
}

impl Gateway {
    /// A gateway on IPv4 loopback, without TLS.
    pub async fn bind() -> Self {
        Self::bind_to("127.0.0.1:0").await
    }

    /// A gateway at this address of the machine.
    pub async fn bind_to(address: &'static str) -> Self {
        let listener = Arc::new(beside(TcpListener::bind(address)).await.unwrap());
        let address = listener.local_addr().unwrap();
        let guard: Guard = Arc::new(Mutex::new(Box::new(|_| None)));
        let dialect = Dialect::Nodetool;
        Self { listener: Some(listener), address, tls: None, dialect, guard }
    }

    /// A gateway that speaks TLS.
    pub async fn with_tls(acceptor: TlsAcceptor) -> Self {
        Self { tls: Some(acceptor), ..Self::bind().await }
    }

    /// A gateway that speaks openclaw, lets every device in, and lets it do all it wants.
    pub async fn openclaw() -> Self {
        let dialect = Dialect::Openclaw(GatewayConfig::default());
        Self { dialect, ..Self::bind().await }
    }

    /// Decides who comes in from now on.
    pub fn guard(&self, guard: impl FnMut(&UpgradeRequest) -> Option<u16> + Send + 'static) {
        *self.guard.lock().unwrap() = Box::new(guard);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a node is told.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.address)
    }

    /// Nobody listens any more.
    pub fn close(&mut self) {
        self.listener = None;
    }

    /// Listens again, where it did before.
    pub async fn reopen(&mut self) {
        self.listener = Some(Arc::new(beside(listen(self.address)).await));
    }

    /// The raw stream of the next node.
    pub async fn accept_stream(&self) -> TcpStream {
        let listener = Arc::clone(self.listener.as_ref().unwrap());
        soon(beside(async move { listener.accept().await })).await.unwrap().0
    }

    /// The next connection, whatever becomes of it.
    pub async fn accept(&self) -> Connection {
        let stream = self.accept_stream().await;
        let (commands, told) = mpsc::unbounded_channel();
        let (tell, messages) = mpsc::unbounded_channel();
        let (dialect, guard) = (self.dialect, Arc::clone(&self.guard));
        match &self.tls {
            Some(acceptor) => {
                let accepted = acceptor.accept(stream);
                drop(beside(async move {
                    if let Ok(stream) = accepted.await {
                        drive(stream, told, tell, dialect, guard).await;
                    }
                }));
            }
            None => drop(beside(drive(stream, told, tell, dialect, guard))),
        }
        Connection { commands, messages }
    }

    /// The next connection, once it is registered.
    pub async fn accept_registered(&self) -> (Connection, Registration) {
        let mut connection = self.accept().await;
        match connection.next().await {
            Said::Message(FromNode::Registered(registration)) => (connection, registration),
            other => panic!("no registration but {other:?}"),
        }
    }

    /// The same, when what it says of itself does not matter.
    pub async fn accept_node(&self) -> Connection {
        self.accept_registered().await.0
    }
}

/// One connection with a node. Dropping it breaks the connection off.
pub struct Connection {
    commands: mpsc::UnboundedSender<Command>,
    messages: mpsc::UnboundedReceiver<Said>,
}

type Act = Box<dyn FnOnce(&mut Peer, Now) -> Result<(), Misuse> + Send>;

enum Command {
    Do(Act),
    Read(bool),
}

/// What a connection has to tell.
#[derive(Debug)]
pub enum Said {
    /// A message of the node.
    Message(FromNode),
    /// The connection is over. The last.
    Closed(LostReason),
}

/// All a node said about one request.
#[derive(Debug)]
pub struct Answered {
    /// It was acknowledged.
    pub accepted: bool,
    /// The data of its updates.
    pub progress: Vec<Value>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Answered {
    /// The result of what must have been completed.
    pub fn result(&self) -> Value {
        match &self.outcome {
            Outcome::Completed(result) => serde_json::from_str(result.get()).unwrap(),
            Outcome::Failed(failure) => panic!("it failed: {failure:?}"),
        }
    }

    /// The reason of what must have failed.
    pub fn error(&self) -> &str {
        match &self.outcome {
            Outcome::Completed(result) => panic!("it was completed: {result}"),
            Outcome::Failed(failure) => &failure.message,
        }
    }
}

impl Connection {
    /// Asks for a command.
    pub fn command(&self, request_id: &str, name: &str, args: Value) {
        self.request(request_id, Task::Command { name: name.to_owned(), args: raw(&args) });
    }

    /// Asks for a workflow that the node knows.
    pub fn workflow(&self, request_id: &str, id: &str, params: Value) {
        let source = WorkflowSource::Id(id.to_owned());
        self.request(request_id, Task::Workflow { source, params: raw(&params) });
    }

    fn request(&self, request_id: &str, task: Task) {
        let request = Request::new(request_id.to_owned(), task);
        self.act(move |peer, now| peer.handle(now, Input::Request(&request)));
    }

    /// Wants no answer to a request any more. Openclaw gateways only.
    pub fn cancel(&self, request_id: &str) {
        let request_id = request_id.to_owned();
        self.act(move |peer, now| peer.handle(now, Input::Cancel(&request_id)));
    }

    /// Sends a message of a type of its own.
    pub fn custom(&self, text: &str) {
        let text = text.to_owned();
        self.act(move |peer, now| peer.handle(now, Input::Custom(&text)));
    }

    /// Begins the closing handshake.
    pub fn close(&self, code: CloseCode) {
        self.act(move |peer, now| peer.handle(now, Input::Close(code, "test")));
    }

    fn act(&self, act: impl FnOnce(&mut Peer, Now) -> Result<(), Misuse> + Send + 'static) {
        let _ = self.commands.send(Command::Do(Box::new(act)));
    }

    /// Whether to read what the node sends.
    pub fn read(&self, read: bool) {
        let _ = self.commands.send(Command::Read(read));
    }

    /// The next thing the node says, heartbeats included.
    pub async fn next(&mut self) -> Said {
        match soon(self.messages.recv()).await {
            Some(said) => said,
            None => Said::Closed(LostReason::Disconnected),
        }
    }

    /// Everything about this request up to its answer; what else is said meanwhile is dropped.
    pub async fn answer(&mut self, wanted: &str) -> Answered {
        let (mut accepted, mut progress) = (false, Vec::new());
        loop {
            match self.next().await {
                Said::Message(FromNode::Accepted { request_id, .. }) if request_id == wanted => {
                    accepted = true;
                }
                Said::Message(FromNode::Progress { request_id, data, .. })
                    if request_id == wanted =>
                {
                    progress.push(serde_json::from_str(data.get()).unwrap());
                }
                Said::Message(FromNode::Answered { request_id, outcome, .. })
                    if request_id == wanted =>
                {
                    return Answered { accepted, progress, outcome };
                }
                Said::Message(_) => {}
                Said::Closed(reason) => panic!("closed without an answer: {reason:?}"),
            }
        }
    }

    /// Why the connection ended; what is said before is dropped.
    pub async fn closed(&mut self) -> LostReason {
        loop {
            if let Said::Closed(reason) = self.next().await {
                return reason;
            }
        }
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(16).unwrap()
}

async fn drive(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    mut commands: mpsc::UnboundedReceiver<Command>,
    messages: mpsc::UnboundedSender<Said>,
    dialect: Dialect,
    guard: Guard,
) {
    let start = Instant::now();
    let now = || Now::new(start.elapsed(), clawnode_runtime::wall_clock());
    let mut peer = Peer::new(Config::new(dialect), now(), [1; 32]);
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut buffer = [0; 16 << 10];
    let mut reading = true;
    loop {
        while let Some(action) = peer.poll_action() {
            match action {
                Action::Authorize(Applicant::Upgrade(request)) => {
                    let decision = match (guard.lock().unwrap())(&request) {
                        None => Decision::Accept,
                        Some(status) => {
                            Decision::Reject { status, message: "no", retry_after: None }
                        }
                    };
                    peer.handle(now(), Input::Authorize(decision)).unwrap();
                }
                Action::Authorize(Applicant::Connect(_)) => {
                    let hello = Hello::new("token");
                    let welcome = Input::Authorize(Decision::Welcome(&hello));
                    peer.handle(now(), welcome).unwrap();
                }
                Action::Message(message) => drop(messages.send(Said::Message(message))),
                Action::Disconnect => {}
                Action::Closed(reason) => {
                    let _ = writer.shutdown().await;
                    let _ = messages.send(Said::Closed(reason));
                    return;
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        let wait = peer
            .deadline()
            .map_or(Duration::from_secs(60), |(at, _)| at.saturating_sub(start.elapsed()));
        let waiting = peer.transmit();
        tokio::select! {
            written = writer.write(waiting), if !waiting.is_empty() => {
                let input = written.map_or(Input::Disconnected, Input::Sent);
                peer.handle(now(), input).unwrap();
            }
            count = reader.read(&mut buffer), if reading => {
                let input = match count {
                    Ok(0) => {
                        reading = false;
                        Input::ReceivedEof
                    }
                    Ok(count) => Input::Received(&buffer[..count]),
                    Err(_) => Input::Disconnected,
                };
                peer.handle(now(), input).unwrap();
            }
            command = commands.recv() => match command {
                Some(Command::Do(act)) => act(&mut peer, now()).unwrap(),
                Some(Command::Read(read)) => reading = read,
                None => return,
            },
            () = tokio::time::sleep(wait) => peer.handle(now(), Input::Timeout).unwrap(),
        }
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}
