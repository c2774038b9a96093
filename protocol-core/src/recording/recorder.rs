//! A node that is recorded while it runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, Range};

use super::digest::{Digester, hash};
use super::header::Header;
use super::record::{self, Clocks, End};
use super::secrets::{Secrets, stand_in, stand_in_target};
use super::stream::Stream;
use super::wire::{Cursor, put_bytes};
use crate::dialect::Dialect;
use crate::ledger;
use crate::node::{Action, Config, Endpoint, Input, Misuse, Node, Phase};
use crate::secret::Credentials;
use crate::state::{Saver, State};
use crate::time::Now;
use crate::work::{Answer, Task, Work, WorkId};

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
pub struct Piece {
    bytes: Vec<u8>,
    begins_part: bool,
}

#[allow(clippy::len_without_is_empty, reason = "there is no empty piece")]
impl Piece {
    /// Its bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it is the first of a part, which belongs into a file of its own.
    pub fn begins_part(&self) -> bool {
        self.begins_part
    }

    /// The piece as it belongs into the file, with a check of its bytes behind it.
    pub fn seal(mut self) -> Vec<u8> {
        let check = hash(&self.bytes);
        record::put_check(&mut self.bytes, check);
        self.bytes
    }
}

#[derive(Debug)]
struct Tape {
    out: Vec<u8>,
    /// Whether `out` is the beginning of a part.
    begins_part: bool,
    /// The ends of the parts before.
    finished: VecDeque<Piece>,
    /// The number of this part, and whether there may be another.
    part: u64,
    rotates: bool,
    /// Bytes of this part that were taken, and the most that may be.
    taken: u64,
    limit: u64,
    clocks: Clocks,
    endpoint: Endpoint,
    secrets: Secrets,
    /// The stand-ins of the credentials of this attempt.
    shown: Credentials,
    /// That of the signature of this connection.
    signature: Option<String>,
    /// A secret was quoted, so what the node does may quote it too.
    quoted: bool,
    /// The digests of requests that quote a secret, as they are with its stand-in.
    digests: BTreeMap<WorkId, u128>,
    /// Work whose answer the checkpoint of this part has left out.
    omitted: BTreeSet<WorkId>,
    /// Whether the gateway may say secrets of its own.
    is_told_secrets: bool,
    withheld: Option<Withheld>,
    stream: Stream,
    /// How much of what was queued on this connection is recorded.
    queued: u64,
    drained: bool,
    ended: Option<End>,
    scratch: Vec<u8>,
}

/// What a gateway said that has not let the node in yet. It may hold secrets that are known only once it was read.
#[derive(Debug, Default)]
struct Withheld {
    /// Where it is, and where the records begin.
    pieces: Vec<(Range<usize>, usize)>,
    /// How many of the gateway's secrets are learned, and how often a secret was found.
    learned: usize,
    found: usize,
}

impl Recorder {
    /// A node that is not recorded.
    pub fn off(config: Config, seed: [u8; 32]) -> Self {
        Self { node: Node::new(config, seed), tape: None }
    }

    /// A node that is recorded from its first input on, in `limit` bytes at most. Past that the node goes on and the
    /// recording ends with a mark: it holds the beginning of the node's life.
    pub fn on(config: Config, seed: [u8; 32], limit: u64) -> Self {
        Self::with_tape(config, seed, limit, false)
    }

    /// A node that is recorded from its first input on, in parts of `limit` bytes at most. A part that has as many ends, and the
    /// next begins with a checkpoint of the node, from which a replay goes on. What is kept of them is for the caller to say:
    /// each is a recording of its own.
    ///
    /// The part ends up to a quarter earlier, where the node comes to rest, as [the module](super#parts) says; if it does not, or if the checkpoint
    /// needed more than half of a part, the recording ends as that of [`on`](Self::on) does.
    pub fn in_parts(config: Config, seed: [u8; 32], limit: u64) -> Self {
        Self::with_tape(config, seed, limit, true)
    }

    fn with_tape(config: Config, seed: [u8; 32], limit: u64, rotates: bool) -> Self {
        let mut out = Vec::with_capacity(BLOCK);
        Header::write(&mut out, &config, seed);
        let tape = Tape {
            out,
            begins_part: true,
            finished: VecDeque::new(),
            part: 0,
            rotates,
            taken: 0,
            limit,
            clocks: Clocks::default(),
            endpoint: config.endpoint.clone(),
            secrets: Secrets::of_target(&config.endpoint.target),
            shown: Credentials::none(),
            signature: None,
            quoted: false,
            digests: BTreeMap::new(),
            omitted: BTreeSet::new(),
            is_told_secrets: !matches!(config.dialect, Dialect::Nodetool(_)),
            withheld: None,
            stream: Stream::default(),
            queued: 0,
            drained: false,
            ended: None,
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
        let Some(tape) = self.tape.as_mut().filter(|tape| tape.ended.is_none()) else {
            return self.node.handle(now, input);
        };
        let connected = matches!(input, Input::Connected);
        tape.input(&self.node, now, &input);
        let handled = self.node.handle(now, input);
        match handled {
            _ if tape.ended.is_some() => {}
            Err(misuse) => record::put_refused(&mut tape.out, misuse),
            Ok(()) if connected => tape.connected(&self.node),
            Ok(()) => {}
        }
        handled
    }

    /// As [`Node::poll_action`].
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.node.poll_action();
        if let Some(tape) = self.tape.as_mut().filter(|tape| tape.ended.is_none()) {
            if !tape.omitted.is_empty() {
                self.node.take_resent().iter().for_each(|answer| tape.resent(answer));
            }
            tape.polled(&self.node, action.as_ref());
            self.node.watch_resent(!tape.omitted.is_empty());
        }
        action
    }

    /// Whether a recording is being made.
    pub fn is_recording(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| tape.ended.is_none())
    }

    /// Why the recording has ended, until the last of it is taken.
    pub fn ended(&self) -> Option<End> {
        self.tape.as_ref().and_then(|tape| tape.ended)
    }

    /// How many bytes [`take`](Self::take) would move now, but for the checks.
    pub fn waiting(&self) -> usize {
        self.tape.as_ref().map_or(0, |tape| tape.waiting())
    }

    /// Moves what there is of the recording to the end of `file`, for a recording of one part. What may still turn out to be the
    /// beginning of a secret is held back until it is clear.
    pub fn take(&mut self, file: &mut Vec<u8>) {
        while let Some(piece) = self.take_piece(Vec::new()) {
            file.extend_from_slice(&piece.seal());
        }
    }

    /// As [`take`](Self::take), for whoever writes the file on another thread: `memory` changes places with the memory
    /// that was filled, so that nothing is copied, and the rest is left to [`Piece::seal`]. `None`: there is nothing to
    /// take. Pieces come in order; each costs nine bytes more, so a few large ones are better.
    pub fn take_piece(&mut self, memory: Vec<u8>) -> Option<Piece> {
        let tape = self.tape.as_mut()?;
        let piece = tape.take(memory);
        if tape.ended.is_some() && tape.waiting() == 0 {
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
        if !self.drained {
            self.queued(node);
        }
        if !self.has_room(record::size(input)) {
            return self.end(End::Full);
        }
        self.drained = false;
        match input {
            Input::Received(_) => self.received(now, input),
            // Numbers only.
            Input::Sent(_) | Input::Admitted(_) | Input::Recorded(_) | Input::Timeout => {
                record::put_input(&mut self.out, &mut self.clocks, now, input);
            }
            Input::Credentials(credentials) => {
                let stand_ins = Input::Credentials(self.secrets.learn_all(credentials));
                record::put_input(&mut self.out, &mut self.clocks, now, &stand_ins);
                self.shown = self.secrets.learn_all(&node.with_unkept(credentials.clone()));
            }
            Input::Signature(signature) => {
                let stand_in = stand_in(signature, 0);
                let input = Input::Signature(&stand_in);
                record::put_input(&mut self.out, &mut self.clocks, now, &input);
                self.signature = Some(stand_in);
            }
            Input::Connected => {
                record::put_input(&mut self.out, &mut self.clocks, now, input);
                self.stream = Stream::default();
                self.queued = 0;
                self.signature = None;
                if self.is_told_secrets {
                    self.stream = Stream::withheld();
                    self.withheld = Some(Withheld::default());
                }
            }
            Input::ReceivedEof => {
                record::put_input(&mut self.out, &mut self.clocks, now, input);
                self.stream.release();
            }
            Input::Disconnected(_) => {
                self.withheld_for_good();
                self.said(now, input);
                self.stream = Stream::default();
            }
            _ => self.said(now, input),
        }
    }

    /// An input with something to say, which may quote a secret.
    fn said(&mut self, now: Now, input: &Input<'_>) {
        let content = record::put_input(&mut self.out, &mut self.clocks, now, input);
        if !self.secrets.is_empty() {
            self.quoted |= self.secrets.replace(&mut self.out[content..]) > 0;
        }
    }

    fn received(&mut self, now: Now, input: &Input<'_>) {
        let start = self.out.len();
        let content = record::put_input(&mut self.out, &mut self.clocks, now, input);
        let content = content..self.out.len();
        match &mut self.withheld {
            _ if content.is_empty() => {}
            Some(withheld) => {
                withheld.pieces.push((content.clone(), start));
                withheld.found += self.stream.receive(&mut self.out, content, start, &self.secrets);
                if self.out.len() - withheld.pieces[0].1 > MOST_WITHHELD {
                    self.give_up_withheld();
                }
            }
            None if self.secrets.is_empty() => {}
            None => {
                let found = self.stream.receive(&mut self.out, content, start, &self.secrets);
                self.quoted |= found > 0;
            }
        }
    }

    /// The upgrade request is queued. With the stand-ins it would read as follows.
    fn connected(&mut self, node: &Node) {
        let request = node.transmit();
        let Some(key) = value_of_key(request) else { return };
        let endpoint =
            Endpoint::new(self.endpoint.authority.clone(), stand_in_target(&self.endpoint.target));
        let Ok(recorded) = node.upgrade_request(&endpoint, &self.shown) else { return };
        self.queued = request.len() as u64;
        record::put_queued(&mut self.out, self.queued, hash(&recorded.write(key)));
    }

    /// A replay must know what is sent again before it goes on.
    fn resent(&mut self, answer: &Answer) {
        if !self.omitted.remove(&answer.work) || self.ended.is_some() {
            return;
        }
        if !self.has_room(answer.outcome.size()) {
            return self.end(End::Full);
        }
        let content = record::put_supplied(&mut self.out, answer.work, &answer.outcome);
        self.secrets.replace(&mut self.out[content..]);
    }

    fn polled(&mut self, node: &Node, action: Option<&Action>) {
        if self.ended.is_some() || !self.has_room(0) {
            return self.end(End::Full);
        }
        self.hear(node);
        match action {
            Some(action) => {
                self.drained = false;
                if let (Action::Admit(work), true) = (action, self.quoted) {
                    self.note_digest(node, work);
                }
                let secrets = self.quotable(node).then_some(&self.secrets);
                let mut digester = Digester::new(&mut self.scratch, secrets);
                let noted = &self.digests;
                let request = |work: &Work| {
                    noted.get(&work.id).copied().unwrap_or_else(|| node.request_digest(work))
                };
                let mark = match action {
                    Action::Sign(text) => {
                        // What a node says that knows only the stand-ins.
                        let text = node.sign_text_with(&self.shown).unwrap_or_else(|| text.clone());
                        digester.forget_secrets();
                        digester.action(&Action::Sign(text), request)
                    }
                    action => digester.action(action, request),
                };
                record::put_action(&mut self.out, mark);
            }
            None => {
                if !std::mem::replace(&mut self.drained, true) {
                    record::put_drained(&mut self.out);
                }
                self.queued(node);
                self.drained(node);
            }
        }
    }

    /// Learns the secrets that the gateway said in what the node has just read.
    fn hear(&mut self, node: &Node) {
        let Some(withheld) = &mut self.withheld else { return };
        let (secrets, _) = node.secrets_heard();
        if withheld.learned == secrets.len() {
            return;
        }
        for secret in &secrets[withheld.learned.min(secrets.len())..] {
            self.secrets.learn(secret);
        }
        withheld.learned = secrets.len();
        self.stream = Stream::withheld();
        for (piece, record) in &withheld.pieces {
            let found = self.stream.receive(&mut self.out, piece.clone(), *record, &self.secrets);
            withheld.found += found;
        }
    }

    /// Records what was queued for the socket since the last look.
    fn queued(&mut self, node: &Node) {
        let Some(fresh) = node.queued_since(self.queued) else { return };
        self.queued += fresh.len() as u64;
        let quotable = self.quotable(node);
        let secrets = quotable.then_some(&self.secrets);
        let connect = || node.connect_with(&self.shown, self.signature.as_deref());
        let digest = Digester::new(&mut self.scratch, secrets).frames(fresh, connect);
        record::put_queued(&mut self.out, fresh.len() as u64, digest);
        self.scratch.clear();
        self.scratch.shrink_to(BLOCK);
    }

    /// Whether what the node does may quote a secret: after the gateway or the application did, and while it shows its own to
    /// a gateway.
    fn quotable(&self, node: &Node) -> bool {
        self.quoted || (self.is_told_secrets && node.phase() != Phase::Ready)
    }

    /// A request that quotes a secret has another digest with its stand-in.
    fn note_digest(&mut self, node: &Node, work: &Work) {
        let mut saver = Saver::plain(Vec::new());
        (work.user_id.clone(), work.task.clone()).save(&mut saver);
        if self.secrets.replace(&mut saver.out) == 0 {
            return;
        }
        let Ok((user_id, task)) = <(String, Task)>::load(&mut Cursor::new(&saver.out)) else {
            return;
        };
        self.digests.insert(work.id, ledger::digest(&user_id, &task));
        let limits = &node.config().limits;
        if self.digests.len() > limits.owed.saturating_add(limits.remembered) {
            self.digests.pop_first();
        }
    }

    /// The node is drained: what it has read may be given away, and the part may end.
    fn drained(&mut self, node: &Node) {
        if let Some(withheld) = &self.withheld {
            match node.phase() {
                Phase::Opening | Phase::Registering | Phase::Closing => {}
                Phase::Ready => {
                    let (_, said) = node.secrets_heard();
                    // The node does not repeat what it was given when it was let in.
                    self.quoted |= withheld.found > said;
                    self.withheld = None;
                    self.stream.trust();
                }
                _ => self.withheld_for_good(),
            }
        }
        let nearly = self.limit - self.limit / 4;
        if self.rotates && self.taken + self.out.len() as u64 >= nearly {
            self.rotate(node);
        }
    }

    /// Nobody will read what the gateway has not said to the end.
    fn withheld_for_good(&mut self) {
        if self.withheld.take().is_some() {
            self.stream.blot_out_unfinished(&mut self.out);
        }
    }

    /// The recording ends before what could not be searched for secrets.
    fn give_up_withheld(&mut self) {
        let Some(withheld) = self.withheld.take() else { return };
        if let Some((_, record)) = withheld.pieces.first() {
            self.out.truncate(*record);
        }
        self.stream = Stream::default();
        self.end(End::Withheld);
    }

    /// Begins another part, if this is an instant for it.
    fn rotate(&mut self, node: &Node) {
        let most = self.limit / 2;
        let at_rest =
            node.is_at_rest() && self.finished.len() < MOST_FINISHED && self.held().is_none();
        if !at_rest || node.checkpoint_size() as u64 > most {
            return;
        }
        let mut next = Vec::with_capacity(BLOCK + node.checkpoint_size());
        Header::write_later(&mut next, node.config(), self.part + 1);
        let (checkpoint, omitted) = self.checkpoint(node);
        put_bytes(&mut next, &checkpoint);
        if next.len() as u64 > most {
            return;
        }
        record::put_end(&mut self.out, End::Continued);
        let bytes = std::mem::replace(&mut self.out, next);
        self.finished.push_back(Piece { bytes, begins_part: self.begins_part });
        self.begins_part = true;
        self.omitted = omitted;
        self.part += 1;
        self.taken = 0;
        self.clocks = Clocks::default();
        self.stream.release();
    }

    /// A node at rest as bytes without its secrets, and the work whose answers are left out.
    fn checkpoint(&self, node: &Node) -> (Vec<u8>, BTreeSet<WorkId>) {
        let mut saver = Saver {
            out: Vec::with_capacity(node.checkpoint_size()),
            stand_in: &|secret| self.secrets.stand_in_of(secret),
            digests: &self.digests,
            largest_body: LARGEST_BODY,
            omitted: BTreeSet::new(),
        };
        node.save(&mut saver);
        self.secrets.replace(&mut saver.out);
        (saver.out, saver.omitted)
    }

    fn has_room(&self, content: usize) -> bool {
        let needed = self.out.len() as u64 + content as u64 + RESERVE;
        self.taken.saturating_add(needed) <= self.limit
    }

    fn waiting(&self) -> usize {
        self.settled() + self.finished.iter().map(Piece::len).sum::<usize>()
    }

    /// How many bytes change no more: all, or those before what may be the beginning of a secret.
    fn settled(&self) -> usize {
        self.held().unwrap_or(self.out.len())
    }

    /// Where the record begins from which on bytes may still change.
    fn held(&self) -> Option<usize> {
        let all = self.out.len();
        let begun = self.stream.held().filter(|held| all - held <= MOST_HELD);
        let withheld = self.withheld.as_ref().and_then(|withheld| withheld.pieces.first());
        [begun, withheld.map(|(_, record)| *record)].into_iter().flatten().min()
    }

    fn take(&mut self, mut memory: Vec<u8>) -> Option<Piece> {
        if let Some(finished) = self.finished.pop_front() {
            return Some(finished);
        }
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
            for (piece, record) in
                self.withheld.iter_mut().flat_map(|withheld| &mut withheld.pieces)
            {
                *piece = piece.start - end..piece.end - end;
                *record -= end;
            }
        }
        let bytes = std::mem::replace(&mut self.out, memory);
        self.taken += (bytes.len() + record::CHECK_SIZE) as u64;
        Some(Piece { bytes, begins_part: std::mem::take(&mut self.begins_part) })
    }

    fn end(&mut self, end: End) {
        if self.ended.replace(end).is_none() {
            self.withheld_for_good();
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

/// What a gateway may say before it lets the node in, with what the application does meanwhile: a greeting has some kilobytes.
const MOST_WITHHELD: usize = 4 << 20;

/// Parts that ended and were not taken yet. Past it the present part must go on, and the recording ends when that is full.
const MOST_FINISHED: usize = 16;

/// Larger answers that were delivered are not in a checkpoint: they are hardly ever sent again, and supplied then.
const LARGEST_BODY: usize = 64;
