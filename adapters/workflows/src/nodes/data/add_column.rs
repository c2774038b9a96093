use super::dataframe::{Dataframe, kind, property};
use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct AddColumn {
    dataframe: Dataframe,
    column_name: String,
    values: Vec<Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.data.AddColumn",
        "Add Column",
        "Adds a column to a dataframe, or replaces the one of that name. There has to be one value \
         for each row; a dataframe without columns gets as many rows as there are values.",
    )
    .property(property("dataframe"))
    .property(Property::str("column_name", "").describe("The name of the column."))
    .property(Property::list("values").describe("The values, from the first row to the last."))
    .output("output", kind())
    .compute(|p: AddColumn| {
        let Dataframe { columns, mut rows } = p.dataframe;
        if p.column_name.is_empty() {
            return Err("the new column has no name; set column_name".into());
        }
        if columns.is_empty() && rows.is_empty() {
            rows = vec![Vec::new(); p.values.len()];
        }
        if rows.len() != p.values.len() {
            let (values, rows) = (p.values.len(), rows.len());
            return Err(format!(
                "there are {values} values for the {rows} rows of the dataframe; give as many"
            )
            .into());
        }
        let place = columns.iter().position(|column| column.name == p.column_name);
        for (row, value) in rows.iter_mut().zip(p.values) {
            match place {
                Some(place) => row[place] = value,
                None => row.push(value),
            }
        }
        let at = place.unwrap_or(columns.len());
        let mut names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        if place.is_none() {
            names.push(p.column_name);
        }
        let mut table = Dataframe::inferred(names, rows)?;
        for (kept, column) in table.columns.iter_mut().zip(columns).enumerate() {
            if kept != at {
                *column.0 = column.1;
            }
        }
        Ok(table)
    })
}
