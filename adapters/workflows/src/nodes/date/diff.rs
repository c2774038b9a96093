use jiff::ZonedDifference;

use crate::nodes::{
    date::{moment, units},
    prelude::*,
};

#[derive(Deserialize)]
struct Diff {
    date_a: Value,
    date_b: Value,
    unit: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.datetime.Diff",
        "Date Difference",
        "Counts the whole units of time from the second date to the first.",
    )
    .property(moment::property("date_a").describe("The date from which the other is taken."))
    .property(moment::property("date_b").describe("The date that is taken from it."))
    .property(units::property().describe("What is counted."))
    .output("diff", TypeDescriptor::int())
    .output("is_before", TypeDescriptor::bool())
    .output("is_after", TypeDescriptor::bool())
    .output("is_same", TypeDescriptor::bool())
    .compute(|p: Diff| {
        let a = moment::read(&p.date_a, "date_a")?;
        let b = moment::read(&p.date_b, "date_b")?;
        let unit = units::unit(&p.unit);
        // Calendar units need both dates in one time zone.
        let a_there = a.with_time_zone(b.time_zone().clone());
        let difference = ZonedDifference::new(&a_there).smallest(unit).largest(unit);
        let span = b.until(difference).map_err(NodeError::new)?;
        Ok(Outputs::new()
            .with("diff", units::count(&span, unit))
            .with("is_before", a < b)
            .with("is_after", a > b)
            .with("is_same", a == b))
    })
}
