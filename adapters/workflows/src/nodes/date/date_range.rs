use jiff::Unit;

use crate::{
    limits::MAX_DATES,
    nodes::{
        date::{moment, units},
        prelude::*,
    },
};

#[derive(Deserialize)]
struct DateRange {
    start_date: Value,
    end_date: Value,
    step_days: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.date.DateRange",
        "Date Range",
        "Gives a list of the dates from one to another, which belongs to them.",
    )
    .property(moment::property("start_date").describe("The first date."))
    .property(moment::property("end_date").describe("The date after which none is given."))
    .property(Property::int("step_days", 1).describe("Days from one date to the next."))
    .output("output", TypeDescriptor::list(moment::datetime_type()))
    .compute(|p: DateRange| {
        if p.step_days < 1 {
            return Err(format!("step_days is {}; use 1 or more", p.step_days).into());
        }
        let start = moment::read(&p.start_date, "start_date")?;
        let end = moment::read(&p.end_date, "end_date")?;
        let mut dates = Vec::new();
        let mut next = Ok(start);
        while let Some(date) = next.ok().filter(|date| *date <= end) {
            if dates.len() == MAX_DATES {
                return Err(format!(
                    "the range has more than {MAX_DATES} dates; raise step_days or make it shorter"
                )
                .into());
            }
            dates.push(moment::datetime_value(&date));
            next = units::add(&date, p.step_days, Unit::Day);
        }
        Ok(dates)
    })
}
