use arbitrary::Unstructured;

use super::script::Script;
use super::stream::{Ending, Manner, ROLES, assert_cutting_changes_nothing, small_limits};
use crate::websocket::{Connection, Event, Limits, Role};

/// Frames on an open connection: any bytes from the other end.
///
/// | Bytes | Meaning |
/// | --- | --- |
/// | 0 | bit 0: role of the reader (0 client, 1 server); bit 1: default limits, not small ones; bit 2: the stream ends after the bytes; bit 3: the reader has begun to close |
/// | 1 to 3 | lengths, less one, of the pieces in which the bytes arrive |
/// | 4.. | the bytes |
pub fn frames(input: &[u8]) {
    let mut script = Unstructured::new(input);
    let flags = script.number();
    let lengths = [script.number(), script.number(), script.number()];
    let bytes = script.take_rest();

    let role = ROLES[usize::from(flags & 1)];
    let limits = if flags & 2 == 0 { small_limits() } else { Limits::default() };
    let ending = if flags & 4 == 0 { Ending::Open } else { Ending::Eof };
    let make = || {
        let mut connection = Connection::upgraded(role, limits, [7; 32]);
        if flags & 8 != 0 {
            let code = crate::websocket::CloseCode::GOING_AWAY;
            connection.close(code, "done").expect("it is open");
        }
        connection
    };
    let manner = Manner { accepts: true, ending };
    let seen = assert_cutting_changes_nothing(make, limits, bytes, lengths, manner);
    let answers = Answers::read(role, &seen.sent);
    assert!(answers.closes <= 1, "a close frame is sent once");
    assert!(answers.pongs <= limits.max_pending_pongs);
    assert_messages_pass_on(role, limits, bytes);
}

/// What a connection said by itself.
#[derive(Default)]
struct Answers {
    closes: usize,
    pongs: usize,
}

impl Answers {
    /// Reads it with the other role, so that what is sent is seen to be valid.
    fn read(writer: Role, sent: &[u8]) -> Self {
        let mut reader = Connection::upgraded(other(writer), Limits::default(), [8; 32]);
        reader.receive(sent);
        let mut answers = Self::default();
        while let Some(event) = reader.poll() {
            match event {
                Event::Open => {}
                Event::Pong(_) => answers.pongs += 1,
                Event::Closed(crate::websocket::Closed::Clean { .. }) => answers.closes += 1,
                other => panic!("a connection does not say {other:?} by itself"),
            }
        }
        answers
    }
}

/// Every message that was understood can be sent on, and is understood the same there.
fn assert_messages_pass_on(role: Role, limits: Limits, bytes: &[u8]) {
    let mut reader = Connection::upgraded(role, limits, [7; 32]);
    let mut sender = Connection::upgraded(other(role), limits, [9; 32]);
    let mut messages = Vec::new();
    reader.receive(bytes);
    while let Some(event) = reader.poll() {
        match event {
            Event::Text(text) => sender.send_text(text),
            Event::Binary(bytes) => sender.send_binary(bytes),
            Event::Ping(payload) => sender.ping(payload),
            _ => continue,
        }
        .expect("the sender is open");
        messages.push(format!("{event:?}"));
    }
    let mut again = Connection::upgraded(role, limits, [7; 32]);
    again.receive(sender.transmit());
    assert_eq!(again.poll(), Some(Event::Open));
    for message in messages {
        let passed = again.poll().map(|event| format!("{event:?}"));
        assert_eq!(passed.as_deref(), Some(message.as_str()));
    }
    assert_eq!(again.poll(), None);
}

fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}
