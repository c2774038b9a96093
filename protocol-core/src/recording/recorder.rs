//! A node that is recorded while it runs.

use std::ops::Deref;

use super::digest::{Digester, hash};
use super::header::Header;
use super::record::{self, Clocks, End};
use super::secrets::{Secrets, stand_in, stand_in_target};
use super::stream::Stream;
use crate::dialect::Dialect;
use crate::node::{Action, Config, Endpoint, Input, Misuse, Node};
use crate::secret::{Credentials, Secret};
use crate::time::Now;

/// A [`Node`] with a tape that can run: what goes in is recorded, and what comes out is recorded as digests.
///
/// It is used like the node itself, and without a tape costs no more. The recording leaves through
/// [`take`](Self::take).
#[derive(Debug)]
pub struct Recorder {
    node: Node,
    tape: Option<Box<Tape>>,
}

/// A piece of a recording that still lacks its check.
#[derive(Debug)]
pub struct Piece(Vec<u8>);

#[allow(clippy::len_without_is_empty, reason = "there is no empty piece")]
impl Piece {
    /// Its bytes so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The piece as it belongs into the file, with a check of its bytes behind it.
    pub fn seal(mut self) -> Vec<u8> {
        let check = hash(&self.0);
        record::put_check(&mut self.0, check);
        self.0
    }
}

#[derive(Debug)]
struct Tape {
    out: Vec<u8>,
    /// Bytes that were taken, and the most that may be.
    taken: u64,
    limit: u64,
    clocks: Clocks,
    endpoint: Endpoint,
    secrets: Secrets,
    /// The stand-in of the credential of this attempt.
    credential: Option<Secret>,
    /// A secret was quoted, so what the node does may quote it too.
    quoted: bool,
    stream: Stream,
    /// How much of what was queued on this connection is recorded.
    queued: u64,
    drained: bool,
    ended: bool,
    scratch: Vec<u8>,
}

impl Recorder {
    /// A node that is not recorded.
    pub fn off(config: Config, seed: [u8; 32]) -> Self {
        Self { node: Node::new(config, seed), tape: None }
    }

    /// A node that is recorded from its first input on, in `limit` bytes at most. Past that the node goes on and the
    /// recording ends with a mark: it holds the beginning of the node's life, where each replay must start.
    ///
    /// Only a node of the nodetool dialect is recorded: in others the gateway says secrets too, which a recording must not hold.
    pub fn on(config: Config, seed: [u8; 32], limit: u64) -> Self {
        if !matches!(config.dialect, Dialect::Nodetool(_)) {
            return Self::off(config, seed);
        }
        let mut out = Vec::with_capacity(BLOCK);
        Header::write(&mut out, &config, seed);
        let tape = Tape {
            out,
            taken: 0,
            limit,
            clocks: Clocks::default(),
            endpoint: config.endpoint.clone(),
            secrets: Secrets::of_target(&config.endpoint.target),
            credential: None,
            quoted: false,
            stream: Stream::default(),
            queued: 0,
            drained: false,
            ended: false,
            scratch: Vec::new(),
        };
        Self { node: Node::new(config, seed), tape: Some(Box::new(tape)) }
    }

    /// As [`Node::handle`].
    ///
    /// # Errors
    ///
    /// Those of [`Node::handle`].
    pub fn handle(&mut self, now: Now, input: Input<'_>) -> Result<(), Misuse> {
        let Some(tape) = self.tape.as_mut().filter(|tape| !tape.ended) else {
            return self.node.handle(now, input);
        };
        let connected = matches!(input, Input::Connected);
        tape.input(&self.node, now, &input);
        let handled = self.node.handle(now, input);
        match handled {
            _ if tape.ended => {}
            Err(misuse) => record::put_refused(&mut tape.out, misuse),
            Ok(()) if connected => tape.connected(&self.node),
            Ok(()) => {}
        }
        handled
    }

    /// As [`Node::poll_action`].
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.node.poll_action();
        if let Some(tape) = self.tape.as_mut().filter(|tape| !tape.ended) {
            tape.polled(&self.node, action.as_ref());
        }
        action
    }

    /// Whether a recording is being made.
    pub fn is_recording(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| !tape.ended)
    }

    /// How many bytes [`take`](Self::take) would move now, but for the check.
    pub fn waiting(&self) -> usize {
        self.tape.as_ref().map_or(0, |tape| tape.settled())
    }

    /// Moves what there is of the recording to the end of `file`. What may still turn out to be the beginning of a
    /// secret is held back until it is clear.
    pub fn take(&mut self, file: &mut Vec<u8>) {
        if let Some(piece) = self.take_piece(Vec::new()) {
            file.extend_from_slice(&piece.seal());
        }
    }

    /// As [`take`](Self::take), for whoever writes the file on another thread: `memory` changes places with the memory
    /// that was filled, so that nothing is copied, and the rest is left to [`Piece::seal`]. `None`: there is nothing to
    /// take. Pieces come in order; each costs nine bytes more, so a few large ones are better.
    pub fn take_piece(&mut self, memory: Vec<u8>) -> Option<Piece> {
        let tape = self.tape.as_mut()?;
        let piece = tape.take(memory);
        if tape.ended {
            self.tape = None;
        }
        piece
    }

    /// Ends the recording with a mark, to be taken like the rest. The node is not affected.
    pub fn end(&mut self, end: End) {
        if let Some(tape) = &mut self.tape {
            tape.end(end);
        }
    }

    /// Ends the recording without a mark and drops what was not taken. The node is not affected.
    pub fn abandon(&mut self) {
        self.tape = None;
    }
}

/// For everything of a node that changes nothing.
impl Deref for Recorder {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Tape {
    fn input(&mut self, node: &Node, now: Now, input: &Input<'_>) {
        self.queued(node);
        if !self.has_room(record::size(input)) {
            return self.end(End::Full);
        }
        self.drained = false;
        if let Input::Credentials(Credentials { token: Some(secret), .. }) = input {
            self.secrets.learn(secret);
            self.credential = Some(Secret::new(stand_in(secret.expose())));
            let stand_in = Input::Credentials(Credentials::token(self.credential.clone()));
            record::put_input(&mut self.out, &mut self.clocks, now, &stand_in);
            return;
        }
        let start = self.out.len();
        let content = record::put_input(&mut self.out, &mut self.clocks, now, input);
        match input {
            Input::Credentials(_) => self.credential = None,
            Input::Connected => {
                self.stream = Stream::default();
                self.queued = 0;
            }
            Input::ReceivedEof => self.stream.release(),
            Input::Disconnected(_) => self.stream = Stream::default(),
            _ => {}
        }
        if self.secrets.is_empty() || content == self.out.len() {
            return;
        }
        let content = content..self.out.len();
        self.quoted |= match input {
            Input::Received(_) => self.stream.receive(&mut self.out, content, start, &self.secrets),
            _ => self.secrets.replace(&mut self.out[content]),
        };
    }

    /// The upgrade request is queued. With the stand-in it would read as follows.
    fn connected(&mut self, node: &Node) {
        let request = node.transmit();
        let Some(key) = value_of_key(request) else { return };
        let endpoint =
            Endpoint::new(self.endpoint.authority.clone(), stand_in_target(&self.endpoint.target));
        let mut session = node.config().dialect.node_session();
        let credentials = Credentials::token(self.credential.clone());
        let Ok(recorded) = session.begin(&endpoint, &credentials) else {
            return;
        };
        self.queued = request.len() as u64;
        record::put_queued(&mut self.out, self.queued, hash(&recorded.write(key)));
    }

    fn polled(&mut self, node: &Node, action: Option<&Action>) {
        if !self.has_room(0) {
            return self.end(End::Full);
        }
        match action {
            Some(action) => {
                self.drained = false;
                let secrets = self.quoted.then_some(&self.secrets);
                let mark = Digester::new(&mut self.scratch, secrets).action(action);
                record::put_action(&mut self.out, mark);
            }
            None => {
                if !std::mem::replace(&mut self.drained, true) {
                    record::put_drained(&mut self.out);
                }
                self.queued(node);
            }
        }
    }

    /// Records what was queued for the socket since the last look.
    fn queued(&mut self, node: &Node) {
        let Some(fresh) = node.queued_since(self.queued) else { return };
        self.queued += fresh.len() as u64;
        let secrets = self.quoted.then_some(&self.secrets);
        let digest = Digester::new(&mut self.scratch, secrets).frames(fresh);
        record::put_queued(&mut self.out, fresh.len() as u64, digest);
        self.scratch.clear();
        self.scratch.shrink_to(BLOCK);
    }

    fn has_room(&self, content: usize) -> bool {
        let needed = self.out.len() as u64 + content as u64 + RESERVE;
        self.taken.saturating_add(needed) <= self.limit
    }

    /// How many bytes change no more: all, or those before what may be the beginning of a secret.
    fn settled(&self) -> usize {
        let all = self.out.len();
        self.stream.held().filter(|held| all - held <= MOST_HELD).unwrap_or(all)
    }

    fn take(&mut self, mut memory: Vec<u8>) -> Option<Piece> {
        let end = self.settled();
        if end == 0 {
            return None;
        }
        memory.clear();
        if end == self.out.len() {
            self.stream.release();
        } else {
            memory.extend_from_slice(&self.out[end..]);
            self.out.truncate(end);
            self.stream.shift(end);
        }
        let bytes = std::mem::replace(&mut self.out, memory);
        self.taken += (bytes.len() + record::CHECK_SIZE) as u64;
        Some(Piece(bytes))
    }

    fn end(&mut self, end: End) {
        if !std::mem::replace(&mut self.ended, true) {
            self.stream.release();
            record::put_end(&mut self.out, end);
        }
    }
}

/// The `Sec-WebSocket-Key` of an upgrade request.
fn value_of_key(request: &[u8]) -> Option<&str> {
    let at = memchr::memmem::find(request, KEY)? + KEY.len();
    let value = &request[at..];
    let end = memchr::memchr(b'\r', value)?;
    std::str::from_utf8(&value[..end]).ok()
}

const KEY: &[u8] = b"\r\nSec-WebSocket-Key: ";

/// The size of a usual piece of a recording.
const BLOCK: usize = 64 << 10;

/// Room for what surrounds the content of an input, and for the end.
const RESERVE: u64 = 256;

/// What looks like the beginning of a secret may hold back this much, until it is taken for something else.
const MOST_HELD: usize = 1 << 20;
