//! A WebSocket connection (RFC 6455), both roles, without IO: bytes in, events and bytes out.

mod closing;
mod fault;
mod handshake;
mod limits;

pub use closing::{CloseCode, Closed, Side};
pub use fault::{Fault, Misuse};
pub use handshake::{ClientRequest, HandshakeFault, InvalidRequest, Refusal, RetryAfter, UpgradeRequest};
pub use limits::Limits;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that asked for the connection: it masks what it sends.
    Client,
    /// The end that was asked.
    Server,
}

/// What [`Connection::poll`] reports. Payloads are lent until the next call.
///
/// The last event is [`Event::Refused`] or [`Event::Closed`], exactly one of them, once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Server: a valid upgrade request; answer it with [`Connection::accept`] or [`Connection::reject`].
    Request(UpgradeRequest),
    /// The opening handshake is complete: messages may be sent.
    Open,
    /// Client: the server answered something else than 101. The last event.
    Refused(Refusal),
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping; the pong is queued already.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong(&'a [u8]),
    /// The connection ended. The last event.
    Closed(Closed),
}

/// One end of a WebSocket connection.
#[derive(Debug)]
pub struct Connection {
    role: Role,
}

impl Connection {
    /// A client: queues the upgrade request. The seed determines `Sec-WebSocket-Key` and all masks.
    pub fn client(request: &ClientRequest, limits: Limits, seed: [u8; 32]) -> Self {
        let _ = (request, limits, seed);
        todo!()
    }

    /// A server that waits for an upgrade request.
    pub fn server(limits: Limits) -> Self {
        let _ = limits;
        todo!()
    }

    /// An end of a stream that someone else has upgraded: the first event is [`Event::Open`].
    pub fn upgraded(role: Role, limits: Limits, seed: [u8; 32]) -> Self {
        let _ = (limits, seed);
        Self { role }
    }

    /// Takes bytes from the peer; call [`poll`](Self::poll) until `None` after it.
    pub fn receive(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }

    /// Notes that the peer will send nothing more; call [`poll`](Self::poll) until `None` after it.
    pub fn receive_eof(&mut self) {
        todo!()
    }

    /// Notes that the caller's deadline for the opening handshake has passed; nothing happens once it is over.
    pub fn opening_timed_out(&mut self) {
        todo!()
    }

    /// The next event, `None` when there is none for now.
    pub fn poll(&mut self) -> Option<Event<'_>> {
        todo!()
    }

    /// Server: answers the request with 101.
    pub fn accept(&mut self) -> Result<(), Misuse> {
        todo!()
    }

    /// Server: answers the request with a refusal of status 300 to 599.
    pub fn reject(&mut self, status: u16, headers: &[(&str, &str)], body: &str) -> Result<(), Misuse> {
        let _ = (status, headers, body);
        todo!()
    }

    /// Queues a text message.
    pub fn send_text(&mut self, text: &str) -> Result<(), Misuse> {
        let _ = text;
        todo!()
    }

    /// Queues a text message that `write` appends, as UTF-8, to a buffer that is reused.
    pub fn send_text_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Misuse> {
        let _ = write;
        todo!()
    }

    /// Queues a binary message.
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), Misuse> {
        let _ = bytes;
        todo!()
    }

    /// Queues a ping of at most 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Misuse> {
        let _ = payload;
        todo!()
    }

    /// Starts the closing handshake. The reason is cut to 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Misuse> {
        let _ = (code, reason);
        todo!()
    }

    /// The bytes that wait for the transport.
    pub fn transmit(&self) -> &[u8] {
        todo!()
    }

    /// Notes that the transport took the first `count` bytes of [`transmit`](Self::transmit).
    pub fn sent(&mut self, count: usize) -> Result<(), Misuse> {
        let _ = count;
        todo!()
    }

    /// Whether messages can be sent: the handshake is complete and no close frame was sent or received.
    pub fn is_open(&self) -> bool {
        todo!()
    }

    /// Whether the last event was given.
    pub fn is_finished(&self) -> bool {
        todo!()
    }

    /// Whether this side must close the transport as soon as [`transmit`](Self::transmit) is empty.
    pub fn wants_shutdown(&self) -> bool {
        todo!()
    }

    /// How many bytes were ever queued for the transport: the stream position just after the newest one.
    pub fn bytes_queued_total(&self) -> u64 {
        todo!()
    }

    /// How many bytes the transport ever took.
    pub fn bytes_sent_total(&self) -> u64 {
        todo!()
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }
}
