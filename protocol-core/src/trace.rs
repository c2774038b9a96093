use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// Which trace a call belongs to: a `traceparent` of W3C Trace Context (section 3.2). Of the two dialects openclaw has a place for
/// it, in what is asked of the gateway.
///
/// ```
/// use clawnode_protocol::TraceParent;
///
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let traceparent: TraceParent = header.parse()?;
/// assert_eq!(traceparent.to_string(), header);
/// # Ok::<(), clawnode_protocol::InvalidTraceParent>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: NonZeroU128,
    parent_id: NonZeroU64,
    flags: u8,
}

/// A text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a traceparent is 00, a trace id, a parent id and flags, in 2, 32, 16 and 2 small hexadecimal digits with - between, and neither id is zero"
)]
pub struct InvalidTraceParent;

impl TraceParent {
    /// From its parts. Bit 0 of the flags: the trace is sampled.
    pub fn new(trace_id: NonZeroU128, parent_id: NonZeroU64, flags: u8) -> Self {
        Self { trace_id, parent_id, flags }
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    /// Of a later version the parts that version 00 has too, as the standard wants it (section 3.2.4).
    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let mut parts = text.split('-');
        let mut digits = |count: usize| {
            let part = parts.next().filter(|part| part.len() == count)?;
            let small = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            part.bytes().all(small).then_some(part)
        };
        let (Some(version), Some(trace_id), Some(parent_id), Some(flags)) =
            (digits(2), digits(32), digits(16), digits(2))
        else {
            return Err(InvalidTraceParent);
        };
        let more = parts.next().is_some();
        if version == "ff" || (version == "00" && more) {
            return Err(InvalidTraceParent);
        }
        let trace_id = u128::from_str_radix(trace_id, 16).ok().and_then(NonZeroU128::new);
        let parent_id = u64::from_str_radix(parent_id, 16).ok().and_then(NonZeroU64::new);
        match (trace_id, parent_id, u8::from_str_radix(flags, 16)) {
            (Some(trace_id), Some(parent_id), Ok(flags)) => {
                Ok(Self::new(trace_id, parent_id, flags))
            }
            _ => Err(InvalidTraceParent),
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, parent_id, flags } = self;
        write!(f, "00-{trace_id:032x}-{parent_id:016x}-{flags:02x}")
    }
}

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

    #[test]
    fn version_00_is_read_and_written_as_it_is_and_of_others_what_is_known() {
        for flags in ["00", "01", "ff"] {
            let text = format!("00-{TRACE}-{flags}");
            assert_eq!(text.parse::<TraceParent>().unwrap().to_string(), text);
        }
        for later in [format!("cc-{TRACE}-01"), format!("cc-{TRACE}-01-what-comes-later")] {
            let read: TraceParent = later.parse().unwrap();
            assert_eq!(read.to_string(), format!("00-{TRACE}-01"));
        }
    }

    #[test]
    fn anything_else_is_none() {
        let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        for text in [
            "",
            "00",
            &format!("00-{TRACE}"),
            &format!("00-{TRACE}-1"),
            &format!("00-{TRACE}-01-more"),
            &format!("ff-{TRACE}-01"),
            &format!("0-{TRACE}-01"),
            &format!("00-{}-01", TRACE.to_uppercase()),
            &format!("00-{}-01", TRACE.replace('4', "+")),
            &zeros,
            &format!("00-{}-{}-01", "1".repeat(32), "0".repeat(16)),
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(InvalidTraceParent), "{text}");
        }
    }
}
