use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::peer::{
    self, Action, Dialect, FromNode, Input, LostReason, Peer, Registration, Request,
};
use clawnode_protocol::websocket::CloseCode;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::book::{LONGEST_ID, Link, News};
use crate::shared::{Clock, Shared};

/// Serves one node's connection until it ends.
pub(crate) async fn serve(shared: Arc<Shared>, stream: Upgraded, address: SocketAddr) {
    let (sender, requests) = mpsc::unbounded_channel();
    let link =
        Link { number: shared.next_link(), requests: sender, replaced: CancellationToken::new() };
    let mut config = peer::Config::new(Dialect::Nodetool);
    config.timing.register = shared.config.timing.register;
    config.timing.liveness = shared.config.timing.liveness;
    config.timing.close = shared.config.timing.close;
    // The seed is for the masks of a client; this side masks nothing.
    let peer = Peer::upgraded(config, shared.clock.now(), [0; 32]);
    debug!(%address, "WebSocket open");
    let mut driver = Driver { shared, peer, address, link, node_id: None };
    let reason = driver.drive(stream, requests).await.to_string();
    match &driver.node_id {
        Some(node_id) => {
            info!(node_id, %address, reason, "node's connection ended");
            let number = driver.link.number;
            driver.shared.book().disconnected(node_id, number, &reason, Clock::utc());
        }
        None => info!(%address, reason, "connection ended before a node registered"),
    }
}

struct Driver {
    shared: Arc<Shared>,
    peer: Peer,
    address: SocketAddr,
    link: Link,
    node_id: Option<String>,
}

/// What woke the driver.
enum Woken {
    Wrote(std::io::Result<usize>),
    Read(std::io::Result<usize>),
    Request(Arc<Request>),
    Time,
    Replaced,
    Stopping,
}

impl Driver {
    async fn drive(
        &mut self,
        stream: Upgraded,
        mut requests: mpsc::UnboundedReceiver<Arc<Request>>,
    ) -> LostReason {
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(stream));
        let mut buffer = vec![0; READ];
        let mut timer = pin!(sleep(Duration::ZERO));
        let mut armed = None;
        let (replaced, stopping) = (self.link.replaced.clone(), self.shared.stopping.clone());
        let (mut closing, mut eof, mut steps) = (false, false, 0);
        loop {
            if let Some(reason) = self.drain() {
                let _ = timeout(LINGER, writer.shutdown()).await;
                return reason;
            }
            // Sockets that are always ready would keep other tasks, and timers, from their turn.
            steps += 1;
            if steps % BUDGET == 0 {
                tokio::task::yield_now().await;
            }
            let deadline = self.peer.deadline().map(|(at, _)| at);
            if deadline.is_some_and(|at| at <= self.shared.clock.now().monotonic) {
                self.input(Input::Timeout);
                continue;
            }
            if armed != deadline {
                armed = deadline;
                if let Some(at) = deadline {
                    timer.as_mut().reset(self.shared.clock.at(at));
                }
            }
            let transmit = self.peer.transmit();
            let may_send = self.peer.is_ready() && transmit.len() < HIGH_WATER;
            let woken = tokio::select! {
                wrote = writer.write(transmit), if !transmit.is_empty() => Woken::Wrote(wrote),
                read = reader.read(&mut buffer), if !eof => Woken::Read(read),
                Some(request) = requests.recv(), if may_send => Woken::Request(request),
                () = &mut timer, if armed.is_some() => Woken::Time,
                () = replaced.cancelled(), if !closing => Woken::Replaced,
                () = stopping.cancelled(), if !closing => Woken::Stopping,
            };
            match woken {
                Woken::Wrote(Ok(count @ 1..)) => self.input(Input::Sent(count)),
                Woken::Read(Ok(0)) => {
                    eof = true;
                    self.input(Input::ReceivedEof);
                }
                Woken::Read(Ok(count)) => self.input(Input::Received(&buffer[..count])),
                Woken::Wrote(_) | Woken::Read(Err(_)) => self.input(Input::Disconnected),
                // What cannot be sent any more is marked as lost when the connection ends.
                Woken::Request(request) => self.input(Input::Request(&request)),
                // The clock decides, at the top of the loop.
                Woken::Time => armed = None,
                Woken::Replaced => {
                    closing = true;
                    let why = "a newer connection of this node_id replaced this one; stop the other node, or give it another id (--node-id)";
                    self.input(Input::Close(CloseCode::POLICY_VIOLATION, why));
                }
                Woken::Stopping => {
                    closing = true;
                    self.input(Input::Close(CloseCode::GOING_AWAY, "the gateway is stopping"));
                }
            }
        }
    }

    /// Does what the peer asks for; gives the reason once the connection is over.
    fn drain(&mut self) -> Option<LostReason> {
        while let Some(action) = self.peer.poll_action() {
            match action {
                Action::Message(message) => self.hear(message),
                Action::Closed(reason) => return Some(reason),
                // The end follows, and with it the stream is dropped.
                Action::Disconnect => {}
                // The handshake was done before the peer began.
                _ => {}
            }
        }
        None
    }

    fn hear(&mut self, message: FromNode) {
        let now = Clock::utc();
        if let FromNode::Registered(registration) = message {
            return self.register(registration);
        }
        let Some(node_id) = &self.node_id else { return };
        let mut book = self.shared.book();
        let says = match &message {
            FromNode::Alive { status } => Some(status.chars().take(LONGEST_STATUS).collect()),
            _ => None,
        };
        book.heard(node_id, says, now);
        match message {
            FromNode::Accepted { request_id, message } => {
                book.news(node_id, &request_id, News::Accepted { message }, now);
            }
            FromNode::Progress { request_id, job_id, kind, data } => {
                book.news(node_id, &request_id, News::Progress { job_id, kind, data }, now);
            }
            FromNode::Answered { request_id, job_id, outcome } => {
                book.news(node_id, &request_id, News::Answered { job_id, outcome }, now);
                drop(book);
                // Only now that it is kept; a node that hears nothing delivers again on its next connection.
                self.input(Input::Acknowledge(&request_id));
            }
            FromNode::Error { error, .. } => {
                warn!(node_id, "node reports an error");
                // It may quote what it was sent.
                debug!(node_id, error, "the error that the node reports");
            }
            FromNode::Custom { kind, .. } => debug!(node_id, kind, "custom message ignored"),
            FromNode::Faulty { problem } => warn!(node_id, problem, "node sent a faulty message"),
            _ => {}
        }
    }

    fn register(&mut self, registration: Registration) {
        if self.link.replaced.is_cancelled() {
            return;
        }
        if let Some(problem) = problem_of(&registration) {
            warn!(address = %self.address, problem, "registration refused");
            return self.input(Input::Close(CloseCode::POLICY_VIOLATION, problem));
        }
        let now = Clock::utc();
        let node_id = registration.node_id.clone();
        let (workflows, commands) = (registration.workflows, registration.commands.len());
        let mut book = self.shared.book();
        if let Some(former) = self.node_id.take().filter(|former| *former != node_id) {
            book.disconnected(&former, self.link.number, "it registered under another name", now);
        }
        let registered = book.register(registration, self.link.clone(), self.address, now);
        drop(book);
        if registered.is_err() {
            warn!(address = %self.address, "too many nodes, one is turned away");
            let why = "as many nodes are connected as this gateway takes";
            return self.input(Input::Close(CloseCode::TRY_AGAIN_LATER, why));
        }
        info!(node_id, address = %self.address, workflows, commands, "node registered");
        self.node_id = Some(node_id);
    }

    fn input(&mut self, input: Input<'_>) {
        if let Err(misuse) = self.peer.handle(self.shared.clock.now(), input) {
            debug!(address = %self.address, %misuse, "input refused");
        }
    }
}

pub(crate) fn problem_of(registration: &Registration) -> Option<&'static str> {
    let Registration { node_id, commands, metadata, .. } = registration;
    if node_id.is_empty() || node_id.len() > LONGEST_ID {
        return Some("node_id must have 1 to 256 bytes");
    }
    let bytes = commands.iter().map(|command| command.len() + 32).sum::<usize>();
    if bytes + metadata.get().len() > LARGEST_REGISTRATION {
        return Some("commands and metadata are too large");
    }
    None
}

const READ: usize = 16 << 10;
/// Rounds of the loop before other tasks get their turn.
const BUDGET: u32 = 64;
/// Bytes waiting for the socket past which no further request is taken up.
const HIGH_WATER: usize = 256 << 10;
/// How long the end of the stream may take to be written.
const LINGER: Duration = Duration::from_secs(1);
/// Characters of the word that a node has for how it is.
const LONGEST_STATUS: usize = 64;
/// Bytes of what a node says of itself, which is kept for each: room for thousands of commands.
pub(crate) const LARGEST_REGISTRATION: usize = 256 << 10;
