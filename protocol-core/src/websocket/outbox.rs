use std::collections::VecDeque;

use super::buffer::{Buffer, shrink};
use super::closing::CloseCode;
use super::fault::Misuse;
use super::frame::{self, Kind, MAX_CONTROL};
use crate::random::Random;
use crate::state::{Cursor, Malformed, Saver, State};
use crate::text::fitting;

/// The bytes that wait for the transport, and the pongs among them.
pub(super) struct Outbox {
    bytes: Buffer,
    queued_total: u64,
    sent_total: u64,
    /// Where text is written before its length, and with it the header, is known.
    scratch: Vec<u8>,
    /// The source of masks: a client's.
    masks: Option<Random>,
    /// Where in the stream the automatic pongs that wait end.
    pongs: VecDeque<u64>,
    max_pongs: usize,
    /// The payload of the newest ping that found too many pongs waiting.
    deferred_pong: Option<ControlPayload>,
}

impl Outbox {
    pub(super) fn new(masks: Option<Random>, max_pongs: usize) -> Self {
        Self {
            bytes: Buffer::default(),
            queued_total: 0,
            sent_total: 0,
            scratch: Vec::new(),
            masks,
            pongs: VecDeque::new(),
            max_pongs,
            deferred_pong: None,
        }
    }

    /// Queues bytes that are not a frame: a head of the opening handshake.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.append(|out| out.extend_from_slice(bytes));
    }

    pub(super) fn frame(&mut self, kind: Kind, payload: &[u8]) {
        let mask = self.masks.as_mut().map(Random::bytes);
        self.append(|out| frame::write(out, kind, payload, mask));
    }

    pub(super) fn text_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut scratch = std::mem::take(&mut self.scratch);
        write(&mut scratch);
        debug_assert!(
            std::str::from_utf8(&scratch).is_ok(),
            "the caller wrote text that is not UTF-8"
        );
        self.frame(Kind::Text, &scratch);
        scratch.clear();
        shrink(&mut scratch);
        self.scratch = scratch;
    }

    /// Answers a ping, now or, when too many answers wait already, once they are sent.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        if self.pongs.len() < self.max_pongs {
            self.frame(Kind::Pong, payload);
            self.pongs.push_back(self.queued_total);
        } else {
            self.deferred_pong = Some(ControlPayload::new(payload));
        }
    }

    /// Queues the close frame.
    pub(super) fn close(&mut self, code: Option<CloseCode>, reason: &str) {
        let mut payload = ControlPayload::new(&[]);
        if let Some(code) = code {
            payload.push(&code.get().to_be_bytes());
            payload.push(fitting(reason, MAX_CONTROL - 2).as_bytes());
        }
        self.frame(Kind::Close, payload.as_slice());
    }

    /// Gives up the pong that has not been queued: the peer is not listening any more.
    pub(super) fn forget_pong(&mut self) {
        self.deferred_pong = None;
    }

    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.waiting()
    }

    pub(super) fn sent(&mut self, count: usize) -> Result<(), Misuse> {
        if count > self.waiting().len() {
            return Err(Misuse::SentTooMuch);
        }
        self.bytes.take(count);
        self.sent_total += count as u64;
        while self.pongs.front().is_some_and(|end| *end <= self.sent_total) {
            self.pongs.pop_front();
        }
        if self.waiting().is_empty() {
            self.bytes.tidy();
            if let Some(payload) = self.deferred_pong.take() {
                self.frame(Kind::Pong, payload.as_slice());
                self.pongs.push_back(self.queued_total);
            }
        }
        Ok(())
    }

    /// Saves everything but the bytes that wait, of which the number follows from the totals.
    pub(super) fn save(&self, to: &mut Saver<'_>) {
        let Self {
            bytes: _,
            queued_total,
            sent_total,
            // Empty between messages.
            scratch: _,
            masks,
            pongs,
            max_pongs: _,
            deferred_pong,
        } = self;
        queued_total.save(to);
        sent_total.save(to);
        masks.save(to);
        pongs.save(to);
        deferred_pong.as_ref().map(|payload| payload.as_slice().to_vec()).save(to);
    }

    /// The same, with zeros in place of the bytes that wait, of which there may be `most`.
    pub(super) fn load(
        max_pongs: usize,
        most: usize,
        from: &mut Cursor<'_>,
    ) -> Result<Self, Malformed> {
        let (queued_total, sent_total): (u64, u64) = State::load(from)?;
        let waiting = queued_total.checked_sub(sent_total).map(usize::try_from);
        let Some(Ok(waiting)) = waiting.filter(|_| queued_total < u64::MAX / 2) else {
            return Err(Malformed::Value);
        };
        let masks = State::load(from)?;
        let pongs = State::load(from)?;
        let payload: Option<Vec<u8>> = State::load(from)?;
        if waiting > most || payload.as_ref().is_some_and(|payload| payload.len() > MAX_CONTROL) {
            return Err(Malformed::Value);
        }
        let mut bytes = Buffer::default();
        bytes.grow().resize(waiting, 0);
        Ok(Self {
            bytes,
            queued_total,
            sent_total,
            scratch: Vec::new(),
            masks,
            pongs,
            max_pongs,
            deferred_pong: payload.map(|payload| ControlPayload::new(&payload)),
        })
    }

    pub(super) fn queued_total(&self) -> u64 {
        self.queued_total
    }

    pub(super) fn sent_total(&self) -> u64 {
        self.sent_total
    }

    #[cfg(any(test, feature = "__fuzzing"))]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.scratch.capacity()
    }

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let out = self.bytes.grow();
        let before = out.len();
        write(out);
        self.queued_total += (out.len() - before) as u64;
    }
}

/// The payload of a control frame, without a heap allocation.
struct ControlPayload {
    bytes: [u8; MAX_CONTROL],
    length: usize,
}

impl ControlPayload {
    fn new(bytes: &[u8]) -> Self {
        let mut payload = Self { bytes: [0; MAX_CONTROL], length: 0 };
        payload.push(bytes);
        payload
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
