//! `lib.sqlite.*`

mod database;
mod execute_sql;
mod query;

use clawnode_workflows::{NodeType, Property};

use crate::access::Access;

/// The node types of the group.
pub(crate) fn all(access: &Access) -> Vec<NodeType> {
    vec![execute_sql::node(access), query::node(access)]
}

fn database_name() -> Property {
    Property::str("database_name", "memory.db").describe("A database file in an allowed folder.")
}
