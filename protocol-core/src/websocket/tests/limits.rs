use super::*;
use crate::websocket::buffer::RETAINED;

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn a_message_at_its_limit_passes_and_one_beyond_fails_at_its_header() {
    for role in ROLES {
        let ten = limits(|limits| limits.max_message = 10);
        let mut connection = open_with(role, ten);
        assert_eq!(
            feed(&mut connection, &frame_for(role, 0x81, b"0123456789")),
            [r#"Text("0123456789")"#]
        );
        let head = frame_for(role, 0x81, b"0123456789a");
        let head = &head[..head.len() - 11];
        assert_eq!(feed(&mut connection, head), ["Closed(Fault(MessageTooBig))"]);
        assert_close_frame(role, &take(&mut connection), 1009);

        // The sum of fragments counts.
        let mut connection = open_with(role, ten);
        let mut bytes = frame_for(role, 0x01, b"01234");
        bytes.extend(frame_for(role, 0x00, b"5678"));
        bytes.extend(frame_for(role, 0x80, b"9"));
        assert_eq!(feed(&mut connection, &bytes), [r#"Text("0123456789")"#]);
        feed(&mut connection, &frame_for(role, 0x01, b"01234"));
        let beyond = frame_for(role, 0x00, b"567890");
        assert_eq!(
            feed(&mut connection, &beyond[..beyond.len() - 6]),
            ["Closed(Fault(MessageTooBig))"]
        );
        assert_close_frame(role, &take(&mut connection), 1009);

        // Control frames do not count.
        let mut connection = open_with(role, ten);
        assert_eq!(feed(&mut connection, &frame_for(role, 0x89, &[0; 125])).len(), 1);
    }
}

#[test]
fn a_claim_alone_reserves_no_memory() {
    for role in ROLES {
        let mut connection = open(role);
        let mut bytes = vec![0x82, 127, 0, 0, 0, 0, 1, 0x90, 0, 0];
        if role == Role::Server {
            bytes[1] |= 0x80;
            bytes.extend(MASK);
        }
        bytes.extend([0; 100]);
        assert_eq!(feed(&mut connection, &bytes), [""; 0]);
        assert!(connection.memory() < 1024, "{}", connection.memory());
    }
}

#[test]
fn memory_is_given_back_after_a_big_message() {
    for role in ROLES {
        let big = vec![b'x'; 1 << 20];
        let mut connection = open(role);
        connection.send_binary(&big).unwrap();
        connection.send_text_with(|out| out.extend_from_slice(&big)).unwrap();
        take(&mut connection);
        for chunk in frame_for(role, 0x82, &big).chunks(1000) {
            feed(&mut connection, chunk);
        }
        feed(&mut connection, &frame_for(role, 0x02, &big));
        feed(&mut connection, &frame_for(role, 0x80, &big));
        assert!(connection.memory() <= 4 * RETAINED, "{}", connection.memory());
        feed(&mut connection, &frame_for(role, 0x83, b""));
        take(&mut connection);
        assert!(connection.memory() <= 2 * RETAINED, "{}", connection.memory());
    }
}

#[test]
fn buffers_do_not_grow_in_the_steady_state() {
    for role in ROLES {
        let mut connection = open(role);
        let bytes: Vec<u8> = (0..10).flat_map(|_| frame_for(role, 0x81, &[b'x'; 500])).collect();
        let mut after_warm_up = 0;
        for round in 0..100 {
            for chunk in bytes.chunks(700) {
                feed(&mut connection, chunk);
            }
            connection.send_text_with(|out| out.extend_from_slice(&[b'x'; 500])).unwrap();
            take(&mut connection);
            match round {
                0..10 => after_warm_up = connection.memory(),
                _ => assert_eq!(connection.memory(), after_warm_up),
            }
        }
    }
}

#[test]
fn pongs_that_wait_are_bounded() {
    for role in ROLES {
        let mut connection = open_with(role, limits(|limits| limits.max_pending_pongs = 2));
        for payload in [b"1", b"2", b"3", b"4"] {
            assert_eq!(feed(&mut connection, &frame_for(role, 0x89, payload)).len(), 1);
        }
        connection.send_text("data").unwrap();
        let sent = frames_of(role, &take(&mut connection));
        assert_eq!(sent, [(0x8a, b"1".to_vec()), (0x8a, b"2".to_vec()), (0x81, b"data".to_vec())]);
        // The output has drained: the newest ping is answered, the one before it never.
        assert_eq!(frames_of(role, &take(&mut connection)), [(0x8a, b"4".to_vec())]);
        assert!(connection.transmit().is_empty());
        // What was sent makes room again.
        feed(&mut connection, &frame_for(role, 0x89, b"5"));
        assert_eq!(frames_of(role, &take(&mut connection)), [(0x8a, b"5".to_vec())]);

        // A flood costs the bound, no more.
        let mut connection = open(role);
        for _ in 0..20_000 {
            feed(&mut connection, &frame_for(role, 0x89, &[b'x'; 125]));
        }
        assert!(connection.transmit().len() <= 32 * (125 + 6));
    }
}

#[test]
fn a_pong_partly_sent_still_waits() {
    let mut server = open_with(Role::Server, limits(|limits| limits.max_pending_pongs = 1));
    feed(&mut server, &frame_for(Role::Server, 0x89, b"1"));
    server.sent(2).unwrap();
    feed(&mut server, &frame_for(Role::Server, 0x89, b"2"));
    assert_eq!(server.transmit(), b"1");
    server.sent(1).unwrap();
    assert_eq!(take(&mut server), b"\x8a\x012");
}

#[test]
fn each_pong_sent_makes_room_for_one() {
    let mut server = open_with(Role::Server, limits(|limits| limits.max_pending_pongs = 2));
    for payload in [b"1", b"2"] {
        feed(&mut server, &frame_for(Role::Server, 0x89, payload));
    }
    server.sent(3).unwrap();
    for payload in [b"3", b"4"] {
        feed(&mut server, &frame_for(Role::Server, 0x89, payload));
    }
    assert_eq!(take(&mut server), b"\x8a\x012\x8a\x013");
    assert_eq!(take(&mut server), b"\x8a\x014");
}
