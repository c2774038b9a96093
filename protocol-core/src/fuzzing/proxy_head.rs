use arbitrary::Unstructured;

use super::script::Script;
use super::stream::Pieces;
use super::{SECRET, assert_hides_the_secret, quotes_the_secret};
use crate::proxy::{Failure, Refusal, Tunnel};
use crate::secret::Secret;

/// A tunnel through a proxy: any bytes in place of its answer to CONNECT.
///
/// | Bytes | Meaning |
/// | --- | --- |
/// | 0 | bit 0: a login is shown; bit 1: the proxy quotes it in its first line and in a header; bit 2: the stream ends behind the bytes; bit 3: the answer comes before the request is written |
/// | 1 to 3 | lengths, less one, of the pieces in which the bytes arrive |
/// | 4.. | the bytes |
pub fn proxy_head(input: &[u8]) {
    let mut script = Unstructured::new(input);
    let flags = script.number();
    let lengths = [script.number(), script.number(), script.number()];
    let bytes = script.take_rest();
    if quotes_the_secret(bytes) {
        return;
    }

    let login = (flags & 1 != 0).then(|| Secret::new(SECRET));
    let answer = if flags & 2 != 0 && login.is_some() { quoting(bytes) } else { bytes.to_vec() };
    let play = |pieces: Pieces| {
        let mut tunnel =
            Tunnel::new("gateway.test:443", login.as_ref()).expect("a valid authority");
        if flags & 8 == 0 {
            write_request(&mut tunnel);
        }
        for piece in pieces.cut(&answer) {
            let before = tunnel.end().cloned();
            tunnel.receive(piece);
            assert!(before.is_none() || tunnel.end() == before.as_ref(), "there is one end");
            assert_hides_the_secret(&format!("{tunnel:?}"));
        }
        if flags & 4 != 0 {
            tunnel.receive_eof();
            assert!(tunnel.end().is_some(), "nothing can come any more");
        }
        if tunnel.end().is_some() {
            assert!(tunnel.transmit().is_empty(), "there is nothing more to say to the proxy");
        }
        tunnel.end().cloned()
    };

    let whole = play(Pieces::Whole);
    for pieces in [Pieces::Of(lengths), Pieces::Single] {
        let cut = play(pieces);
        match &whole {
            // What follows an answer is seen only when it comes together with it.
            Some(Err(Failure::EarlyBytes)) => {
                assert!(matches!(cut, Some(Ok(()) | Err(Failure::EarlyBytes))), "{cut:?}");
            }
            whole => assert_eq!(whole, &cut, "in {pieces:?}"),
        }
    }
    match whole {
        Some(Ok(())) => assert!(bytes.starts_with(b"HTTP/1.")),
        Some(Err(failure)) => {
            assert_hides_the_secret(&failure.to_string());
            if let Failure::Refused(Refusal { status, reason, .. }) = failure {
                assert!(matches!(status, 101 | 300..=999), "{status} is no refusal");
                assert!(reason.len() <= 256, "{} bytes of reason", reason.len());
            }
        }
        None => assert!(flags & 4 == 0),
    }
}

/// In short writes, as a socket may take them.
fn write_request(tunnel: &mut Tunnel) {
    assert!(tunnel.transmit().starts_with(b"CONNECT gateway.test:443 HTTP/1.1\r\n"));
    while !tunnel.transmit().is_empty() {
        let count = tunnel.transmit().len().min(7);
        tunnel.sent(count).expect("it was lent");
    }
    tunnel.sent(1).expect_err("nothing was lent");
}

/// The same answer by a proxy that repeats what it was shown.
fn quoting(bytes: &[u8]) -> Vec<u8> {
    let Some(at) = bytes.windows(2).position(|two| two == b"\r\n") else { return bytes.to_vec() };
    let (line, rest) = bytes.split_at(at);
    [line, b" ", SECRET.as_bytes(), b"\r\nX-Login: ", SECRET.as_bytes(), rest].concat()
}
