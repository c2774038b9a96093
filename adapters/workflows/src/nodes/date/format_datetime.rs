use crate::nodes::{
    date::{formats, moment},
    prelude::*,
};

#[derive(Deserialize)]
struct FormatDateTime {
    input_datetime: Value,
    output_format: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("lib.date.FormatDateTime", "Format Date Time", "Writes a date as text.")
        .property(moment::property("input_datetime").describe("The date."))
        .property(
            formats::property("output_format", "%B %d, %Y").describe("How the date is written."),
        )
        .output("output", TypeDescriptor::str())
        .compute(|p: FormatDateTime| {
            let moment = moment::read(&p.input_datetime, "input_datetime")?;
            Ok(moment.strftime(&p.output_format).to_string())
        })
}
