use data_encoding::BASE64;
use tungstenite::handshake::derive_accept_key;

use super::*;
use crate::random::Random;
use crate::websocket::{ClientRequest, CloseCode, InvalidRequest, Misuse, Refusal, RetryAfter};

fn request() -> ClientRequest {
    ClientRequest::new("gw.example:8443", "/ws?token=s3cret&v=1").unwrap()
}

fn asking() -> Connection {
    let mut client = Connection::client(&request(), Limits::default(), SEED);
    take(&mut client);
    client
}

fn key() -> String {
    BASE64.encode(&Random::from_seed(SEED).bytes::<16>())
}

/// A 101 answer with these lines and the right accept value where they say `{accept}`.
fn answer(lines: &str) -> Vec<u8> {
    let accept = derive_accept_key(key().as_bytes());
    format!("HTTP/1.1 101 Switching Protocols\r\n{}\r\n", lines.replace("{accept}", &accept))
        .into_bytes()
}

fn good_answer() -> Vec<u8> {
    answer("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n")
}

/// The refusal that comes of these bytes, fed whole and byte by byte, followed by the end of the stream.
fn refusal(bytes: &[u8]) -> Refusal {
    let [whole, slow] = [bytes.len(), 1].map(|size| {
        let mut client = asking();
        for chunk in bytes.chunks(size) {
            client.receive(chunk);
            if let Some(event) = client.poll() {
                let Event::Refused(refusal) = event else { panic!("{event:?}") };
                assert!(client.is_finished() && client.wants_shutdown());
                return refusal;
            }
        }
        client.receive_eof();
        match client.poll() {
            Some(Event::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(whole, slow);
    whole
}

#[test]
fn the_request_is_what_the_standard_asks() {
    let request =
        request().header("Authorization", "Bearer t0ken").unwrap().header("X-Two", "a\tb").unwrap();
    let client = Connection::client(&request, Limits::default(), SEED);
    let expected = format!(
        "GET /ws?token=s3cret&v=1 HTTP/1.1\r\nHost: gw.example:8443\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\nAuthorization: Bearer t0ken\r\nX-Two: a\tb\r\n\r\n",
        key()
    );
    assert_eq!(std::str::from_utf8(client.transmit()).unwrap(), expected);
    assert_eq!(client.bytes_queued_total(), expected.len() as u64);
    let again = Connection::client(&request, Limits::default(), SEED);
    assert_eq!(again.transmit(), client.transmit());
    let other = Connection::client(&request, Limits::default(), [1; 32]);
    assert_ne!(other.transmit(), client.transmit());
}

#[test]
fn bad_requests_cannot_be_made() {
    for authority in ["", "a b", "a\r\nX: y", "user@host", "host/path", "höst"] {
        assert_eq!(
            ClientRequest::new(authority, "/"),
            Err(InvalidRequest::Authority),
            "{authority}"
        );
    }
    for target in ["", "ws", "http://a/", "/a b", "/a\r\n", "/#f", "/é"] {
        assert_eq!(ClientRequest::new("h", target), Err(InvalidRequest::Target), "{target}");
    }
    assert!(ClientRequest::new("[::1]:80", "/").is_ok());
    for name in ["", "a b", "a:", "a\r\n", "é"] {
        assert_eq!(request().header(name, "v"), Err(InvalidRequest::HeaderName), "{name}");
    }
    for value in ["a\r\nb: c", "a\n", "\u{0}", "\u{7f}", "é"] {
        assert_eq!(request().header("a", value), Err(InvalidRequest::HeaderValue), "{value}");
    }
    for name in [
        "host",
        "UPGRADE",
        "Connection",
        "sec-websocket-protocol",
        "Sec-WebSocket-",
        "Transfer-Encoding",
    ] {
        assert_eq!(request().header(name, "v"), Err(InvalidRequest::ReservedHeader), "{name}");
    }
}

#[test]
fn debug_of_a_request_shows_no_secret() {
    let request = request()
        .header("Authorization", "Bearer t0ken")
        .unwrap()
        .header("User-Agent", "node")
        .unwrap();
    assert_eq!(
        format!("{request:?}"),
        r#"ClientRequest { authority: "gw.example:8443", target: /ws?token=..&v=.., headers: {"Authorization": .., "User-Agent": "node"} }"#
    );
    assert_eq!(
        format!("{:?}", ClientRequest::new("h", "/a?t0ken").unwrap()).matches("t0ken").count(),
        0
    );
}

#[test]
fn a_good_101_opens_the_connection() {
    for lines in [
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n",
        "sec-websocket-accept:{accept}\r\nUPGRADE:\t WebSocket \r\nconnection: keep-alive, upgrade\r\nServer: x\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept} \r\n",
    ] {
        let mut bytes = answer(lines);
        bytes.extend(b"\x81\x02hi\x88\x00");
        let expected = [
            "Open",
            r#"Text("hi")"#,
            r#"Closed(Clean { initiated_by: Peer, code: None, reason: "" })"#,
        ];
        assert_eq!(feed(&mut asking(), &bytes), expected);
        let mut client = asking();
        let seen: Vec<String> = bytes.iter().flat_map(|byte| feed(&mut client, &[*byte])).collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_wrong_101_fails() {
    let cases = [
        ("Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n", "NoUpgrade"),
        ("Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n", "NoUpgrade"),
        (
            "Upgrade: websocket\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n",
            "NoUpgrade",
        ),
        ("Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n", "NoConnectionUpgrade"),
        (
            "Upgrade: websocket\r\nConnection: keep-alive\r\nSec-WebSocket-Accept: {accept}\r\n",
            "NoConnectionUpgrade",
        ),
        ("Upgrade: websocket\r\nConnection: Upgrade\r\n", "WrongAccept"),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x{accept}\r\n",
            "WrongAccept",
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Accept: x\r\n",
            "WrongAccept",
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n",
            "UnaskedExtension",
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: a\r\n",
            "UnaskedProtocol",
        ),
        ("Broken\r\n", "NotHttp"),
        ("Folded: a\r\n b\r\n", "NotHttp"),
        ("Bare: a\n\nConnection: Upgrade\r\n", "NotHttp"),
    ];
    for (lines, fault) in cases {
        let mut client = asking();
        let mut bytes = answer(lines);
        bytes.extend(b"\x81\x02hi");
        assert_eq!(feed(&mut client, &bytes), [format!("Closed(Handshake({fault}))")], "{lines}");
        assert!(client.transmit().is_empty() && client.wants_shutdown() && client.is_finished());
    }
    let old = String::from_utf8(good_answer()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(feed(&mut asking(), old.as_bytes()), ["Closed(Handshake(Version))"]);
    assert_eq!(feed(&mut asking(), b"HTTP/2.0 101 x\r\n\r\n"), ["Closed(Handshake(Version))"]);
}

#[test]
fn what_is_not_http_fails_at_its_first_bytes() {
    for bytes in [&b"\x15\x03\x01"[..], b"SSH-2.0", b"HTTQ"] {
        assert_eq!(feed(&mut asking(), bytes), ["Closed(Handshake(NotHttp))"]);
    }
}

#[test]
fn interim_answers_are_skipped_up_to_a_limit() {
    let interim =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(4);
    let mut bytes = interim.clone();
    bytes.extend(good_answer());
    assert_eq!(feed(&mut asking(), &bytes), ["Open"]);
    let mut client = asking();
    let seen: Vec<String> = bytes.iter().flat_map(|byte| feed(&mut client, &[*byte])).collect();
    assert_eq!(seen, ["Open"]);
    let mut bytes = interim;
    bytes.extend(b"HTTP/1.1 102 Processing\r\n\r\n");
    assert_eq!(feed(&mut asking(), &bytes), ["Closed(Handshake(TooManyInterimAnswers))"]);
}

#[test]
fn a_head_at_its_limit_passes_and_one_beyond_fails() {
    let head = good_answer();
    for (max, expected) in
        [(head.len(), "Open"), (head.len() - 1, "Closed(Handshake(HeadTooLarge))")]
    {
        let limits = Limits { max_head: max, ..Limits::default() };
        for size in [1, 7, head.len() + 2] {
            let mut client = Connection::client(&request(), limits, SEED);
            let mut bytes = head.clone();
            bytes.extend(b"\x89\x00");
            let seen: Vec<String> =
                bytes.chunks(size).flat_map(|chunk| feed(&mut client, chunk)).collect();
            assert_eq!(seen[0], expected, "{max} {size}");
        }
    }
    // As many headers as there may be are read, and then missed among them is what an answer needs.
    let many = answer(&"a: b\r\n".repeat(100));
    assert_eq!(feed(&mut asking(), &many), ["Closed(Handshake(NoUpgrade))"]);
    let many = answer(&"a: b\r\n".repeat(101));
    assert_eq!(feed(&mut asking(), &many), ["Closed(Handshake(HeadTooLarge))"]);
}

#[test]
fn a_refusal_is_reported_with_its_body() {
    let with_length = refusal(
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 4\r\nSet-Cookie: s3cret\r\n\r\nslowrest",
    );
    assert_eq!((with_length.status(), with_length.reason()), (429, "Too Many Requests"));
    assert_eq!(with_length.retry_after(), Some(RetryAfter::Seconds(120)));
    assert_eq!(with_length.body(), b"slow");
    assert_eq!(with_length.header("set-COOKIE"), Some("s3cret"));
    assert!(!format!("{with_length:?}").contains("s3cret"));

    assert_eq!(with_length.to_string(), "HTTP 429 Too Many Requests: slow");

    let until_eof = refusal(b"HTTP/1.0 502 Bad Gateway\r\n\r\nsorry");
    assert_eq!((until_eof.status(), until_eof.body()), (502, &b"sorry"[..]));
    let cut = refusal(b"HTTP/1.1 401 \r\nContent-Length: 100\r\n\r\ncut");
    assert_eq!((cut.reason(), cut.body()), ("", &b"cut"[..]));
    let chunked = refusal(
        b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\nrest",
    );
    assert_eq!(chunked.body(), b"abcde");
    for broken in ["zz\r\n", "3\r\nabcXY2\r\n"] {
        let bytes = format!("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n{broken}");
        assert!(refusal(bytes.as_bytes()).body().len() <= 3);
    }
    let endless =
        format!("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "x".repeat(300));
    assert_eq!(refusal(endless.as_bytes()).body(), b"");
    // One that does end is refused too, whether it arrives at once or not.
    let long = format!("{endless}\r\na\r\n0\r\n\r\n");
    assert_eq!(refusal(long.as_bytes()).body(), b"");
    let empty = refusal(b"HTTP/1.1 204 No Content\r\n\r\nrest");
    assert_eq!(empty.body(), b"");
    let redirect = refusal(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(redirect.header("location"), Some("/x"));
}

#[test]
fn a_refusal_keeps_its_body_up_to_a_limit() {
    for (head, tail) in
        [("", ""), ("Content-Length: 5000\r\n", ""), ("Transfer-Encoding: chunked\r\n", "1388\r\n")]
    {
        let mut bytes = format!("HTTP/1.1 503 x\r\n{head}\r\n{tail}").into_bytes();
        bytes.extend([b'x'; 5000]);
        assert_eq!(refusal(&bytes).body(), [b'x'; 4096]);
    }
    let none = Limits { max_refusal_body: 0, ..Limits::default() };
    let mut client = Connection::client(&request(), none, SEED);
    assert_eq!(feed(&mut client, b"HTTP/1.1 503 x\r\n\r\n").len(), 1);
}

#[test]
fn retry_after_is_read_in_both_forms() {
    let read = |value: &str| {
        refusal(format!("HTTP/1.1 503 x\r\nRetry-After: {value}\r\n\r\n").as_bytes()).retry_after()
    };
    assert_eq!(read("0"), Some(RetryAfter::Seconds(0)));
    assert_eq!(read("99999999999999999999999"), Some(RetryAfter::Seconds(u64::MAX)));
    assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(RetryAfter::UnixTime(784_111_777)));
    for bad in ["", "-1", "soon", "1.5", "Sun, 06 Nov"] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn a_deadline_gives_the_refusal_so_far_or_a_timeout() {
    let mut client = asking();
    assert_eq!(
        feed(&mut client, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nbod"),
        [""; 0]
    );
    client.opening_timed_out();
    let Some(Event::Refused(refusal)) = client.poll() else { panic!() };
    assert_eq!((refusal.status(), refusal.body()), (403, &b"bod"[..]));
    assert!(client.is_finished());

    for bytes in [&b""[..], b"HTTP/1.1 403 Forb"] {
        let mut client = asking();
        client.receive(bytes);
        assert_eq!(client.poll(), None);
        client.opening_timed_out();
        assert!(!client.is_finished());
        assert_eq!(feed(&mut client, &good_answer()), ["Closed(OpeningTimedOut)"]);
        assert!(client.is_finished() && client.wants_shutdown());
    }

    let mut client = asking();
    feed(&mut client, &good_answer());
    client.opening_timed_out();
    assert!(client.is_open());
}

#[test]
fn the_end_of_the_stream_before_the_answer_is_reported() {
    for bytes in [&b""[..], b"HTTP/1.1 101", b"HTTP/1.1 100 x\r\n\r\n"] {
        let mut client = asking();
        client.receive(bytes);
        client.receive_eof();
        assert_eq!(events(&mut client), ["Closed(Handshake(Disconnected))"]);
    }
}

#[test]
fn nothing_can_be_sent_before_the_answer() {
    let mut client = asking();
    assert_eq!(client.send_text("x"), Err(Misuse::NotOpen));
    assert_eq!(client.ping(b""), Err(Misuse::NotOpen));
    assert_eq!(client.close(CloseCode::NORMAL, ""), Err(Misuse::NotOpen));
    assert_eq!(client.accept(), Err(Misuse::NoRequest));
    assert!(client.transmit().is_empty() && !client.is_open());
    feed(&mut client, &good_answer());
    assert!(client.is_open());
    client.send_text("x").unwrap();
}
