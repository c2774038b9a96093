use super::closing::CloseCode;

/// What the peer did wrong after the opening handshake. The connection has ended; the close frame is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A reserved bit is set though no extension was agreed on (RFC 6455 section 5.2).
    #[error("reserved bit set")]
    ReservedBit,
    /// An opcode without a meaning: 3 to 7 or 11 to 15 (section 5.2).
    #[error("reserved opcode {0}")]
    ReservedOpcode(u8),
    /// A frame from a client is not masked (section 5.1).
    #[error("frame not masked")]
    NotMasked,
    /// A frame from a server is masked (section 5.1).
    #[error("frame masked")]
    Masked,
    /// A length is written in more bytes than it needs, or has its top bit set (section 5.2).
    #[error("invalid frame length")]
    InvalidLength,
    /// A control frame is fragmented (section 5.5).
    #[error("control frame fragmented")]
    FragmentedControl,
    /// A control frame declares more than 125 bytes (section 5.5).
    #[error("control frame too long")]
    OversizedControl,
    /// A continuation frame without a message to continue (section 5.4).
    #[error("nothing to continue")]
    UnexpectedContinuation,
    /// A new message inside a fragmented one (section 5.4).
    #[error("message not finished")]
    UnfinishedMessage,
    /// A message is larger than [`Limits::max_message`](super::Limits::max_message) (section 10.4).
    #[error("message too big")]
    MessageTooBig,
    /// A text message or a close reason is not UTF-8 (section 8.1).
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// The payload of a close frame is one byte long (section 5.5.1).
    #[error("close code cut short")]
    CloseCodeCutShort,
    /// A close frame carries a code that must not be sent (section 7.4).
    #[error("invalid close code {0}")]
    InvalidCloseCode(u16),
}

impl Fault {
    /// The code of the close frame that answers this fault: 1002, 1007 or 1009.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::InvalidUtf8 => CloseCode::INVALID_DATA,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

/// What the caller did wrong. Nothing was changed or queued by the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The opening handshake has not finished: wait for [`Event::Open`](super::Event::Open).
    #[error("the connection is not open yet")]
    NotOpen,
    /// A close frame was sent, or the connection has ended: nothing more can be sent.
    #[error("the connection is closing or closed")]
    Closed,
    /// No request waits for an answer: accept or reject once, after [`Event::Request`](super::Event::Request).
    #[error("no upgrade request waits for an answer")]
    NoRequest,
    /// The payload of a ping is longer than 125 bytes.
    #[error("a control frame carries at most 125 bytes")]
    OversizedControl,
    /// The status of a rejection is not in 300 to 599.
    #[error("status {0} does not refuse a request")]
    InvalidStatus(u16),
    /// A header of a rejection has an invalid name or value, or a name that the connection writes itself.
    #[error("invalid header")]
    InvalidHeader,
    /// More bytes were reported as sent than were waiting.
    #[error("more bytes sent than were waiting")]
    SentTooMuch,
}
