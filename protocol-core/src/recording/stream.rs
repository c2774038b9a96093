//! What the gateway sends, searched for secrets as it is recorded.

use std::ops::Range;

use super::secrets::{Joiner, Secrets};

/// The bytes of one connection. A secret is found in one read, across reads, and across the frames of one message.
#[derive(Debug, Default)]
pub(super) struct Stream {
    bytes: Joiner,
    message: Joiner,
    stage: Stage,
    /// Where the payload of the message lies that is not whole yet, if that is of interest.
    unfinished: Option<Vec<Range<usize>>>,
}

/// Where in the stream the next byte is.
#[derive(Debug)]
enum Stage {
    /// In the head of an HTTP answer; so much of its beginning is known, and so much of the empty line that ends it.
    Head { start: Vec<u8>, ending: usize },
    /// In the body of an answer that is no upgrade.
    Body,
    /// In the header of a frame, of which so much was in the pieces before.
    Header(Vec<u8>),
    /// In the payload of a frame: this much is left. `part`: it belongs to a message of several frames.
    Payload { left: u64, part: bool, last: bool },
}

impl Default for Stage {
    fn default() -> Self {
        Self::Head { start: Vec::new(), ending: 0 }
    }
}

impl Stream {
    /// A new connection, of which no message must be recorded as it is before it was read.
    pub(super) fn withheld() -> Self {
        Self { unfinished: Some(Vec::new()), ..Self::default() }
    }

    /// From now on messages are recorded as they come.
    pub(super) fn trust(&mut self) {
        self.unfinished = None;
    }

    /// Takes what was received: `piece` of `out`, in the record that begins at `record`. Says how often it quoted a secret.
    pub(super) fn receive(
        &mut self,
        out: &mut [u8],
        piece: Range<usize>,
        record: usize,
        secrets: &Secrets,
    ) -> usize {
        let mut found = self.bytes.join(out, piece.clone(), record, secrets);
        let mut at = piece.start;
        while at < piece.end {
            match &mut self.stage {
                Stage::Body => return found,
                Stage::Head { start, ending } => {
                    let byte = out[at];
                    at += 1;
                    if start.len() < UPGRADED.len() {
                        start.push(byte);
                    }
                    *ending = match (byte, *ending) {
                        (b'\r', 2) => 3,
                        (b'\r', _) => 1,
                        (b'\n', 1) => 2,
                        (b'\n', 3) => 4,
                        _ => 0,
                    };
                    if *ending == 4 {
                        self.stage = match start.as_slice() {
                            UPGRADED => Stage::Header(Vec::new()),
                            interim if interim.starts_with(INTERIM) => Stage::default(),
                            _ => Stage::Body,
                        };
                    }
                }
                Stage::Header(begun) if begun.is_empty() => {
                    let rest = &out[at..piece.end];
                    match after_header(rest) {
                        Some((stage, header)) => {
                            self.stage = stage;
                            at += header;
                        }
                        None => {
                            begun.extend_from_slice(rest);
                            at = piece.end;
                        }
                    }
                }
                Stage::Header(begun) => {
                    begun.push(out[at]);
                    at += 1;
                    if let Some((stage, _)) = after_header(begun) {
                        self.stage = stage;
                    }
                }
                Stage::Payload { left, part, last } => {
                    let count = (piece.end - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                    if *part {
                        found += self.message.join(out, at..at + count, record, secrets);
                    }
                    // A control frame belongs to no message, and was read by the time it is whole.
                    if let (Some(unfinished), true) = (&mut self.unfinished, *part || *last) {
                        unfinished.push(at..at + count);
                    }
                    at += count;
                    *left -= count as u64;
                    if *left == 0 {
                        if *last {
                            self.message.forget();
                            self.unfinished.iter_mut().for_each(Vec::clear);
                        }
                        self.stage = Stage::Header(Vec::new());
                    }
                }
            }
        }
        found
    }

    /// Where the record begins from which on bytes may still change.
    pub(super) fn held(&self) -> Option<usize> {
        [self.bytes.held(), self.message.held()].into_iter().flatten().min()
    }

    /// The first `count` bytes of what is kept are gone.
    pub(super) fn shift(&mut self, count: usize) {
        self.bytes.shift(count);
        self.message.shift(count);
        for range in self.unfinished.iter_mut().flatten() {
            *range = range.start.saturating_sub(count)..range.end.saturating_sub(count);
        }
    }

    /// Puts stand-ins for all letters and digits of the message that is not whole, which nobody will read any more.
    pub(super) fn blot_out_unfinished(&mut self, out: &mut [u8]) {
        for byte in self.unfinished.take().into_iter().flatten().flatten() {
            out[byte] = match out[byte] {
                b'a'..=b'z' => b'a',
                b'A'..=b'Z' => b'A',
                b'0'..=b'9' => b'1',
                other => other,
            };
        }
    }

    /// Nothing that was received changes any more.
    pub(super) fn release(&mut self) {
        self.bytes.forget();
        self.message.forget();
    }
}

/// The stage that follows a frame's header, and the length of that header. `None`: there is only a part of it.
fn after_header(bytes: &[u8]) -> Option<(Stage, usize)> {
    let [first, second] = *bytes.first_chunk()?;
    let length = u64::from(second & 0x7f);
    let (more, mask) = (
        match length {
            126 => 2,
            127 => 8,
            _ => 0,
        },
        // A server must not mask; the connection ends with such a frame.
        if second & 0x80 == 0 { 0 } else { 4 },
    );
    let header = bytes.get(..2 + more + mask)?;
    let left = match more {
        0 => length,
        _ => header[2..2 + more].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
    let control = opcode & 0x8 != 0;
    // A message in one frame has been searched already.
    let whole = last && opcode != 0;
    let part = !control && !whole;
    let stage = match left {
        0 => Stage::Header(Vec::new()),
        left => Stage::Payload { left, part, last: last && !control },
    };
    Some((stage, header.len()))
}

const UPGRADED: &[u8] = b"HTTP/1.1 101";
const INTERIM: &[u8] = b"HTTP/1.1 1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    const TOKEN: &str = "s3cret-t0ken/9";

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.learn(&Secret::new(TOKEN));
        secrets
    }

    /// What is recorded of a stream that comes in pieces of these sizes.
    fn recorded(stream: &[u8], sizes: &[usize]) -> Vec<u8> {
        let secrets = secrets();
        let (mut out, mut scanner) = (Vec::new(), Stream::default());
        let mut rest = stream;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*size));
            rest = after;
            let start = out.len();
            out.extend_from_slice(piece);
            let end = out.len();
            scanner.receive(&mut out, start..end, start, &secrets);
        }
        out
    }

    fn frame(first: u8, payload: &str) -> Vec<u8> {
        let mut frame = vec![first, u8::try_from(payload.len()).expect("short")];
        frame.extend_from_slice(payload.as_bytes());
        frame
    }

    #[test]
    fn a_quoted_token_is_replaced_however_the_stream_is_cut() {
        let mut stream = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Yes\r\nX: ".to_vec();
        stream.extend_from_slice(TOKEN.as_bytes());
        stream.extend_from_slice(b" s3c s3cret-t0ken s3cret-t0ken%2F9\r\n\r\n");
        stream.extend(frame(0x81, r#"{"type":"x","said":"s3cret-t0ken\/9"}"#));
        // One message in three frames, with a ping between.
        stream.extend(frame(0x01, "{\"t\":\"s3cr"));
        stream.extend(frame(0x89, "?"));
        stream.extend(frame(0x00, "et-t0k"));
        stream.extend(frame(0x80, "en/9\"}"));
        // Two messages that only look like it.
        stream.extend(frame(0x81, "s3cret-"));
        stream.extend(frame(0x81, "t0ken/9"));
        let whole = recorded(&stream, &[usize::MAX]);
        assert_eq!(whole.len(), stream.len());
        let text = String::from_utf8_lossy(&whole).into_owned();
        assert!(text.contains("X: a1aaaa-a1aaa/1 s3c s3cret-t0ken a1aaaa-a1aaa%2F1\r\n"), "{text}");
        assert!(text.contains(r#""said":"a1aaaa-a1aaa\/1""#), "{text}");
        assert!(text.contains("\"t\":\"a1aa") && text.contains("aa-a1a"), "{text}");
        assert!(text.contains("aa/1\"}"), "{text}");
        assert!(text.contains("s3cret-\u{fffd}\u{7}t0ken/9"), "{text}");
        for size in 1..stream.len() {
            assert_eq!(recorded(&stream, &[size]), whole, "in pieces of {size}");
        }
        assert_eq!(recorded(&stream, &[1, 7, 2, 30]), whole);
    }
}
