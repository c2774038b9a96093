//! The one thread that writes: whatever waits goes into one transaction.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::error::{DatabaseError, StoreError};
use crate::history::{History, Inserted, Transaction};
use crate::limits::{MOST_BATCHED, MOST_WAITING_BYTES, MOST_WAITING_ROWS};
use crate::records::{Level, LogRow, Record};

/// Ends the thread when dropped, after all that waits is written.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// `history` is what the jobs hold as the writer begins; nobody else changes it from then on.
    pub(crate) fn start(
        connection: Arc<Mutex<Connection>>,
        mut history: History,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let thread = thread::Builder::new().name("clawnode-store".to_owned()).spawn({
            let queue = Arc::clone(&queue);
            move || {
                let mut durable = None;
                let mut unsettled_since: Option<Instant> = None;
                loop {
                    match queue.next(unsettled_since.map(|since| since + SETTLED_WITHIN)) {
                        Next::Batch(batch) => {
                            write(&lock(&connection), batch, &mut durable, &mut history, &queue);
                            unsettled_since = match durable {
                                Some(true) => None,
                                _ => unsettled_since.or_else(|| Some(Instant::now())),
                            };
                        }
                        Next::Settle => {
                            settle(&lock(&connection));
                            unsettled_since = None;
                        }
                        Next::End => return,
                    }
                }
            }
        })?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Does `work` in a transaction and returns when that is on the disk.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.submit(true, work)
    }

    /// Does `work` in a transaction and returns when every process sees it; a loss of power may take it.
    pub(crate) fn run_lightly<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.submit(false, work)
    }

    /// Returns when all that waits now is written.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.submit(false, |_| Ok(()))
    }

    /// Queues a record without waiting.
    pub(crate) fn record(&self, job_id: &str, record: Record) {
        self.queue.push_record(job_id, record);
    }

    fn submit<T: Send + 'static>(
        &self,
        durable: bool,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (value, result) = sync_channel(1);
        let (done, is_done) = sync_channel(1);
        let work = Box::new(move |transaction: &Transaction<'_>| {
            // There is room for the one value, and whoever waits for it is below.
            let _ = value.send(work(transaction)?);
            Ok(())
        });
        self.queue.push(Item::Task(Task { work, durable, done }));
        is_done.recv().map_err(|_| StoreError::gone())??;
        result.recv().map_err(|_| StoreError::gone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told where it happened.
            let _ = thread.join();
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    records: usize,
    record_bytes: usize,
    /// Records that found no room or did not reach the disk, by job.
    lost: BTreeMap<String, u64>,
    closed: bool,
}

#[derive(Debug)]
enum Item {
    Record { job_id: String, record: Record },
    Task(Task),
}

type Work = Box<dyn FnOnce(&Transaction<'_>) -> Result<(), StoreError> + Send>;

struct Task {
    work: Work,
    /// Whether its caller waits for the disk.
    durable: bool,
    done: SyncSender<Result<(), StoreError>>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("durable", &self.durable).finish_non_exhaustive()
    }
}

/// What the thread does next.
enum Next {
    Batch(Batch),
    /// Bring what was written without waiting for the disk there.
    Settle,
    End,
}

struct Batch {
    items: Vec<Item>,
    lost: BTreeMap<String, u64>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }

    fn push(&self, item: Item) {
        self.lock().items.push_back(item);
        self.filled.notify_one();
    }

    fn push_record(&self, job_id: &str, record: Record) {
        let mut waiting = self.lock();
        let bytes = waiting.record_bytes + record.bytes();
        if waiting.records == MOST_WAITING_ROWS || bytes > MOST_WAITING_BYTES {
            *waiting.lost.entry(job_id.to_owned()).or_default() += 1;
            return;
        }
        waiting.records += 1;
        waiting.record_bytes = bytes;
        waiting.items.push_back(Item::Record { job_id: job_id.to_owned(), record });
        drop(waiting);
        self.filled.notify_one();
    }

    /// What to do next. What was written must settle at `settle_at`, if nothing does it before.
    fn next(&self, settle_at: Option<Instant>) -> Next {
        let mut waiting = self.lock();
        // What was lost is told with the next write: on its own it would be tried for ever on a full disk.
        while waiting.items.is_empty() {
            if waiting.closed {
                return Next::End;
            }
            let left = settle_at.map(|at| at.saturating_duration_since(Instant::now()));
            waiting = match left {
                None => self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Next::Settle,
                Some(left) => {
                    let waited = self.filled.wait_timeout(waiting, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        if settle_at.is_some_and(|at| at <= Instant::now()) {
            return Next::Settle;
        }
        let count = waiting.items.len().min(MOST_BATCHED);
        let items: Vec<Item> = waiting.items.drain(..count).collect();
        for item in &items {
            if let Item::Record { record, .. } = item {
                waiting.records -= 1;
                waiting.record_bytes -= record.bytes();
            }
        }
        // What was lost came after all that waits.
        let lost = match waiting.items.is_empty() {
            true => std::mem::take(&mut waiting.lost),
            false => BTreeMap::new(),
        };
        Next::Batch(Batch { items, lost })
    }

    fn lose(&self, lost: BTreeMap<String, u64>) {
        let mut waiting = self.lock();
        for (job_id, count) in lost {
            *waiting.lost.entry(job_id).or_default() += count;
        }
    }
}

/// Writes a batch in one transaction, and tells those who wait.
///
/// `durable` is how the connection is set: a transaction that nobody waits for needs no `fsync`.
fn write(
    connection: &Connection,
    batch: Batch,
    durable: &mut Option<bool>,
    history: &mut History,
    queue: &Queue,
) {
    let waited_for =
        batch.items.iter().any(|item| matches!(item, Item::Task(task) if task.durable));
    let mut written = begin(connection, waited_for, durable).map_err(DatabaseError::new);
    let transaction = Transaction::new(connection, *history);
    let mut inserted = Inserted::default();
    let before = batch.lost.clone();
    // What is lost if the transaction fails.
    let mut lost = batch.lost;
    let mut told = Vec::new();
    for item in batch.items {
        match item {
            Item::Record { job_id, record } => {
                written = written.and_then(|()| {
                    let result = record.insert(connection, &job_id, &mut inserted);
                    result.map_err(DatabaseError::new)
                });
                *lost.entry(job_id).or_default() += 1;
            }
            Item::Task(Task { work, done, .. }) => {
                let result = match &written {
                    Ok(()) => apart(&transaction, work),
                    Err(_) => Ok(()),
                };
                if written.is_ok() && connection.is_autocommit() {
                    // SQLite undid the whole transaction, as it does on a full disk.
                    written = Err(DatabaseError::new(match &result {
                        Err(error) => error.to_string(),
                        Ok(()) => "the transaction was undone".to_owned(),
                    }));
                }
                told.push((done, result));
            }
        }
    }
    let commit = || {
        for (job_id, count) in &before {
            lost_row(*count).insert(connection, job_id, &mut inserted)?;
        }
        inserted.book(&transaction)?;
        transaction.prune()?;
        connection.execute_batch("COMMIT")
    };
    let written = written.and_then(|()| commit().map_err(DatabaseError::new));
    if written.is_ok() {
        *history = transaction.history();
    }
    if let Err(error) = &written {
        tracing::error!(%error, "the store cannot be written");
        if !connection.is_autocommit() {
            // Nothing is left to be done about a second failure.
            let _ = connection.execute_batch("ROLLBACK");
        }
        queue.lose(lost);
    }
    for (done, result) in told {
        let result = match &written {
            Ok(()) => result,
            Err(error) => Err(StoreError::Database(error.clone())),
        };
        // Whoever waited may be gone.
        let _ = done.send(result);
    }
}

/// Brings what was written so far to the disk.
fn settle(connection: &Connection) {
    let result = connection.query_one("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = result {
        // It is in the write-ahead log all the same, and the next one may succeed.
        tracing::warn!(%error, "the store cannot be brought to the disk");
    }
}

fn begin(
    connection: &Connection,
    waited_for: bool,
    durable: &mut Option<bool>,
) -> Result<(), rusqlite::Error> {
    if *durable != Some(waited_for) {
        let synchronous = if waited_for { "FULL" } else { "NORMAL" };
        connection.pragma_update(None, "synchronous", synchronous)?;
        *durable = Some(waited_for);
    }
    connection.execute_batch("BEGIN IMMEDIATE")
}

/// Does `work` so that its failure undoes nothing else.
fn apart(transaction: &Transaction<'_>, work: Work) -> Result<(), StoreError> {
    let before = transaction.history();
    transaction.execute_batch("SAVEPOINT task")?;
    let result = work(transaction);
    if result.is_err() {
        transaction.back_to(before);
    }
    transaction.execute_batch(match result {
        Ok(()) => "RELEASE task",
        Err(_) => "ROLLBACK TO task; RELEASE task",
    })?;
    result
}

fn lost_row(count: u64) -> Record {
    let message =
        format!("{count} logs and events are missing here: the disk was slower than the run");
    Record::Log(LogRow::new(Level::Warning, message))
}

/// How long what nobody waits for may be on its way to the disk.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Bounds;
    use crate::{EventRow, JobStatus, NewJob, Store};

    fn queue_of(records: usize, bytes: usize) -> Queue {
        let queue = Queue::default();
        let mut waiting = queue.lock();
        (waiting.records, waiting.record_bytes) = (records, bytes);
        drop(waiting);
        queue
    }

    /// Records that wait, and records that were dropped.
    fn counts(queue: &Queue) -> (usize, u64) {
        let waiting = queue.lock();
        (waiting.items.len(), waiting.lost.values().sum())
    }

    fn next(queue: &Queue) -> Batch {
        match queue.next(None) {
            Next::Batch(batch) => batch,
            Next::Settle | Next::End => panic!("something waits"),
        }
    }

    fn event() -> Record {
        Record::event(EventRow::new("NodeStarted"))
    }

    #[test]
    fn as_many_records_as_the_bound_wait_and_one_more_is_dropped_and_counted() {
        let queue = queue_of(MOST_WAITING_ROWS - 1, 0);
        queue.push_record("job", event());
        assert_eq!(counts(&queue), (1, 0));
        queue.push_record("job", event());
        queue.push_record("job", event());
        assert_eq!(counts(&queue), (1, 2));
    }

    #[test]
    fn records_of_as_many_bytes_as_the_bound_wait_and_one_byte_more_is_dropped() {
        let queue = queue_of(0, MOST_WAITING_BYTES - event().bytes());
        queue.push_record("job", event());
        assert_eq!(counts(&queue), (1, 0));
        let queue = queue_of(0, MOST_WAITING_BYTES - event().bytes() + 1);
        queue.push_record("job", event());
        assert_eq!(counts(&queue), (0, 1));
    }

    #[test]
    fn a_transaction_takes_as_much_as_its_bound_and_not_one_more() {
        let queue = Queue::default();
        for _ in 0..=MOST_BATCHED {
            queue.push_record("job", event());
        }
        assert_eq!(next(&queue).items.len(), MOST_BATCHED);
        assert_eq!(next(&queue).items.len(), 1);
        let waiting = queue.lock();
        assert_eq!((waiting.records, waiting.record_bytes), (0, 0));
    }

    #[test]
    fn what_is_due_settles_before_more_is_written() {
        let queue = Queue::default();
        queue.push_record("job", event());
        let now = Instant::now();
        assert!(matches!(queue.next(Some(now)), Next::Settle));
        assert!(matches!(queue.next(Some(now + SETTLED_WITHIN)), Next::Batch(_)));
        assert!(matches!(queue.next(Some(now)), Next::Settle));
        queue.lock().closed = true;
        assert!(matches!(queue.next(None), Next::End));
    }

    #[test]
    fn what_a_slow_disk_lost_is_told_in_the_log_of_its_job() {
        let connection = Connection::open_in_memory().unwrap();
        let queue = Queue::default();
        queue.lock().lost.insert("job".to_owned(), 7);
        queue.push_record("job", event());
        let batch = next(&queue);
        // There are no tables: the transaction fails, and one record more is lost.
        write(&connection, batch, &mut None, &mut History::default(), &queue);
        assert_eq!(queue.lock().lost["job"], 8);
        let lost = lost_row(8);
        assert!(matches!(&lost, Record::Log(row) if row.message.starts_with("8 logs and events")));
    }

    #[test]
    fn a_transaction_that_fails_leaves_the_size_of_the_history_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.create_job(NewJob::new("job", "1")).unwrap();
        drop(store);
        let connection = Connection::open(folder.path().join("store.db")).unwrap();
        let refuse = "CREATE TEMP TRIGGER full BEFORE INSERT ON main.run_events
                      BEGIN SELECT raise(FAIL, 'the disk is full'); END";
        connection.execute_batch(refuse).unwrap();
        let mut history = History::read(&connection, Bounds::default()).unwrap();
        let before = history.bytes;
        let grow_and_record = |history: &mut History| {
            let queue = Queue::default();
            let (done, is_done) = sync_channel(1);
            let work: Work = Box::new(|transaction| Ok(transaction.resize_job(1, 1_000)?));
            queue.push(Item::Task(Task { work, durable: false, done }));
            queue.push_record("job", event());
            write(&connection, next(&queue), &mut None, history, &queue);
            is_done.recv().unwrap()
        };
        grow_and_record(&mut history).unwrap_err();
        assert_eq!(history.bytes, before);
        connection.execute_batch("DROP TRIGGER full").unwrap();
        grow_and_record(&mut history).unwrap();
        assert!(history.bytes > before + 1_000);
        assert_eq!(history.bytes, History::read(&connection, Bounds::default()).unwrap().bytes);
    }

    #[test]
    fn nobody_waits_for_a_slow_disk_with_an_event_and_the_status_comes_after_it() {
        let connection = Arc::new(Mutex::new(Connection::open_in_memory().unwrap()));
        let nowhere = std::path::Path::new("");
        crate::migrations::migrate(&mut lock(&connection), nowhere, nowhere).unwrap();
        let insert = "INSERT INTO jobs (id, user_id, job_type, status, params, created_at)
                      VALUES ('job', '1', 'workflow', 'running', '{}', '')";
        lock(&connection).execute_batch(insert).unwrap();
        let writer = Writer::start(Arc::clone(&connection), History::default()).unwrap();
        let slow_disk = lock(&connection);
        for _ in 0..500 {
            writer.record("job", event());
        }
        drop(slow_disk);
        let count = |transaction: &Transaction<'_>| {
            let count = "SELECT count(*) FROM run_events";
            Ok(transaction.query_one(count, [], |row| row.get::<_, u32>(0))?)
        };
        assert_eq!(writer.run(count).unwrap(), 500);
    }

    #[test]
    fn a_write_that_fails_takes_no_other_with_it() {
        let store = Store::in_memory().unwrap();
        std::thread::scope(|scope| {
            for n in 0..20 {
                let store = &store;
                scope.spawn(move || {
                    let made = store.create_job(NewJob::new((n / 2).to_string(), "1"));
                    made.is_ok().then(|| {
                        store.finish_job(&(n / 2).to_string(), JobStatus::Completed, None).unwrap()
                    })
                });
            }
        });
        let jobs = store.jobs("1", None, &crate::Query::default()).unwrap().rows;
        assert_eq!(jobs.len(), 10);
        assert!(jobs.iter().all(|job| job.status == JobStatus::Completed));
    }
}
