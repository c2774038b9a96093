use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::scripts::{any_end, run, session, sorted_cuts, valid_frames};
use super::*;
use crate::websocket::ClientRequest;

fn small() -> Limits {
    Limits { max_message: 1000, max_head: 600, max_refusal_body: 100, ..Limits::default() }
}

fn fresh_client() -> Connection {
    let mut client = Connection::client(&ClientRequest::new("h", "/").unwrap(), small(), SEED);
    take(&mut client);
    client
}

/// The heads of a valid opening handshake for the client with [`SEED`].
fn opening() -> (Vec<u8>, Vec<u8>) {
    let client = Connection::client(&ClientRequest::new("h", "/").unwrap(), small(), SEED);
    let request = client.transmit().to_vec();
    let (_, answer) = run(Connection::server(small()), &request, &[]);
    (request, answer)
}

#[test]
fn every_chunking_of_a_short_session_is_equal() {
    for role in ROLES {
        // Masked frames are longer, so the server's session has fewer of them.
        let bytes: Vec<u8> = match role {
            Role::Client => b"\x01\x02a\xc3\x89\x01p\x80\x01\xa9\x88\x02\x03\xe8".to_vec(),
            Role::Server => {
                [frame_for(role, 0x01, b"\xc3"), frame_for(role, 0x80, b"\xa9")].concat()
            }
        };
        let expected = run(open(role), &bytes, &[]);
        assert_eq!(expected.0.len(), if role == Role::Client { 3 } else { 1 });
        for chunking in 0..1_u32 << (bytes.len() - 1) {
            let cuts: Vec<usize> =
                (1..bytes.len()).filter(|at| chunking >> (at - 1) & 1 == 1).collect();
            assert_eq!(run(open(role), &bytes, &cuts), expected, "{cuts:?}");
        }
    }
}

#[test]
fn every_two_cuts_of_an_opening_are_equal() {
    let (request, mut answer) = opening();
    answer.extend(b"\x81\x01a");
    let at_server = [request, frame_for(Role::Server, 0x81, b"a")].concat();
    for (start, bytes) in
        [(fresh_client as fn() -> Connection, answer), (|| Connection::server(small()), at_server)]
    {
        let expected = run(start(), &bytes, &[]);
        assert_eq!(expected.0.last().unwrap(), r#"Text("a")"#);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                assert_eq!(run(start(), &bytes, &[first, second]), expected, "{first} {second}");
            }
        }
    }
}

/// Feeds anything and checks what must hold for any peer.
fn survive(mut connection: Connection, chunks: &[&[u8]]) {
    let limits = small();
    let mut fed = 0;
    let mut last_events = 0;
    for chunk in chunks {
        connection.receive(chunk);
        fed += chunk.len();
        while let Some(event) = connection.poll() {
            assert_eq!(last_events, 0, "{event:?} after the last event");
            let is_request = match event {
                Event::Text(text) => {
                    assert!(text.len() <= limits.max_message);
                    false
                }
                Event::Binary(bytes) => {
                    assert!(bytes.len() <= limits.max_message);
                    false
                }
                Event::Ping(bytes) | Event::Pong(bytes) => {
                    assert!(bytes.len() <= 125);
                    false
                }
                Event::Refused(refusal) => {
                    assert!(refusal.body().len() <= limits.max_refusal_body);
                    last_events += 1;
                    false
                }
                Event::Closed(_) => {
                    last_events += 1;
                    false
                }
                Event::Request(_) => true,
                Event::Open => false,
            };
            if is_request {
                connection.accept().unwrap();
            }
        }
        assert!(connection.memory() <= 4 * (fed + 1024), "{} after {fed}", connection.memory());
        assert_eq!(connection.is_finished(), last_events == 1);
        assert!(!connection.is_finished() || !connection.is_open());
        assert!(connection.transmit().len() <= 32 * 131 + 1024);
    }
    connection.receive_eof();
    while let Some(event) = connection.poll() {
        last_events += usize::from(matches!(event, Event::Closed(_) | Event::Refused(_)));
    }
    assert_eq!(last_events, 1);
    assert!(connection.is_finished() && connection.wants_shutdown());
}

proptest! {
    #[test]
    fn any_chunking_of_a_session_is_equal(
        frames in valid_frames(), end in any_end(), cuts in vec(any::<Index>(), 0..20), is_server: bool,
    ) {
        let role = ROLES[usize::from(is_server)];
        let bytes = session(role, &frames, &end);
        let whole = run(open_with(role, small()), &bytes, &[]);
        prop_assert_eq!(run(open_with(role, small()), &bytes, &sorted_cuts(&cuts, bytes.len())), whole);
    }

    #[test]
    fn any_bytes_are_survived(chunks in vec(vec(any::<u8>(), 0..200), 0..10)) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        for role in ROLES {
            survive(open_with(role, small()), &chunks);
        }
        survive(Connection::server(small()), &chunks);
        survive(fresh_client(), &chunks);
    }

    #[test]
    fn any_damage_to_a_session_is_survived(
        frames in valid_frames(), end in any_end(), cuts in vec(any::<Index>(), 0..5),
        damage in vec((any::<Index>(), any::<u8>()), 0..4), from_the_start: bool, is_server: bool,
    ) {
        let role = ROLES[usize::from(is_server)];
        let (request, answer) = opening();
        let mut bytes = match (from_the_start, role) {
            (false, _) => Vec::new(),
            (true, Role::Client) => answer,
            (true, Role::Server) => request,
        };
        let connection = match (from_the_start, role) {
            (false, _) => open_with(role, small()),
            (true, Role::Client) => fresh_client(),
            (true, Role::Server) => Connection::server(small()),
        };
        bytes.extend(session(role, &frames, &end));
        if !bytes.is_empty() {
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let mut cuts = sorted_cuts(&cuts, bytes.len());
        cuts.push(bytes.len());
        let mut from = 0;
        let chunks: Vec<&[u8]> = cuts.into_iter().map(|cut| &bytes[std::mem::replace(&mut from, cut)..cut]).collect();
        survive(connection, &chunks);
    }

    #[test]
    fn what_one_end_sends_the_other_receives(
        messages in vec((any::<bool>(), ".{0,300}"), 0..10), seed: [u8; 32], from_server: bool,
        cuts in vec(any::<Index>(), 0..10),
    ) {
        let writer = ROLES[usize::from(from_server)];
        let mut from = Connection::upgraded(writer, Limits::default(), seed);
        let mut expected = vec!["Open".to_owned()];
        for (is_text, text) in &messages {
            if *is_text {
                from.send_text(text).unwrap();
                expected.push(format!("{:?}", Event::Text(text)));
            } else {
                from.send_binary(text.as_bytes()).unwrap();
                expected.push(format!("{:?}", Event::Binary(text.as_bytes())));
            }
        }
        let to = Connection::upgraded(other(writer), Limits::default(), SEED);
        let bytes = from.transmit();
        prop_assert_eq!(run(to, bytes, &sorted_cuts(&cuts, bytes.len())).0, expected);
    }
}
