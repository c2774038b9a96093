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
