mod client;
mod server;

use crate::http::HeadError;

pub(super) use client::{Answer, ClientOpening};
pub use client::{ClientRequest, InvalidRequest, Refusal, RetryAfter};
pub(super) use server::{Asked, ServerOpening, acceptance, fault_answer, rejection};
pub use server::{UpgradeRequest, accept_value};

/// Why an opening handshake failed (RFC 6455 section 4).
///
/// A client that meets one just ends. A server answers first, with the status named here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeFault {
    /// The stream ended before the handshake did.
    #[error("stream ended in the opening handshake")]
    Disconnected,
    /// The bytes are not an HTTP head. Servers answer 400.
    #[error("not HTTP")]
    NotHttp,
    /// The head is larger than [`Limits::max_head`](super::Limits::max_head) or has more than 100 headers. Servers
    /// answer 431.
    #[error("HTTP head too large")]
    HeadTooLarge,
    /// The version is not HTTP/1.1. Servers answer 400.
    #[error("HTTP version is not 1.1")]
    Version,
    /// The `Upgrade` header is missing or does not name `websocket`. Servers answer 426.
    #[error("not an upgrade to WebSocket")]
    NoUpgrade,
    /// The `Connection` header has no `Upgrade` token. Servers answer 400.
    #[error("no Connection: Upgrade")]
    NoConnectionUpgrade,
    /// The server's `Sec-WebSocket-Accept` is missing, doubled or wrong.
    #[error("wrong Sec-WebSocket-Accept")]
    WrongAccept,
    /// The server chose an extension that was not offered.
    #[error("extension that was not offered")]
    UnaskedExtension,
    /// The server chose a sub-protocol that was not offered.
    #[error("sub-protocol that was not offered")]
    UnaskedProtocol,
    /// The server sent more than [`Limits::max_interim_answers`](super::Limits::max_interim_answers) interim answers.
    #[error("too many interim answers")]
    TooManyInterimAnswers,
    /// The client's method is not GET. Answered with 405.
    #[error("method is not GET")]
    Method,
    /// The client's target is neither a path nor an absolute URI. Answered with 400.
    #[error("invalid target")]
    Target,
    /// The client's `Host` header is missing or doubled. Answered with 400.
    #[error("missing or doubled Host")]
    Host,
    /// The client's request declares a body. Answered with 400.
    #[error("upgrade request with a body")]
    Body,
    /// The client's `Sec-WebSocket-Version` is not 13. Answered with 426.
    #[error("Sec-WebSocket-Version is not 13")]
    WebSocketVersion,
    /// The client's `Sec-WebSocket-Key` is missing, doubled or not 16 bytes in Base64. Answered with 400.
    #[error("invalid Sec-WebSocket-Key")]
    Key,
    /// The client sent more than [`Limits::max_head`](super::Limits::max_head) bytes while its request was being
    /// decided. Answered with 400.
    #[error("too much sent before the answer")]
    EarlyData,
}

impl From<HeadError> for HandshakeFault {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::NotHttp => Self::NotHttp,
            HeadError::Version => Self::Version,
            HeadError::TooLarge => Self::HeadTooLarge,
        }
    }
}
