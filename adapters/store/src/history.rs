//! How many bytes the jobs hold, and the bounds of that.
//!
//! The table `job_sizes` has the bytes of each job, and changes in the transaction that changes the job. Their sum is known to the
//! writing thread, so that no write has to add it up.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Deref;

use rusqlite::{Connection, Row};

use crate::limits::{MOST_EVENTS, MOST_HISTORY_BYTES, MOST_LOGS};

/// How much of the jobs is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) logs_of_a_job: i64,
    pub(crate) events_of_a_job: i64,
    pub(crate) bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { logs_of_a_job: MOST_LOGS, events_of_a_job: MOST_EVENTS, bytes: MOST_HISTORY_BYTES }
    }
}

/// What the jobs hold, between two transactions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct History {
    pub(crate) bytes: u64,
    bounds: Bounds,
}

impl History {
    pub(crate) fn read(connection: &Connection, bounds: Bounds) -> Result<Self, rusqlite::Error> {
        let sql = "SELECT coalesce(sum(bytes), 0) FROM job_sizes";
        Ok(Self { bytes: connection.query_one(sql, [], |row| row.get(0))?, bounds })
    }
}

/// A transaction under way, and what the jobs hold in it.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    connection: &'a Connection,
    history: Cell<History>,
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(connection: &'a Connection, history: History) -> Self {
        Self { connection, history: Cell::new(history) }
    }

    /// What the jobs hold once this is committed.
    pub(crate) fn history(&self) -> History {
        self.history.get()
    }

    /// Forgets what was undone since [`history`](Self::history) said `earlier`.
    pub(crate) fn back_to(&self, earlier: History) {
        self.history.set(earlier);
    }

    /// Books a job that was made, of `bytes`.
    pub(crate) fn add_job(&self, job: i64, bytes: i64) -> Result<(), rusqlite::Error> {
        let sql = "INSERT INTO job_sizes (job, bytes) VALUES (?1, ?2)";
        self.prepare_cached(sql)?.execute([job, bytes])?;
        self.change(bytes);
        Ok(())
    }

    /// Books that a job, if it is still there, holds more bytes than before, or fewer.
    pub(crate) fn resize_job(&self, job: i64, by: i64) -> Result<(), rusqlite::Error> {
        let sql = "UPDATE job_sizes SET bytes = bytes + ?2 WHERE job = ?1";
        if by != 0 && self.prepare_cached(sql)?.execute([job, by])? > 0 {
            self.change(by);
        }
        Ok(())
    }

    /// Removes the ended ones of the jobs up to the place `last`, with all that is theirs.
    pub(crate) fn remove_ended_jobs(&self, last: i64) -> Result<(), rusqlite::Error> {
        let sizes = format!("DELETE FROM job_sizes WHERE job <= ?1 AND {ENDED} RETURNING bytes");
        self.change(-sum_of(self, &sizes, [last])?);
        let jobs = "DELETE FROM jobs WHERE place <= ?1 AND finished_at IS NOT NULL";
        self.prepare_cached(jobs)?.execute([last])?;
        Ok(())
    }

    /// Removes the oldest ended jobs while all jobs hold more bytes than their bound.
    pub(crate) fn prune(&self) -> Result<(), rusqlite::Error> {
        let History { bytes, bounds } = self.history();
        let mut excess = bytes.saturating_sub(bounds.bytes);
        if excess == 0 {
            return Ok(());
        }
        let sql = format!("SELECT job, bytes FROM job_sizes WHERE {ENDED} ORDER BY job");
        let mut ended = self.prepare_cached(&sql)?;
        let mut ended = ended.query([])?;
        let mut last = None;
        while excess > 0
            && let Some(row) = ended.next()?
        {
            last = Some(row.get(0)?);
            excess = excess.saturating_sub(row.get(1)?);
        }
        drop(ended);
        last.map_or(Ok(()), |last| self.remove_ended_jobs(last))
    }

    fn change(&self, by: i64) {
        let History { bytes, bounds } = self.history();
        self.history.set(History { bytes: bytes.saturating_add_signed(by), bounds });
    }
}

/// The index of unfinished jobs says it without reading a row of `jobs`, which may be long.
const ENDED: &str = "job NOT IN (SELECT place FROM jobs WHERE finished_at IS NULL)";

/// Logs and events that a transaction has inserted: each job is trimmed and booked once for all of them.
#[derive(Debug, Default)]
pub(crate) struct Inserted(BTreeMap<i64, OfAJob>);

#[derive(Debug, Default)]
struct OfAJob {
    bytes: i64,
    last_log: i64,
    last_event: i64,
}

impl Inserted {
    /// Takes `job`, `seq` and `row_bytes` of a new row of `job_logs`.
    pub(crate) fn log(&mut self, row: &Row<'_>) -> Result<(), rusqlite::Error> {
        self.of_its_job(row)?.last_log = row.get(1)?;
        Ok(())
    }

    /// Takes `job`, `seq` and `row_bytes` of a new row of `run_events`.
    pub(crate) fn event(&mut self, row: &Row<'_>) -> Result<(), rusqlite::Error> {
        self.of_its_job(row)?.last_event = row.get(1)?;
        Ok(())
    }

    pub(crate) fn book(self, transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
        let bounds = transaction.history().bounds;
        for (job, OfAJob { bytes, last_log, last_event }) in self.0 {
            let logs = trim(transaction, "job_logs", job, last_log - bounds.logs_of_a_job)?;
            let events = trim(transaction, "run_events", job, last_event - bounds.events_of_a_job)?;
            transaction.resize_job(job, bytes - logs - events)?;
        }
        Ok(())
    }

    fn of_its_job(&mut self, row: &Row<'_>) -> Result<&mut OfAJob, rusqlite::Error> {
        let of_its_job = self.0.entry(row.get(0)?).or_default();
        of_its_job.bytes += row.get::<_, i64>(2)?;
        Ok(of_its_job)
    }
}

/// Removes rows of a job up to the number `last`, and returns their bytes.
fn trim(connection: &Connection, table: &str, job: i64, last: i64) -> Result<i64, rusqlite::Error> {
    if last <= 0 {
        return Ok(0);
    }
    let sql = format!("DELETE FROM {table} WHERE job = ?1 AND seq <= ?2 RETURNING row_bytes");
    sum_of(connection, &sql, [job, last])
}

/// The sum of what a statement gives.
fn sum_of(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<i64, rusqlite::Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let numbers = statement.query_map(values, |row| row.get::<_, i64>(0))?;
    numbers.sum()
}
