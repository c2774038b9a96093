//! The connection against tungstenite's own, on random sessions in both directions.
//!
//! Intended differences, all of them in how a session ends, never in what is delivered before:
//!
//! * *own close codes*: tungstenite reports a code that must not be sent as a clean close with 1002 or with that
//!   code; here it is a fault. 1014, registered after its list was made, is valid here.
//! * *sticky faults*: tungstenite reads on after an error; here the first one is the end.
//! * *earlier faults*: tungstenite judges most frames when their payload has arrived; here the header is enough. The
//!   sessions below hold whole frames, so both judge the same frame.

use std::io::{self, Read, Write};

use proptest::prelude::*;
use tungstenite::error::{CapacityError, Error};
use tungstenite::protocol::{Role as TheirRole, WebSocketConfig, WebSocketContext};
use tungstenite::{Bytes, Message};

use super::scripts::{End, RawFrame, any_end, session, valid_frames};
use super::*;
use crate::websocket::{CloseCode, Closed, Fault, Side};

const MAX_MESSAGE: usize = 1000;

#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    /// A failure, by the close code that belongs to it.
    Failed(u16),
}

fn ours(role: Role, bytes: &[u8]) -> Vec<Seen> {
    let mut connection = open_with(role, Limits { max_message: MAX_MESSAGE, ..Limits::default() });
    connection.receive(bytes);
    let mut seen = Vec::new();
    while let Some(event) = connection.poll() {
        seen.push(match event {
            Event::Text(text) => Seen::Text(text.into()),
            Event::Binary(bytes) => Seen::Binary(bytes.into()),
            Event::Ping(bytes) => Seen::Ping(bytes.into()),
            Event::Pong(bytes) => Seen::Pong(bytes.into()),
            Event::Closed(Closed::Clean { initiated_by, code, reason }) => {
                assert_eq!(initiated_by, Side::Peer);
                Seen::Close(code.map(CloseCode::get), reason)
            }
            Event::Closed(Closed::Fault(fault)) => Seen::Failed(fault.close_code().get()),
            other => panic!("{other:?}"),
        });
    }
    seen
}

/// A stream in memory for tungstenite.
struct Memory<'a> {
    input: &'a [u8],
    output: Vec<u8>,
}

impl Read for Memory<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            self.input.read(buffer)
        }
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn their_context(role: Role) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let role = match role {
        Role::Client => TheirRole::Client,
        Role::Server => TheirRole::Server,
    };
    WebSocketContext::new(role, Some(config))
}

fn theirs(role: Role, input: &[u8]) -> Vec<Seen> {
    let mut stream = Memory { input, output: Vec::new() };
    let mut context = their_context(role);
    let mut seen = Vec::new();
    loop {
        let (next, is_last) = match context.read(&mut stream) {
            Ok(Message::Text(text)) => (Seen::Text(text.as_str().into()), false),
            Ok(Message::Binary(bytes)) => (Seen::Binary(bytes.to_vec()), false),
            Ok(Message::Ping(bytes)) => (Seen::Ping(bytes.to_vec()), false),
            Ok(Message::Pong(bytes)) => (Seen::Pong(bytes.to_vec()), false),
            Ok(Message::Close(None)) => (Seen::Close(None, String::new()), true),
            Ok(Message::Close(Some(frame))) => {
                (Seen::Close(Some(frame.code.into()), frame.reason.as_str().into()), true)
            }
            Ok(other) => panic!("{other:?}"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return seen,
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                (Seen::Failed(1009), true)
            }
            Err(Error::Utf8(_)) => (Seen::Failed(1007), true),
            Err(Error::Protocol(_)) => (Seen::Failed(1002), true),
            Err(other) => panic!("{other:?}"),
        };
        seen.push(next);
        if is_last {
            return seen;
        }
    }
}

/// Whether this end is one that the two are meant to see differently, and what is seen here.
fn intended_difference(end: &End) -> Option<Seen> {
    let End::Close(payload) = end else { return None };
    let code = u16::from_be_bytes(*payload.first_chunk()?);
    match CloseCode::new(code) {
        None => Some(Seen::Failed(Fault::InvalidCloseCode(code).close_code().get())),
        Some(CloseCode::BAD_GATEWAY) => {
            let reason = std::str::from_utf8(&payload[2..]).expect("sessions close with text");
            Some(Seen::Close(Some(1014), reason.into()))
        }
        Some(_) => None,
    }
}

fn compare(role: Role, frames: &[RawFrame], end: &End) {
    let bytes = session(role, frames, end);
    let mut expected = theirs(role, &bytes);
    if let Some(last) = intended_difference(end) {
        *expected.last_mut().expect("a close is always seen") = last;
    }
    assert_eq!(ours(role, &bytes), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn sessions_are_read_alike(frames in valid_frames(), end in any_end(), is_server: bool) {
        compare(ROLES[usize::from(is_server)], &frames, &end);
    }

    /// Frames in an order that may be wrong, such as a continuation of nothing, or a close inside a message.
    #[test]
    fn frames_in_any_order_are_read_alike(
        mut frames in valid_frames(), end in any_end(), order: u64, left_out: usize, is_server: bool,
    ) {
        let length = frames.len();
        if length > 0 {
            frames.swap(order as usize % length, (order >> 32) as usize % length);
            frames.truncate(length - left_out % length);
        }
        let end = if matches!(end, End::Bad(_)) { End::Stops } else { end };
        let role = ROLES[usize::from(is_server)];
        if matches!(theirs(role, &session(role, &frames, &End::Stops)).last(), Some(Seen::Failed(_))) {
            compare(role, &frames, &End::Stops);
        } else {
            compare(role, &frames, &end);
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_here_is_read_there(messages in proptest::collection::vec((any::<bool>(), ".{0,200}"), 0..8), seed: [u8; 32], is_server: bool) {
        let role = ROLES[usize::from(is_server)];
        let mut connection = Connection::upgraded(role, Limits::default(), seed);
        let mut expected = Vec::new();
        for (is_text, text) in messages {
            if is_text {
                connection.send_text(&text).unwrap();
                expected.push(Seen::Text(text));
            } else {
                connection.ping(&text.as_bytes()[..text.len().min(125)]).unwrap();
                expected.push(Seen::Ping(text.as_bytes()[..text.len().min(125)].to_vec()));
            }
        }
        connection.close(CloseCode::GOING_AWAY, "bye").unwrap();
        expected.push(Seen::Close(Some(1001), "bye".into()));
        prop_assert_eq!(theirs(other(role), connection.transmit()), expected);
    }

    #[test]
    fn what_is_written_there_is_read_here(messages in proptest::collection::vec((any::<bool>(), ".{0,200}"), 0..8), is_server: bool) {
        let role = ROLES[usize::from(is_server)];
        let mut context = their_context(other(role));
        let mut stream = Memory { input: &[], output: Vec::new() };
        let mut expected = Vec::new();
        for (is_text, text) in messages {
            if is_text {
                context.write(&mut stream, Message::text(text.clone())).unwrap();
                expected.push(Seen::Text(text));
            } else {
                context.write(&mut stream, Message::Binary(Bytes::from(text.clone()))).unwrap();
                expected.push(Seen::Binary(text.into()));
            }
        }
        context.close(&mut stream, None).unwrap();
        expected.push(Seen::Close(None, String::new()));
        prop_assert_eq!(ours(role, &stream.output), expected);
    }
}
