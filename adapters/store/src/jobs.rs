//! Jobs: one row for each run, from its start to its end.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Store;
use crate::error::{StoreError, named};
use crate::history::{Inserted, Transaction};
use crate::limits::{MOST_JOBS, MOST_RESULT_BYTES};
use crate::page::{List, Page, Query, Window};
use crate::records::{EventRow, Level, LogRow, Record};
use crate::time::now;

/// Where a job is (protocol page 1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum JobStatus {
    /// Made, and not begun.
    Scheduled,
    /// Under way.
    Running,
    /// Waits for something outside.
    Suspended,
    /// Held by somebody.
    Paused,
    /// Goes on after a break.
    Recovering,
    /// Ended as it should.
    Completed,
    /// Ended with an error.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
}

impl JobStatus {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Running,
        Self::Suspended,
        Self::Paused,
        Self::Recovering,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Paused => "paused",
            Self::Recovering => "recovering",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// A text is the name of no [`JobStatus`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no status of a job")]
pub struct UnknownStatus(String);

/// A job to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Unique among the jobs of all users.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// What kind; `workflow` for a run.
    pub job_type: String,
    /// The workflow that runs, unless it is a graph without one.
    pub workflow_id: Option<String>,
    /// What it runs with.
    pub params: Map<String, Value>,
}

impl NewJob {
    /// A run of a graph without parameters.
    pub fn new(id: impl Into<String>, user_id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            user_id: user_id.into(),
            job_type: "workflow".to_owned(),
            workflow_id: None,
            params: Map::new(),
        }
    }

    fn checked(self) -> Result<Self, StoreError> {
        named("the id of a job", &self.id)?;
        named("the user of a job", &self.user_id)?;
        Ok(self)
    }
}

/// A job as it is now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// What kind.
    pub job_type: String,
    /// Where it is.
    pub status: JobStatus,
    /// The workflow that runs.
    pub workflow_id: Option<String>,
    /// When it was made; all times are RFC 3339 in UTC.
    pub created_at: String,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// What it cost, in the currency of whoever was paid.
    pub cost: Option<f64>,
    /// Whether somebody asked for its end, see [`Store::request_cancel`].
    pub cancel_requested: bool,
}

impl Store {
    /// Makes a job, which is [`JobStatus::Scheduled`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`] when there is a job with that id, of whatever user; [`StoreError::Empty`] without an id or a user;
    /// when the database fails.
    pub fn create_job(&self, job: NewJob) -> Result<(), StoreError> {
        let job = job.checked()?;
        self.write(move |connection| insert(connection, job, JobStatus::Scheduled))
    }

    /// Makes a job that is [`JobStatus::Running`]. Costs no `fsync`, so that it delays a short run as little as possible: see
    /// [the crate](crate#what-lasts).
    ///
    /// # Errors
    ///
    /// As [`create_job`](Self::create_job).
    pub fn begin_job(&self, job: NewJob) -> Result<(), StoreError> {
        let job = job.checked()?;
        self.write_lightly(move |connection| insert(connection, job, JobStatus::Running))
    }

    /// Says that a job is under way; without effect after its end. Costs no `fsync`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such job; when the database fails.
    pub fn start_job(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write_lightly(move |connection| {
            let sql = "UPDATE jobs SET status = 'running', started_at = coalesce(started_at, ?2)
                       WHERE id = ?1 AND finished_at IS NULL";
            let changed = connection.prepare_cached(sql)?.execute(params![id, now()])?;
            if changed == 0 { exists(connection, id) } else { Ok(()) }
        })
    }

    /// Ends a job. The first end counts: returns whether this was it. Costs no `fsync`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFinal`] for a status that is no end; [`StoreError::NotFound`] when there is no such job; when the database
    /// fails.
    pub fn finish_job(
        &self,
        id: &str,
        status: JobStatus,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.end_job(id, status, error, None)
    }

    /// As [`finish_job`](Self::finish_job), with what the job gave: its outputs, by name. Of a result of more than
    /// [`MOST_RESULT_BYTES`] only the size is kept, as `{"too_large": BYTES}`, and the job's log says so.
    ///
    /// # Errors
    ///
    /// As [`finish_job`](Self::finish_job).
    pub fn finish_job_with_result(
        &self,
        id: &str,
        status: JobStatus,
        error: Option<&str>,
        result: &Map<String, Value>,
    ) -> Result<bool, StoreError> {
        let mut result = serde_json::to_string(result)?;
        let size = result.len();
        if size > MOST_RESULT_BYTES {
            result = json!({ "too_large": size }).to_string();
        }
        let ended = self.end_job(id, status, error, Some(result))?;
        if ended && size > MOST_RESULT_BYTES {
            let message = format!(
                "the result is not kept: it has {size} bytes, and at most {MOST_RESULT_BYTES} are kept"
            );
            self.log(id, LogRow::new(Level::Warning, message));
        }
        Ok(ended)
    }

    /// A job of a user, if there is one with that id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn job(&self, user: &str, id: &str) -> Result<Option<Job>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1 AND user_id = ?2");
            let mut query = connection.prepare_cached(&sql)?;
            let found = query.query_one([id, user], job).optional()?;
            Ok(found.map(|(_, job)| job))
        })
    }

    /// What a job of a user was made with, if there is one with that id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn job_params(
        &self,
        user: &str,
        id: &str,
    ) -> Result<Option<Map<String, Value>>, StoreError> {
        let text: Option<String> = self.read(|connection| {
            let sql = "SELECT params FROM jobs WHERE id = ?1 AND user_id = ?2";
            let mut query = connection.prepare_cached(sql)?;
            Ok(query.query_one([id, user], |row| row.get(0)).optional()?)
        })?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// What a job of a user gave, see [`finish_job_with_result`](Self::finish_job_with_result). None while it has not ended, when it
    /// gave nothing, and when there is no such job.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn job_result(&self, user: &str, id: &str) -> Result<Option<Value>, StoreError> {
        let text: Option<Option<String>> = self.read(|connection| {
            let sql = "SELECT result FROM jobs WHERE id = ?1 AND user_id = ?2";
            let mut query = connection.prepare_cached(sql)?;
            Ok(query.query_one([id, user], |row| row.get(0)).optional()?)
        })?;
        Ok(text.flatten().map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// The jobs of a user, of one workflow or of all. The text of the query is not looked for.
    ///
    /// # Errors
    ///
    /// [`StoreError::Limit`] and [`StoreError::Cursor`] for a query that cannot be answered; when the database fails.
    pub fn jobs(
        &self,
        user: &str,
        workflow_id: Option<&str>,
        query: &Query,
    ) -> Result<Page<Job>, StoreError> {
        let window = Window::of(List::Jobs, query.limit, query.start.as_deref())?;
        let of_workflow =
            if workflow_id.is_some() { "AND workflow_id = ?4" } else { "AND ?4 IS NULL" };
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs WHERE user_id = ?1 AND place < ?2 {of_workflow}
             ORDER BY place DESC LIMIT ?3"
        );
        self.read(|connection| {
            let mut rows = connection.prepare_cached(&sql)?;
            let values = params![user, window.before, window.wanted(), workflow_id];
            let found = rows.query_map(values, job)?.collect::<Result<Vec<_>, _>>()?;
            Ok(window.page(found))
        })
    }

    /// Asks whoever runs a job of a user to cancel it, and returns the job; one that has ended stays as it is.
    ///
    /// This works from any process, also with a store that is open for reading only: the process that runs the job looks for
    /// such requests, see [`cancel_requests`](Self::cancel_requests).
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user has no such job; when the database fails.
    pub fn request_cancel(&self, user: &str, id: &str) -> Result<Job, StoreError> {
        let values = [id.to_owned(), user.to_owned()];
        self.write_from_anywhere(move |connection| {
            let sql = "UPDATE jobs SET cancel_requested = 1
                       WHERE id = ?1 AND user_id = ?2 AND finished_at IS NULL";
            connection.prepare_cached(sql)?.execute(values)?;
            Ok(())
        })?;
        let found = self.job(user, id)?;
        found.ok_or_else(|| StoreError::NotFound { what: "job", id: id.to_owned() })
    }

    /// The jobs that were asked to be cancelled and have not ended. Cheap enough to be called every second.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn cancel_requests(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT id FROM jobs WHERE finished_at IS NULL AND cancel_requested = 1";
            let mut rows = connection.prepare_cached(sql)?;
            Ok(rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
    }

    fn end_job(
        &self,
        id: &str,
        status: JobStatus,
        error: Option<&str>,
        result: Option<String>,
    ) -> Result<bool, StoreError> {
        if !status.is_final() {
            return Err(StoreError::NotFinal(status));
        }
        let (id, error) = (id.to_owned(), error.map(str::to_owned));
        self.write_lightly(move |connection| {
            let changed = finish(connection, &id, status, error.as_deref(), result.as_deref())?;
            if changed { Ok(true) } else { exists(connection, id).map(|()| false) }
        })
    }
}

/// Ends what the process that held the store before left unfinished, and says so. Returns the jobs.
pub(crate) fn fail_interrupted(transaction: &Transaction<'_>) -> Result<Vec<String>, StoreError> {
    let mut left =
        transaction.prepare("SELECT id FROM jobs WHERE finished_at IS NULL ORDER BY place")?;
    let left = left.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let mut inserted = Inserted::default();
    for id in &left {
        finish(transaction, id, JobStatus::Failed, Some(INTERRUPTED), None)?;
        let log = LogRow::new(Level::Error, INTERRUPTED);
        Record::log(log).insert(transaction, id, &mut inserted)?;
        let event = EventRow::new("RunFailed").with(json!({ "error": INTERRUPTED }));
        Record::event(event).insert(transaction, id, &mut inserted)?;
    }
    inserted.book(transaction)?;
    Ok(left)
}

fn insert(transaction: &Transaction<'_>, job: NewJob, status: JobStatus) -> Result<(), StoreError> {
    let NewJob { id, user_id, job_type, workflow_id, params } = job;
    let params = Value::Object(params).to_string();
    let created_at = now();
    let started_at = (status == JobStatus::Running).then_some(&created_at);
    let sql = "INSERT INTO jobs
                   (id, user_id, job_type, status, workflow_id, params, created_at, started_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING
               RETURNING place, row_bytes";
    let status = status.as_str();
    let values =
        params![id, user_id, job_type, status, workflow_id, params, created_at, started_at];
    let inserted = transaction
        .prepare_cached(sql)?
        .query_one(values, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((place, bytes)) = inserted else {
        return Err(StoreError::Exists { what: "job", id });
    };
    transaction.add_job(place, bytes)?;
    if place % PRUNE_EVERY == 0 {
        prune(transaction, MOST_JOBS)?;
    }
    Ok(())
}

/// Removes ended jobs beyond the newest `most`.
pub(crate) fn prune(transaction: &Transaction<'_>, most: u32) -> Result<(), StoreError> {
    let sql = "SELECT place FROM jobs ORDER BY place DESC LIMIT 1 OFFSET ?1";
    let last = transaction.prepare_cached(sql)?.query_one([most], |row| row.get(0)).optional()?;
    if let Some(last) = last {
        transaction.remove_ended_jobs(last)?;
    }
    Ok(())
}

fn finish(
    transaction: &Transaction<'_>,
    id: &str,
    status: JobStatus,
    error: Option<&str>,
    result: Option<&str>,
) -> Result<bool, StoreError> {
    let sql = "UPDATE jobs SET status = ?2, error = ?3, finished_at = ?4, result = ?5
               WHERE id = ?1 AND finished_at IS NULL RETURNING place";
    let values = params![id, status.as_str(), error, now(), result];
    let finished =
        transaction.prepare_cached(sql)?.query_one(values, |row| row.get(0)).optional()?;
    let Some(place) = finished else {
        return Ok(false);
    };
    let more: usize = [error, result].into_iter().flatten().map(str::len).sum();
    transaction.resize_job(place, more as i64)?;
    Ok(true)
}

fn exists(connection: &Connection, id: String) -> Result<(), StoreError> {
    let found = connection.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?.exists([&id])?;
    if found { Ok(()) } else { Err(StoreError::NotFound { what: "job", id }) }
}

fn job(row: &Row<'_>) -> Result<(i64, Job), rusqlite::Error> {
    let status: String = row.get(4)?;
    let job = Job {
        id: row.get(1)?,
        user_id: row.get(2)?,
        job_type: row.get(3)?,
        status: status.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                4,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })?,
        workflow_id: row.get(5)?,
        created_at: row.get(6)?,
        started_at: row.get(7)?,
        finished_at: row.get(8)?,
        error: row.get(9)?,
        cost: row.get(10)?,
        cancel_requested: row.get(11)?,
    };
    Ok((row.get(0)?, job))
}

const COLUMNS: &str = "place, id, user_id, job_type, status, workflow_id, created_at, started_at, \
                       finished_at, error, cost, cancel_requested";
const INTERRUPTED: &str = "the node ended while the job ran";
/// Jobs made between two looks for those that are too many.
const PRUNE_EVERY: i64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_jobs_beyond_the_bound_go_and_others_stay() {
        let store = Store::in_memory().unwrap();
        for id in ["running", "a", "b", "c"] {
            store.create_job(NewJob::new(id, "1")).unwrap();
            store.log(id, LogRow::new(Level::Info, "x"));
        }
        for id in ["a", "b", "c"] {
            store.finish_job(id, JobStatus::Completed, None).unwrap();
        }
        let left = |most| {
            store.write(move |connection| prune(connection, most)).unwrap();
            let jobs = store.jobs("1", None, &Query::default()).unwrap().rows;
            jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
        };
        assert_eq!(left(3), ["c", "b", "a", "running"]);
        assert_eq!(left(2), ["c", "b", "running"]);
    }
}
