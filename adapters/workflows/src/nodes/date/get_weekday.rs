use crate::nodes::{date::moment, prelude::*};

#[derive(Deserialize)]
struct GetWeekday {
    input_datetime: Value,
    as_name: bool,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("lib.date.GetWeekday", "Get Weekday", "Gives the weekday of a date.")
        .property(moment::property("input_datetime").describe("The date."))
        .property(
            Property::bool("as_name", true)
                .describe("Whether its name is given, or its number from Monday, which is 0."),
        )
        .output("output", TypeDescriptor::union(vec![TypeDescriptor::str(), TypeDescriptor::int()]))
        .compute(|p: GetWeekday| {
            let moment = moment::read(&p.input_datetime, "input_datetime")?;
            Ok(match p.as_name {
                true => Value::from(moment.strftime("%A").to_string()),
                false => Value::from(moment.weekday().to_monday_zero_offset()),
            })
        })
}
