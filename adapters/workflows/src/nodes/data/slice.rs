use super::dataframe::{Dataframe, kind, property};
use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Slice {
    dataframe: Dataframe,
    start_index: i64,
    end_index: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.data.Slice",
        "Slice",
        "Keeps the rows of a dataframe from one place to before another.",
    )
    .property(property("dataframe"))
    .property(
        Property::int("start_index", 0)
            .describe("The first row, from 0; less than 0 counts from the end."),
    )
    .property(
        Property::int("end_index", -1)
            .describe("The row to stop before; -1 for all, less than that counts from the end."),
    )
    .output("output", kind())
    .compute(|mut p: Slice| {
        let count = p.dataframe.rows.len();
        let place = |index: i64| match usize::try_from(index) {
            Ok(index) => index.min(count),
            Err(_) => count.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(count)),
        };
        let end = if p.end_index == -1 { count } else { place(p.end_index) };
        p.dataframe.rows.truncate(end);
        p.dataframe.rows.drain(..place(p.start_index).min(end));
        Ok(p.dataframe)
    })
}
