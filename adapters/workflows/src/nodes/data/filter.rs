use super::{
    condition::Condition,
    dataframe::{Dataframe, kind, property},
};
use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Filter {
    df: Dataframe,
    condition: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.data.Filter",
        "Filter",
        "Keeps the rows of a dataframe that meet a condition, for example: age > 30 and \
         status in ['Active', 'Pending'], or: not (100 <= price <= 200). Nothing is greater or \
         less than null.",
    )
    .property(property("df"))
    .property(Property::str("condition", "").describe(
        "Names of columns (`in backticks` if they have other characters than letters, digits \
             and _), numbers, texts in quotes, true, false, null, lists; ==, !=, <, <=, >, >=, in, \
             not in; and, or, not, parentheses. Empty for all rows.",
    ))
    .output("output", kind())
    .compute(|mut p: Filter| {
        if p.condition.trim().is_empty() {
            return Ok(p.df);
        }
        let condition = Condition::parse(&p.condition, |name| p.df.place(name))?;
        let mut kept = Vec::new();
        for (number, row) in std::mem::take(&mut p.df.rows).into_iter().enumerate() {
            if condition.holds(&row).map_err(|why| format!("row {}: {why}", number + 1))? {
                kept.push(row);
            }
        }
        p.df.rows = kept;
        Ok(p.df)
    })
}
