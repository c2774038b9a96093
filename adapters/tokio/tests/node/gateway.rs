//! A gateway made of the protocol's own `Peer` and tokio sockets. Tests script it message by message.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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

use crate::soon;

/// Decides about an upgrade request: `None` lets it in, a status rejects it.
type Guard = Arc<Mutex<Box<dyn FnMut(&UpgradeRequest) -> Option<u16> + Send>>>;

pub(crate) struct Gateway {
    listener: Option<TcpListener>,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    guard: Guard,
}

impl Gateway {
    pub(crate) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let guard: Guard = Arc::new(Mutex::new(Box::new(|_| None)));
        Self { listener: Some(listener), address, tls: None, guard }
    }

    pub(crate) async fn with_tls(acceptor: TlsAcceptor) -> Self {
        Self { tls: Some(acceptor), ..Self::bind().await }
    }

    /// Decides who comes in from now on.
    pub(crate) fn guard(&self, guard: impl FnMut(&UpgradeRequest) -> Option<u16> + Send + 'static) {
        *self.guard.lock().unwrap() = Box::new(guard);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.address)
    }

    /// Nobody listens any more.
    pub(crate) fn close(&mut self) {
        self.listener = None;
    }

    pub(crate) fn reopen(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.listener = Some(socket.listen(16).unwrap());
    }

    /// The raw stream of the next node.
    pub(crate) async fn accept_stream(&self) -> TcpStream {
        soon(self.listener.as_ref().unwrap().accept()).await.unwrap().0
    }

    /// The next connection, whatever becomes of it.
    pub(crate) async fn accept(&self) -> Connection {
        let stream = self.accept_stream().await;
        let (commands, told) = mpsc::unbounded_channel();
        let (tell, messages) = mpsc::unbounded_channel();
        let guard = Arc::clone(&self.guard);
        match &self.tls {
            Some(acceptor) => {
                let accepted = acceptor.accept(stream);
                tokio::spawn(async move {
                    if let Ok(stream) = accepted.await {
                        drive(stream, told, tell, guard).await;
                    }
                });
            }
            None => {
                tokio::spawn(drive(stream, told, tell, guard));
            }
        }
        Connection { commands, messages }
    }

    /// The next connection, once it is registered.
    pub(crate) async fn accept_registered(&self) -> (Connection, Registration) {
        let mut connection = self.accept().await;
        match connection.next().await {
            Said::Message(FromNode::Registered(registration)) => (connection, registration),
            other => panic!("no registration but {other:?}"),
        }
    }

    pub(crate) async fn accept_node(&self) -> Connection {
        self.accept_registered().await.0
    }
}

/// One connection with a node. Dropping it breaks the connection off.
pub(crate) struct Connection {
    commands: mpsc::UnboundedSender<Command>,
    messages: mpsc::UnboundedReceiver<Said>,
}

type Act = Box<dyn FnOnce(&mut Peer, Now) -> Result<(), Misuse> + Send>;

enum Command {
    Do(Act),
    Read(bool),
}

#[derive(Debug)]
pub(crate) enum Said {
    Message(FromNode),
    Closed(LostReason),
}

/// All a node said about one request.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) accepted: bool,
    pub(crate) progress: Vec<Value>,
    pub(crate) outcome: Outcome,
}

impl Answered {
    pub(crate) fn result(&self) -> Value {
        match &self.outcome {
            Outcome::Completed(result) => serde_json::from_str(result.get()).unwrap(),
            Outcome::Failed(failure) => panic!("it failed: {failure:?}"),
        }
    }

    pub(crate) fn error(&self) -> &str {
        match &self.outcome {
            Outcome::Completed(result) => panic!("it was completed: {result}"),
            Outcome::Failed(failure) => &failure.message,
        }
    }
}

impl Connection {
    pub(crate) fn command(&self, request_id: &str, name: &str, args: Value) {
        self.request(request_id, Task::Command { name: name.to_owned(), args: raw(&args) });
    }

    pub(crate) fn workflow(&self, request_id: &str, id: &str, params: Value) {
        let source = WorkflowSource::Id(id.to_owned());
        self.request(request_id, Task::Workflow { source, params: raw(&params) });
    }

    fn request(&self, request_id: &str, task: Task) {
        let request = Request::new(request_id.to_owned(), task);
        self.act(move |peer, now| peer.handle(now, Input::Request(&request)));
    }

    pub(crate) fn custom(&self, text: &str) {
        let text = text.to_owned();
        self.act(move |peer, now| peer.handle(now, Input::Custom(&text)));
    }

    pub(crate) fn close(&self, code: CloseCode) {
        self.act(move |peer, now| peer.handle(now, Input::Close(code, "test")));
    }

    fn act(&self, act: impl FnOnce(&mut Peer, Now) -> Result<(), Misuse> + Send + 'static) {
        let _ = self.commands.send(Command::Do(Box::new(act)));
    }

    /// Whether to read what the node sends.
    pub(crate) fn read(&self, read: bool) {
        let _ = self.commands.send(Command::Read(read));
    }

    /// The next thing the node says, heartbeats included.
    pub(crate) async fn next(&mut self) -> Said {
        match soon(self.messages.recv()).await {
            Some(said) => said,
            None => Said::Closed(LostReason::Disconnected),
        }
    }

    /// Everything about this request up to its answer; what else is said meanwhile is dropped.
    pub(crate) async fn answer(&mut self, wanted: &str) -> Answered {
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
    pub(crate) async fn closed(&mut self) -> LostReason {
        loop {
            if let Said::Closed(reason) = self.next().await {
                return reason;
            }
        }
    }
}

async fn drive(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    mut commands: mpsc::UnboundedReceiver<Command>,
    messages: mpsc::UnboundedSender<Said>,
    guard: Guard,
) {
    let start = Instant::now();
    let now = || Now::new(start.elapsed(), clawnode_tokio::wall_clock());
    let mut peer = Peer::new(Config::new(Dialect::Nodetool), now(), [1; 32]);
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
