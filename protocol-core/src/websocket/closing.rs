use std::fmt;

use super::fault::Fault;
use super::handshake::HandshakeFault;
use crate::secret::Secret;

/// Why a connection ended: the payload of the last event, [`Event::Closed`](super::Event::Closed).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// Both sides sent a close frame (RFC 6455 section 7.1.4).
    Clean {
        /// Who sent the first close frame.
        initiated_by: Side,
        /// The code in the peer's close frame, `None` when it carried none.
        code: Option<CloseCode>,
        /// The reason in the peer's close frame, empty when it carried none.
        reason: String,
    },
    /// The peer broke the protocol or a limit. A close frame that says so was queued.
    Fault(Fault),
    /// The opening handshake failed.
    Handshake(HandshakeFault),
    /// The server refused the request with [`Connection::reject`](super::Connection::reject).
    Rejected {
        /// The HTTP status it answered with.
        status: u16,
    },
    /// The stream ended without a closing handshake (what other libraries call code 1006).
    Lost,
    /// The opening handshake did not finish before the caller's deadline.
    OpeningTimedOut,
}

impl Closed {
    /// The same, without the credential that the peer may have quoted.
    pub(crate) fn hiding(mut self, secret: &Secret) -> Self {
        if let Self::Clean { reason, .. } = &mut self {
            if let Some(hidden) = secret.hidden_in(reason) {
                *reason = hidden;
            }
        }
        self
    }
}

/// One of the two ends of a connection, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This end.
    Local,
    /// The other end.
    Peer,
}

/// A status code that may appear in a close frame (RFC 6455 section 7.4).
///
/// Only valid codes can be made, so each one can be sent. The codes that stand for "none" (1005), "lost" (1006) and
/// "TLS failure" (1015) never appear on the wire and have no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled (1000).
    pub const NORMAL: Self = Self(1000);
    /// The endpoint goes away, such as a server that shuts down (1001).
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol (1002).
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The peer sent a type of data this endpoint cannot take (1003).
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// The peer sent data that does not fit its type, such as text that is not UTF-8 (1007).
    pub const INVALID_DATA: Self = Self(1007);
    /// The peer broke a rule of this endpoint (1008).
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// The peer sent a message that is too big (1009).
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// The server did not agree to an extension the client needs (1010).
    pub const EXTENSION_NEEDED: Self = Self(1010);
    /// The server met a condition it did not expect (1011).
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The service restarts (1012).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// The service is overloaded, try again later (1013).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// A gateway got an invalid answer from behind it (1014).
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code, or `None` when it must not appear in a close frame.
    ///
    /// Valid are 1000 to 1003, 1007 to 1014 (the registered ones), and 3000 to 4999 (libraries and applications).
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads the payload of a close frame (RFC 6455 section 5.5.1).
pub(super) fn read_close(payload: &[u8]) -> Result<(Option<CloseCode>, String), Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok((None, String::new()))
        } else {
            Err(Fault::CloseCodeCutShort)
        };
    };
    let code = u16::from_be_bytes(*code);
    let code = CloseCode::new(code).ok_or(Fault::InvalidCloseCode(code))?;
    let reason = std::str::from_utf8(reason).map_err(|_| Fault::InvalidUtf8)?;
    Ok((Some(code), reason.into()))
}
