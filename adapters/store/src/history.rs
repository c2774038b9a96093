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

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::{EventRow, JobStatus, Level, LogRow, NewJob, Query, Store, StoreError};

    fn bounds(logs_of_a_job: i64, events_of_a_job: i64, bytes: u64) -> Bounds {
        Bounds { logs_of_a_job, events_of_a_job, bytes }
    }

    fn log(text: &str) -> LogRow {
        LogRow::new(Level::Info, text)
    }

    fn result(text: &str) -> Map<String, serde_json::Value> {
        Map::from_iter([("text".to_owned(), text.into())])
    }

    fn jobs(store: &Store) -> Vec<String> {
        let query = Query { limit: 1_000, ..Query::default() };
        store.jobs("1", None, &query).unwrap().rows.into_iter().map(|job| job.id).collect()
    }

    /// What all jobs hold, once it is the same in memory, in the table, and added up from the rows.
    fn checked(store: &Store) -> u64 {
        let sizes = |transaction: &Transaction<'_>| {
            let mut statement = transaction.prepare("SELECT job, bytes FROM job_sizes")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let kept: BTreeMap<i64, i64> = rows.collect::<Result<_, _>>()?;
            Ok((kept, added_up(transaction), transaction.history().bytes))
        };
        store.flush().unwrap();
        let (kept, added_up, in_memory) = store.write_lightly(sizes).unwrap();
        assert_eq!(kept, added_up);
        assert_eq!(u64::try_from(kept.values().sum::<i64>()).unwrap(), in_memory);
        in_memory
    }

    /// The bytes of each job, from the texts of its rows.
    pub(crate) fn added_up(connection: &Connection) -> BTreeMap<i64, i64> {
        let mut sizes = BTreeMap::new();
        let jobs =
            "SELECT place, id, user_id, job_type, workflow_id, params, error, result FROM jobs";
        add_texts(connection, jobs, 256, &mut sizes);
        let logs = "SELECT job, timestamp, level, logger, message, module, function, exc_info FROM job_logs";
        add_texts(connection, logs, 32, &mut sizes);
        let events = "SELECT job, event_type, event_time, node_id, payload FROM run_events";
        add_texts(connection, events, 32, &mut sizes);
        sizes
    }

    fn add_texts(
        connection: &Connection,
        sql: &str,
        rest_of_a_row: i64,
        sizes: &mut BTreeMap<i64, i64>,
    ) {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let texts = (1..columns).filter_map(|n| row.get_unwrap::<_, Option<String>>(n));
            let bytes = texts.map(|text| i64::try_from(text.len()).unwrap()).sum::<i64>();
            *sizes.entry(row.get_unwrap(0)).or_default() += rest_of_a_row + bytes;
        }
    }

    /// A job that runs, and the ended ones a, b and c, all with a log and an event.
    fn filled(folder: &Path, most_bytes: u64) -> Store {
        let store = Store::open_within(folder, bounds(10, 10, most_bytes)).unwrap();
        for id in ["running", "a", "b", "c"] {
            store.begin_job(NewJob::new(id, "1")).unwrap();
            store.log(id, log("begun"));
            store.event(id, EventRow::new("RunCreated").with(json!({ "id": id })));
            store.flush().unwrap();
        }
        for id in ["a", "b", "c"] {
            let done = JobStatus::Completed;
            store.finish_job_with_result(id, done, None, &result("done")).unwrap();
        }
        store
    }

    #[test]
    fn jobs_of_as_many_bytes_as_the_bound_are_kept_and_past_it_the_oldest_ended_one_goes() {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let all = checked(&filled(folders[0].path(), u64::MAX));

        let store = filled(folders[1].path(), all);
        assert_eq!((checked(&store), jobs(&store)), (all, vec_of(["c", "b", "a", "running"])));
        store.log("c", log("one more"));
        store.flush().unwrap();
        assert_eq!(jobs(&store), ["c", "b", "running"]);
        assert!(checked(&store) < all);

        let store = filled(folders[2].path(), all - 1);
        assert_eq!(jobs(&store), ["c", "b", "running"]);
        assert!(checked(&store) < all);
    }

    fn vec_of<const N: usize>(texts: [&str; N]) -> Vec<String> {
        texts.map(str::to_owned).into()
    }

    #[test]
    fn a_job_that_runs_stays_whatever_it_holds_and_goes_once_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), 1);
        assert_eq!(jobs(&store), ["running"]);
        for n in 1..=10 {
            store.event("running", EventRow::new("NodeStarted"));
            assert_eq!(store.run_events("1", "running", 0, 100).unwrap().len(), n.min(9) + 1);
        }
        assert!(checked(&store) > 1);
        store.finish_job("running", JobStatus::Completed, None).unwrap();
        assert_eq!((jobs(&store), checked(&store)), (vec![], 0));
    }

    #[test]
    fn what_a_job_holds_shrinks_with_its_oldest_rows() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_within(folder.path(), bounds(1, 2, u64::MAX)).unwrap();
        store.begin_job(NewJob::new("job", "1")).unwrap();
        store.log("job", log(&"x".repeat(1_000)));
        store.event("job", EventRow::new("NodeUpdate").with(json!("x".repeat(1_000))));
        store.event("job", EventRow::new("NodeUpdate"));
        let before = checked(&store);
        store.event("job", EventRow::new("NodeUpdate"));
        assert_eq!(before - checked(&store), 1_000);
        store.log("job", log(""));
        assert_eq!(before - checked(&store), 2_000);
    }

    #[test]
    fn a_lower_bound_holds_from_the_next_start_on() {
        let folder = tempfile::tempdir().unwrap();
        let all = checked(&filled(folder.path(), u64::MAX));
        let store = Store::open_within(folder.path(), bounds(10, 10, all)).unwrap();
        // The job that ran is the oldest, and holds more, as its end is told.
        assert_eq!(jobs(&store), ["c", "b", "a"]);
        let left = checked(&store);
        drop(store);
        for (most, kept) in [(left, 3), (left - 1, 2), (1, 0)] {
            let store = Store::open_within(folder.path(), bounds(10, 10, most)).unwrap();
            assert_eq!(jobs(&store).len(), kept);
            checked(&store);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Create { params: usize },
        Begin { params: usize },
        CreateAgain(usize),
        Start(usize),
        Log(usize, usize),
        Events(usize, usize, usize),
        Finish(usize, Option<usize>, Option<usize>),
        AskToCancel(usize),
        KeepJobs(u32),
        Fail,
        Reopen { logs: i64, events: i64, bytes: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let job = 0_usize..100;
        let size = 0_usize..300;
        prop_oneof![
            1 => size.clone().prop_map(|params| Step::Create { params }),
            3 => size.clone().prop_map(|params| Step::Begin { params }),
            1 => job.clone().prop_map(Step::CreateAgain),
            1 => job.clone().prop_map(Step::Start),
            4 => (job.clone(), size.clone()).prop_map(|(job, size)| Step::Log(job, size)),
            4 => (job.clone(), 1_usize..6, size.clone())
                .prop_map(|(job, count, size)| Step::Events(job, count, size)),
            4 => (job.clone(), proptest::option::of(size.clone()), proptest::option::of(size))
                .prop_map(|(job, error, result)| Step::Finish(job, error, result)),
            1 => job.prop_map(Step::AskToCancel),
            1 => (0_u32..6).prop_map(Step::KeepJobs),
            1 => Just(Step::Fail),
            1 => (1_i64..4, 1_i64..5, 500_u64..8_000)
                .prop_map(|(logs, events, bytes)| Step::Reopen { logs, events, bytes }),
        ]
    }

    /// A text in which characters and bytes differ in number.
    fn text(size: usize) -> String {
        "é".repeat(size)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_size_of_each_job_is_that_of_its_rows_after_every_script(
            // What is not checked at once may share a transaction with the next step.
            steps in proptest::collection::vec((step(), any::<bool>()), 1..60),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut bounds = bounds(2, 3, 4_000);
            let mut store = Store::open_within(folder.path(), bounds).unwrap();
            let mut made = 0;
            for (step, is_checked) in steps {
                let id = |job: usize| (job % (made + 1)).to_string();
                match step {
                    Step::Create { params } | Step::Begin { params } => {
                        let mut job = NewJob::new(made.to_string(), "1");
                        job.params = result(&text(params));
                        job.workflow_id = (params % 2 == 0).then(|| text(params / 2));
                        match step {
                            Step::Begin { .. } => store.begin_job(job).unwrap(),
                            _ => store.create_job(job).unwrap(),
                        }
                        made += 1;
                    }
                    // The job may be gone, or not made yet, in these.
                    Step::CreateAgain(job) => {
                        // What waits may make the job go.
                        store.flush().unwrap();
                        if store.job("1", &id(job)).unwrap().is_some() {
                            store.create_job(NewJob::new(id(job), "2")).unwrap_err();
                        }
                    }
                    Step::Start(job) => drop(store.start_job(&id(job))),
                    Step::Log(job, size) => {
                        let mut row = log(&text(size));
                        row.exc_info = (size % 3 == 0).then(|| text(size));
                        store.log(&id(job), row);
                    }
                    Step::Events(job, count, size) => {
                        for _ in 0..count {
                            let event = EventRow::new("NodeUpdate").with(json!(text(size)));
                            store.event(&id(job), event.of_node(text(size % 5)));
                        }
                    }
                    Step::Finish(job, error, None) => {
                        let error = error.map(text);
                        drop(store.finish_job(&id(job), JobStatus::Failed, error.as_deref()));
                    }
                    Step::Finish(job, error, Some(size)) => {
                        let (error, status) = (error.map(text), JobStatus::Cancelled);
                        let result = result(&text(size));
                        let error = error.as_deref();
                        drop(store.finish_job_with_result(&id(job), status, error, &result));
                    }
                    Step::AskToCancel(job) => drop(store.request_cancel("1", &id(job))),
                    Step::KeepJobs(most) => {
                        let prune = move |writing: &Transaction<'_>| crate::jobs::prune(writing, most);
                        store.write_lightly(prune).unwrap();
                    }
                    Step::Fail => {
                        let undone = store.write_lightly(|transaction| {
                            transaction.remove_ended_jobs(i64::MAX)?;
                            Err::<(), _>(StoreError::ReadOnly)
                        });
                        prop_assert!(matches!(undone, Err(StoreError::ReadOnly)));
                    }
                    Step::Reopen { logs, events, bytes } => {
                        drop(store);
                        bounds = self::bounds(logs, events, bytes);
                        store = Store::open_within(folder.path(), bounds).unwrap();
                    }
                }
                if !is_checked {
                    continue;
                }
                let bytes = checked(&store);
                if bytes > bounds.bytes {
                    let sql = "SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL";
                    let ended: u32 =
                        store.read(|reader| Ok(reader.query_one(sql, [], |row| row.get(0))?)).unwrap();
                    prop_assert_eq!(ended, 0, "{} of {} bytes", bytes, bounds.bytes);
                }
            }
        }
    }
}
