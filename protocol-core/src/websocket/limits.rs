use super::frame::{MAX_CONTROL, MAX_HEADER};
use crate::http::MAX_HEADERS;

/// How much a peer may make a [`Connection`](super::Connection) hold.
///
/// Every limit is checked before memory is spent on the peer's word: a frame is judged by its header, and buffers grow
/// only by bytes that have arrived. Start from [`Limits::default`] and change fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message accepted, in bytes of payload, all its fragments together. Default 25 MiB.
    ///
    /// Gateways allow 25 MiB on their side, so what one sends another node can read. Stops a peer from filling the
    /// memory with one endless message, by size declared in a header or by fragments without end.
    pub max_message: usize,
    /// The largest head of an HTTP request or answer, in bytes including the empty line. Default 16 KiB.
    ///
    /// Twice the 8 KiB most servers allow, for long cookies and tokens. Stops a head that never ends. The same bound
    /// holds for what a client may send while the server still decides about its request.
    pub max_head: usize,
    /// How much of the body of a refusal is kept, in bytes. Default 4 KiB.
    ///
    /// Enough for an error document that a person reads. Stops a server from answering the upgrade with a download.
    pub max_refusal_body: usize,
    /// How many interim (1xx) answers are skipped before the final one. Default 8.
    ///
    /// Proxies send one or two. Stops a server from holding a client in the opening handshake with answers that cost
    /// it nothing.
    pub max_interim_answers: usize,
    /// How many automatic pongs may wait for the transport. Default 32, at most 4 KiB of frames.
    ///
    /// A peer that pings in bursts gets each ping answered. Stops a peer that pings without reading from growing the
    /// output without bound: past the limit only the newest ping is answered, once the output has drained, which RFC
    /// 6455 section 5.5.3 allows.
    pub max_pending_pongs: usize,
}

impl Limits {
    /// Bytes in the receive buffer at most: a message that lacks its end with its header, or a head, and beside it what was taken
    /// and what arrives, of [`READ`] bytes each.
    pub(crate) fn most_received(&self) -> usize {
        self.max_message.max(self.max_head).saturating_add(2 * READ + 2 * MAX_HEADER)
    }

    /// Bytes of what a connection has received, as memory at most: the receive buffer, the fragments assembled, and the head and
    /// body of an answer to the opening handshake, which are copied a few times on their way.
    pub(crate) fn receive_bound(&self) -> usize {
        let body = self.max_refusal_body.saturating_mul(3);
        let head = self.max_head.saturating_add(body).saturating_add(MAX_HEADERS * HEADER);
        self.most_received().saturating_add(self.max_message).saturating_add(head.saturating_mul(4))
    }

    /// Bytes of control frames that wait at most: pongs, a ping, a close.
    pub(crate) fn most_control(&self) -> usize {
        self.max_pending_pongs.saturating_add(3).saturating_mul(MAX_CONTROL + 6)
    }
}

/// Bytes that are received at once, in the reckoning of what a connection may hold.
const READ: usize = 64 * 1024;

/// What a header of HTTP takes beside its bytes: a name and a value on the heap.
const HEADER: usize = size_of::<(String, Vec<u8>)>();

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 25 * 1024 * 1024,
            max_head: 16 * 1024,
            max_refusal_body: 4 * 1024,
            max_interim_answers: 8,
            max_pending_pongs: 32,
        }
    }
}
