use jiff::Unit;

use crate::nodes::{
    date::{moment, units},
    prelude::*,
};

#[derive(Deserialize)]
struct AddTimeDelta {
    input_datetime: Value,
    days: i64,
    hours: i64,
    minutes: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.date.AddTimeDelta",
        "Add Time Delta",
        "Gives the date some days, hours and minutes after another one, or before it.",
    )
    .property(moment::property("input_datetime").describe("The date to start from."))
    .property(Property::int("days", 0).describe("Days to add.").range(-3650.0, 3650.0))
    .property(Property::int("hours", 0).describe("Hours to add.").range(-24.0, 24.0))
    .property(Property::int("minutes", 0).describe("Minutes to add.").range(-60.0, 60.0))
    .output("output", moment::datetime_type())
    .compute(|p: AddTimeDelta| {
        let mut moment = moment::read(&p.input_datetime, "input_datetime")?;
        for (amount, unit) in
            [(p.days, Unit::Day), (p.hours, Unit::Hour), (p.minutes, Unit::Minute)]
        {
            moment = units::add(&moment, amount, unit)?;
        }
        Ok(moment::datetime_value(&moment))
    })
}
