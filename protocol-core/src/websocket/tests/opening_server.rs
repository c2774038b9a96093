use super::*;
use crate::websocket::{CloseCode, Misuse};

const GOOD: &str = "GET /ws?token=s3cret HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    Authorization: Bearer t0ken\r\nUser-Agent: test\r\n\r\n";

fn listening() -> Connection {
    Connection::server(Limits::default())
}

fn asked() -> Connection {
    let mut server = listening();
    server.receive(GOOD.as_bytes());
    assert!(matches!(server.poll(), Some(Event::Request(_))));
    assert_eq!(server.poll(), None);
    server
}

#[test]
fn a_request_is_reported_whole_or_byte_by_byte() {
    for size in [1, 3, GOOD.len()] {
        let mut server = listening();
        for chunk in GOOD.as_bytes().chunks(size) {
            assert_eq!(server.poll(), None);
            server.receive(chunk);
        }
        let Some(Event::Request(request)) = server.poll() else { panic!() };
        assert_eq!((request.path(), request.query()), ("/ws", Some("token=s3cret")));
        assert_eq!(request.header("USER-agent"), Some("test"));
        assert_eq!(request.header("missing"), None);
        assert_eq!(request.bearer_token(), Some("t0ken"));
        let shown = format!("{request:?}");
        assert!(shown.contains("/ws?token=..") && shown.contains("test"), "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
    }
}

#[test]
fn acceptance_opens_the_connection() {
    let mut server = asked();
    assert!(!server.is_open());
    assert_eq!(server.send_text("x"), Err(Misuse::NotOpen));
    assert_eq!(server.close(CloseCode::NORMAL, ""), Err(Misuse::NotOpen));
    server.accept().unwrap();
    server.send_text("hi").unwrap();
    assert_eq!(server.accept(), Err(Misuse::NoRequest));
    assert_eq!(events(&mut server), ["Open"]);
    let expected = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\u{81}\u{2}hi";
    assert_eq!(take(&mut server), expected.chars().map(|char| char as u8).collect::<Vec<_>>());
    assert_eq!(feed(&mut server, &frame_for(Role::Server, 0x81, b"a")), [r#"Text("a")"#]);
}

#[test]
fn bytes_behind_the_request_are_kept() {
    let mut server = listening();
    let mut bytes = GOOD.as_bytes().to_vec();
    bytes.extend(frame_for(Role::Server, 0x81, b"early"));
    server.receive(&bytes);
    assert!(matches!(server.poll(), Some(Event::Request(_))));
    assert_eq!(server.poll(), None);
    assert_eq!(feed(&mut server, &frame_for(Role::Server, 0x81, b"too")), [""; 0]);
    server.accept().unwrap();
    assert_eq!(events(&mut server), ["Open", r#"Text("early")"#, r#"Text("too")"#]);
}

#[test]
fn bytes_behind_the_request_are_bounded() {
    let limit = Limits::default().max_head;
    let mut server = asked();
    assert_eq!(feed(&mut server, &vec![0; limit]), [""; 0]);
    assert_eq!(feed(&mut server, &[0]), ["Closed(Handshake(EarlyData))"]);
    assert!(server.transmit().starts_with(b"HTTP/1.1 400 "));
    assert_eq!(server.accept(), Err(Misuse::NoRequest));
}

#[test]
fn other_good_requests_are_taken() {
    for (from, to, path) in [
        ("Upgrade: websocket", "upgrade: h2c, WebSocket", "/ws"),
        ("Connection: Upgrade", "CONNECTION: keep-alive, upgrade", "/ws"),
        ("/ws?token=s3cret", "http://h:80/abs?x", "/abs"),
        ("/ws?token=s3cret", "http://h", "/"),
        ("/ws?token=s3cret", "WSS://h?x", "/"),
        ("Host: h", "host: h\r\nContent-Length: 0", "/ws"),
        (
            "Host: h",
            "Host:\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: a",
            "/ws",
        ),
    ] {
        let mut server = listening();
        server.receive(GOOD.replace(from, to).as_bytes());
        let Some(Event::Request(request)) = server.poll() else { panic!("{to}") };
        assert_eq!(request.path(), path);
        server.accept().unwrap();
        let answer = String::from_utf8(take(&mut server)).unwrap().to_lowercase();
        assert!(
            !answer.contains("extensions") && !answer.contains("protocol:"),
            "offers are ignored"
        );
    }
}

#[test]
fn only_a_bearer_token_is_one() {
    for (value, token) in [
        ("bearer  abc ", Some("abc")),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer a\r\nAuthorization: Bearer b", None),
    ] {
        let mut server = listening();
        server.receive(GOOD.replace("Bearer t0ken", value).as_bytes());
        let Some(Event::Request(request)) = server.poll() else { panic!("{value}") };
        assert_eq!(request.bearer_token(), token, "{value}");
    }
}

#[test]
fn a_wrong_request_is_answered() {
    let cases = [
        ("GET", "POST", 405, "Method", "Allow: GET"),
        ("HTTP/1.1", "HTTP/1.0", 400, "Version", ""),
        ("HTTP/1.1", "HTTP/2.0", 400, "Version", ""),
        ("/ws?token=s3cret", "*", 400, "Target", ""),
        ("/ws?token=s3cret", "ftp://h/", 400, "Target", ""),
        ("Host: h\r\n", "", 400, "Host", ""),
        ("Host: h\r\n", "Host: h\r\nHost: h\r\n", 400, "Host", ""),
        ("Host: h\r\n", "Host: h\r\nContent-Length: 3\r\n", 400, "Body", ""),
        ("Host: h\r\n", "Host: h\r\nTransfer-Encoding: chunked\r\n", 400, "Body", ""),
        ("Upgrade: websocket\r\n", "", 426, "NoUpgrade", "Upgrade: websocket"),
        (
            "Upgrade: websocket\r\n",
            "Upgrade: h2c\r\n",
            426,
            "NoUpgrade",
            "Connection: Upgrade, close",
        ),
        ("Connection: Upgrade\r\n", "Connection: close\r\n", 400, "NoConnectionUpgrade", ""),
        ("Version: 13", "Version: 8", 426, "WebSocketVersion", "Sec-WebSocket-Version: 13"),
        ("Sec-WebSocket-Version: 13\r\n", "", 426, "WebSocketVersion", "Sec-WebSocket-Version: 13"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400, "Key", ""),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400, "Key", ""),
        ("dGhlIHNhbXBsZSBub25jZQ==", "!!!!", 400, "Key", ""),
        ("Host: h\r\n", "Host: h\r\nbroken\r\n", 400, "NotHttp", ""),
        ("Host: h\r\n", "Host: h\r\nX : y\r\n", 400, "NotHttp", ""),
    ];
    for (from, to, status, fault, line) in cases {
        let request = GOOD.replacen(from, to, 1);
        for size in [1, request.len()] {
            let mut server = listening();
            let seen: Vec<String> = request
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| feed(&mut server, chunk))
                .collect();
            assert_eq!(seen, [format!("Closed(Handshake({fault}))")], "{to}");
            assert!(server.wants_shutdown() && server.is_finished());
            let answer = String::from_utf8(take(&mut server)).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(head.contains(line) && head.contains("close"), "{answer}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())) && !body.is_empty());
        }
    }
    let mut server = listening();
    feed(&mut server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(
        String::from_utf8(take(&mut server)).unwrap().contains("Connect with a WebSocket client")
    );
}

#[test]
fn what_is_not_http_fails_at_its_first_byte() {
    let mut server = listening();
    assert_eq!(feed(&mut server, b"\x16"), ["Closed(Handshake(NotHttp))"]);
    assert!(server.transmit().starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn a_head_at_its_limit_passes_and_one_beyond_is_answered() {
    for size in [1, 10, GOOD.len()] {
        for (max, passes) in [(GOOD.len(), true), (GOOD.len() - 1, false)] {
            let mut server = Connection::server(Limits { max_head: max, ..Limits::default() });
            let seen: Vec<String> =
                GOOD.as_bytes().chunks(size).flat_map(|chunk| feed(&mut server, chunk)).collect();
            assert_eq!(seen.len(), 1);
            assert_eq!(seen[0].starts_with("Request"), passes);
            assert_eq!(server.transmit().starts_with(b"HTTP/1.1 431 "), !passes);
        }
    }
    let mut server = listening();
    let request = GOOD.replace("Host: h\r\n", &"a: b\r\n".repeat(101));
    assert_eq!(feed(&mut server, request.as_bytes()), ["Closed(Handshake(HeadTooLarge))"]);
}

#[test]
fn a_rejection_is_written_and_ends_the_connection() {
    let mut server = asked();
    server.reject(401, &[("WWW-Authenticate", "Bearer")], "no\n").unwrap();
    let expected = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nConnection: close\r\n\
                    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nno\n";
    assert_eq!(String::from_utf8(take(&mut server)).unwrap(), expected);
    assert!(server.wants_shutdown() && !server.is_finished());
    assert_eq!(events(&mut server), ["Closed(Rejected { status: 401 })"]);
    assert!(server.is_finished());
    assert_eq!(server.reject(401, &[], ""), Err(Misuse::NoRequest));

    let mut server = asked();
    server.reject(599, &[("content-type", "application/json")], "{}").unwrap();
    let expected = "HTTP/1.1 599 \r\ncontent-type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(String::from_utf8(take(&mut server)).unwrap(), expected);
}

#[test]
fn a_bad_rejection_changes_nothing() {
    let mut server = asked();
    for status in [0, 101, 200, 299, 600] {
        assert_eq!(server.reject(status, &[], ""), Err(Misuse::InvalidStatus(status)));
    }
    for header in
        [("a b", "c"), ("a", "b\r\nc: d"), ("Content-Length", "1"), ("Connection", "x"), ("", "")]
    {
        assert_eq!(server.reject(400, &[header], ""), Err(Misuse::InvalidHeader));
    }
    assert!(server.transmit().is_empty());
    server.accept().unwrap();
}

#[test]
fn a_client_that_leaves_or_dawdles_ends_the_handshake() {
    for bytes in ["", "GET / HT", GOOD] {
        let mut server = listening();
        feed(&mut server, bytes.as_bytes());
        server.receive_eof();
        assert_eq!(events(&mut server), ["Closed(Handshake(Disconnected))"]);
        assert!(server.transmit().is_empty() && server.wants_shutdown());

        let mut server = listening();
        feed(&mut server, bytes.as_bytes());
        server.opening_timed_out();
        assert_eq!(events(&mut server), ["Closed(OpeningTimedOut)"]);
        assert_eq!(server.accept(), Err(Misuse::NoRequest));
    }
}
