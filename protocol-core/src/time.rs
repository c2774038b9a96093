use std::fmt;
use std::time::Duration;

use jiff::civil;
use serde::Serialize;

/// The time of an input, as the caller's clocks read it.
///
/// Deadlines are computed from `monotonic` alone; `utc` only labels messages, so a wall clock that is set back or forward disturbs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Time since any fixed point of the caller's choice, from a clock that does not run backwards.
    /// Should it do so all the same, the state machines keep the latest time they have seen.
    pub monotonic: Duration,
    /// The wall clock.
    pub utc: Timestamp,
}

impl Now {
    /// Pairs a monotonic reading with a wall-clock reading.
    pub const fn new(monotonic: Duration, utc: Timestamp) -> Self {
        Self { monotonic, utc }
    }
}

/// A UTC time in microseconds since 1970-01-01T00:00:00Z, printed as `2026-11-22T11:43:40.170128Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch; years outside 0000 to 9999 are brought to the nearest end.
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::FIRST {
            Self(Self::FIRST)
        } else if micros > Self::LAST {
            Self(Self::LAST)
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the epoch; negative before 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads the text of a timestamp: ISO 8601 with `Z` or an offset, without a zone (taken as UTC), a date alone, or an epoch number as text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Some(Self(instant.as_microsecond()));
        }
        if let Ok(naive) = text.parse::<civil::DateTime>() {
            let zoned = naive.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            return Some(Self(zoned.timestamp().as_microsecond()));
        }
        Self::from_epoch(text.parse().ok()?)
    }

    /// Reads an epoch number: seconds, or milliseconds when it lies beyond the year 2603, as the original client's validator does.
    pub(crate) fn from_epoch(number: f64) -> Option<Self> {
        const LARGEST_SECONDS: f64 = 2e10;
        let seconds = if number.abs() > LARGEST_SECONDS { number / 1e3 } else { number };
        let micros = (seconds * 1e6).round();
        let valid = micros >= Self::FIRST as f64 && micros <= Self::LAST as f64;
        valid.then_some(Self(micros as i64))
    }

    const FIRST: i64 = -62_167_219_200_000_000;
    const LAST: i64 = 253_402_207_200_000_000;
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{instant:.6}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_utc_with_z_and_six_digits() {
        let time = Timestamp::from_micros(1_795_347_820_170_128);
        assert_eq!(time.to_string(), "2026-11-22T11:43:40.170128Z");
        assert_eq!(Timestamp::default().to_string(), "1970-01-01T00:00:00.000000Z");
        for end in [i64::MIN, i64::MAX] {
            assert!(Timestamp::from_micros(end).to_string().ends_with('Z'));
        }
    }

    #[test]
    fn reads_every_form_a_gateway_sends() {
        let expected = Some(Timestamp::from_micros(1_767_323_045_500_000));
        for text in [
            "2026-01-02T03:04:05.500000Z",
            "2026-01-02T03:04:05.5",
            "2026-01-02 03:04:05.5",
            "2026-01-02T05:04:05.5+02:00",
            "1767323045.5",
            "1767323045500",
        ] {
            assert_eq!(Timestamp::parse(text), expected, "{text}");
        }
        assert_eq!(
            Timestamp::parse("2026-01-02"),
            Some(Timestamp::from_micros(1_767_312_000_000_000))
        );
        assert_eq!(Timestamp::from_epoch(1_767_323_045.5), expected);
    }

    #[test]
    fn rejects_what_is_no_time() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "NaN", "inf", "1e300"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
