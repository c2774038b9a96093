//! A tunnel through an HTTP proxy (RFC 9110 section 9.3.6), without IO: bytes in, bytes out, before a connection begins.
//!
//! A [`Tunnel`] is driven like a connection: write what [`transmit`](Tunnel::transmit) lends and say so with
//! [`sent`](Tunnel::sent), feed what arrives to [`receive`](Tunnel::receive), until [`end`](Tunnel::end) says how it ended. When it is
//! open, the byte stream leads to the gateway: TLS, if there is any, and the node's own bytes follow. When the proxy refused,
//! [`Input::ProxyRefused`](crate::node::Input::ProxyRefused) tells the node, which knows whether to try again.
//!
//! ```
//! use clawnode_protocol::Secret;
//! use clawnode_protocol::proxy::Tunnel;
//!
//! let login = Secret::new("ada:s3cret");
//! let mut tunnel = Tunnel::new("gateway.example:443", Some(&login))?;
//! assert!(tunnel.transmit().starts_with(b"CONNECT gateway.example:443 HTTP/1.1\r\n"));
//! tunnel.sent(tunnel.transmit().len())?;
//! tunnel.receive(b"HTTP/1.1 200 Connection established\r\n\r\n");
//! assert_eq!(tunnel.end(), Some(&Ok(())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use data_encoding::BASE64;
use thiserror::Error;

use crate::http::{HeadError, HeadSearch, ResponseHead};
use crate::secret::Secret;
use crate::text::fitting;
use crate::websocket::{ClientRequest, InvalidRequest, RetryAfter};

/// The way through a proxy, while it is being opened. `Debug` shows no credentials.
pub struct Tunnel {
    request: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    search: HeadSearch,
    interim_answers: usize,
    login: Option<Secret>,
    end: Option<Result<(), Failure>>,
}

/// A tunnel was not opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The proxy answered something else than 2xx.
    #[error("the proxy refused: {0}")]
    Refused(Refusal),
    /// It is no HTTP proxy, or none that can be understood.
    #[error("the proxy's answer is not HTTP; is it an HTTP proxy?")]
    NotHttp,
    /// The answer's head is larger than 16 KiB or has more than 100 headers.
    #[error("the head of the proxy's answer is too large")]
    HeadTooLarge,
    /// More than 8 interim answers came.
    #[error("the proxy sent too many interim answers")]
    TooManyInterimAnswers,
    /// Bytes followed the answer. Through an open tunnel the node speaks first, so they cannot be the gateway's.
    #[error("the proxy sent something through the tunnel before anything was asked")]
    EarlyBytes,
    /// The stream ended before the answer did.
    #[error("the proxy closed the connection without an answer")]
    Disconnected,
}

/// A proxy's answer other than 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{status} {reason}")]
#[non_exhaustive]
pub struct Refusal {
    /// The HTTP status, 101 or 300 to 999. 407: the proxy wants a login, or another one.
    pub status: u16,
    /// The reason phrase, cut to 256 bytes; often empty. Never holds the login.
    pub reason: String,
    /// When the proxy wants to be asked again, if it said so.
    pub retry_after: Option<RetryAfter>,
}

/// More bytes were reported as sent than [`Tunnel::transmit`] had lent. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more bytes were reported as sent than transmit() had lent")]
pub struct SentTooMuch;

impl Tunnel {
    /// A tunnel to `authority`: host and port, both always; an IPv6 address in brackets. `login` is `user:password`, for proxies that
    /// want one (RFC 7617).
    ///
    /// # Errors
    ///
    /// [`InvalidRequest::Authority`] when it has characters that may not stand there.
    pub fn new(authority: &str, login: Option<&Secret>) -> Result<Self, InvalidRequest> {
        ClientRequest::new(authority, "/")?;
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(login) = login {
            let basic = BASE64.encode(login.expose().as_bytes());
            request.push_str(&format!("Proxy-Authorization: Basic {basic}\r\n"));
        }
        request.push_str("\r\n");
        Ok(Self {
            request: request.into_bytes(),
            sent: 0,
            received: Vec::new(),
            search: HeadSearch::default(),
            interim_answers: 0,
            login: login.cloned(),
            end: None,
        })
    }

    /// What is to be written.
    pub fn transmit(&self) -> &[u8] {
        if self.end.is_some() { &[] } else { &self.request[self.sent..] }
    }

    /// The transport took this many bytes of [`transmit`](Self::transmit).
    ///
    /// # Errors
    ///
    /// [`SentTooMuch`].
    pub fn sent(&mut self, count: usize) -> Result<(), SentTooMuch> {
        if count > self.transmit().len() {
            return Err(SentTooMuch);
        }
        self.sent += count;
        Ok(())
    }

    /// Bytes from the proxy. After the end they are discarded.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.end.is_some() {
            return;
        }
        // Past the bound nothing is looked at, so no more is kept.
        let room = MOST_HEAD_BYTES - self.received.len();
        let (kept, more) = bytes.split_at(bytes.len().min(room));
        self.received.extend_from_slice(kept);
        self.end = self.advance(more).map_err(Err).map_or_else(Some, |open| open.then_some(Ok(())));
        if self.end.is_some() {
            self.received = Vec::new();
        } else if !more.is_empty() {
            // An interim answer made room.
            self.receive(more);
        }
    }

    /// The proxy will send no more bytes.
    pub fn receive_eof(&mut self) {
        self.end.get_or_insert(Err(Failure::Disconnected));
    }

    /// How it ended: `Ok` when the byte stream leads to the gateway. `None` while it is under way.
    pub fn end(&self) -> Option<&Result<(), Failure>> {
        self.end.as_ref()
    }

    /// Whether the tunnel is open. `more` has arrived as well.
    fn advance(&mut self, more: &[u8]) -> Result<bool, Failure> {
        loop {
            if !ResponseHead::may_start_with(&self.received) {
                return Err(Failure::NotHttp);
            }
            let Some(end) = self.search.end(&self.received, MOST_HEAD_BYTES)? else {
                return Ok(false);
            };
            let head = ResponseHead::parse(&self.received[..end])?;
            self.received.drain(..end);
            self.search = HeadSearch::default();
            match head.status {
                200..300 if self.received.is_empty() && more.is_empty() => return Ok(true),
                200..300 => return Err(Failure::EarlyBytes),
                100 | 102..200 => {
                    self.interim_answers += 1;
                    if self.interim_answers > MOST_INTERIM_ANSWERS {
                        return Err(Failure::TooManyInterimAnswers);
                    }
                }
                status => return Err(Failure::Refused(self.refusal(status, &head))),
            }
        }
    }

    fn refusal(&self, status: u16, head: &ResponseHead) -> Refusal {
        let quoted = self.login.as_ref().and_then(|login| login.hidden_in(&head.reason));
        let reason = quoted.as_ref().unwrap_or(&head.reason);
        Refusal {
            status,
            reason: fitting(reason, MOST_PHRASE_BYTES).to_owned(),
            retry_after: head.headers.text("retry-after").and_then(RetryAfter::parse),
        }
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("sent", &self.sent)
            .field("received", &self.received.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl From<HeadError> for Failure {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::TooLarge => Self::HeadTooLarge,
            HeadError::NotHttp | HeadError::Version => Self::NotHttp,
        }
    }
}

/// The largest head of an answer, as with gateways: twice what most servers allow.
const MOST_HEAD_BYTES: usize = 16 << 10;

/// Interim answers that are skipped; proxies send one or two.
const MOST_INTERIM_ANSWERS: usize = 8;

/// Bytes of a reason phrase that are kept; it is for people.
const MOST_PHRASE_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(answer: &[u8]) -> Option<Result<(), Failure>> {
        let mut whole = Tunnel::new("gate.example:443", None).unwrap();
        whole.receive(answer);
        let mut pieces = Tunnel::new("gate.example:443", None).unwrap();
        answer.iter().for_each(|&byte| pieces.receive(&[byte]));
        // Whether something follows cannot be known from the first pieces.
        if !matches!(whole.end(), Some(Err(Failure::EarlyBytes))) {
            assert_eq!(whole.end(), pieces.end());
        }
        whole.end().cloned()
    }

    fn refused(status: u16, reason: &str) -> Option<Result<(), Failure>> {
        let refusal = Refusal { status, reason: reason.to_owned(), retry_after: None };
        Some(Err(Failure::Refused(refusal)))
    }

    #[test]
    fn it_asks_for_the_gateway_and_shows_its_login() {
        let tunnel = Tunnel::new("[::1]:80", None).unwrap();
        assert_eq!(tunnel.transmit(), b"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
        let login = Secret::new("Aladdin:open sesame");
        let mut tunnel = Tunnel::new("h:1", Some(&login)).unwrap();
        let request = "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\
                       Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert_eq!(tunnel.transmit(), request.as_bytes());
        assert!(!format!("{tunnel:?}").contains("QWxh"));
        tunnel.sent(10).unwrap();
        assert_eq!(tunnel.transmit(), &request.as_bytes()[10..]);
        assert_eq!(tunnel.sent(request.len()), Err(SentTooMuch));
        tunnel.receive_eof();
        assert_eq!(
            (tunnel.end(), tunnel.transmit()),
            (Some(&Err(Failure::Disconnected)), &b""[..])
        );
        for authority in ["", "h:1\r\nX: y", "h 1"] {
            assert_eq!(Tunnel::new(authority, None).unwrap_err(), InvalidRequest::Authority);
        }
    }

    #[test]
    fn it_is_open_after_any_2xx_and_refused_after_the_rest() {
        assert_eq!(ends(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"), Some(Ok(())));
        assert_eq!(ends(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n"), Some(Ok(())));
        assert_eq!(ends(b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n"), Some(Ok(())));
        assert_eq!(ends(b"HTTP/1.1 200 OK\r\n\r"), None);
        let required = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n<html>";
        assert_eq!(ends(required), refused(407, "Proxy Authentication Required"));
        assert_eq!(ends(b"HTTP/1.1 101 Switching\r\n\r\n"), refused(101, "Switching"));
        let busy = ends(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n");
        let Some(Err(Failure::Refused(busy))) = busy else { panic!("{busy:?}") };
        assert_eq!((busy.status, busy.retry_after), (503, Some(RetryAfter::Seconds(7))));
        assert_eq!(busy.to_string(), "503 Busy");
    }

    #[test]
    fn what_is_not_an_answer_is_named() {
        for other in
            [&b"SSH-2.0-x\r\n"[..], b"HTTP/1.1 abc\r\n\r\n", b"\x05\x01", b"HTTP/2 200\r\n\r\n"]
        {
            assert_eq!(ends(other), Some(Err(Failure::NotHttp)), "{other:?}");
        }
        assert_eq!(ends(b"HTTP/1.1 200 OK\r\n\r\nx"), Some(Err(Failure::EarlyBytes)));
    }

    #[test]
    fn a_login_that_the_proxy_quotes_is_hidden() {
        let login = Secret::new("ada:s3cret");
        let mut tunnel = Tunnel::new("h:1", Some(&login)).unwrap();
        tunnel.receive(b"HTTP/1.1 407 not ada:s3cret\r\n\r\n");
        let Some(Err(failure)) = tunnel.end() else { panic!("it is no login") };
        assert_eq!(failure.to_string(), "the proxy refused: 407 not [hidden]");
    }

    #[test]
    fn a_head_at_its_bound_is_read_and_one_byte_more_is_not() {
        let head = |size: usize| {
            let frame = "HTTP/1.1 200 OK\r\nX: \r\n\r\n".len();
            format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(size - frame)).into_bytes()
        };
        assert_eq!(ends(&head(MOST_HEAD_BYTES)), Some(Ok(())));
        assert_eq!(ends(&head(MOST_HEAD_BYTES + 1)), Some(Err(Failure::HeadTooLarge)));
    }

    #[test]
    fn as_many_interim_answers_as_the_bound_are_skipped_and_one_more_is_not() {
        let answers = |count: usize| {
            let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(count);
            bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\n\r\n");
            bytes
        };
        assert_eq!(ends(&answers(MOST_INTERIM_ANSWERS)), Some(Ok(())));
        let too_many = ends(&answers(MOST_INTERIM_ANSWERS + 1));
        assert_eq!(too_many, Some(Err(Failure::TooManyInterimAnswers)));
    }

    #[test]
    fn a_phrase_is_kept_up_to_its_bound() {
        let phrase = |size: usize| {
            let answer = format!("HTTP/1.1 403 {}\r\n\r\n", "n".repeat(size));
            match ends(answer.as_bytes()) {
                Some(Err(Failure::Refused(refusal))) => refusal.reason.len(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(phrase(MOST_PHRASE_BYTES), MOST_PHRASE_BYTES);
        assert_eq!(phrase(MOST_PHRASE_BYTES + 1), MOST_PHRASE_BYTES);
    }

    proptest::proptest! {
        #[test]
        fn any_answer_ends_the_same_in_any_pieces_and_without_panic(
            start in proptest::sample::select(vec!["", "HTTP/1.1 100 C\r\n\r\n", "HTTP/1.1 407 N\r\nA: ", "HTTP/1.0 2"]),
            rest in proptest::collection::vec(proptest::sample::select(b" 0:AH/\r\n\xff".to_vec()), 0..40),
        ) {
            ends(&[start.as_bytes(), &rest].concat());
        }
    }
}
