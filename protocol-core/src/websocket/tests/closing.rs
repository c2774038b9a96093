use super::*;
use crate::websocket::{CloseCode, Misuse};

#[test]
fn the_peers_close_is_answered_with_its_code() {
    for role in ROLES {
        let mut connection = open(role);
        let mut bytes = frame_for(role, 0x81, b"before");
        bytes.extend(frame_for(role, 0x88, b"\x0f\xa1bye"));
        let expected = [
            r#"Text("before")"#,
            r#"Closed(Clean { initiated_by: Peer, code: Some(CloseCode(4001)), reason: "bye" })"#,
        ];
        assert_eq!(feed(&mut connection, &bytes), expected);
        assert_eq!(frames_of(role, &take(&mut connection)), [(0x88, b"\x0f\xa1".to_vec())]);
        assert!(connection.is_finished() && !connection.is_open());

        let mut connection = open(role);
        let expected = [r#"Closed(Clean { initiated_by: Peer, code: None, reason: "" })"#];
        assert_eq!(feed(&mut connection, &frame_for(role, 0x88, b"")), expected);
        assert_eq!(frames_of(role, &take(&mut connection)), [(0x88, vec![])]);
    }
}

#[test]
fn our_close_waits_for_the_peers_and_data_still_arrives() {
    for role in ROLES {
        let mut connection = open(role);
        connection.close(CloseCode::GOING_AWAY, "later").unwrap();
        assert_eq!(frames_of(role, &take(&mut connection)), [(0x88, b"\x03\xe9later".to_vec())]);
        assert!(!connection.is_open() && !connection.is_finished() && !connection.wants_shutdown());
        assert_eq!(feed(&mut connection, &frame_for(role, 0x81, b"late")), [r#"Text("late")"#]);
        let expected =
            [r#"Closed(Clean { initiated_by: Local, code: Some(CloseCode(1001)), reason: "" })"#];
        assert_eq!(feed(&mut connection, &frame_for(role, 0x88, b"\x03\xe9")), expected);
    }
}

#[test]
fn a_close_is_not_answered_twice() {
    for role in ROLES {
        let mut connection = open(role);
        connection.close(CloseCode::NORMAL, "").unwrap();
        take(&mut connection);
        feed(&mut connection, &frame_for(role, 0x88, b"\x03\xe8"));
        assert!(connection.transmit().is_empty());

        // Nor is a fault that comes after our close frame.
        let mut connection = open(role);
        connection.close(CloseCode::NORMAL, "").unwrap();
        take(&mut connection);
        assert_eq!(
            feed(&mut connection, &frame_for(role, 0x83, b"")),
            ["Closed(Fault(ReservedOpcode(3)))"]
        );
        assert!(connection.transmit().is_empty() && connection.wants_shutdown());
    }
}

#[test]
fn the_server_ends_the_transport_first() {
    for we_start in [true, false] {
        let mut ends = ROLES.map(|role| {
            let mut connection = open(role);
            if we_start {
                connection.close(CloseCode::NORMAL, "").unwrap();
            }
            feed(&mut connection, &frame_for(role, 0x88, b"\x03\xe8"));
            take(&mut connection);
            connection
        });
        assert!(ends[1].wants_shutdown());
        assert!(!ends[0].wants_shutdown());
        ends[0].receive_eof();
        assert_eq!(events(&mut ends[0]), [""; 0]);
        assert!(ends[0].wants_shutdown());
    }
    // The end of the stream may come in one go with the close frame.
    let mut client = open(Role::Client);
    client.receive(b"\x88\x00");
    client.receive_eof();
    assert_eq!(events(&mut client).len(), 1);
    assert!(client.wants_shutdown());
}

#[test]
fn nothing_is_sent_after_close() {
    for role in ROLES {
        let mut connection = open(role);
        connection.close(CloseCode::NORMAL, "").unwrap();
        take(&mut connection);
        let queued = connection.bytes_queued_total();
        assert_eq!(connection.send_text("x"), Err(Misuse::Closed));
        assert_eq!(connection.send_text_with(|_| panic!("not called")), Err(Misuse::Closed));
        assert_eq!(connection.send_binary(b"x"), Err(Misuse::Closed));
        assert_eq!(connection.ping(b"x"), Err(Misuse::Closed));
        assert_eq!(connection.close(CloseCode::NORMAL, ""), Err(Misuse::Closed));
        assert_eq!(connection.bytes_queued_total(), queued);
        // Until the peer's close frame, its pings must be answered.
        feed(&mut connection, &frame_for(role, 0x89, b"p"));
        assert_eq!(frames_of(role, &take(&mut connection)), [(0x8a, b"p".to_vec())]);
    }
}

#[test]
fn input_after_the_end_is_discarded() {
    for role in ROLES {
        for end in [frame_for(role, 0x88, b""), frame_for(role, 0x83, b"")] {
            let mut connection = open(role);
            let mut bytes = end;
            bytes.extend(frame_for(role, 0x89, b"p"));
            assert_eq!(feed(&mut connection, &bytes).len(), 1);
            take(&mut connection);
            assert_eq!(feed(&mut connection, &frame_for(role, 0x89, b"p")), [""; 0]);
            connection.receive_eof();
            connection.opening_timed_out();
            assert_eq!(events(&mut connection), [""; 0]);
            assert!(connection.transmit().is_empty());
        }
    }
}

#[test]
fn bad_close_payloads_are_faults() {
    let cases: &[(&[u8], &str, u16)] = &[
        (b"\x03", "CloseCodeCutShort", 1002),
        (b"\x00\x00", "InvalidCloseCode(0)", 1002),
        (b"\x03\xe7", "InvalidCloseCode(999)", 1002),
        (b"\x03\xec", "InvalidCloseCode(1004)", 1002),
        (b"\x03\xed", "InvalidCloseCode(1005)", 1002),
        (b"\x03\xee", "InvalidCloseCode(1006)", 1002),
        (b"\x03\xf7", "InvalidCloseCode(1015)", 1002),
        (b"\x03\xf8", "InvalidCloseCode(1016)", 1002),
        (b"\x0b\xb7", "InvalidCloseCode(2999)", 1002),
        (b"\x13\x88", "InvalidCloseCode(5000)", 1002),
        (b"\xff\xff", "InvalidCloseCode(65535)", 1002),
        (b"\x03\xe8\xff", "InvalidUtf8", 1007),
        (b"\x03\xe8\xe2\x82", "InvalidUtf8", 1007),
    ];
    for role in ROLES {
        for (payload, fault, answer) in cases {
            let mut connection = open(role);
            let events = feed(&mut connection, &frame_for(role, 0x88, payload));
            assert_eq!(events, [format!("Closed(Fault({fault}))")]);
            assert_close_frame(role, &take(&mut connection), *answer);
        }
    }
}

#[test]
fn valid_codes_are_reported() {
    for role in ROLES {
        for code in [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
            4000, 4999,
        ] {
            let mut connection = open(role);
            let events = feed(&mut connection, &frame_for(role, 0x88, &u16::to_be_bytes(code)));
            assert!(events[0].contains(&format!("Some(CloseCode({code}))")), "{events:?}");
            assert_close_frame(role, &take(&mut connection), code);
            assert_eq!(CloseCode::new(code).unwrap().get(), code);
        }
    }
}

#[test]
fn a_reason_is_cut_between_characters() {
    for role in ROLES {
        for (reason, kept) in
            [("x".repeat(124), 123), ("€".repeat(41) + "x", 123), ("x€".repeat(31), 121)]
        {
            let mut connection = open(role);
            connection.close(CloseCode::NORMAL, &reason).unwrap();
            let frames = frames_of(role, &take(&mut connection));
            assert_eq!(frames[0].1[2..], reason.as_bytes()[..kept]);
        }
    }
}

#[test]
fn what_was_queued_before_goes_out_before_the_close() {
    for role in ROLES {
        let mut connection = open(role);
        connection.send_text("a").unwrap();
        feed(&mut connection, &frame_for(role, 0x88, b""));
        let firsts: Vec<u8> =
            frames_of(role, &take(&mut connection)).iter().map(|frame| frame.0).collect();
        assert_eq!(firsts, [0x81, 0x88]);
    }
}

#[test]
fn a_ping_too_long_is_misuse() {
    for role in ROLES {
        let mut connection = open(role);
        assert_eq!(connection.ping(&[0; 126]), Err(Misuse::OversizedControl));
        assert!(connection.transmit().is_empty());
        assert_eq!(connection.ping(&[0; 125]), Ok(()));
        assert_eq!(frames_of(role, &take(&mut connection)), [(0x89, vec![0; 125])]);
    }
}

#[test]
fn an_upgraded_stream_cannot_be_answered() {
    for role in ROLES {
        let mut connection = open(role);
        assert_eq!(connection.accept(), Err(Misuse::NoRequest));
        assert_eq!(connection.reject(400, &[], ""), Err(Misuse::NoRequest));
        assert!(connection.is_open());
    }
}

#[test]
fn a_pong_put_off_is_forgotten_with_the_end() {
    for role in ROLES {
        for end in [frame_for(role, 0x88, b""), frame_for(role, 0x83, b"")] {
            let limits = Limits { max_pending_pongs: 0, ..Limits::default() };
            let mut connection = open_with(role, limits);
            feed(&mut connection, &frame_for(role, 0x89, b"p"));
            feed(&mut connection, &end);
            assert_eq!(frames_of(role, &take(&mut connection)).len(), 1);
            assert!(connection.transmit().is_empty());
        }
    }
}

#[test]
fn ends_are_described_without_control_characters() {
    let mut client = open(Role::Client);
    client.receive(b"\x88\x0b\x03\xe9by\x1b[2J\r\ne");
    let Some(Event::Closed(closed)) = client.poll() else { panic!() };
    assert_eq!(closed.to_string(), "closed by the other side, code 1001: by [2J  e");
    let mut server = open(Role::Server);
    server.receive(&frame_for(Role::Server, 0x83, b""));
    let Some(Event::Closed(closed)) = server.poll() else { panic!() };
    assert_eq!(
        closed.to_string(),
        "the other side broke the WebSocket protocol: reserved opcode 3"
    );
}
