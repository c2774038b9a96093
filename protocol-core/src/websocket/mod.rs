//! A WebSocket connection (RFC 6455), both roles, without IO: bytes in, events and bytes out.
//!
//! [`Connection`] does all that the standard asks of an endpoint: the opening handshake, masks, fragments, UTF-8,
//! limits, pongs and the closing handshake. It has no socket and no clock. Whoever has them drives it so:
//!
//! 1. Write what [`transmit`](Connection::transmit) lends to the transport, and say with [`sent`](Connection::sent)
//!    how much it took. Do so after each command and each poll, since both may queue bytes.
//! 2. Feed what the transport gives to [`receive`](Connection::receive), its end to
//!    [`receive_eof`](Connection::receive_eof).
//! 3. After each input call [`poll`](Connection::poll) until it gives `None`. A caller that does not drain it gets
//!    events late, and its memory grows by what it feeds.
//! 4. Reading and writing must not wait for each other: two ends that only write stop each other for ever.
//! 5. When [`wants_shutdown`](Connection::wants_shutdown) and nothing is left to transmit, close the transport.
//! 6. Three deadlines are the caller's: one for the opening handshake, which it reports with
//!    [`opening_timed_out`](Connection::opening_timed_out); one for the peer's answer to
//!    [`close`](Connection::close), and one for the server's end of the transport after a client's clean close, upon
//!    both of which it just closes the transport.
//!
//! What a peer does wrong is an outcome, not an error of a method: the right close frame is queued, the last event
//! says what it was, and later input is discarded. What a caller does wrong is a [`Misuse`].
//!
//! Extensions (compression among them) and sub-protocols are neither offered nor accepted.
//!
//! ```
//! use clawnode_protocol::websocket::{ClientRequest, CloseCode, Closed, Connection, Event, Limits};
//!
//! /// Carries all waiting bytes from one end to the other: the transport of this example.
//! fn carry(from: &mut Connection, to: &mut Connection) {
//!     to.receive(from.transmit());
//!     let count = from.transmit().len();
//!     from.sent(count).unwrap();
//! }
//!
//! let request = ClientRequest::new("gateway.example", "/ws")?.header("Authorization", "Bearer secret")?;
//! let mut client = Connection::client(&request, Limits::default(), [7; 32]);
//! let mut server = Connection::server(Limits::default());
//!
//! carry(&mut client, &mut server);
//! let Some(Event::Request(request)) = server.poll() else { panic!("no request") };
//! assert_eq!((request.path(), request.bearer_token()), ("/ws", Some("secret")));
//! server.accept()?;
//! assert_eq!(server.poll(), Some(Event::Open));
//! server.send_text("hello")?;
//!
//! carry(&mut server, &mut client);
//! assert_eq!(client.poll(), Some(Event::Open));
//! assert_eq!(client.poll(), Some(Event::Text("hello")));
//! assert_eq!(client.poll(), None);
//!
//! client.close(CloseCode::NORMAL, "done")?;
//! carry(&mut client, &mut server);
//! assert!(matches!(server.poll(), Some(Event::Closed(Closed::Clean { code: Some(CloseCode::NORMAL), .. }))));
//! carry(&mut server, &mut client);
//! assert!(server.wants_shutdown());
//! assert!(matches!(client.poll(), Some(Event::Closed(Closed::Clean { .. }))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assembler;
mod buffer;
mod closing;
mod connection;
mod describe;
mod fault;
mod frame;
mod handshake;
mod limits;
mod masking;
mod outbox;
mod saved;
mod utf8;

#[cfg(test)]
mod tests;

pub use closing::{CloseCode, Closed, Side};
pub use connection::Connection;
pub use fault::{Fault, Misuse};
pub(crate) use frame::MAX_HEADER;
pub use handshake::{
    ClientRequest, HandshakeFault, InvalidRequest, Refusal, RetryAfter, UpgradeRequest,
    accept_value,
};
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
