use crate::nodes::{
    date::{moment, units},
    prelude::*,
};

#[derive(Deserialize)]
struct Add {
    date: Value,
    amount: i64,
    unit: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.datetime.Add",
        "Add / Subtract Time",
        "Gives the date some time after another one, or before it. In a month that is too short \
         it is the last day.",
    )
    .property(moment::property("date").describe("The date to start from."))
    .property(Property::int("amount", 0).describe("How much to add; negative goes back."))
    .property(units::property().describe("What the amount counts."))
    .output("iso", TypeDescriptor::str())
    .output("epoch_ms", TypeDescriptor::int())
    .output("date", moment::datetime_type())
    .compute(|p: Add| {
        let moment = moment::read(&p.date, "date")?;
        let moment = units::add(&moment, p.amount, units::unit(&p.unit))?;
        Ok(moment::with_text(Outputs::new(), &moment).with("date", moment::datetime_value(&moment)))
    })
}
