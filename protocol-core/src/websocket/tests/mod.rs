//! What RFC 6455 demands of an endpoint, and the test that shows it:
//!
//! | Section | The endpoint must | Test |
//! | --- | --- | --- |
//! | 4.1 | client: send a valid request with a nonce | `opening_client::the_request_is_what_the_standard_asks` |
//! | 4.1 | client: fail without `Upgrade: websocket`, `Connection: Upgrade`, the right accept value | `opening_client::a_wrong_101_fails` |
//! | 4.1 | client: fail upon an extension or sub-protocol it did not offer | `opening_client::a_wrong_101_fails` |
//! | 4.1 | client: take other answers per HTTP | `opening_client::a_refusal_is_reported_with_its_body` |
//! | 4.1 | client: send nothing before the answer | `opening_client::nothing_can_be_sent_before_the_answer` |
//! | 4.2.1 | server: require GET, HTTP/1.1, Host, Upgrade, Connection, a key of 16 bytes | `opening_server::a_wrong_request_is_answered` |
//! | 4.2.2 | server: answer another version with 426 and the version it knows | `opening_server::a_wrong_request_is_answered` |
//! | 4.2.2 | server: answer with the accept value | `opening_server::acceptance_opens_the_connection` |
//! | 5.1 | mask as a client, not as a server; fail upon the contrary | `frames::clients_mask_and_servers_do_not`, `frames::a_bad_header_is_a_fault_at_once` |
//! | 5.2 | fail upon reserved bits and opcodes and long lengths | `frames::a_bad_header_is_a_fault_at_once` |
//! | 5.2 | use the shortest length | `frames::lengths_are_as_short_as_possible` |
//! | 5.3 | draw a new mask for each frame | `frames::each_frame_has_its_own_mask` |
//! | 5.4 | handle fragments, with control frames between | `frames::fragments_make_one_message` |
//! | 5.4 | fail upon fragments out of order | `frames::a_bad_header_is_a_fault_at_once` |
//! | 5.5 | fail upon long or fragmented control frames | `frames::a_bad_header_is_a_fault_at_once` |
//! | 5.5.1 | send no data after a close frame | `closing::nothing_is_sent_after_close` |
//! | 5.5.1 | answer a close frame with one, once | `closing::the_peers_close_is_answered_with_its_code`, `closing::a_close_is_not_answered_twice` |
//! | 5.5.2 | answer a ping with its payload | `frames::a_ping_is_answered` |
//! | 5.5.2 | not answer pings after the peer's close frame | `closing::input_after_the_end_is_discarded` |
//! | 5.5.3 | answer at least the newest ping | `limits::pongs_that_wait_are_bounded` |
//! | 5.6, 8.1 | fail upon text that is not UTF-8 | `frames::bad_text_is_a_fault_at_its_first_bad_byte` |
//! | 7.1.1 | server: close the transport first | `closing::the_server_ends_the_transport_first` |
//! | 7.1.5 | report the peer's code | `closing::valid_codes_are_reported` |
//! | 7.1.7 | fail with a close frame and read no more | `frames::a_bad_header_is_a_fault_at_once`, `closing::input_after_the_end_is_discarded` |
//! | 7.4 | not send or accept codes that must not be on the wire | `closing::bad_close_payloads_are_faults` |
//! | 10.4 | limit the size of messages | `limits::a_message_at_its_limit_passes_and_one_beyond_fails_at_its_header` |

mod closing;
mod differential;
mod frames;
mod limits;
mod opening_client;
mod opening_server;
mod properties;
mod scripts;

use super::{Connection, Event, Limits, Role};

const SEED: [u8; 32] = [42; 32];
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// An open connection.
fn open(role: Role) -> Connection {
    open_with(role, Limits::default())
}

fn open_with(role: Role, limits: Limits) -> Connection {
    let mut connection = Connection::upgraded(role, limits, SEED);
    assert_eq!(connection.poll(), Some(Event::Open));
    assert!(connection.is_open());
    connection
}

fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// All events that are due, as text.
fn events(connection: &mut Connection) -> Vec<String> {
    std::iter::from_fn(|| connection.poll().map(|event| format!("{event:?}"))).collect()
}

/// Feeds bytes and returns the events.
fn feed(connection: &mut Connection, bytes: &[u8]) -> Vec<String> {
    connection.receive(bytes);
    events(connection)
}

/// Takes all bytes that wait.
fn take(connection: &mut Connection) -> Vec<u8> {
    let bytes = connection.transmit().to_vec();
    connection.sent(bytes.len()).unwrap();
    bytes
}

/// A frame with a first byte and a payload, as the other end than `reader` writes it. Written apart from the code
/// under test.
fn frame_for(reader: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let masked = if reader == Role::Server { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..=125 => bytes.push(masked | length as u8),
        length @ 126..=0xffff => {
            bytes.push(masked | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(masked | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    if masked == 0 {
        bytes.extend(payload);
    } else {
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
    bytes
}

/// The frames that `writer` sent: first bytes and payloads. Checks the masks and that nothing is left over.
fn frames_of(writer: Role, mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, ..] = *bytes {
        assert_eq!(second & 0x80 != 0, writer == Role::Client);
        let (length, mut at) = match second & 0x7f {
            126 => (u16::from_be_bytes(bytes[2..4].try_into().unwrap()) as usize, 4),
            127 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()) as usize, 10),
            short => (short as usize, 2),
        };
        let mut mask = [0; 4];
        if writer == Role::Client {
            mask.copy_from_slice(&bytes[at..at + 4]);
            at += 4;
        }
        let payload = bytes[at..at + length]
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        frames.push((first, payload));
        bytes = &bytes[at + length..];
    }
    assert!(bytes.is_empty());
    frames
}

/// The only frame in `bytes` must be a close frame with this code.
fn assert_close_frame(writer: Role, bytes: &[u8], code: u16) {
    let frames = frames_of(writer, bytes);
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!(frames[0].0, 0x88);
    assert_eq!(frames[0].1[..2], code.to_be_bytes());
}
