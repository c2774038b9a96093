use jiff::civil::Time;

use crate::nodes::{date::moment, prelude::*};

#[derive(Deserialize)]
struct DateToDatetime {
    input_date: Value,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.date.DateToDatetime",
        "Date To Datetime",
        "Gives the midnight, in UTC, with which a date begins.",
    )
    .property(moment::property("input_date").describe("The date."))
    .output("output", moment::datetime_type())
    .compute(|p: DateToDatetime| {
        let date = moment::read(&p.input_date, "input_date")?.date();
        let midnight = moment::at_offset(date.to_datetime(Time::midnight()), 0)?;
        Ok(moment::datetime_value(&midnight))
    })
}
