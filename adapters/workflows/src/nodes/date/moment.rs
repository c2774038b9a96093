//! Dates and times as values, in the shapes of both generations.

use jiff::{
    Timestamp, Zoned,
    civil::{Date, DateTime, Time},
    fmt::temporal::Pieces,
    tz::{Offset, TimeZone},
};

use crate::nodes::prelude::*;

/// The type of a date.
pub(in crate::nodes) fn date_type() -> TypeDescriptor {
    TypeDescriptor::new("date")
}

/// The type of a date with a time.
pub(in crate::nodes) fn datetime_type() -> TypeDescriptor {
    TypeDescriptor::new("datetime")
}

/// A property that takes whatever [`read`] reads; not set by default.
pub(in crate::nodes) fn property(name: &str) -> Property {
    Property::any(name)
}

/// The date and time in the property `name`: a dictionary of its parts, as the date nodes
/// give it, text in ISO 8601, or the milliseconds since 1970.
pub(in crate::nodes) fn read(value: &Value, name: &str) -> Result<Zoned, NodeError> {
    let read = match value {
        Value::Object(parts) => from_parts(parts),
        Value::String(text) if !text.is_empty() => from_text(text),
        Value::Number(number) => number
            .as_i64()
            .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
            .map(|timestamp| timestamp.to_zoned(TimeZone::UTC))
            .ok_or_else(|| "the number of milliseconds is out of range".to_owned()),
        Value::Null | Value::String(_) => Err("it is not set".to_owned()),
        other => Err(format!("it is a {}", python::type_name(other))),
    };
    read.map_err(|reason| {
        format!(
            "{name} is no date: {reason}; give text such as 2026-11-26T08:30:00Z, or connect a \
             Date or DateTime node"
        )
        .into()
    })
}

/// A date as a value.
pub(in crate::nodes) fn date_value(date: Date) -> Value {
    json!({"type": "date", "year": date.year(), "month": date.month(), "day": date.day()})
}

/// A date with a time as a value. `utc_offset` counts seconds.
pub(in crate::nodes) fn datetime_value(moment: &Zoned) -> Value {
    let offset = moment.offset();
    let name = if offset == Offset::UTC { "UTC".to_owned() } else { format!("UTC{offset}") };
    let mut value = date_value(moment.date());
    if let Some(parts) = value.as_object_mut() {
        parts.insert("type".to_owned(), "datetime".into());
        parts.insert("hour".to_owned(), moment.hour().into());
        parts.insert("minute".to_owned(), moment.minute().into());
        parts.insert("second".to_owned(), moment.second().into());
        parts.insert("microsecond".to_owned(), (moment.subsec_nanosecond() / 1000).into());
        parts.insert("tzinfo".to_owned(), name.into());
        parts.insert("utc_offset".to_owned(), offset.seconds().into());
    }
    value
}

/// `outputs` with a date as ISO 8601 text in UTC and as milliseconds since 1970.
pub(in crate::nodes) fn with_text(outputs: Outputs, moment: &Zoned) -> Outputs {
    let milliseconds = moment.timestamp().as_millisecond();
    outputs.with("iso", iso(moment)).with("epoch_ms", milliseconds)
}

/// A date as ISO 8601 text in UTC, to the millisecond.
pub(in crate::nodes) fn iso(moment: &Zoned) -> String {
    format!("{:.3}", moment.timestamp())
}

/// A date and time at an offset of so many seconds.
pub(in crate::nodes) fn at_offset(time: DateTime, seconds: i64) -> Result<Zoned, String> {
    let offset = i32::try_from(seconds).ok().and_then(|seconds| Offset::from_seconds(seconds).ok());
    let offset = offset.ok_or_else(|| format!("an offset of {seconds} seconds does not exist"))?;
    time.to_zoned(TimeZone::fixed(offset)).map_err(|error| error.to_string())
}

fn from_parts(parts: &Map<String, Value>) -> Result<Zoned, String> {
    let part = |name: &str, default: i64| match parts.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_i64().ok_or_else(|| format!("its {name} is {value}")),
    };
    let year = part("year", 0)?;
    if year == 0 {
        return Err("it is not set".to_owned());
    }
    let date = date(year, part("month", 1)?, part("day", 1)?)?;
    let micros = part("microsecond", 0)?;
    let time = time(part("hour", 0)?, part("minute", 0)?, part("second", 0)?, micros)?;
    at_offset(date.to_datetime(time), part("utc_offset", 0)?)
}

/// A date of the years 1 to 9999.
pub(in crate::nodes) fn date(year: i64, month: i64, day: i64) -> Result<Date, String> {
    let wrong = || format!("{year}-{month:02}-{day:02} does not exist");
    let year = i16::try_from(year).ok().filter(|year| *year > 0).ok_or_else(wrong)?;
    let (Ok(month), Ok(day)) = (i8::try_from(month), i8::try_from(day)) else {
        return Err(wrong());
    };
    Date::new(year, month, day).map_err(|_| wrong())
}

/// A time of the day.
pub(in crate::nodes) fn time(
    hour: i64,
    minute: i64,
    second: i64,
    microsecond: i64,
) -> Result<Time, String> {
    let wrong = || format!("{hour:02}:{minute:02}:{second:02}.{microsecond:06} does not exist");
    let (Ok(hour), Ok(minute), Ok(second)) =
        (i8::try_from(hour), i8::try_from(minute), i8::try_from(second))
    else {
        return Err(wrong());
    };
    let nanosecond = microsecond.checked_mul(1000).and_then(|nanos| i32::try_from(nanos).ok());
    let nanosecond = nanosecond.ok_or_else(wrong)?;
    Time::new(hour, minute, second, nanosecond).map_err(|_| wrong())
}

fn from_text(text: &str) -> Result<Zoned, String> {
    let pieces = Pieces::parse(text.trim()).map_err(|error| error.to_string())?;
    let time = pieces.time().unwrap_or_else(Time::midnight);
    let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
    at_offset(pieces.date().to_datetime(time), offset.seconds().into())
}
