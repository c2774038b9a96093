//! The formats that the nodes of `lib.date` read and write.

use jiff::{civil::Time, fmt::strtime, tz::Offset};

use crate::nodes::{date::moment, prelude::*};

/// A property that takes one of the formats, `default` by default.
pub(super) fn property(name: &str, default: &str) -> Property {
    Property::new(name, TypeDescriptor::one_of(FORMATS), default)
}

/// Reads `text`, the property `name`, which is written in `format`. A time that the format
/// does not have is midnight, an offset that it does not have is none.
pub(super) fn parse(text: &str, format: &str, name: &str) -> Result<jiff::Zoned, NodeError> {
    let parsed = strtime::parse(format, text.trim())
        .and_then(|parsed| Ok((parsed.to_date()?, parsed)))
        .map_err(|error| error.to_string())
        .and_then(|(date, parsed)| {
            let has_time = parsed.hour().is_some();
            let time = if has_time { parsed.to_time() } else { Ok(Time::midnight()) };
            let time = time.map_err(|error| error.to_string())?;
            let offset = parsed.offset().unwrap_or(Offset::UTC);
            moment::at_offset(date.to_datetime(time), offset.seconds().into())
        });
    parsed.map_err(|reason| {
        format!("{name} {text:?} is not written as {format}: {reason}; choose another input_format")
            .into()
    })
}

const FORMATS: &[&str] = &[
    "%Y-%m-%d",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%B %d, %Y",
    "%Y%m%d",
    "%Y%m%d_%H%M%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%z",
];
