use jiff::{Unit, civil::Weekday};

use crate::nodes::{
    date::{moment, period::period},
    prelude::*,
};

#[derive(Deserialize)]
struct BoundaryTime {
    input_datetime: Value,
    period: String,
    boundary: String,
    start_monday: bool,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.date.BoundaryTime",
        "Boundary Time",
        "Gives the start or the end of the day, week, month or year that a date lies in.",
    )
    .property(moment::property("input_datetime").describe("The date."))
    .property(
        Property::one_of("period", &["day", "week", "month", "year"])
            .describe("What it is the start or the end of."),
    )
    .property(
        Property::one_of("boundary", &["start", "end"])
            .describe("Whether the first or the last microsecond of it is given."),
    )
    .property(
        Property::bool("start_monday", true)
            .describe("Whether a week starts on Monday, or on Sunday."),
    )
    .output("output", moment::datetime_type())
    .compute(|p: BoundaryTime| {
        let moment = moment::read(&p.input_datetime, "input_datetime")?;
        let unit = match p.period.as_str() {
            "week" => Unit::Week,
            "month" => Unit::Month,
            "year" => Unit::Year,
            _ => Unit::Day,
        };
        let first_weekday = if p.start_monday { Weekday::Monday } else { Weekday::Sunday };
        let (start, end) = period(&moment, unit, first_weekday)?;
        Ok(moment::datetime_value(if p.boundary == "end" { &end } else { &start }))
    })
}
