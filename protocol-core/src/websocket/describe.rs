//! Sentences for people.

use std::fmt;

use super::{Closed, Refusal, Side};

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean { initiated_by, code, reason } => {
                f.write_str(match initiated_by {
                    Side::Local => "closed by this side",
                    Side::Peer => "closed by the other side",
                })?;
                if let Some(code) = code {
                    write!(f, ", code {code}")?;
                }
                if !reason.is_empty() {
                    write!(f, ": {}", Printable(reason))?;
                }
                Ok(())
            }
            Self::Fault(fault) => write!(f, "the other side broke the WebSocket protocol: {fault}"),
            Self::Handshake(fault) => write!(f, "the WebSocket handshake failed: {fault}"),
            Self::Rejected { status } => write!(f, "rejected with HTTP status {status}"),
            Self::Lost => f.write_str("the connection ended without a closing handshake"),
            Self::OpeningTimedOut => f.write_str("the WebSocket handshake took too long"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status())?;
        if !self.reason().is_empty() {
            write!(f, " {}", Printable(self.reason()))?;
        }
        let body = String::from_utf8_lossy(self.body());
        let first_line = body.trim().lines().next().unwrap_or_default();
        if !first_line.is_empty() {
            write!(f, ": {}", Printable(first_line))?;
        }
        Ok(())
    }
}

/// Text of the other side, cut short and without control characters, so that it cannot upset a terminal or a log.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 200;
        for character in self.0.chars().take(MOST) {
            let shown = if character.is_control() { ' ' } else { character };
            write!(f, "{shown}")?;
        }
        if self.0.chars().nth(MOST).is_some() {
            f.write_str("...")?;
        }
        Ok(())
    }
}
