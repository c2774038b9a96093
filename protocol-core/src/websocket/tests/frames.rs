use super::*;
use crate::random::Random;
use crate::websocket::Misuse;

#[test]
fn text_and_binary_are_received() {
    for role in ROLES {
        let mut connection = open(role);
        assert_eq!(feed(&mut connection, &frame_for(role, 0x81, b"Hello")), [r#"Text("Hello")"#]);
        assert_eq!(feed(&mut connection, &frame_for(role, 0x82, &[0, 255])), ["Binary([0, 255])"]);
        assert_eq!(feed(&mut connection, &frame_for(role, 0x81, b"")), [r#"Text("")"#]);
        assert_eq!(feed(&mut connection, &frame_for(role, 0x82, b"")), ["Binary([])"]);
        assert!(connection.transmit().is_empty());
    }
}

#[test]
fn the_examples_of_the_standard_are_received() {
    let mut client = open(Role::Client);
    assert_eq!(
        feed(&mut client, &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]),
        [r#"Text("Hello")"#]
    );
    let fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(feed(&mut client, &fragments), [r#"Text("Hello")"#]);
    let mut server = open(Role::Server);
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(feed(&mut server, &masked), [r#"Text("Hello")"#]);
}

#[test]
fn clients_mask_and_servers_do_not() {
    let mut server = open(Role::Server);
    server.send_text("Hi").unwrap();
    server.send_text_with(|out| out.extend_from_slice(b"{}")).unwrap();
    server.send_binary(&[1, 2]).unwrap();
    server.ping(b"p").unwrap();
    assert_eq!(take(&mut server), b"\x81\x02Hi\x81\x02{}\x82\x02\x01\x02\x89\x01p");

    let mut client = open(Role::Client);
    client.send_text("Hi").unwrap();
    let [a, b, c, d] = Random::from_seed(SEED).bytes();
    assert_eq!(take(&mut client), [0x81, 0x82, a, b, c, d, b'H' ^ a, b'i' ^ b]);
    client.send_text_with(|out| out.extend_from_slice(b"{}")).unwrap();
    client.send_binary(&[1, 2]).unwrap();
    client.ping(b"p").unwrap();
    let expected = [(0x81, b"{}".to_vec()), (0x82, vec![1, 2]), (0x89, b"p".to_vec())];
    assert_eq!(frames_of(Role::Client, &take(&mut client)), expected);
}

#[test]
fn each_frame_has_its_own_mask() {
    let mut client = open(Role::Client);
    client.send_text("same").unwrap();
    let first = take(&mut client);
    client.send_text("same").unwrap();
    let second = take(&mut client);
    assert_ne!(first[2..6], second[2..6]);
}

#[test]
fn equal_seeds_give_equal_bytes() {
    let session = |seed| {
        let mut client = Connection::upgraded(Role::Client, Limits::default(), seed);
        client.send_text("a").unwrap();
        client.receive(&frame_for(Role::Client, 0x89, b"p"));
        while client.poll().is_some() {}
        take(&mut client)
    };
    assert_eq!(session([1; 32]), session([1; 32]));
    assert_ne!(session([1; 32]), session([2; 32]));
}

#[test]
fn lengths_are_as_short_as_possible() {
    for (length, head) in [(125, &[125][..]), (126, &[126, 0, 126]), (65535, &[126, 255, 255])] {
        let mut server = open(Role::Server);
        server.send_binary(&vec![0; length]).unwrap();
        assert_eq!(server.transmit()[1..=head.len()], *head);
        assert_eq!(server.transmit().len(), 1 + head.len() + length);
    }
    let mut server = open(Role::Server);
    server.send_binary(&[0; 65536]).unwrap();
    assert_eq!(server.transmit()[1..10], [127, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn messages_of_all_length_formats_are_received() {
    for role in ROLES {
        for length in [0, 1, 125, 126, 65535, 65536, 100_000] {
            let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let mut connection = open(role);
            connection.receive(&frame_for(role, 0x82, &payload));
            assert_eq!(connection.poll(), Some(Event::Binary(&payload)));
            assert_eq!(connection.poll(), None);
        }
    }
}

#[test]
fn fragments_make_one_message() {
    for role in ROLES {
        let mut connection = open(role);
        let mut bytes = frame_for(role, 0x01, b"a\xe2");
        bytes.extend(frame_for(role, 0x89, b"ping"));
        bytes.extend(frame_for(role, 0x00, b""));
        bytes.extend(frame_for(role, 0x00, b"\x82"));
        bytes.extend(frame_for(role, 0x8a, b"pong"));
        bytes.extend(frame_for(role, 0x80, b"\xacz"));
        bytes.extend(frame_for(role, 0x81, b"next"));
        let expected = [
            "Ping([112, 105, 110, 103])",
            "Pong([112, 111, 110, 103])",
            r#"Text("a€z")"#,
            r#"Text("next")"#,
        ];
        assert_eq!(feed(&mut connection, &bytes), expected);
        let mut bytes = frame_for(role, 0x02, &[1]);
        bytes.extend(frame_for(role, 0x80, &[255]));
        assert_eq!(feed(&mut connection, &bytes), ["Binary([1, 255])"]);
        // An empty fragmented message is a message too.
        let mut bytes = frame_for(role, 0x01, b"");
        bytes.extend(frame_for(role, 0x80, b""));
        assert_eq!(feed(&mut connection, &bytes), [r#"Text("")"#]);
    }
}

#[test]
fn a_ping_is_answered() {
    for role in ROLES {
        let mut connection = open(role);
        assert_eq!(feed(&mut connection, &frame_for(role, 0x89, b"hi")), ["Ping([104, 105])"]);
        assert_eq!(frames_of(role, &take(&mut connection)), [(0x8a, b"hi".to_vec())]);
        let longest = [b'x'; 125];
        feed(&mut connection, &frame_for(role, 0x89, &longest));
        assert_eq!(frames_of(role, &take(&mut connection)), [(0x8a, longest.to_vec())]);
        assert_eq!(feed(&mut connection, &frame_for(role, 0x8a, b"unasked")).len(), 1);
        assert!(connection.transmit().is_empty());
    }
}

#[test]
fn a_bad_header_is_a_fault_at_once() {
    /// A header without the rest of its frame, for a reader of this role.
    fn header(role: Role, first: u8, length: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        bytes.extend(length);
        if role == Role::Server {
            bytes[1] |= 0x80;
            bytes.extend(MASK);
        }
        bytes
    }
    let top_bit = [127, 0x80, 0, 0, 0, 0, 0, 0, 1];
    let cases: &[(&str, &[u8], u8, &[u8])] = &[
        ("ReservedBit", &[], 0xc1, &[5]),
        ("ReservedBit", &[], 0xa1, &[5]),
        ("ReservedBit", &[], 0x91, &[5]),
        ("ReservedOpcode(3)", &[], 0x83, &[5]),
        ("ReservedOpcode(7)", &[], 0x87, &[5]),
        ("ReservedOpcode(11)", &[], 0x8b, &[5]),
        ("ReservedOpcode(15)", &[], 0x8f, &[5]),
        ("FragmentedControl", &[], 0x08, &[5]),
        ("FragmentedControl", &[], 0x09, &[5]),
        ("FragmentedControl", &[], 0x0a, &[5]),
        ("OversizedControl", &[], 0x88, &[126, 0, 126]),
        ("OversizedControl", &[], 0x89, &[126, 0, 126]),
        ("OversizedControl", &[], 0x8a, &[127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ("InvalidLength", &[], 0x82, &[126, 0, 125]),
        ("InvalidLength", &[], 0x82, &[127, 0, 0, 0, 0, 0, 0, 255, 255]),
        ("InvalidLength", &[], 0x82, &top_bit),
        ("UnexpectedContinuation", &[], 0x80, &[5]),
        ("UnexpectedContinuation", &[], 0x00, &[5]),
        ("UnfinishedMessage", &[0x01], 0x81, &[5]),
        ("UnfinishedMessage", &[0x02], 0x02, &[5]),
        ("UnexpectedContinuation", &[0x01, 0x80], 0x80, &[5]),
    ];
    for role in ROLES {
        for (fault, before, first, length) in cases {
            let mut connection = open(role);
            for first in *before {
                feed(&mut connection, &frame_for(role, *first, b"ab"));
            }
            let bad = header(role, *first, length);
            let (last, start) = bad.split_last().unwrap();
            assert_eq!(feed(&mut connection, start), [""; 0], "{fault}: too early");
            assert_eq!(feed(&mut connection, &[*last]), [format!("Closed(Fault({fault}))")]);
            assert_close_frame(role, &take(&mut connection), 1002);
            assert!(
                connection.wants_shutdown() && connection.is_finished() && !connection.is_open()
            );
            assert_eq!(connection.send_text("x"), Err(Misuse::Closed));
        }
        let mut connection = open(role);
        let (bytes, fault) = match role {
            Role::Client => (frame_for(Role::Server, 0x81, b""), "Masked"),
            Role::Server => (frame_for(Role::Client, 0x81, b""), "NotMasked"),
        };
        assert_eq!(feed(&mut connection, &bytes), [format!("Closed(Fault({fault}))")]);
        assert_close_frame(role, &take(&mut connection), 1002);
    }
}

#[test]
fn bad_text_is_a_fault_at_its_first_bad_byte() {
    for role in ROLES {
        // In one piece, cut short at the end, over fragments, and before the rest of the frame has come.
        let cut = frame_for(role, 0x81, b"ok\xed\xa0more");
        let mut split = frame_for(role, 0x01, b"\xe2\x82");
        split.extend(frame_for(role, 0x00, b"x"));
        let mut unfinished = frame_for(role, 0x01, b"\xe2\x82");
        unfinished.extend(frame_for(role, 0x80, b""));
        let whole = [
            frame_for(role, 0x81, b"\xff"),
            frame_for(role, 0x81, b"a\xe2\x82"),
            split,
            unfinished,
        ];
        for bytes in whole.iter().map(Vec::as_slice).chain([&cut[..cut.len() - 4]]) {
            let mut connection = open(role);
            assert_eq!(feed(&mut connection, bytes), ["Closed(Fault(InvalidUtf8))"]);
            assert_close_frame(role, &take(&mut connection), 1007);
        }
    }
    // Binary messages and pings may hold anything.
    let mut client = open(Role::Client);
    assert_eq!(feed(&mut client, b"\x82\x01\xff\x89\x01\xff"), ["Binary([255])", "Ping([255])"]);
}

#[test]
fn sent_bytes_are_counted_and_partial_writes_lose_nothing() {
    for role in ROLES {
        let mut connection = open(role);
        connection.send_text("one").unwrap();
        let after_one = connection.bytes_queued_total();
        connection.send_text("two").unwrap();
        let whole = connection.transmit().to_vec();
        assert_eq!(connection.bytes_queued_total(), whole.len() as u64);
        let mut written = Vec::new();
        while let Some(&byte) = connection.transmit().first() {
            written.push(byte);
            connection.sent(1).unwrap();
            assert_eq!(connection.bytes_sent_total(), written.len() as u64);
        }
        assert_eq!(written, whole);
        assert!(connection.bytes_sent_total() > after_one);
        assert_eq!(connection.sent(1), Err(Misuse::SentTooMuch));
        connection.send_text("three").unwrap();
        assert_eq!(
            connection.bytes_queued_total() - connection.bytes_sent_total(),
            connection.transmit().len() as u64
        );
    }
}

#[test]
fn the_end_of_the_stream_without_close_is_a_loss() {
    for role in ROLES {
        for bytes in
            [vec![], frame_for(role, 0x81, b"cut")[..3].to_vec(), frame_for(role, 0x01, b"part")]
        {
            let mut connection = open(role);
            connection.receive(&bytes);
            connection.receive_eof();
            assert_eq!(events(&mut connection), ["Closed(Lost)"]);
            assert!(connection.wants_shutdown() && connection.is_finished());
        }
        let mut connection = open(role);
        connection.receive(&frame_for(role, 0x81, b"last"));
        connection.receive_eof();
        assert_eq!(events(&mut connection), [r#"Text("last")"#, "Closed(Lost)"]);
    }
}

#[test]
fn debug_shows_no_payload() {
    let mut client = open(Role::Client);
    client.send_text("s3cret").unwrap();
    client.receive(b"\x81\x7ds3cret");
    assert_eq!(
        format!("{client:?}"),
        r#"Connection { role: Client, phase: "open", bytes_received: 8, bytes_to_send: 12, eof: false, .. }"#
    );
}
