use crate::nodes::{date::moment, prelude::*};

#[derive(Deserialize)]
struct DateTime {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millisecond: i64,
    microsecond: i64,
    tzinfo: String,
    utc_offset: i64,
}

/// Python has microseconds and the offset in seconds, today's editor milliseconds and the
/// offset in minutes. No place is less than a quarter of an hour from UTC, so the size of an
/// offset tells its unit.
pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("nodetool.constant.DateTime", "Date Time", "Gives a fixed date with a time.")
        .property(Property::int("year", 1900).describe("The year.").range(1.0, 9999.0))
        .property(Property::int("month", 1).describe("The month of the year.").range(1.0, 12.0))
        .property(Property::int("day", 1).describe("The day of the month.").range(1.0, 31.0))
        .property(Property::int("hour", 0).describe("The hour of the day.").range(0.0, 23.0))
        .property(Property::int("minute", 0).describe("The minute.").range(0.0, 59.0))
        .property(Property::int("second", 0).describe("The second.").range(0.0, 59.0))
        .property(Property::int("millisecond", 0).describe("The millisecond.").range(0.0, 999.0))
        .property(
            Property::int("microsecond", 0)
                .describe("The microsecond, added to the millisecond.")
                .range(0.0, 999_999.0),
        )
        .property(
            Property::str("tzinfo", "UTC")
                .describe("A name for the time zone; only the offset counts."),
        )
        .property(
            Property::int("utc_offset", 0)
                .describe("The offset from UTC in minutes up to 840, in seconds beyond that."),
        )
        .output("output", moment::datetime_type())
        .compute(|p: DateTime| {
            let date = moment::date(p.year, p.month, p.day)?;
            let micros = p.millisecond.saturating_mul(1000).saturating_add(p.microsecond);
            let time = moment::time(p.hour, p.minute, p.second, micros)?;
            let minutes = (-840..=840).contains(&p.utc_offset);
            let seconds = if minutes { p.utc_offset * 60 } else { p.utc_offset };
            let moment = moment::at_offset(date.to_datetime(time), seconds)?;
            let mut value = moment::datetime_value(&moment);
            value["tzinfo"] = p.tzinfo.into();
            Ok(value)
        })
}
