use std::fmt;

use data_encoding::BASE64;
use tungstenite::handshake::derive_accept_key;

use super::super::buffer::Buffer;
use super::super::fault::Misuse;
use super::super::limits::Limits;
use super::HandshakeFault;
use super::client::is_reserved;
use crate::http::{HeadSearch, Headers, RedactedTarget, RequestHead, is_header_value, is_token};

/// A client's valid request to upgrade, for the server to accept or reject.
///
/// `Debug` shows neither values of the query nor values of headers, except a few that are never secret.
#[derive(Clone, PartialEq, Eq)]
pub struct UpgradeRequest {
    /// Starts with `/`.
    target: String,
    headers: Headers,
}

impl UpgradeRequest {
    /// The path, without the query, as sent (not percent-decoded). Starts with `/`.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The query, without the `?`, as sent.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The first value of a header, by its name in any case; `None` also when it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.text(name)
    }

    /// The token of `Authorization: Bearer <token>` (RFC 6750 section 2.1). `None` also when there are several
    /// `Authorization` headers.
    pub fn bearer_token(&self) -> Option<&str> {
        let value = std::str::from_utf8(self.headers.only("authorization")?).ok()?;
        let (scheme, token) = value.split_once(' ')?;
        let token = token.trim_matches(' ');
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }
}

impl fmt::Debug for UpgradeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeRequest")
            .field("target", &RedactedTarget(&self.target))
            .field("headers", &self.headers)
            .finish()
    }
}

/// The opening handshake of a server (RFC 6455 section 4.2) up to a valid request.
#[derive(Default)]
pub(in super::super) struct ServerOpening {
    search: HeadSearch,
}

/// A valid request, and what its acceptance needs.
pub(in super::super) struct Asked {
    pub(in super::super) request: UpgradeRequest,
    pub(in super::super) accept: String,
}

impl ServerOpening {
    /// Reads on; what follows the request stays in `received`.
    pub(in super::super) fn advance(
        &mut self,
        received: &mut Buffer,
        limits: &Limits,
        eof: bool,
    ) -> Result<Option<Asked>, HandshakeFault> {
        let bytes = received.waiting();
        if !RequestHead::may_start_with(bytes) {
            return Err(HandshakeFault::NotHttp);
        }
        let Some(end) = self.search.end(bytes, limits.max_head)? else {
            return if eof { Err(HandshakeFault::Disconnected) } else { Ok(None) };
        };
        let head = RequestHead::parse(&bytes[..end])?;
        received.take(end);
        check(head).map(Some)
    }
}

/// The rules for a request, in the order of RFC 6455 section 4.2.1.
fn check(head: RequestHead) -> Result<Asked, HandshakeFault> {
    let headers = head.headers;
    if head.method != "GET" {
        return Err(HandshakeFault::Method);
    }
    let target = origin_form(&head.target).ok_or(HandshakeFault::Target)?;
    if headers.only("host").is_none() {
        return Err(HandshakeFault::Host);
    }
    // Frames would be taken for the body, or the body for frames.
    if headers.has("transfer-encoding")
        || headers.all("content-length").any(|length| length != b"0")
    {
        return Err(HandshakeFault::Body);
    }
    if !headers.has_token("upgrade", "websocket") {
        return Err(HandshakeFault::NoUpgrade);
    }
    if !headers.has_token("connection", "upgrade") {
        return Err(HandshakeFault::NoConnectionUpgrade);
    }
    if headers.only("sec-websocket-version") != Some(b"13") {
        return Err(HandshakeFault::WebSocketVersion);
    }
    let key = headers.only("sec-websocket-key").ok_or(HandshakeFault::Key)?;
    let accept = accept_value(key).ok_or(HandshakeFault::Key)?;
    Ok(Asked { request: UpgradeRequest { target, headers }, accept })
}

/// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2), `None` when the key is not 16
/// bytes in Base64. For HTTP servers that upgrade a stream themselves and then use
/// [`Connection::upgraded`](crate::websocket::Connection::upgraded).
pub fn accept_value(key: &[u8]) -> Option<String> {
    let valid = BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16);
    valid.then(|| derive_accept_key(key))
}

/// The path and query of a target in origin form or in absolute form (RFC 9112 section 3.2).
fn origin_form(target: &str) -> Option<String> {
    if target.starts_with('/') {
        return Some(target.into());
    }
    let (scheme, rest) = target.split_once("://")?;
    if !["http", "https", "ws", "wss"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        return None;
    }
    let from_path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    Some(if from_path.starts_with('/') { from_path.into() } else { format!("/{from_path}") })
}

/// The 101 answer.
pub(in super::super) fn acceptance(accept: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

/// The answer that an application chose instead of 101.
pub(in super::super) fn rejection(
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Vec<u8>, Misuse> {
    if !(300..600).contains(&status) {
        return Err(Misuse::InvalidStatus(status));
    }
    if headers
        .iter()
        .any(|(name, value)| !is_token(name) || !is_header_value(value) || is_reserved(name))
    {
        return Err(Misuse::InvalidHeader);
    }
    Ok(answer(status, headers, body))
}

/// The answer to a request that is not a valid upgrade; none when nobody is there to read it.
pub(in super::super) fn fault_answer(fault: HandshakeFault) -> Option<Vec<u8>> {
    const UPGRADE: &[(&str, &str)] = &[
        ("Connection", "Upgrade, close"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
    ];
    let (status, headers): (_, &[_]) = match fault {
        HandshakeFault::Disconnected => return None,
        HandshakeFault::Method => (405, &[("Allow", "GET")]),
        HandshakeFault::NoUpgrade | HandshakeFault::WebSocketVersion => (426, UPGRADE),
        HandshakeFault::HeadTooLarge => (431, &[]),
        _ => (400, &[]),
    };
    let body = match fault {
        HandshakeFault::NoUpgrade => {
            "This address speaks WebSocket. Connect with a WebSocket client, and if a proxy stands between, \
             let it pass the Upgrade and Connection headers on.\n"
                .to_owned()
        }
        _ => format!("{fault}\n"),
    };
    Some(answer(status, headers, &body))
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status));
    for (name, value) in headers {
        for part in [name, ": ", value, "\r\n"] {
            answer.push_str(part);
        }
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
        answer.push_str("Connection: close\r\n");
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        answer.push_str("Content-Type: text/plain; charset=utf-8\r\n");
    }
    answer.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    answer.into_bytes()
}

/// The usual phrases; an empty one is legal for the rest (RFC 9112 section 4).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
