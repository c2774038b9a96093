use crate::nodes::{date::moment, prelude::*};

#[derive(Deserialize)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("nodetool.constant.Date", "Date", "Gives a fixed date.")
        .property(Property::int("year", 1900).describe("The year.").range(1.0, 9999.0))
        .property(Property::int("month", 1).describe("The month of the year.").range(1.0, 12.0))
        .property(Property::int("day", 1).describe("The day of the month.").range(1.0, 31.0))
        .output("output", moment::date_type())
        .compute(|p: Date| Ok(moment::date_value(moment::date(p.year, p.month, p.day)?)))
}
