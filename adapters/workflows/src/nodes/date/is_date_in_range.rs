use crate::nodes::{date::moment, prelude::*};

#[derive(Deserialize)]
struct IsDateInRange {
    check_date: Value,
    start_date: Value,
    end_date: Value,
    inclusive: bool,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.date.IsDateInRange",
        "Is Date In Range",
        "Tells whether a date lies between two others.",
    )
    .property(moment::property("check_date").describe("The date in question."))
    .property(moment::property("start_date").describe("The start of the range."))
    .property(moment::property("end_date").describe("The end of the range."))
    .property(
        Property::bool("inclusive", true)
            .describe("Whether its start and its end belong to the range."),
    )
    .output("output", TypeDescriptor::bool())
    .compute(|p: IsDateInRange| {
        let date = moment::read(&p.check_date, "check_date")?;
        let start = moment::read(&p.start_date, "start_date")?;
        let end = moment::read(&p.end_date, "end_date")?;
        Ok(match p.inclusive {
            true => start <= date && date <= end,
            false => start < date && date < end,
        })
    })
}
