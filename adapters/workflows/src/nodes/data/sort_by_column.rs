use super::{
    dataframe::{Dataframe, kind, property},
    order::order,
};
use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct SortByColumn {
    df: Dataframe,
    column: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.data.SortByColumn",
        "Sort By Column",
        "Sorts the rows of a dataframe by a column: numbers by size, texts by their characters, \
         null last. Rows with the same value keep their order.",
    )
    .property(property("df"))
    .property(Property::str("column", "").describe("The name of the column."))
    .output("output", kind())
    .compute(|mut p: SortByColumn| {
        let place = p.df.place(&p.column)?;
        p.df.rows.sort_by(|a, b| order(&a[place], &b[place]));
        Ok(p.df)
    })
}
