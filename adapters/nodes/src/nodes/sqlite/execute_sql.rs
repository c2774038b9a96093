use clawnode_workflows::{NodeContext, NodeType, Property, TypeDescriptor};
use serde::Deserialize;
use serde_json::{Value, json};

use super::database::{Database, Given};
use super::database_name;
use crate::access::Access;
use crate::blocking::unblock;

#[derive(Deserialize)]
struct ExecuteSql {
    database_name: String,
    sql: String,
    parameters: Vec<Value>,
}

pub(super) fn node(access: &Access) -> NodeType {
    let access = access.clone();
    NodeType::new(
        "lib.sqlite.ExecuteSQL",
        "Execute SQL",
        "Runs one SQL statement on a SQLite database.\nA query gives `rows` and their `count`, another statement `rows_affected` and \
         `last_row_id`. Binary values are given in hexadecimal digits.",
    )
    .property(database_name())
    .property(Property::str("sql", "").describe("The statement, with ? for each parameter."))
    .property(Property::list("parameters").describe("The values of the parameters."))
    .output("output", TypeDescriptor::dict())
    .process(move |p: ExecuteSql, _: NodeContext| {
        let access = access.clone();
        unblock(move |cancelled| {
            if p.sql.trim().is_empty() {
                return Err("the SQL is empty".into());
            }
            let database = Database::open(&access, &p.database_name, cancelled)?;
            Ok(match database.run(&p.sql, &p.parameters)? {
                Given::Rows(rows) => json!({"count": rows.len(), "rows": rows}),
                Given::Changed { rows, last_row_id } => {
                    json!({"rows_affected": rows, "last_row_id": last_row_id})
                }
            })
        })
    })
}
