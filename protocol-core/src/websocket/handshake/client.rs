/// The upgrade request of a client: where to, and with which headers of its own.
///
/// `Debug` shows neither values of the query nor values of headers, except a few that are never secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRequest {
    host: String,
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
        let _ = (authority, target);
        todo!()
    }

    /// Adds a header, after those added before.
    ///
    /// # Errors
    ///
    /// When the name is not an HTTP token, the value has anything but printable ASCII, spaces and tabs, or the name is
    /// one that this crate writes itself or that would change how the request is read: `Host`, `Upgrade`,
    /// `Connection`, `Sec-WebSocket-*`, `Content-Length`, `Transfer-Encoding`, `Expect`.
    pub fn header(self, name: &str, value: &str) -> Result<Self, InvalidRequest> {
        let _ = (name, value);
        todo!()
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
}

impl Refusal {
    /// The HTTP status, 200 to 999.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, often empty.
    pub fn reason(&self) -> &str {
        todo!()
    }

    /// When the server wants to be asked again, if it said so in a way that can be read.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        todo!()
    }

    /// The first value of a header, by its name in any case; `None` also when it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let _ = name;
        todo!()
    }

    /// The body, as far as it arrived, at most [`Limits::max_refusal_body`](crate::websocket::Limits::max_refusal_body) bytes.
    pub fn body(&self) -> &[u8] {
        todo!()
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
