//! The little of HTTP/1.1 that an upgrade needs: heads, headers and the body of a refusal.

use std::fmt;

/// How many headers a head may have; more are a [`HeadError::TooLarge`].
pub(crate) const MAX_HEADERS: usize = 100;

/// The longest line that announces a chunk, so that a peer cannot hide an endless one in its extension.
const MAX_CHUNK_LINE: usize = 256;

/// Finds the end of a head in bytes that arrive in pieces, looking at each byte once.
#[derive(Debug, Default)]
pub(crate) struct HeadSearch {
    searched: usize,
}

impl HeadSearch {
    /// The length of the head with its empty line, `None` while it has not all arrived.
    ///
    /// `bytes` starts at the head and only grows from call to call.
    pub(crate) fn end(&mut self, bytes: &[u8], max: usize) -> Result<Option<usize>, HeadError> {
        let within = &bytes[..bytes.len().min(max)];
        // The last three bytes may be the start of the empty line.
        let from = self.searched.saturating_sub(3);
        if let Some(at) = within[from..].windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(Some(from + at + 4));
        }
        self.searched = within.len();
        if bytes.len() >= max { Err(HeadError::TooLarge) } else { Ok(None) }
    }
}

/// Why bytes are not a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    NotHttp,
    Version,
    TooLarge,
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooLarge,
            httparse::Error::Version => Self::Version,
            _ => Self::NotHttp,
        }
    }
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Headers,
}

impl RequestHead {
    /// Whether these first bytes can still become a request; false for TLS, for example.
    pub(crate) fn may_start_with(bytes: &[u8]) -> bool {
        bytes.first().is_none_or(|&byte| is_token_byte(byte))
    }

    /// Reads a head that [`HeadSearch`] found.
    pub(crate) fn parse(head: &[u8]) -> Result<Self, HeadError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        whole(request.parse(head)?, head)?;
        match (request.method, request.path, request.version) {
            (Some(method), Some(target), Some(1)) => Ok(Self {
                method: method.into(),
                target: target.into(),
                headers: Headers::copy(request.headers),
            }),
            (_, _, Some(_)) => Err(HeadError::Version),
            _ => Err(HeadError::NotHttp),
        }
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// Whether the version is 1.1, not 1.0.
    pub(crate) is_1_1: bool,
    pub(crate) headers: Headers,
}

impl ResponseHead {
    /// Whether these first bytes can still become an answer.
    pub(crate) fn may_start_with(bytes: &[u8]) -> bool {
        bytes.iter().zip(b"HTTP/").all(|(a, b)| a == b)
    }

    /// Reads a head that [`HeadSearch`] found.
    pub(crate) fn parse(head: &[u8]) -> Result<Self, HeadError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        whole(response.parse(head)?, head)?;
        match (response.code, response.version) {
            (Some(status @ 100..), Some(version)) => Ok(Self {
                status,
                reason: response.reason.unwrap_or_default().into(),
                is_1_1: version == 1,
                headers: Headers::copy(response.headers),
            }),
            _ => Err(HeadError::NotHttp),
        }
    }
}

/// A parser that accepts bare line feeds may see the end of the head before CRLF CRLF does: two readings of one
/// head are how requests are smuggled.
fn whole(parsed: httparse::Status<usize>, head: &[u8]) -> Result<(), HeadError> {
    match parsed {
        httparse::Status::Complete(length) if length == head.len() => Ok(()),
        _ => Err(HeadError::NotHttp),
    }
}

/// The headers of a message, in order. `Debug` shows the values of a few that are never secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    fn copy(parsed: &[httparse::Header<'_>]) -> Self {
        Self(
            parsed
                .iter()
                .map(|header| (header.name.into(), header.value.trim_ascii().into()))
                .collect(),
        )
    }

    /// All values of a header, by its name in any case.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The value of a header that must stand exactly once.
    pub(crate) fn only(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        (self.all(name).count() == 1).then_some(value)
    }

    /// The first value of a header, if it is UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// Whether a header that is a list, in one or several lines, has this token in any case.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_headers(f, self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
    }
}

/// Writes headers as a map, without the values of those that may be secret.
pub(crate) fn debug_headers<'a>(
    f: &mut fmt::Formatter<'_>,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> fmt::Result {
    // A list of what may be shown, because nobody can list all headers that carry secrets.
    const SHOWN: [&str; 12] = [
        "allow",
        "connection",
        "content-length",
        "content-type",
        "date",
        "host",
        "retry-after",
        "sec-websocket-version",
        "server",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    let mut map = f.debug_map();
    for (name, value) in headers {
        if SHOWN.iter().any(|shown| shown.eq_ignore_ascii_case(name)) {
            map.entry(&name, &String::from_utf8_lossy(value));
        } else {
            map.entry(&name, &format_args!(".."));
        }
    }
    map.finish()
}

/// A request target whose `Debug` shows the path and the names in the query, not the values.
pub(crate) struct RedactedTarget<'a>(pub(crate) &'a str);

impl fmt::Debug for RedactedTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((path, query)) = self.0.split_once('?') else {
            return f.write_str(self.0);
        };
        f.write_str(path)?;
        for (index, pair) in query.split('&').enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match pair.split_once('=') {
                Some((name, _)) => write!(f, "{name}=..")?,
                // A lone word may be a token.
                None => f.write_str("..")?,
            }
        }
        Ok(())
    }
}

/// Whether this is a token of RFC 9110 section 5.6.2, such as the name of a header.
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_token_byte)
}

/// Whether this can be the value of a header that all readers read alike: printable ASCII, spaces and tabs.
pub(crate) fn is_header_value(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads the body of an answer up to a limit, in bytes that arrive in pieces.
#[derive(Debug)]
pub(crate) struct BodyReader {
    framing: Framing,
    limit: usize,
    kept: Vec<u8>,
    complete: bool,
}

#[derive(Debug)]
enum Framing {
    /// So many bytes are left; `u64::MAX` stands for "until the stream ends".
    Length(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
}

impl BodyReader {
    /// A reader of the body that follows this head (RFC 9112 section 6.3).
    pub(crate) fn new(head: &ResponseHead, limit: usize) -> Self {
        let length = head
            .headers
            .only("content-length")
            .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let framing = if matches!(head.status, 204 | 304) {
            Framing::Length(0)
        } else if head.headers.has_token("transfer-encoding", "chunked") {
            Framing::ChunkLine
        } else {
            Framing::Length(length.unwrap_or(u64::MAX))
        };
        let complete = limit == 0 || matches!(framing, Framing::Length(0));
        Self { framing, limit, kept: Vec::new(), complete }
    }

    /// Whether no more is read: the body or the limit has been reached, or its framing is broken.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The body so far.
    pub(crate) fn into_kept(self) -> Vec<u8> {
        self.kept
    }

    /// Reads on and returns how many bytes it is done with; the rest must be offered again with more.
    pub(crate) fn read(&mut self, offered: &[u8]) -> usize {
        let mut at = 0;
        while !self.complete {
            let rest = &offered[at..];
            at += match self.framing {
                Framing::Length(left) => {
                    let taken = self.keep(rest, left);
                    self.framing = Framing::Length(left - taken as u64);
                    self.complete |= left == taken as u64;
                    taken
                }
                // Only so much is looked at, so that a longer line is refused however it arrives.
                Framing::ChunkLine => {
                    match httparse::parse_chunk_size(&rest[..rest.len().min(MAX_CHUNK_LINE)]) {
                        Ok(httparse::Status::Complete((length, size))) => {
                            self.framing = Framing::Chunk(size);
                            self.complete = size == 0;
                            length
                        }
                        Ok(httparse::Status::Partial) if rest.len() < MAX_CHUNK_LINE => return at,
                        _ => {
                            self.complete = true;
                            0
                        }
                    }
                }
                Framing::Chunk(left) => {
                    let taken = self.keep(rest, left);
                    let left = left - taken as u64;
                    self.framing = if left == 0 { Framing::ChunkEnd } else { Framing::Chunk(left) };
                    taken
                }
                Framing::ChunkEnd if rest.len() < 2 => return at,
                Framing::ChunkEnd => {
                    self.framing = Framing::ChunkLine;
                    self.complete = !rest.starts_with(b"\r\n");
                    2
                }
            };
            if at == offered.len() {
                break;
            }
        }
        at
    }

    fn keep(&mut self, rest: &[u8], left: u64) -> usize {
        let room = self.limit - self.kept.len();
        let taken = rest.len().min(room).min(usize::try_from(left).unwrap_or(usize::MAX));
        self.kept.extend_from_slice(&rest[..taken]);
        self.complete = self.kept.len() == self.limit;
        taken
    }
}
