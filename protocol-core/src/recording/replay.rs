//! A recording played back: the same node, the same inputs, and a look at whether it does the same.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::digest::{Digester, hash};
use super::header::Header;
use super::record::{ActionKind, Clocks, End, Record};
use super::wire::{Cursor, Malformed};
use crate::node::{Action, Config, Deadline, Input, Misuse, Node};
use crate::time::Timestamp;

/// Plays a recording to a fresh [`Node`], step by step, and compares what the node does with what it did.
///
/// An iterator: it ends with the recording, or behind the first [`What::Differs`]. Between two steps
/// [`node`](Self::node) shows the node as it was at that moment.
///
/// ```
/// use std::time::Duration;
///
/// use clawnode_protocol::dialect::nodetool;
/// use clawnode_protocol::node::{Config, Endpoint, Input};
/// use clawnode_protocol::recording::{End, Recorder, Replay, What};
/// use clawnode_protocol::{Now, Timestamp};
///
/// let config = Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("my-node"));
/// let mut node = Recorder::on(config, [7; 32], 1 << 20);
/// node.handle(Now::new(Duration::ZERO, Timestamp::from_micros(0)), Input::Start)?;
/// while node.poll_action().is_some() {}
/// node.end(End::Closed);
/// let mut recording = Vec::new();
/// node.take(&mut recording);
///
/// let mut replay = Replay::new(&recording)?;
/// let steps = replay.by_ref().collect::<Result<Vec<_>, _>>()?;
/// assert!(matches!(steps[0].what, What::Input(Input::Start)));
/// assert_eq!((replay.is_identical(), replay.end()), (true, Some(End::Closed)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Replay<'a> {
    bytes: &'a [u8],
    header: Header,
    cursor: Cursor<'a>,
    clocks: Clocks,
    /// Where the part begins that the next check is about.
    unchecked: usize,
    node: Node,
    /// The time of the first input and of the last.
    began: Option<Duration>,
    at: Duration,
    utc: Timestamp,
    records: u64,
    queued: u64,
    /// What a connection had received of a frame when the checkpoint was taken.
    unfinished: Option<Vec<u8>>,
    /// Whether the node refused the last input, until the recording has said so too.
    refused: Option<Misuse>,
    scratch: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Playing,
    /// The bytes ended, in the middle of a record if there is a number.
    Cut(usize),
    Ended(End),
    Differs,
    Unreadable,
}

fn read_checkpoint(config: Config, cursor: &mut Cursor<'_>) -> Result<Node, Malformed> {
    let mut checkpoint = Cursor::new(cursor.bytes()?);
    let node = Node::load(config, &mut checkpoint)?;
    if checkpoint.is_at_end() { Ok(node) } else { Err(Malformed::Value) }
}

/// One thing that happened.
#[derive(Debug)]
#[non_exhaustive]
pub struct Step<'a> {
    /// The time since the first input.
    pub at: Duration,
    /// The wall clock.
    pub utc: Timestamp,
    /// What it was.
    pub what: What<'a>,
}

/// What happened in a [`Step`].
#[derive(Debug)]
#[non_exhaustive]
pub enum What<'a> {
    /// The node was given this.
    Input(Input<'a>),
    /// [`Input::Timeout`], for this deadline. `None`: nothing was due.
    Timeout(Option<Deadline>),
    /// It would not have it.
    Refused(Misuse),
    /// It gave this action.
    Action(Action),
    /// It queued these bytes for the socket.
    Queued(Vec<u8>),
    /// It does something else than when it was recorded. The last step.
    Differs(Difference),
}

/// Where a replay is not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The number of the record, from 1.
    pub record: u64,
    /// The time since the first input.
    pub at: Duration,
    /// What was recorded.
    pub recorded: Found,
    /// What the node does now.
    pub now: Found,
}

/// What was found at one place of a recording or a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// This action.
    Action(&'static str),
    /// No further action.
    NoAction,
    /// The same in kind, but with other content.
    OtherContent,
    /// So many bytes for the socket.
    Bytes(u64),
    /// The input was taken.
    Taken,
    /// The input was refused.
    Refused(Misuse),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(name) => write!(f, "the action {name}"),
            Self::NoAction => f.write_str("no further action"),
            Self::OtherContent => f.write_str("the same with other content"),
            Self::Bytes(0) => f.write_str("no bytes for the socket"),
            Self::Bytes(count) => write!(f, "{count} bytes for the socket"),
            Self::Taken => f.write_str("the input was taken"),
            Self::Refused(misuse) => write!(f, "the input was refused ({misuse})"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, at, recorded, now } = self;
        let at = at.as_secs_f64();
        write!(f, "at record {record}, {at:.6} s: recorded: {recorded}; now: {now}")
    }
}

/// The bytes are no recording, or not all of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It does not begin as one.
    #[error("this is not a recording of a node")]
    NotARecording,
    /// The form is another than this version writes.
    #[error(
        "the recording has format {format}, written by version {version}; this version reads format {}",
        super::FORMAT
    )]
    OtherFormat {
        /// Its number.
        format: u64,
        /// The version that wrote it.
        version: String,
    },
    /// The beginning, with the configuration, cannot be read.
    #[error("the beginning of the recording is damaged or cut off")]
    Header,
    /// The bytes are not those that were written.
    #[error("the recording is damaged near byte {at}, record {record}")]
    Damaged {
        /// How far it was read.
        at: usize,
        /// The number of the record, from 1.
        record: u64,
    },
}

impl<'a> Replay<'a> {
    /// Reads the beginning of a recording.
    ///
    /// # Errors
    ///
    /// [`Unreadable`], when there is no beginning to start from.
    pub fn new(recording: &'a [u8]) -> Result<Self, Unreadable> {
        let mut cursor = Cursor::new(recording);
        let header = Header::read(&mut cursor)?;
        let node = match header.seed {
            Some(seed) => Node::new(header.config.clone(), seed),
            None => read_checkpoint(header.config.clone(), &mut cursor)
                .map_err(|_| Unreadable::Header)?,
        };
        Ok(Self {
            bytes: recording,
            queued: node.queued_total(),
            unfinished: node.unfinished(),
            node,
            header,
            cursor,
            clocks: Clocks::default(),
            unchecked: 0,
            began: None,
            at: Duration::ZERO,
            utc: Timestamp::default(),
            records: 0,
            refused: None,
            scratch: Vec::new(),
            state: State::Playing,
        })
    }

    /// What the recording says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// With a part that begins while the node is connected: what it had received of a frame that was not whole.
    pub fn connected_with(&self) -> Option<&[u8]> {
        self.unfinished.as_deref()
    }

    /// The node, as far as it was played.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Records read so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Whether everything read so far was as recorded.
    pub fn is_identical(&self) -> bool {
        !matches!(self.state, State::Differs | State::Unreadable)
    }

    /// The mark at the end of the recording. `None` before it is reached, and if there is none: then the recording was
    /// cut off, because the program or the machine ended at once.
    pub fn end(&self) -> Option<End> {
        match self.state {
            State::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Bytes of a record at the very end that was not written whole.
    pub fn cut_off(&self) -> usize {
        match self.state {
            State::Cut(bytes) => bytes,
            _ => 0,
        }
    }

    fn play(&mut self, record: Record<'a>, again: Record<'a>) -> Option<What<'a>> {
        match record {
            Record::Input(now, input) => {
                if let Some(misuse) = self.refused.take() {
                    return self.differs(Found::Taken, Found::Refused(misuse));
                }
                if let Some(fresh) = self.node.queued_since(self.queued) {
                    let count = fresh.len() as u64;
                    return self.differs(Found::Bytes(0), Found::Bytes(count));
                }
                let began = *self.began.get_or_insert(now.monotonic);
                self.at = self.at.max(now.monotonic.saturating_sub(began));
                self.utc = now.utc;
                let due = self.node.deadline().filter(|(due, _)| *due <= now.monotonic);
                if matches!(input, Input::Connected) {
                    self.queued = 0;
                }
                self.refused = self.node.handle(now, input).err();
                Some(match again {
                    Record::Input(_, Input::Timeout) => What::Timeout(due.map(|(_, name)| name)),
                    Record::Input(_, input) => What::Input(input),
                    _ => return None,
                })
            }
            Record::Refused(recorded) => match self.refused.take() {
                Some(misuse) if misuse == recorded => Some(What::Refused(misuse)),
                Some(misuse) => self.differs(Found::Refused(recorded), Found::Refused(misuse)),
                None => self.differs(Found::Refused(recorded), Found::Taken),
            },
            Record::Action(recorded) => {
                let name = Found::Action(recorded.kind.name());
                let Some(action) = self.node.poll_action() else {
                    return self.differs(name, Found::NoAction);
                };
                let node = &self.node;
                let mark = Digester::new(&mut self.scratch, None)
                    .action(&action, |work| node.request_digest(work));
                if mark.kind != recorded.kind {
                    return self.differs(name, Found::Action(mark.kind.name()));
                }
                if mark.digest != recorded.digest {
                    return self.differs(name, Found::OtherContent);
                }
                Some(What::Action(action))
            }
            Record::Drained => match self.node.poll_action() {
                Some(action) => {
                    let name = ActionKind::of(&action).name();
                    self.differs(Found::NoAction, Found::Action(name))
                }
                None => None,
            },
            Record::Queued { count, digest } => {
                let fresh = self.node.queued_since(self.queued).unwrap_or_default();
                if fresh.len() as u64 != count {
                    let now = fresh.len() as u64;
                    return self.differs(Found::Bytes(count), Found::Bytes(now));
                }
                if hash(fresh) != digest {
                    return self.differs(Found::Bytes(count), Found::OtherContent);
                }
                self.queued += count;
                Some(What::Queued(fresh.to_vec()))
            }
            Record::Supplied(work, outcome) => {
                self.node.supply(work, outcome);
                None
            }
            Record::Check(_) => None,
            Record::End(end) => {
                self.state = State::Ended(end);
                None
            }
        }
    }

    fn differs(&mut self, recorded: Found, now: Found) -> Option<What<'a>> {
        self.state = State::Differs;
        Some(What::Differs(Difference { record: self.records, at: self.at, recorded, now }))
    }

    /// Whether the next check fails: then it is the recording that changed, not the node.
    fn is_damaged_ahead(&self) -> bool {
        let (mut cursor, mut clocks) = (self.cursor.clone(), self.clocks);
        loop {
            let at = cursor.at();
            match Record::read(&mut cursor, &mut clocks) {
                Ok(Record::Check(digest)) => {
                    return hash(&self.bytes[self.unchecked..at]) != digest;
                }
                Ok(_) => {}
                Err(malformed) => return malformed == Malformed::Value,
            }
        }
    }

    fn read(&mut self) -> Result<(Record<'a>, Record<'a>), Malformed> {
        let (cursor, clocks) = (self.cursor.clone(), self.clocks);
        let record = Record::read(&mut self.cursor, &mut self.clocks)?;
        // Inputs are not clonable, and one goes to the node and one to whoever looks on.
        let again = Record::read(&mut { cursor }, &mut { clocks })?;
        Ok((record, again))
    }
}

impl<'a> Iterator for Replay<'a> {
    type Item = Result<Step<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.state == State::Playing {
            let start = self.cursor.at();
            if self.cursor.is_at_end() {
                self.state = State::Cut(0);
                return None;
            }
            let damaged = |record| Some(Err(Unreadable::Damaged { at: start, record }));
            let (record, again) = match self.read() {
                Ok(read) => read,
                Err(Malformed::Short) => {
                    self.state = State::Cut(self.bytes.len() - start);
                    return None;
                }
                Err(Malformed::Value) => {
                    self.state = State::Unreadable;
                    return damaged(self.records + 1);
                }
            };
            if let Record::Check(digest) = record {
                if hash(&self.bytes[self.unchecked..start]) != digest {
                    self.state = State::Unreadable;
                    return damaged(self.records);
                }
                self.unchecked = self.cursor.at();
                continue;
            }
            self.records += 1;
            let what = self.play(record, again);
            let over = matches!(self.state, State::Differs | State::Ended(_));
            if over && self.is_damaged_ahead() {
                self.state = State::Unreadable;
                return damaged(self.records);
            }
            if let Some(what) = what {
                return Some(Ok(Step { at: self.at, utc: self.utc, what }));
            }
        }
        None
    }
}
