//! What happened in a run: one record an event, for transcripts and pictures.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// Where something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lane {
    /// At the gateway.
    Gateway,
    /// At a node.
    Node(usize),
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Node(index) => write!(f, "node-{index}"),
        }
    }
}

/// What kind of event it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A message arrived that had left the other end at this time.
    Message {
        /// When it was written.
        sent: Duration,
        /// Where it came from.
        from: Lane,
    },
    /// A message that was sent at this lane never arrived.
    Lost,
    /// The state of a connection changed.
    Connection,
    /// The application did something.
    Work,
    /// A timer fired.
    Timer,
    /// The world did something bad.
    Fault,
    /// A rule was broken.
    Violation,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// When.
    pub at: Duration,
    /// Where.
    pub lane: Lane,
    /// What kind.
    pub kind: Kind,
    /// What, in a few words.
    pub text: String,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Message { .. } => "<-",
            Kind::Lost => "lost",
            Kind::Connection => "link",
            Kind::Work => "work",
            Kind::Timer => "timer",
            Kind::Fault => "FAULT",
            Kind::Violation => "VIOLATION",
        };
        let at = self.at.as_secs_f64();
        write!(f, "{at:>14.6} {:<8} {what:<9} {}", self.lane.to_string(), self.text)?;
        if let Kind::Message { sent, from } = self.kind {
            write!(f, " (from {from}, {:.3} s ago)", self.at.saturating_sub(sent).as_secs_f64())?;
        }
        Ok(())
    }
}

/// The records of a run, one line each.
pub fn transcript(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        writeln!(text, "{record}").expect("strings take text");
    }
    text
}
