use crate::nodes::{
    date::{formats, moment},
    prelude::*,
};

#[derive(Deserialize)]
struct ParseDate {
    date_string: String,
    input_format: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("lib.date.ParseDate", "Parse Date", "Reads a date from a text.")
        .property(Property::str("date_string", "").describe("The text."))
        .property(
            formats::property("input_format", "%Y-%m-%d").describe("How the date is written."),
        )
        .output("output", moment::date_type())
        .compute(|p: ParseDate| {
            let parsed = formats::parse(&p.date_string, &p.input_format, "date_string")?;
            Ok(moment::date_value(parsed.date()))
        })
}
