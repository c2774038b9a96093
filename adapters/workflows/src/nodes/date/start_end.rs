use jiff::civil::Weekday;

use crate::nodes::{
    date::{moment, period::period, units},
    prelude::*,
};

#[derive(Deserialize)]
struct StartEnd {
    date: Value,
    unit: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.datetime.StartEnd",
        "Start / End of Period",
        "Gives the start and the end of the period that a date lies in. A week starts on Sunday.",
    )
    .property(moment::property("date").describe("The date."))
    .property(units::property().describe("The period."))
    .output("start_iso", TypeDescriptor::str())
    .output("end_iso", TypeDescriptor::str())
    .output("start", moment::datetime_type())
    .output("end", moment::datetime_type())
    .compute(|p: StartEnd| {
        let moment = moment::read(&p.date, "date")?;
        let (start, end) = match p.unit.as_str() {
            "millisecond" => (moment.clone(), moment),
            unit => period(&moment, units::unit(unit), Weekday::Sunday)?,
        };
        Ok(Outputs::new()
            .with("start_iso", moment::iso(&start))
            .with("end_iso", moment::iso(&end))
            .with("start", moment::datetime_value(&start))
            .with("end", moment::datetime_value(&end)))
    })
}
