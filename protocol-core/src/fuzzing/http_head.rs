use arbitrary::Unstructured;

use super::script::Script;
use super::stream::{Ending, Manner, ROLES, assert_cutting_changes_nothing, small_limits};
use super::{SECRET, quotes_the_secret};
use crate::websocket::{ClientRequest, Connection, Limits, Role};

/// The opening handshake: any bytes in place of the other end's head, and what follows it.
///
/// | Bytes | Meaning |
/// | --- | --- |
/// | 0 | bit 0: role (0 client, 1 server); bit 1: default limits, not small ones; bit 2: a server rejects; bit 3: a secret is put into the head; bits 4 and 5: how the stream ends (1 its end, 2 a deadline, else it stays open) |
/// | 1 to 3 | lengths, less one, of the pieces in which the bytes arrive |
/// | 4.. | the bytes |
pub fn http_head(input: &[u8]) {
    let mut script = Unstructured::new(input);
    let flags = script.number();
    let lengths = [script.number(), script.number(), script.number()];
    let bytes = script.take_rest();
    if quotes_the_secret(bytes) {
        return;
    }

    let role = ROLES[usize::from(flags & 1)];
    let limits = if flags & 2 == 0 { small_limits() } else { Limits::default() };
    let manner = Manner {
        accepts: flags & 4 == 0,
        ending: match flags >> 4 & 3 {
            1 => Ending::Eof,
            2 => Ending::OpeningTimesOut,
            _ => Ending::Open,
        },
    };
    let with_secret = if flags & 8 == 0 { bytes.to_vec() } else { with_secret(role, bytes) };

    let make = || match role {
        Role::Client => client(limits),
        Role::Server => Connection::server(limits),
    };
    let seen = assert_cutting_changes_nothing(make, limits, &with_secret, lengths, manner);
    match role {
        Role::Client => {
            let opened = seen.events.iter().any(|event| event == "Open");
            assert!(opened || seen.sent.is_empty(), "a client that is not open says nothing more");
        }
        Role::Server => assert!(seen.sent.is_empty() || seen.sent.starts_with(b"HTTP/1.1 ")),
    }
}

/// A client whose request is out; its key is always the same, so an input can hold the right answer.
fn client(limits: Limits) -> Connection {
    let request = ClientRequest::new("gateway.test", "/ws")
        .and_then(|request| request.header("Authorization", SECRET))
        .expect("a valid request");
    let mut client = Connection::client(&request, limits, [7; 32]);
    client.sent(client.transmit().len()).expect("it was lent");
    client
}

/// The same head with two headers more, behind its first line.
fn with_secret(role: Role, bytes: &[u8]) -> Vec<u8> {
    let names = match role {
        Role::Client => ["Set-Cookie", "X-Session"],
        Role::Server => ["Authorization", "Cookie"],
    };
    let Some(at) = bytes.windows(2).position(|two| two == b"\r\n") else { return bytes.to_vec() };
    let (line, rest) = bytes.split_at(at + 2);
    let headers = names.map(|name| format!("{name}: Bearer {SECRET}\r\n")).concat();
    [line, headers.as_bytes(), rest].concat()
}
