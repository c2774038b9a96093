use std::fmt;

use super::assembler::{Assembler, Delivery, DeliveryKind, Place};
use super::buffer::Buffer;
use super::closing::{CloseCode, Closed, Side, read_close};
use super::fault::{Fault, Misuse};
use super::frame::{Kind, MAX_CONTROL};
use super::handshake::{
    Answer, Asked, ClientOpening, ClientRequest, HandshakeFault, ServerOpening, acceptance,
    fault_answer, rejection,
};
use super::limits::Limits;
use super::outbox::Outbox;
use super::{Event, Role};
use crate::random::Random;

/// One end of a WebSocket connection (RFC 6455), without IO. See [the module](super) for how to drive it.
///
/// Four kinds of methods: *inputs* say what happened ([`receive`](Self::receive), [`receive_eof`](Self::receive_eof),
/// [`sent`](Self::sent), [`opening_timed_out`](Self::opening_timed_out)); *commands* say what the application wants
/// ([`accept`](Self::accept), [`reject`](Self::reject), the `send_` methods, [`ping`](Self::ping),
/// [`close`](Self::close)); [`poll`](Self::poll) gives events; the rest are getters.
///
/// No method panics, whatever the peer sends. Equal seeds and equal calls give equal bytes.
pub struct Connection {
    pub(super) role: Role,
    pub(super) limits: Limits,
    pub(super) received: Buffer,
    pub(super) assembler: Assembler,
    // Apart from the buffers, so that it can change while a payload is lent out of them.
    pub(super) state: State,
}

pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) outbox: Outbox,
    pub(super) eof: bool,
    pub(super) close_sent: bool,
    pub(super) shutdown: bool,
}

pub(super) enum Phase {
    /// Client: the answer is awaited.
    Asking(ClientOpening),
    /// Server: the request is awaited.
    Listening(ServerOpening),
    /// Server: the application decides about the request.
    Deciding { accept: String },
    /// Frames flow, at least towards here. `announced` once [`Event::Open`] was given.
    Open { announced: bool },
    /// Over. The last event waits here when it did not come out of `poll` itself.
    Ended(Option<Event<'static>>),
}

/// What `poll` is to give: an event of its own, or a payload to lend.
enum Step {
    Event(Event<'static>),
    Lend(DeliveryKind, Place),
}

impl Connection {
    /// A client: queues the upgrade request. The seed determines `Sec-WebSocket-Key` and all masks, so it must be
    /// fresh from the operating system for each connection, except in tests (RFC 6455 section 10.3).
    pub fn client(request: &ClientRequest, limits: Limits, seed: [u8; 32]) -> Self {
        let mut random = Random::from_seed(seed);
        let (opening, head) = ClientOpening::new(request, random.bytes());
        let mut connection = Self::new(Role::Client, limits, Some(random), Phase::Asking(opening));
        connection.state.outbox.raw(&head);
        connection
    }

    /// A server that waits for an upgrade request. It needs no seed, because a server does not mask.
    pub fn server(limits: Limits) -> Self {
        Self::new(Role::Server, limits, None, Phase::Listening(ServerOpening::default()))
    }

    /// One end of a stream that someone else has upgraded. The first event is [`Event::Open`]; messages may be sent
    /// at once. The seed is for the masks of a client, as in [`client`](Self::client); a server ignores it.
    pub fn upgraded(role: Role, limits: Limits, seed: [u8; 32]) -> Self {
        let masks = (role == Role::Client).then(|| Random::from_seed(seed));
        Self::new(role, limits, masks, Phase::Open { announced: false })
    }

    fn new(role: Role, limits: Limits, masks: Option<Random>, phase: Phase) -> Self {
        let outbox = Outbox::new(masks, limits.max_pending_pongs);
        let state = State { phase, outbox, eof: false, close_sent: false, shutdown: false };
        Self { role, limits, received: Buffer::default(), assembler: Assembler::default(), state }
    }

    /// Takes bytes from the peer, in pieces of any size. Call [`poll`](Self::poll) until `None` after it: what it
    /// holds is bounded only by what is fed between polls. Once the connection has ended the bytes are discarded.
    pub fn receive(&mut self, bytes: &[u8]) {
        match self.state.phase {
            Phase::Ended(_) => return,
            Phase::Deciding { .. }
                if self.received.waiting().len() + bytes.len() > self.limits.max_head =>
            {
                let closed = self.state.refuse(HandshakeFault::EarlyData);
                self.state.phase = Phase::Ended(Some(Event::Closed(closed)));
                return;
            }
            _ => {}
        }
        self.received.append(bytes, self.limits.most_received());
    }

    /// Notes that the peer will send nothing more. Call [`poll`](Self::poll) until `None` after it.
    pub fn receive_eof(&mut self) {
        self.state.eof = true;
        if matches!(self.state.phase, Phase::Ended(_)) {
            self.state.shutdown = true;
        }
    }

    /// Notes that the caller's deadline for the opening handshake has passed; without effect once it is over. Call
    /// [`poll`](Self::poll) until `None` after it.
    ///
    /// The last event is then [`Event::Refused`], when the head of a refusal was read and its body did not end, else
    /// [`Closed::OpeningTimedOut`].
    pub fn opening_timed_out(&mut self) {
        let refusal = match &mut self.state.phase {
            Phase::Asking(opening) => opening.give_up(),
            Phase::Listening(_) | Phase::Deciding { .. } => None,
            Phase::Open { .. } | Phase::Ended(_) => return,
        };
        let last = refusal.map_or(Event::Closed(Closed::OpeningTimedOut), Event::Refused);
        self.state.end();
        self.state.phase = Phase::Ended(Some(last));
    }

    /// The next event, `None` when there is none until the next input. A payload is lent until the next call of any
    /// method that changes the connection.
    pub fn poll(&mut self) -> Option<Event<'_>> {
        let (kind, place) = match self.step()? {
            Step::Event(event) => return Some(event),
            Step::Lend(kind, place) => (kind, place),
        };
        let payload = self.assembler.payload(&self.received, place);
        Some(match kind {
            DeliveryKind::Text => match std::str::from_utf8(payload) {
                Ok(text) => Event::Text(text),
                Err(_) => Event::Closed(self.state.fail(Fault::InvalidUtf8)),
            },
            DeliveryKind::Binary => Event::Binary(payload),
            DeliveryKind::Ping => Event::Ping(payload),
            DeliveryKind::Pong => Event::Pong(payload),
            DeliveryKind::Close => match read_close(payload) {
                Ok((code, reason)) => {
                    Event::Closed(self.state.closed_by_peer(self.role, code, reason))
                }
                Err(fault) => Event::Closed(self.state.fail(fault)),
            },
        })
    }

    fn step(&mut self) -> Option<Step> {
        let state = &mut self.state;
        let event = match &mut state.phase {
            Phase::Asking(opening) => {
                match opening.advance(&mut self.received, &self.limits, state.eof) {
                    Ok(None) => return None,
                    Ok(Some(Answer::Open)) => {
                        state.phase = Phase::Open { announced: true };
                        Event::Open
                    }
                    Ok(Some(Answer::Refused(refusal))) => {
                        state.end();
                        Event::Refused(refusal)
                    }
                    Err(fault) => {
                        state.end();
                        Event::Closed(Closed::Handshake(fault))
                    }
                }
            }
            Phase::Listening(opening) => {
                match opening.advance(&mut self.received, &self.limits, state.eof) {
                    Ok(None) => return None,
                    Ok(Some(Asked { request, accept })) => {
                        state.phase = Phase::Deciding { accept };
                        Event::Request(request)
                    }
                    Err(fault) => Event::Closed(state.refuse(fault)),
                }
            }
            Phase::Deciding { .. } if state.eof => {
                Event::Closed(state.refuse(HandshakeFault::Disconnected))
            }
            Phase::Deciding { .. } => return None,
            Phase::Open { announced: announced @ false } => {
                *announced = true;
                Event::Open
            }
            Phase::Open { .. } => return self.step_open(),
            Phase::Ended(last) => {
                self.received.release();
                self.assembler.release();
                last.take()?
            }
        };
        Some(Step::Event(event))
    }

    fn step_open(&mut self) -> Option<Step> {
        match self.assembler.next(&mut self.received, self.role, self.limits.max_message) {
            Ok(Some(Delivery { kind, place })) => {
                if kind == DeliveryKind::Ping {
                    self.state.outbox.pong(self.assembler.payload(&self.received, place.clone()));
                }
                Some(Step::Lend(kind, place))
            }
            Ok(None) if self.state.eof => {
                self.state.end();
                Some(Step::Event(Event::Closed(Closed::Lost)))
            }
            Ok(None) => {
                self.received.tidy();
                None
            }
            Err(fault) => Some(Step::Event(Event::Closed(self.state.fail(fault)))),
        }
    }

    /// Server, after [`Event::Request`]: answers with 101. [`Event::Open`] follows from [`poll`](Self::poll), but
    /// messages may be sent at once. Bytes that came behind the request are kept.
    ///
    /// # Errors
    ///
    /// [`Misuse::NoRequest`] when none waits for an answer.
    pub fn accept(&mut self) -> Result<(), Misuse> {
        let Phase::Deciding { accept } = &self.state.phase else {
            return Err(Misuse::NoRequest);
        };
        self.state.outbox.raw(&acceptance(accept));
        self.state.phase = Phase::Open { announced: false };
        Ok(())
    }

    /// Server, after [`Event::Request`]: answers with a refusal, of status 300 to 599, with headers of the
    /// application's own and a body that is plain text unless a `Content-Type` among them says otherwise. The last
    /// event is then [`Closed::Rejected`].
    ///
    /// # Errors
    ///
    /// [`Misuse::NoRequest`] when none waits for an answer, [`Misuse::InvalidStatus`], [`Misuse::InvalidHeader`].
    pub fn reject(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(), Misuse> {
        let Phase::Deciding { .. } = self.state.phase else {
            return Err(Misuse::NoRequest);
        };
        let answer = rejection(status, headers, body)?;
        self.state.outbox.raw(&answer);
        self.state.end();
        self.state.phase = Phase::Ended(Some(Event::Closed(Closed::Rejected { status })));
        Ok(())
    }

    /// Queues a text message.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotOpen`] before the opening handshake is complete, [`Misuse::Closed`] after a close frame was sent
    /// or the connection ended.
    pub fn send_text(&mut self, text: &str) -> Result<(), Misuse> {
        self.send(Kind::Text, text.as_bytes())
    }

    /// Queues a text message that `write` appends to an empty buffer, which is reused from message to message. What
    /// it writes must be UTF-8; debug builds check it.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text); `write` is not called then.
    pub fn send_text_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Misuse> {
        self.state.check_open()?;
        self.state.outbox.text_with(write);
        Ok(())
    }

    /// Queues a binary message.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), Misuse> {
        self.send(Kind::Binary, bytes)
    }

    /// Queues a ping of at most 125 bytes; a living peer answers with a pong that carries the same (RFC 6455 section
    /// 5.5.2).
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text), and [`Misuse::OversizedControl`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Misuse> {
        if payload.len() > MAX_CONTROL {
            return Err(Misuse::OversizedControl);
        }
        self.send(Kind::Ping, payload)
    }

    /// Starts the closing handshake (RFC 6455 section 7.1.2). The reason is cut to 123 bytes, between characters.
    ///
    /// Nothing can be sent after it, except the pongs that this type sends by itself. Messages of the peer still
    /// arrive until its close frame does, and with it the last event, [`Closed::Clean`]. How long to wait for that is
    /// the caller's to decide.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Misuse> {
        self.state.check_open()?;
        self.state.outbox.close(Some(code), reason);
        self.state.close_sent = true;
        Ok(())
    }

    fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Misuse> {
        self.state.check_open()?;
        self.state.outbox.frame(kind, payload);
        Ok(())
    }

    /// The bytes that wait for the transport. They stay until [`sent`](Self::sent) says that it took them, so a
    /// write that was cut short or cancelled loses nothing.
    pub fn transmit(&self) -> &[u8] {
        self.state.outbox.waiting()
    }

    /// Notes that the transport took the first `count` bytes of [`transmit`](Self::transmit).
    ///
    /// # Errors
    ///
    /// [`Misuse::SentTooMuch`] when fewer were waiting.
    pub fn sent(&mut self, count: usize) -> Result<(), Misuse> {
        self.state.outbox.sent(count)
    }

    /// Whether messages can be sent: the opening handshake is complete, and no close frame was sent or received.
    pub fn is_open(&self) -> bool {
        self.state.check_open().is_ok()
    }

    /// Whether [`poll`](Self::poll) has given the last event.
    pub fn is_finished(&self) -> bool {
        matches!(self.state.phase, Phase::Ended(None))
    }

    /// Whether this side must close the transport as soon as [`transmit`](Self::transmit) is empty.
    ///
    /// False only while the connection is in use, and for a client after a clean close: it waits for the server to
    /// close the transport first (RFC 6455 section 7.1.1), for as long as the caller allows, and then closes it too.
    pub fn wants_shutdown(&self) -> bool {
        self.state.shutdown
    }

    /// How many bytes were ever queued for the transport: the position in the stream behind what was queued last.
    /// That has been written once [`bytes_sent_total`](Self::bytes_sent_total) reaches it.
    pub fn bytes_queued_total(&self) -> u64 {
        self.state.outbox.queued_total()
    }

    /// How many bytes the transport ever took.
    pub fn bytes_sent_total(&self) -> u64 {
        self.state.outbox.sent_total()
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Changes the bound of a message, from the next frame on. One that is read already stays.
    pub(crate) fn set_max_message(&mut self, most: usize) {
        self.limits.max_message = most;
    }

    /// How many bytes of memory its buffers hold.
    #[cfg(any(test, feature = "__fuzzing"))]
    pub(crate) fn memory(&self) -> usize {
        self.received.capacity() + self.assembler.capacity() + self.state.outbox.capacity()
    }
}

/// Shows the state and the sizes, never payloads.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.state.phase {
            Phase::Asking(_) => "asking",
            Phase::Listening(_) => "listening",
            Phase::Deciding { .. } => "deciding",
            Phase::Open { .. } if self.state.close_sent => "closing",
            Phase::Open { .. } => "open",
            Phase::Ended(_) => "ended",
        };
        f.debug_struct("Connection")
            .field("role", &self.role)
            .field("phase", &phase)
            .field("bytes_received", &self.received.waiting().len())
            .field("bytes_to_send", &self.transmit().len())
            .field("eof", &self.state.eof)
            .finish_non_exhaustive()
    }
}

impl State {
    fn check_open(&self) -> Result<(), Misuse> {
        match self.phase {
            Phase::Open { .. } if !self.close_sent => Ok(()),
            Phase::Open { .. } | Phase::Ended(_) => Err(Misuse::Closed),
            Phase::Asking(_) | Phase::Listening(_) | Phase::Deciding { .. } => Err(Misuse::NotOpen),
        }
    }

    /// Ends the connection; what is queued is still to be sent.
    fn end(&mut self) {
        self.phase = Phase::Ended(None);
        self.shutdown = true;
        self.outbox.forget_pong();
    }

    /// Fails the connection for what the peer did (RFC 6455 section 7.1.7).
    fn fail(&mut self, fault: Fault) -> Closed {
        self.send_close_once(Some(fault.close_code()), &fault.to_string());
        self.end();
        Closed::Fault(fault)
    }

    /// Server: fails the opening handshake for what the client did.
    fn refuse(&mut self, fault: HandshakeFault) -> Closed {
        if let Some(answer) = fault_answer(fault) {
            self.outbox.raw(&answer);
        }
        self.end();
        Closed::Handshake(fault)
    }

    /// The peer's close frame, first or in answer, completes the closing handshake.
    fn closed_by_peer(&mut self, role: Role, code: Option<CloseCode>, reason: String) -> Closed {
        let initiated_by = if self.close_sent { Side::Local } else { Side::Peer };
        self.send_close_once(code, "");
        self.end();
        self.shutdown = role == Role::Server || self.eof;
        Closed::Clean { initiated_by, code, reason }
    }

    fn send_close_once(&mut self, code: Option<CloseCode>, reason: &str) {
        if !self.close_sent {
            self.close_sent = true;
            self.outbox.close(code, reason);
        }
    }
}
