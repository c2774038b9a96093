use super::dataframe::{Dataframe, kind, property};
use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct SelectColumn {
    dataframe: Dataframe,
    columns: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.data.SelectColumn",
        "Select Column",
        "Keeps some columns of a dataframe, in the order in which they are named.",
    )
    .property(property("dataframe"))
    .property(
        Property::str("columns", "")
            .describe("The names, with commas in between; empty for all columns."),
    )
    .output("output", kind())
    .compute(|p: SelectColumn| {
        let places = p.dataframe.places(&p.columns)?;
        if places.is_empty() {
            return Ok(p.dataframe);
        }
        let take = |mut row: Vec<Value>| places.iter().map(|&at| row[at].take()).collect();
        Ok(Dataframe {
            columns: places.iter().map(|&at| p.dataframe.columns[at].clone()).collect(),
            rows: p.dataframe.rows.into_iter().map(take).collect(),
        })
    })
}
