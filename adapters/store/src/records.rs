//! What a run leaves while it goes on: logs and events.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Store;
use crate::error::StoreError;
use crate::history::Inserted;
use crate::limits::{MOST_EVENT_BYTES, MOST_LOG_BYTES};
use crate::page::{List, Window};
use crate::time::now;

/// How grave a log row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// As it should be.
    Info,
    /// Probably not as it should be.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    /// The name in a log row, such as `WARNING`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// One row of a job's log (protocol page 1.2, `get_job_logs`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LogRow {
    /// When, RFC 3339 in UTC.
    pub timestamp: String,
    /// How grave.
    pub level: Level,
    /// Who says so.
    pub logger: String,
    /// What happened.
    pub message: String,
    /// The module it happened in; mostly empty.
    pub module: String,
    /// The function it happened in; mostly empty.
    pub function: String,
    /// The line it happened in; mostly 0.
    pub line: u32,
    /// The error that caused it.
    pub exc_info: Option<String>,
}

impl LogRow {
    /// A row of now.
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        Self {
            timestamp: now(),
            level,
            logger: "clawnode".to_owned(),
            message: message.into(),
            module: String::new(),
            function: String::new(),
            line: 0,
            exc_info: None,
        }
    }
}

/// One event of a run, to be kept (protocol page 1.6).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EventRow {
    /// Such as `NodeStarted`.
    pub event_type: String,
    /// The node it is about.
    pub node_id: Option<String>,
    /// What else there is to say.
    pub payload: Value,
}

impl EventRow {
    /// An event that is about the whole run and says no more.
    pub fn new(event_type: impl Into<String>) -> Self {
        Self { event_type: event_type.into(), node_id: None, payload: json!({}) }
    }

    /// The event about the node `id`.
    #[must_use]
    pub fn of_node(mut self, id: impl Into<String>) -> Self {
        self.node_id = Some(id.into());
        self
    }

    /// The event with this payload.
    #[must_use]
    pub fn with(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }
}

/// One event of a run as it is kept (protocol page 1.6).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StoredEvent {
    /// The job's id and this event's number.
    pub id: String,
    /// The job.
    pub run_id: String,
    /// Its number in the run, from 1.
    pub seq: i64,
    /// Such as `NodeStarted`.
    pub event_type: String,
    /// When, RFC 3339 in UTC.
    pub event_time: String,
    /// The node it is about.
    pub node_id: Option<String>,
    /// What else there is to say.
    pub payload: Value,
}

impl Store {
    /// Adds a row to a job's log, and drops the oldest beyond [`MOST_LOGS`](crate::limits::MOST_LOGS). Never waits: see [the crate](crate#what-lasts) for
    /// when it is written. A row for a job that there is not goes nowhere, and so does every row of a store that is open for
    /// reading only.
    pub fn log(&self, job_id: &str, row: LogRow) {
        self.record(job_id, Record::log(row));
    }

    /// Keeps an event of a run, and drops the oldest beyond [`MOST_EVENTS`](crate::limits::MOST_EVENTS). Never waits, as [`log`](Self::log).
    pub fn event(&self, job_id: &str, event: EventRow) {
        self.record(job_id, Record::event(event));
    }

    /// The newest `limit` rows of a job's log, oldest first, with all that was logged before this call.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user has no such job; [`StoreError::Limit`]; when the database fails.
    pub fn job_logs(
        &self,
        user: &str,
        job_id: &str,
        limit: u32,
    ) -> Result<Vec<LogRow>, StoreError> {
        let window = Window::of(List::Jobs, limit, None)?;
        self.flush()?;
        self.read(|connection| {
            let job = place(connection, user, job_id)?;
            let mut rows = connection.prepare_cached(
                "SELECT timestamp, level, logger, message, module, function, line, exc_info
                 FROM job_logs WHERE job = ?1 ORDER BY seq DESC LIMIT ?2",
            )?;
            let rows = rows.query_map(params![job, window.limit()], log_row)?;
            let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
            rows.reverse();
            Ok(rows)
        })
    }

    /// The events of a run after the number `after`, 0 for all, at most `limit`, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user has no such job; [`StoreError::Limit`]; when the database fails.
    pub fn run_events(
        &self,
        user: &str,
        job_id: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let window = Window::of(List::Jobs, limit, None)?;
        self.flush()?;
        self.read(|connection| {
            let job = place(connection, user, job_id)?;
            let mut rows = connection.prepare_cached(
                "SELECT seq, event_type, event_time, node_id, payload
                 FROM run_events WHERE job = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            )?;
            let rows = rows.query_map(params![job, after, window.limit()], |row| {
                let seq: i64 = row.get(0)?;
                let payload: String = row.get(4)?;
                Ok(StoredEvent {
                    id: format!("{job_id}-{seq}"),
                    run_id: job_id.to_owned(),
                    seq,
                    event_type: row.get(1)?,
                    event_time: row.get(2)?,
                    node_id: row.get(3)?,
                    payload: serde_json::from_str(&payload).unwrap_or(Value::Null),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// What goes through the queue.
#[derive(Debug)]
pub(crate) enum Record {
    Log(LogRow),
    Event { event_type: String, event_time: String, node_id: Option<String>, payload: String },
}

impl Record {
    pub(crate) fn log(mut row: LogRow) -> Self {
        cut(&mut row.message);
        row.exc_info.as_mut().map(cut);
        Self::Log(row)
    }

    pub(crate) fn event(EventRow { event_type, node_id, payload }: EventRow) -> Self {
        let mut payload = payload.to_string();
        if payload.len() > MOST_EVENT_BYTES {
            payload = json!({ "too_large": payload.len() }).to_string();
        }
        Self::Event { event_type, event_time: now(), node_id, payload }
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        /// The record itself, and its short texts.
        const REST: usize = 256;
        REST + match self {
            Self::Log(row) => row.message.len() + row.exc_info.as_ref().map_or(0, String::len),
            Self::Event { payload, .. } => payload.len(),
        }
    }

    /// Inserts it, unless there is no such job. What is inserted is to be [booked](Inserted::book) in the same transaction.
    pub(crate) fn insert(
        &self,
        connection: &Connection,
        job_id: &str,
        inserted: &mut Inserted,
    ) -> Result<(), rusqlite::Error> {
        let result = match self {
            Self::Log(row) => insert_log(connection, job_id, row, inserted),
            Self::Event { event_type, event_time, node_id, payload } => {
                let mut insert = connection.prepare_cached(
                    "INSERT INTO run_events (job, seq, event_type, event_time, node_id, payload)
                     SELECT place, 1 + coalesce((SELECT max(seq) FROM run_events WHERE job = place), 0),
                            ?2, ?3, ?4, ?5
                     FROM jobs WHERE id = ?1 RETURNING job, seq, row_bytes",
                )?;
                let values = params![job_id, event_type, event_time, node_id, payload];
                insert.query_one(values, |row| inserted.event(row))
            }
        };
        match result {
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(()),
            result => result,
        }
    }
}

fn insert_log(
    connection: &Connection,
    job_id: &str,
    row: &LogRow,
    inserted: &mut Inserted,
) -> Result<(), rusqlite::Error> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO job_logs
             (job, seq, timestamp, level, logger, message, module, function, line, exc_info)
         SELECT place, 1 + coalesce((SELECT max(seq) FROM job_logs WHERE job = place), 0),
                ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
         FROM jobs WHERE id = ?1 RETURNING job, seq, row_bytes",
    )?;
    let LogRow { timestamp, level, logger, message, module, function, line, exc_info } = row;
    let level = level.as_str();
    let values =
        params![job_id, timestamp, level, logger, message, module, function, line, exc_info];
    insert.query_one(values, |row| inserted.log(row))
}

fn log_row(row: &Row<'_>) -> Result<LogRow, rusqlite::Error> {
    let level: String = row.get(1)?;
    Ok(LogRow {
        timestamp: row.get(0)?,
        level: match level.as_str() {
            "DEBUG" => Level::Debug,
            "WARNING" => Level::Warning,
            "ERROR" => Level::Error,
            _ => Level::Info,
        },
        logger: row.get(2)?,
        message: row.get(3)?,
        module: row.get(4)?,
        function: row.get(5)?,
        line: row.get(6)?,
        exc_info: row.get(7)?,
    })
}

/// The place of a user's job.
fn place(connection: &Connection, user: &str, job_id: &str) -> Result<i64, StoreError> {
    let sql = "SELECT place FROM jobs WHERE id = ?1 AND user_id = ?2";
    match connection.prepare_cached(sql)?.query_one([job_id, user], |row| row.get(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            Err(StoreError::NotFound { what: "job", id: job_id.to_owned() })
        }
        found => Ok(found?),
    }
}

/// Cuts a text to [`MOST_LOG_BYTES`], and says so.
fn cut(text: &mut String) {
    const CUT: &str = "...";
    if text.len() > MOST_LOG_BYTES {
        let mut end = MOST_LOG_BYTES - CUT.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT);
    }
}
