use crate::nodes::{date::moment, prelude::*};

#[derive(Deserialize)]
struct DatetimeToDate {
    input_datetime: Value,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.date.DatetimeToDate",
        "Datetime To Date",
        "Gives the date of a date with a time.",
    )
    .property(moment::property("input_datetime").describe("The date with a time."))
    .output("output", moment::date_type())
    .compute(|p: DatetimeToDate| {
        Ok(moment::date_value(moment::read(&p.input_datetime, "input_datetime")?.date()))
    })
}
