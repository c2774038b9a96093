use jiff::civil::Time;

use crate::nodes::{date::moment, prelude::*};

#[derive(Deserialize)]
struct GetQuarter {
    input_datetime: Value,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.date.GetQuarter",
        "Get Quarter",
        "Gives the quarter of the year that a date lies in, and the midnights, in UTC, with which \
         its first and its last day begin.",
    )
    .property(moment::property("input_datetime").describe("The date."))
    .output("quarter", TypeDescriptor::int())
    .output("quarter_start", moment::datetime_type())
    .output("quarter_end", moment::datetime_type())
    .compute(|p: GetQuarter| {
        let date = moment::read(&p.input_datetime, "input_datetime")?.date();
        let quarter = i64::from(date.month() - 1) / 3 + 1;
        let year = i64::from(date.year());
        let first = moment::date(year, 3 * quarter - 2, 1)?;
        let last = moment::date(year, 3 * quarter, 1)?.last_of_month();
        let midnight =
            |date: jiff::civil::Date| moment::at_offset(date.to_datetime(Time::midnight()), 0);
        Ok(Outputs::new()
            .with("quarter", quarter)
            .with("quarter_start", moment::datetime_value(&midnight(first)?))
            .with("quarter_end", moment::datetime_value(&midnight(last)?)))
    })
}
