use std::collections::HashSet;

use super::dataframe::{Dataframe, kind, property};
use crate::nodes::{equality::identity, prelude::*};

#[derive(Deserialize)]
struct DropDuplicates {
    df: Dataframe,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.data.DropDuplicates",
        "Drop Duplicates",
        "Keeps the first of the rows of a dataframe that are the same in all columns.",
    )
    .property(property("df"))
    .output("output", kind())
    .compute(|mut p: DropDuplicates| {
        let mut seen = HashSet::new();
        p.df.rows.retain(|row| seen.insert(row.iter().map(identity).collect::<Vec<_>>()));
        Ok(p.df)
    })
}
