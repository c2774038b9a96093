//! The tables, as they came to be.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;

/// Brings the database to the newest format, one step and transaction at a time.
pub(crate) fn migrate(
    connection: &mut Connection,
    data_dir: &Path,
    path: &Path,
) -> Result<(), StoreError> {
    let found = version(connection, data_dir, path)?;
    for (version, step) in (1_u32..).zip(STEPS).skip(found as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Whether the database has the format that this version reads.
pub(crate) fn is_current(
    connection: &Connection,
    data_dir: &Path,
    path: &Path,
) -> Result<bool, StoreError> {
    Ok(version(connection, data_dir, path)? == known())
}

fn version(connection: &Connection, data_dir: &Path, path: &Path) -> Result<u32, StoreError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = match pragma("application_id") {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Err(StoreError::NotAStore { path: path.to_owned() });
        }
        application => application?,
    };
    let empty: bool =
        connection
            .query_one("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if application != APPLICATION_ID && !(application == 0 && empty) {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    let found = u32::try_from(pragma("user_version")?).unwrap_or(u32::MAX);
    if found > known() {
        let data_dir = data_dir.to_owned();
        return Err(StoreError::Newer { data_dir, found, known: known() });
    }
    Ok(found)
}

fn known() -> u32 {
    STEPS.len().try_into().unwrap_or(u32::MAX)
}

/// `claw`, by which the database is known from those of other programs.
const APPLICATION_ID: i64 = 0x636c_6177;

/// The steps from an empty database to the newest format. A step that was released is never changed.
const STEPS: &[&str] = &[
    include_str!("migrations/01_workflows_and_jobs.sql"),
    include_str!("migrations/02_assets_and_collections.sql"),
    include_str!("migrations/03_results.sql"),
    include_str!("migrations/04_models.sql"),
    include_str!("migrations/05_sizes.sql"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::history::tests::added_up;

    fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
        super::migrate(connection, Path::new("data"), Path::new("data/store.db"))
    }

    #[test]
    fn a_database_of_each_older_format_is_brought_to_the_newest() {
        for start in 0..known() {
            let mut connection = Connection::open_in_memory().unwrap();
            for step in &STEPS[..start as usize] {
                connection.execute_batch(step).unwrap();
            }
            if start > 0 {
                connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
                connection.pragma_update(None, "user_version", start).unwrap();
            }
            migrate(&mut connection).unwrap();
            migrate(&mut connection).unwrap();
            let found: u32 =
                connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(found, known());
        }
    }

    #[test]
    fn the_jobs_of_an_older_format_get_their_sizes() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in &STEPS[..4] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection.pragma_update(None, "user_version", 4).unwrap();
        let jobs = "INSERT INTO jobs (place, id, user_id, job_type, status, workflow_id, params,
                                      created_at, error, result) VALUES
                (3, 'bare', '1', 'workflow', 'running', NULL, '{}', 'x', NULL, NULL),
                (7, 'büsy', '1', 'workflow', 'failed', 'w', '{\"é\": 1}', 'x', 'nö', '{\"à\": []}');
            INSERT INTO job_logs VALUES
                (7, 4, 't', 'INFO', 'l', 'mëssage', '', '', 0, NULL),
                (7, 5, 't', 'INFO', 'l', 'message', 'm', 'f', 0, 'ëxc');
            INSERT INTO run_events VALUES
                (7, 9, 'NodeStarted', 't', NULL, '{}'), (7, 10, 'NodeStarted', 't', 'ñ', '\"é\"')";
        connection.execute_batch(jobs).unwrap();
        migrate(&mut connection).unwrap();
        let mut sizes = connection.prepare("SELECT job, bytes FROM job_sizes").unwrap();
        let sizes = sizes.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let sizes: BTreeMap<i64, i64> = sizes.collect::<Result<_, _>>().unwrap();
        assert_eq!(sizes, added_up(&connection));
        assert_eq!(sizes[&3], 256 + 4 + 1 + 8 + 2);
    }

    #[test]
    fn every_table_is_strict() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let sql = "SELECT count(*), count(*) FILTER (WHERE NOT strict) FROM pragma_table_list
                   WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'";
        let (all, lax): (u32, u32) =
            connection.query_one(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert!(all >= 4);
        assert_eq!(lax, 0);
    }

    #[test]
    fn a_newer_database_and_somebody_elses_are_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", known() + 1).unwrap();
        let error = migrate(&mut connection).unwrap_err();
        assert!(matches!(&error, StoreError::Newer { found, .. } if *found == known() + 1));
        assert!(error.to_string().contains("newer version"), "{error}");

        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(migrate(&mut connection), Err(StoreError::NotAStore { .. })));
    }
}
