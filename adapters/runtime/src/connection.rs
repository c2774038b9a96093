use std::fmt;
use std::time::Instant;

use clawnode_protocol::dialect::openclaw::{Refusal, RefusalCode};
use clawnode_protocol::node::{LostReason, StopReason};

/// Where a node is with its gateway: what a user interface shows. [`Handle::connection`](crate::Handle::connection) tells it at any
/// time, and each change of it is an [`Event::Connection`](crate::Event::Connection).
///
/// `Display` writes a clause for people, such as "waiting until the gateway's operator approves this device".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// The node does not run yet.
    Idle,
    /// It is on its way: credentials, name, proxy, TCP, TLS, HTTP upgrade.
    Connecting,
    /// The WebSocket is open, and the gateway has yet to let the node in.
    Registering,
    /// Registered: the node takes work, and sends what it is given. In the nodetool dialect, which confirms no registration, that is
    /// when it is written.
    Ready,
    /// Somebody has to approve of the node first, at the gateway. Only openclaw gateways have approvals.
    WaitingForApproval(Approval),
    /// It is being closed. What was running goes on, and [`Lost`](Self::Lost) or the end follows.
    Closing,
    /// It is gone, or was never made.
    ///
    /// One end is no news: the first close with code 1000 and no reason before an openclaw gateway has let the node in, which is
    /// how a busy gateway gives up a handshake (openclaw page 9). The node is [`Connecting`](Self::Connecting) again then.
    Lost {
        /// Why.
        reason: LostReason,
        /// When the node tries again.
        next_attempt: Instant,
    },
    /// The node has stopped for good, since trying again would not help: it is refused, or what it meets is no gateway. The last.
    Refused(StopReason),
    /// The node has stopped as it was asked to, or was dropped. The last.
    Stopped,
}

/// What an openclaw gateway's operator has to approve before a node is of use (openclaw page 6).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Approval {
    /// That this device may connect. There is no connection meanwhile: the node asks again now and then.
    Device {
        /// What the gateway said, with the request's id if it told one, and what to do.
        refusal: Box<Refusal>,
        /// When the node asks again.
        next_attempt: Instant,
    },
    /// What this node may do. It is registered, and gets no work, or not all of it; it is told at once when somebody approves. Known
    /// only to a node that publishes something.
    Surface,
}

impl Connection {
    /// Whether the node is registered: calls, publications and messages of the application's own can be sent now.
    pub fn is_registered(&self) -> bool {
        matches!(self, Self::Ready | Self::WaitingForApproval(Approval::Surface))
    }

    /// Whether this is the end: nothing follows.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Stopped)
    }

    /// Without a connection until the next attempt.
    pub(crate) fn lost(reason: LostReason, next_attempt: Instant) -> Self {
        match reason {
            LostReason::Denied(refusal) if refusal.code() == &RefusalCode::PairingRequired => {
                Self::WaitingForApproval(Approval::Device { refusal, next_attempt })
            }
            reason => Self::Lost { reason, next_attempt },
        }
    }

    /// After the end. `None`: the node was dropped.
    pub(crate) fn over(reason: Option<StopReason>) -> Self {
        match reason {
            Some(StopReason::Requested) | None => Self::Stopped,
            Some(reason) => Self::Refused(reason),
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("not started"),
            Self::Connecting => f.write_str("connecting"),
            Self::Registering => f.write_str("registering"),
            Self::Ready => f.write_str("ready"),
            Self::WaitingForApproval(approval) => {
                write!(f, "waiting until the gateway's operator approves {approval}")
            }
            Self::Closing => f.write_str("closing"),
            Self::Lost { reason, .. } => write!(f, "not connected: {reason}"),
            Self::Refused(reason) => write!(f, "stopped for good: {reason}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device { .. } => "this device",
            Self::Surface => "what this node may do",
        })
    }
}
