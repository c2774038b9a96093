//! One WebSocket connection seen from close by. It breaks rules when asked to, and goes on after the other end broke one, so that
//! each check can judge its own matter.

pub(crate) mod frame;
mod opening;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use frame::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};
pub(crate) use opening::{Refused, connect, read_upgrade};

/// Which end the suite plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plays {
    Gateway,
    Node,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Closed(End),
}

/// How the other end ended the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With a close frame.
    Frame { code: Option<u16>, reason: String },
    /// Without one.
    Cut,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frame { code: Some(code), reason } if reason.is_empty() => {
                write!(f, "a close frame with code {code}")
            }
            Self::Frame { code: Some(code), reason } => {
                write!(f, "a close frame with code {code} ({reason})")
            }
            Self::Frame { code: None, .. } => write!(f, "a close frame without a code"),
            Self::Cut => write!(f, "the end of the TCP connection without a close frame"),
        }
    }
}

/// An open connection.
pub(crate) struct Link {
    stream: TcpStream,
    plays: Plays,
    received: Vec<u8>,
    message: Option<(u8, Vec<u8>)>,
    close_sent: bool,
    ended: Option<End>,
    /// When it was opened.
    pub(crate) opened: Instant,
    /// What the other end did against RFC 6455, each once.
    pub(crate) broken: Vec<String>,
    /// The masks of the other end's frames.
    pub(crate) masks: Vec<Option<[u8; 4]>>,
}

/// Past this no frame is waited for.
const LONGEST: u64 = 64 << 20;

impl Link {
    pub(crate) fn new(stream: TcpStream, plays: Plays) -> Self {
        Self {
            stream,
            plays,
            received: Vec::new(),
            message: None,
            close_sent: false,
            ended: None,
            opened: Instant::now(),
            broken: Vec::new(),
            masks: Vec::new(),
        }
    }

    /// The next thing that comes, `None` when nothing does in time. Pings are answered.
    pub(crate) async fn hear(&mut self, within: Duration) -> Option<Heard> {
        timeout(within, self.next()).await.ok()
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.frame(true, TEXT, text.as_bytes()).await;
    }

    /// Sends a frame, masked if the suite's role asks for it.
    pub(crate) async fn frame(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        let mask = (self.plays == Plays::Node).then(random_mask);
        self.raw(&Frame { fin, reserved: 0, opcode, mask, payload }.encode()).await;
    }

    /// Starts the closing handshake.
    pub(crate) async fn close(&mut self, code: u16) {
        self.close_sent = true;
        self.frame(true, CLOSE, &code.to_be_bytes()).await;
    }

    /// Whether the other end ends the TCP connection; what still comes is discarded.
    pub(crate) async fn stream_ends(&mut self, within: Duration) -> bool {
        let wait = async {
            while matches!(self.stream.read_buf(&mut self.received).await, Ok(1..)) {
                self.received.clear();
            }
        };
        timeout(within, wait).await.is_ok()
    }

    /// Sends bytes as they are. That the other end has gone away is heard, not returned.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        // An end that never reads must not stop the suite.
        let _ = timeout(WRITE, self.stream.write_all(bytes)).await;
    }

    async fn next(&mut self) -> Heard {
        loop {
            if let Some(end) = &self.ended {
                return Heard::Closed(end.clone());
            }
            match frame::take(&mut self.received, LONGEST) {
                Ok(Some(frame)) => {
                    if let Some(heard) = self.judge(frame).await {
                        return heard;
                    }
                }
                Ok(None) => {
                    let read = self.stream.read_buf(&mut self.received).await;
                    if !matches!(read, Ok(1..)) {
                        self.ended = Some(End::Cut);
                    }
                }
                Err(problem) => {
                    self.note(problem);
                    self.ended = Some(End::Cut);
                }
            }
        }
    }

    async fn judge(&mut self, frame: frame::Received) -> Option<Heard> {
        let frame::Received { fin, reserved, opcode, mask, payload } = frame;
        self.masks.push(mask);
        match (self.plays, mask) {
            (Plays::Gateway, None) => {
                self.note("a frame that is not masked (RFC 6455 section 5.1)")
            }
            (Plays::Node, Some(_)) => self.note("a frame that is masked (RFC 6455 section 5.1)"),
            _ => {}
        }
        if reserved != 0 {
            self.note("a frame with reserved bits, though no extension was agreed on (RFC 6455 section 5.2)");
        }
        if opcode >= CLOSE && (!fin || payload.len() > 125) {
            self.note(
                "a control frame in fragments or of more than 125 bytes (RFC 6455 section 5.5)",
            );
        }
        match opcode {
            PING => {
                self.frame(true, PONG, &payload).await;
                Some(Heard::Ping(payload))
            }
            PONG => Some(Heard::Pong(payload)),
            CLOSE => {
                let (code, reason) = match payload.split_first_chunk() {
                    Some((code, reason)) => {
                        let reason = String::from_utf8_lossy(reason).into_owned();
                        (Some(u16::from_be_bytes(*code)), reason)
                    }
                    None => (None, String::new()),
                };
                if !self.close_sent {
                    self.close_sent = true;
                    self.frame(true, CLOSE, &payload[..payload.len().min(2)]).await;
                }
                let end = End::Frame { code, reason };
                self.ended = Some(end.clone());
                Some(Heard::Closed(end))
            }
            CONTINUATION | TEXT | BINARY => {
                if (opcode == CONTINUATION) != self.message.is_some() {
                    self.note("fragments out of order (RFC 6455 section 5.4)");
                }
                let (kind, whole) = self.message.get_or_insert_with(|| (opcode, Vec::new()));
                let kind = *kind;
                whole.extend_from_slice(&payload);
                if !fin {
                    return None;
                }
                let (_, whole) = self.message.take()?;
                if kind == BINARY {
                    return Some(Heard::Binary(whole));
                }
                Some(Heard::Text(String::from_utf8(whole).unwrap_or_else(|error| {
                    self.note("a text message that is not UTF-8 (RFC 6455 section 8.1)");
                    String::from_utf8_lossy(error.as_bytes()).into_owned()
                })))
            }
            other => {
                self.note(format!(
                    "a frame with the reserved opcode {other} (RFC 6455 section 5.2)"
                ));
                None
            }
        }
    }

    fn note(&mut self, problem: impl Into<String>) {
        let problem = problem.into();
        if !self.broken.contains(&problem) {
            self.broken.push(problem);
        }
    }
}

/// How long a write may take before the other end counts as one that does not read.
const WRITE: Duration = Duration::from_secs(30);

/// A mask that nobody can foretell (RFC 6455 section 10.3): the standard library's hashers are seeded by the operating system.
pub(crate) fn random_mask() -> [u8; 4] {
    (random() as u32).to_be_bytes()
}

pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
