use jiff::{Timestamp, Unit};

/// The time now as it is kept: UTC, microseconds, always of the same length, so that the order of texts is that of time.
pub(crate) fn now() -> String {
    let now = Timestamp::now();
    format!("{:.6}", now.round(Unit::Microsecond).unwrap_or(now))
}
