use crate::nodes::{
    date::{formats, moment},
    prelude::*,
};

#[derive(Deserialize)]
struct ParseDateTime {
    datetime_string: String,
    input_format: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.date.ParseDateTime",
        "Parse Date Time",
        "Reads a date with a time from a text; without one it is midnight.",
    )
    .property(Property::str("datetime_string", "").describe("The text."))
    .property(formats::property("input_format", "%Y-%m-%d").describe("How the date is written."))
    .output("output", moment::datetime_type())
    .compute(|p: ParseDateTime| {
        let parsed = formats::parse(&p.datetime_string, &p.input_format, "datetime_string")?;
        Ok(moment::datetime_value(&parsed))
    })
}
