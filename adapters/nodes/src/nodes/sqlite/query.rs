use clawnode_workflows::{NodeContext, NodeError, NodeType, Property, TypeDescriptor};
use serde::Deserialize;
use serde_json::{Value, json};

use super::database::{Database, Given};
use super::database_name;
use crate::access::Access;
use crate::blocking::unblock;

#[derive(Deserialize)]
struct Query {
    database_name: String,
    table_name: String,
    #[serde(rename = "where")]
    condition: String,
    columns: Value,
    order_by: String,
    limit: i64,
}

pub(super) fn node(access: &Access) -> NodeType {
    let access = access.clone();
    let every_column = json!({"type": "record_type", "columns": []});
    NodeType::new(
        "lib.sqlite.Query",
        "Query",
        "Gives the rows of a table of a SQLite database, each an object.",
    )
    .property(database_name())
    .property(Property::str("table_name", "").describe("The table.").required())
    .property(Property::str("where", "").describe("A condition in SQL, such as id = 1."))
    .property(
        Property::new("columns", TypeDescriptor::any(), every_column)
            .describe("The columns; without any, all."),
    )
    .property(Property::str("order_by", "").describe("An order in SQL, such as name DESC."))
    .property(Property::int("limit", 0).describe("The most rows; 0 for all."))
    .output("output", TypeDescriptor::list(TypeDescriptor::dict()))
    .process(move |p: Query, _: NodeContext| {
        let access = access.clone();
        unblock(move |cancelled| {
            let sql = statement(&p)?;
            let database = Database::open(&access, &p.database_name, cancelled)?;
            match database.run(&sql, &[])? {
                Given::Rows(rows) => Ok(rows.into_iter().map(Value::Object).collect::<Vec<_>>()),
                Given::Changed { .. } => Err("this is no query".into()),
            }
        })
    })
}

fn statement(p: &Query) -> Result<String, NodeError> {
    let columns = columns(&p.columns)?;
    let columns = match columns.as_slice() {
        [] => "*".to_owned(),
        names => names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
    };
    if p.table_name.trim().is_empty() {
        return Err("the name of the table is empty".into());
    }
    let mut sql = format!("SELECT {columns} FROM {}", quoted(&p.table_name));
    for (keyword, clause) in [("WHERE", &p.condition), ("ORDER BY", &p.order_by)] {
        if !clause.trim().is_empty() {
            sql += &format!(" {keyword} {clause}");
        }
    }
    if p.limit > 0 {
        sql += &format!(" LIMIT {}", p.limit);
    }
    Ok(sql)
}

/// The names of a record type, or of a plain list.
fn columns(given: &Value) -> Result<Vec<&str>, NodeError> {
    let list = match given {
        Value::Null => return Ok(Vec::new()),
        Value::Object(record) => record.get("columns").unwrap_or(&Value::Null),
        other => other,
    };
    let name = |column: &'_ Value| column.as_str().is_some() || column["name"].is_string();
    match list {
        Value::Null => Ok(Vec::new()),
        Value::Array(all) if all.iter().all(name) => Ok(all
            .iter()
            .filter_map(|column| column.as_str().or_else(|| column["name"].as_str()))
            .collect()),
        _ => Err("columns is no list of names".into()),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
