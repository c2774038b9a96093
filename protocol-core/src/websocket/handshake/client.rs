use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;
use tungstenite::handshake::derive_accept_key;

use super::super::buffer::Buffer;
use super::super::limits::Limits;
use super::HandshakeFault;
use crate::http::{
    BodyReader, HeadSearch, Headers, RedactedTarget, ResponseHead, debug_headers, is_header_value,
    is_token,
};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The upgrade request of a client: where to, and with which headers of its own.
///
/// `Debug` shows neither values of the query nor values of headers, except a few that are never secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientRequest {
    authority: String,
    target: String,
    headers: Vec<(String, String)>,
}

impl ClientRequest {
    /// A GET of `target` (path and query, such as `/ws?v=1`) at `authority` (host, and port unless it is the default
    /// one of the scheme; an IPv6 address in brackets).
    ///
    /// # Errors
    ///
    /// When either has characters that may not stand there, or the target does not start with `/`.
    pub fn new(authority: &str, target: &str) -> Result<Self, InvalidRequest> {
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%:[]!$&'()*+,;=".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(allowed) {
            return Err(InvalidRequest::Authority);
        }
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !target.starts_with('/') || !target.bytes().all(allowed) {
            return Err(InvalidRequest::Target);
        }
        Ok(Self { authority: authority.into(), target: target.into(), headers: Vec::new() })
    }

    /// Adds a header, after those added before.
    ///
    /// # Errors
    ///
    /// When the name is not an HTTP token, the value has anything but printable ASCII, spaces and tabs, or the name is
    /// one that this crate writes itself or that would change how the request is read: `Host`, `Upgrade`,
    /// `Connection`, `Sec-WebSocket-*`, `Content-Length`, `Transfer-Encoding`, `Expect`.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidRequest> {
        if !is_token(name) {
            return Err(InvalidRequest::HeaderName);
        }
        if is_reserved(name) {
            return Err(InvalidRequest::ReservedHeader);
        }
        if !is_header_value(value) {
            return Err(InvalidRequest::HeaderValue);
        }
        self.headers.push((name.into(), value.into()));
        Ok(self)
    }

    pub(crate) fn write(&self, key: &str) -> Vec<u8> {
        let mut head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
            self.target, self.authority,
        );
        for (name, value) in &self.headers {
            for part in [name, ": ", value, "\r\n"] {
                head.push_str(part);
            }
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct List<'a>(&'a [(String, String)]);
        impl fmt::Debug for List<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                debug_headers(
                    f,
                    self.0.iter().map(|(name, value)| (name.as_str(), value.as_bytes())),
                )
            }
        }
        f.debug_struct("ClientRequest")
            .field("authority", &self.authority)
            .field("target", &RedactedTarget(&self.target))
            .field("headers", &List(&self.headers))
            .finish()
    }
}

/// Why a [`ClientRequest`] cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The authority is empty or has characters that may not stand in a `Host` header.
    #[error("invalid authority")]
    Authority,
    /// The target does not start with `/` or has spaces, controls, `#` or characters beyond ASCII.
    #[error("invalid target")]
    Target,
    /// The name of a header is not a token.
    #[error("invalid header name")]
    HeaderName,
    /// The value of a header has control characters or characters beyond ASCII.
    #[error("invalid header value")]
    HeaderValue,
    /// The header is written by the connection itself, or would change how the request is read.
    #[error("reserved header name")]
    ReservedHeader,
}

/// A server's answer other than 101: it speaks HTTP but does not upgrade.
///
/// `Debug` shows the values of only a few headers that are never secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    reason: String,
    headers: Headers,
    body: Vec<u8>,
}

impl Refusal {
    fn new(head: ResponseHead, body: BodyReader) -> Self {
        Self {
            status: head.status,
            reason: head.reason,
            headers: head.headers,
            body: body.into_kept(),
        }
    }

    /// The HTTP status, 200 to 999.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, often empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// When the server wants to be asked again, if it said so in a way that can be read.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        RetryAfter::parse(self.header("retry-after")?)
    }

    /// The first value of a header, by its name in any case; `None` also when it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.text(name)
    }

    /// The body as far as it arrived, at most
    /// [`Limits::max_refusal_body`](crate::websocket::Limits::max_refusal_body) bytes. Chunks are joined.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The same, without the credential that the server may have quoted.
    pub(crate) fn hiding(mut self, secret: &Secret) -> Self {
        if let Some(reason) = secret.hidden_in(&self.reason) {
            self.reason = reason;
        }
        if let Some(body) = secret.hidden_in(&String::from_utf8_lossy(&self.body)) {
            self.body = body.into_bytes();
        }
        self
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("headers", &self.headers)
            .field("body", &String::from_utf8_lossy(&self.body))
            .finish()
    }
}

/// The value of a `Retry-After` header (RFC 9110 section 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// Seconds from now.
    Seconds(u64),
    /// A point in time, in seconds since the start of 1970 UTC.
    UnixTime(i64),
}

impl RetryAfter {
    /// How long to wait from `utc` on; nothing if that is past.
    pub fn wait(self, utc: Timestamp) -> Duration {
        Duration::from_secs(match self {
            Self::Seconds(seconds) => seconds,
            Self::UnixTime(time) => {
                time.saturating_sub(utc.as_micros() / 1_000_000).max(0).unsigned_abs()
            }
        })
    }

    pub(crate) fn parse(value: &str) -> Option<Self> {
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than fit still mean "very long".
            return Some(Self::Seconds(value.parse().unwrap_or(u64::MAX)));
        }
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
        Some(Self::UnixTime(date.as_second()))
    }
}

/// The opening handshake of a client (RFC 6455 section 4.1).
pub(in super::super) struct ClientOpening {
    accept: String,
    search: HeadSearch,
    interim_answers: usize,
    refusal: Option<(ResponseHead, BodyReader)>,
}

/// How the server answered.
pub(in super::super) enum Answer {
    Open,
    Refused(Refusal),
}

impl ClientOpening {
    /// The handshake and the bytes that start it.
    pub(in super::super) fn new(request: &ClientRequest, nonce: [u8; 16]) -> (Self, Vec<u8>) {
        let key = BASE64.encode(&nonce);
        let head = request.write(&key);
        let accept = derive_accept_key(key.as_bytes());
        (Self { accept, search: HeadSearch::default(), interim_answers: 0, refusal: None }, head)
    }

    /// Reads on; what follows a 101 stays in `received`.
    pub(in super::super) fn advance(
        &mut self,
        received: &mut Buffer,
        limits: &Limits,
        eof: bool,
    ) -> Result<Option<Answer>, HandshakeFault> {
        while self.refusal.is_none() {
            let bytes = received.waiting();
            if !ResponseHead::may_start_with(bytes) {
                return Err(HandshakeFault::NotHttp);
            }
            let Some(end) = self.search.end(bytes, limits.max_head)? else {
                return if eof { Err(HandshakeFault::Disconnected) } else { Ok(None) };
            };
            let head = ResponseHead::parse(&bytes[..end])?;
            received.take(end);
            self.search = HeadSearch::default();
            match head.status {
                101 => return self.check(&head).map(|()| Some(Answer::Open)),
                100..200 => {
                    self.interim_answers += 1;
                    if self.interim_answers > limits.max_interim_answers {
                        return Err(HandshakeFault::TooManyInterimAnswers);
                    }
                }
                _ => {
                    let body = BodyReader::new(&head, limits.max_refusal_body);
                    self.refusal = Some((head, body));
                }
            }
        }
        if let Some((_, body)) = &mut self.refusal {
            let read = body.read(received.waiting());
            received.take(read);
            if !body.is_complete() && !eof {
                return Ok(None);
            }
        }
        Ok(self.give_up().map(Answer::Refused))
    }

    /// The refusal whose body was being read, if that is how far it came.
    pub(in super::super) fn give_up(&mut self) -> Option<Refusal> {
        self.refusal.take().map(|(head, body)| Refusal::new(head, body))
    }

    /// The rules for a 101, in the order of RFC 6455 section 4.1.
    fn check(&self, head: &ResponseHead) -> Result<(), HandshakeFault> {
        let headers = &head.headers;
        if !head.is_1_1 {
            return Err(HandshakeFault::Version);
        }
        if !headers.only("upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(HandshakeFault::NoUpgrade);
        }
        if !headers.has_token("connection", "upgrade") {
            return Err(HandshakeFault::NoConnectionUpgrade);
        }
        if headers.only("sec-websocket-accept") != Some(self.accept.as_bytes()) {
            return Err(HandshakeFault::WrongAccept);
        }
        if headers.has("sec-websocket-extensions") {
            return Err(HandshakeFault::UnaskedExtension);
        }
        if headers.has("sec-websocket-protocol") {
            return Err(HandshakeFault::UnaskedProtocol);
        }
        Ok(())
    }
}

/// Whether the connection writes this header itself, or it would change how a message is read.
pub(super) fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 6] =
        ["host", "upgrade", "connection", "content-length", "transfer-encoding", "expect"];
    const PREFIX: &str = "sec-websocket-";
    NAMES.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
        || name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
