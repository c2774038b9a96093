use std::io::ErrorKind;
use std::time::{Duration, Instant};

use cap_std::fs::OpenOptions;
use clawnode_workflows::NodeError;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Statement, ToSql, params_from_iter};
use serde_json::{Map, Number, Value};

use crate::access::Access;
use crate::blocking::Cancelled;
use crate::folders::Place;
use crate::limits::{Limits, shown_bytes};

/// A database in an allowed folder, open for one statement.
pub(super) struct Database {
    connection: Connection,
    limits: Limits,
    writable: bool,
}

/// What a statement gave.
pub(super) enum Given {
    Rows(Vec<Map<String, Value>>),
    Changed { rows: usize, last_row_id: i64 },
}

impl Database {
    /// Opens a database, for reading only unless more is allowed. One that is not there is made if it may be written.
    pub(super) fn open(
        access: &Access,
        name: &str,
        cancelled: Cancelled,
    ) -> Result<Self, NodeError> {
        let place = Place::find(access, name)?;
        let dir = place.dir()?;
        let writable = access.has_database_writes();
        match dir.metadata(&place.below) {
            Ok(found) if !found.is_file() => return Err(format!("{name:?} is no file").into()),
            Err(error) if error.kind() == ErrorKind::NotFound && writable => {
                dir.open_with(&place.below, OpenOptions::new().write(true).create_new(true))
                    .map_err(|error| place.error("be made", &error))?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(format!(
                    "there is no database {name:?}; allow that it is made with --allow-database-writes"
                )
                .into());
            }
            Ok(_) | Err(_) => {}
        }
        // A link that appears in the path from here on is refused by SQLite itself.
        let path = place.real()?;
        let mode = if writable {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        } else {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        };
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let unusable =
            |error: rusqlite::Error| NodeError::from(format!("{name:?} cannot be opened: {error}"));
        let mut connection = Connection::open_with_flags(path, flags).map_err(unusable)?;
        let limits = access.bounds().clone();
        confine(&mut connection, &limits, cancelled).map_err(unusable)?;
        Ok(Self { connection, limits, writable })
    }

    /// Runs one statement.
    pub(super) fn run(&self, sql: &str, parameters: &[Value]) -> Result<Given, NodeError> {
        let mut statement = self.connection.prepare(sql).map_err(|error| self.explain(&error))?;
        if !statement.readonly() && !self.writable {
            return Err(
                "the statement changes the database; allow that with --allow-database-writes"
                    .into(),
            );
        }
        let wanted = statement.parameter_count();
        if wanted != parameters.len() {
            let given = parameters.len();
            return Err(format!("the statement takes {wanted} parameters, not {given}").into());
        }
        let parameters = params_from_iter(parameters.iter().map(Parameter));
        if statement.column_count() == 0 {
            let rows = statement.execute(parameters).map_err(|error| self.explain(&error))?;
            let last_row_id = self.connection.last_insert_rowid();
            return Ok(Given::Changed { rows, last_row_id });
        }
        self.rows(&mut statement, parameters).map(Given::Rows)
    }

    fn rows(
        &self,
        statement: &mut Statement<'_>,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<Map<String, Value>>, NodeError> {
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query(parameters).map_err(|error| self.explain(&error))?;
        let (mut all, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(|error| self.explain(&error))? {
            if all.len() >= self.limits.rows {
                let most = self.limits.rows;
                return Err(
                    format!("there are more than {most} rows; ask for fewer with LIMIT").into()
                );
            }
            all.push(object(row, &names, &mut bytes).map_err(|error| self.explain(&error))?);
            if bytes > self.limits.row_bytes {
                let most = shown_bytes(self.limits.row_bytes);
                return Err(format!("the rows are larger than {most}; ask for fewer").into());
            }
        }
        Ok(all)
    }

    fn explain(&self, error: &rusqlite::Error) -> NodeError {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => {
                let most = self.limits.query_time.as_secs_f64();
                format!("the statement took longer than {most} s").into()
            }
            Some(ErrorCode::AuthorizationForStatementDenied) => {
                "the statement is not allowed: it may read and write rows and tables of this database, and no other files or settings"
                    .into()
            }
            _ => error.to_string().into(),
        }
    }
}

/// Bounds what statements can do: the time, the memory of a value, and no way to other files.
fn confine(
    connection: &mut Connection,
    limits: &Limits,
    cancelled: Cancelled,
) -> rusqlite::Result<()> {
    let (over, time) = (Instant::now(), limits.query_time);
    connection.busy_timeout(time.min(LONGEST_WAIT))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let largest = i32::try_from(limits.row_bytes).unwrap_or(i32::MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, largest)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.progress_handler(
        STEPS_BETWEEN_LOOKS,
        Some(move || cancelled.is_set() || over.elapsed() > time),
    )?;
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } | AuthAction::Unknown { .. } => {
            Authorization::Deny
        }
        AuthAction::Pragma { pragma_name, .. } if !PRAGMAS.contains(&pragma_name) => {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }))
}

fn object(
    row: &Row<'_>,
    names: &[String],
    bytes: &mut usize,
) -> rusqlite::Result<Map<String, Value>> {
    let mut object = Map::new();
    for (index, name) in names.iter().enumerate() {
        let value = match row.get_ref(index)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
            // As SQL's hex() shows it.
            ValueRef::Blob(blob) => {
                blob.iter().map(|byte| format!("{byte:02X}")).collect::<String>().into()
            }
        };
        *bytes += name.len() + value.as_str().map_or(8, str::len);
        object.insert(name.clone(), value);
    }
    Ok(object)
}

/// JSON as a value of SQL: what SQL has no type for is its JSON text.
struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Owned(SqlValue::Null),
            Value::Bool(flag) => i64::from(*flag).into(),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => whole.into(),
                (None, real) => real.unwrap_or_default().into(),
            },
            Value::String(text) => text.as_str().into(),
            other => other.to_string().into(),
        })
    }
}

/// Those that look at the database, and at nothing else.
const PRAGMAS: [&str; 15] = [
    "application_id",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "page_count",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;

/// The longest wait for a database that another program has locked, within the time of the query.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
