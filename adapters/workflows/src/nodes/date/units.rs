//! The units of time that the nodes of `lib.datetime` count in.

use jiff::{Span, Unit, Zoned};

use crate::nodes::prelude::*;

/// A property that takes one of the units, days by default.
pub(super) fn property() -> Property {
    Property::new("unit", TypeDescriptor::one_of(UNITS), "day")
}

/// The unit called `name`, one of those of [`property`].
pub(super) fn unit(name: &str) -> Unit {
    match name {
        "millisecond" => Unit::Millisecond,
        "second" => Unit::Second,
        "minute" => Unit::Minute,
        "hour" => Unit::Hour,
        "week" => Unit::Week,
        "month" => Unit::Month,
        "year" => Unit::Year,
        _ => Unit::Day,
    }
}

/// The date `amount` times `unit` after `moment`. The day is the last one of a month that is
/// too short.
pub(super) fn add(moment: &Zoned, amount: i64, unit: Unit) -> Result<Zoned, NodeError> {
    let span = Span::new();
    let span = match unit {
        Unit::Millisecond => span.try_milliseconds(amount),
        Unit::Second => span.try_seconds(amount),
        Unit::Minute => span.try_minutes(amount),
        Unit::Hour => span.try_hours(amount),
        Unit::Week => span.try_weeks(amount),
        Unit::Month => span.try_months(amount),
        Unit::Year => span.try_years(amount),
        _ => span.try_days(amount),
    };
    let added = span.and_then(|span| moment.checked_add(span));
    let added = added.ok().filter(|added| added.year() > 0);
    added
        .ok_or_else(|| format!("adding {amount} leads out of the years 1 to 9999; add less").into())
}

/// How many times `unit` a span is that has no other.
pub(super) fn count(span: &Span, unit: Unit) -> i64 {
    match unit {
        Unit::Millisecond => span.get_milliseconds(),
        Unit::Second => span.get_seconds(),
        Unit::Minute => span.get_minutes(),
        Unit::Hour => span.get_hours().into(),
        Unit::Week => span.get_weeks().into(),
        Unit::Month => span.get_months().into(),
        Unit::Year => span.get_years().into(),
        _ => span.get_days().into(),
    }
}

const UNITS: &[&str] = &["millisecond", "second", "minute", "hour", "day", "week", "month", "year"];
