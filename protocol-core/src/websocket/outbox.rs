use std::collections::VecDeque;

use super::buffer::{Buffer, shrink};
use super::closing::CloseCode;
use super::fault::Misuse;
use super::frame::{self, Kind, MAX_CONTROL};
use crate::random::Random;
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
