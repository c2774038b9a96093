//! The starts and ends of days, weeks, months and years.

use jiff::{
    Unit, Zoned,
    civil::{Date, DateTime, Time, Weekday},
};

use crate::nodes::{date::moment, prelude::*};

/// The first and the last microsecond of the `unit` that `moment` lies in, where it is.
pub(super) fn period(
    moment: &Zoned,
    unit: Unit,
    first_weekday: Weekday,
) -> Result<(Zoned, Zoned), NodeError> {
    let (date, time) = (moment.date(), moment.time());
    let (first, last) = match unit {
        Unit::Year => (date.first_of_year(), date.last_of_year()),
        Unit::Month => (date.first_of_month(), date.last_of_month()),
        Unit::Week => week(date, first_weekday)?,
        _ => (date, date),
    };
    let (start, end) = match unit {
        Unit::Hour => (time.with().minute(0).second(0), time.with().minute(59).second(59)),
        Unit::Minute => (time.with().second(0), time.with().second(59)),
        Unit::Second => (time.with(), time.with()),
        _ => (Time::midnight().with(), Time::midnight().with().hour(23).minute(59).second(59)),
    };
    let start = start.subsec_nanosecond(0).build().map_err(NodeError::new)?;
    let end = end.subsec_nanosecond(LAST_MICROSECOND).build().map_err(NodeError::new)?;
    let there = |date: Date, time: Time| {
        let time: DateTime = date.to_datetime(time);
        moment::at_offset(time, moment.offset().seconds().into())
    };
    Ok((there(first, start)?, there(last, end)?))
}

fn week(date: Date, first_weekday: Weekday) -> Result<(Date, Date), NodeError> {
    let since = i64::from(date.weekday().since(first_weekday));
    let shifted = |days: i64| {
        let date = date.checked_add(jiff::Span::new().days(days));
        let date = date.ok().filter(|date| date.year() > 0);
        date.ok_or_else(|| NodeError::from("the week leads out of the years 1 to 9999"))
    };
    Ok((shifted(-since)?, shifted(6 - since)?))
}

/// In nanoseconds of its second.
const LAST_MICROSECOND: i32 = 999_999_000;
