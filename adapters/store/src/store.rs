//! The handle: opening, reading, writing, and the backup.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::error::StoreError;
use crate::folder::{self, Lock};
use crate::history::{Bounds, History, Transaction};
use crate::limits::{MOST_IDLE_READERS, MOST_JOBS};
use crate::records::Record;
use crate::writer::{Writer, lock};
use crate::{assets, jobs, migrations};

/// The store of one data directory, or one in memory. Cheap to clone; all clones are the same store.
///
/// When the last clone is dropped, what was queued is written and the store is free for another process.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// The order is that in which things are closed: the lock goes last.
#[derive(Debug)]
struct Inner {
    data_dir: Option<PathBuf>,
    assets_dir: PathBuf,
    /// Where a store in memory has its assets.
    _temporary: Option<TempDir>,
    readers: Readers,
    /// None where the store is open for reading only.
    writer: Option<Writer>,
    interrupted: Vec<String>,
    _lock: Option<Lock>,
}

#[derive(Debug)]
enum Readers {
    File {
        path: PathBuf,
        idle: Mutex<Vec<Connection>>,
    },
    /// A database in memory has one connection, for all.
    Memory(Arc<Mutex<Connection>>),
}

impl Store {
    /// Opens the store in `data_dir` to read and to write, and holds it until the last clone is dropped. The folder, the
    /// database and its tables are made where they are missing. Jobs that were not ended by the process that held the store
    /// before are failed, see [`interrupted_jobs`](Self::interrupted_jobs).
    ///
    /// What is in the store is not read, but for the sizes of the jobs, so this takes a few milliseconds however much that is. The
    /// first time after an older version it may take longer.
    ///
    /// # Errors
    ///
    /// [`StoreError::Held`] when another process holds the store, or this one by another handle; [`StoreError::Newer`] and
    /// [`StoreError::NotAStore`] for a database that this version cannot use; when the file system or the database fails.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Self::open_within(data_dir, Bounds::default())
    }

    pub(crate) fn open_within(data_dir: &Path, bounds: Bounds) -> Result<Self, StoreError> {
        folder::make(data_dir)?;
        let held = Lock::take(data_dir)?;
        let path = data_dir.join(DATABASE);
        // SQLite gives its other files the mode of this one.
        folder::ensure_private(&path).map_err(StoreError::io(&path))?;
        let mut connection = Connection::open_with_flags(&path, WRITE)?;
        prepare(&connection)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrations::migrate(&mut connection, data_dir, &path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "journal_size_limit", LARGEST_IDLE_WAL)?;
        let (interrupted, history) = tidy(&mut connection, bounds)?;
        assets::sweep(&data_dir.join(ASSETS));
        let connection = Arc::new(Mutex::new(connection));
        let writer = Writer::start(connection, history).map_err(StoreError::io(&path))?;
        Ok(Self::of(Inner {
            data_dir: Some(data_dir.to_owned()),
            assets_dir: data_dir.join(ASSETS),
            _temporary: None,
            readers: Readers::File { path, idle: Mutex::default() },
            writer: Some(writer),
            interrupted,
            _lock: Some(held),
        }))
    }

    /// Opens the store in `data_dir` for reading, whoever holds it. What others write is seen as soon as it is written.
    ///
    /// Writing methods fail with [`StoreError::ReadOnly`], except [`request_cancel`](Self::request_cancel).
    ///
    /// # Errors
    ///
    /// [`StoreError::NotReady`] when there is no database, or one of an older format: only [`open`](Self::open) makes those
    /// usable; [`StoreError::Newer`] and [`StoreError::NotAStore`] as there; when the database fails.
    pub fn open_to_read(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join(DATABASE);
        let not_ready = || StoreError::NotReady { data_dir: data_dir.to_owned() };
        if !Self::exists(data_dir) {
            return Err(not_ready());
        }
        let connection = reader(&path)?;
        if !migrations::is_current(&connection, data_dir, &path)? {
            return Err(not_ready());
        }
        Ok(Self::of(Inner {
            data_dir: Some(data_dir.to_owned()),
            assets_dir: data_dir.join(ASSETS),
            _temporary: None,
            readers: Readers::File { path, idle: Mutex::new(vec![connection]) },
            writer: None,
            interrupted: Vec::new(),
            _lock: None,
        }))
    }

    /// Whether there is a store in `data_dir`, of whatever format. Makes nothing.
    pub fn exists(data_dir: &Path) -> bool {
        data_dir.join(DATABASE).is_file()
    }

    /// A store that is gone when its last clone is dropped, with assets in a temporary folder: for tests, and for a node without a data directory.
    ///
    /// # Errors
    ///
    /// When SQLite or the writing thread does not start.
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        prepare(&connection)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let nowhere = Path::new(":memory:");
        migrations::migrate(&mut connection, nowhere, nowhere)?;
        let connection = Arc::new(Mutex::new(connection));
        let writer = Writer::start(Arc::clone(&connection), History::default())
            .map_err(StoreError::io(nowhere))?;
        let temporary = tempfile::tempdir().map_err(StoreError::io(&std::env::temp_dir()))?;
        Ok(Self::of(Inner {
            data_dir: None,
            assets_dir: temporary.path().join(ASSETS),
            _temporary: Some(temporary),
            readers: Readers::Memory(connection),
            writer: Some(writer),
            interrupted: Vec::new(),
            _lock: None,
        }))
    }

    /// Copies the store to the new folder `to`, while others read and write: the copy is the database at one moment, and the
    /// content of its assets. It is a data directory like any other.
    ///
    /// An asset that is removed during the copy may be without content there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`] when there is such a file or folder, unless the folder is empty; when the file system or the
    /// database fails, and then `to` holds a part of the store.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let is_taken = match fs::read_dir(to) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => to.exists(),
        };
        if is_taken {
            return Err(StoreError::Exists { what: "the folder", id: to.display().to_string() });
        }
        folder::make(to)?;
        let path = to.join(DATABASE);
        folder::ensure_private(&path).map_err(StoreError::io(&path))?;
        self.flush()?;
        let mut copy = Connection::open_with_flags(&path, WRITE)?;
        self.read(|connection| {
            let backup = rusqlite::backup::Backup::new(connection, &mut copy)?;
            // All pages at once: of a store in parts every write in between would begin the copy anew.
            backup.step(-1)?;
            Ok(())
        })?;
        assets::copy_content(&copy, &self.inner.assets_dir, &to.join(ASSETS))
    }

    /// Returns when all logs and events that were given before are written.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn flush(&self) -> Result<(), StoreError> {
        match &self.inner.writer {
            Some(writer) => writer.flush(),
            None => Ok(()),
        }
    }

    /// The jobs that [`open`](Self::open) found unfinished and made [failed](crate::JobStatus::Failed), with the error
    /// `the node ended while the job ran`.
    pub fn interrupted_jobs(&self) -> &[String] {
        &self.inner.interrupted
    }

    /// The folder, unless the store is in memory.
    pub fn data_dir(&self) -> Option<&Path> {
        self.inner.data_dir.as_deref()
    }

    pub(crate) fn assets_dir(&self) -> &Path {
        &self.inner.assets_dir
    }

    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.inner.readers {
            Readers::Memory(connection) => read(&lock(connection)),
            Readers::File { path, idle } => {
                let taken = lock(idle).pop();
                let connection = match taken {
                    Some(connection) => connection,
                    None => reader(path)?,
                };
                let result = read(&connection);
                let mut idle = lock(idle);
                if idle.len() < MOST_IDLE_READERS {
                    idle.push(connection);
                }
                result
            }
        }
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.as_ref().ok_or(StoreError::ReadOnly)?.run(write)
    }

    /// As [`write`](Self::write), without an `fsync`.
    pub(crate) fn write_lightly<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.as_ref().ok_or(StoreError::ReadOnly)?.run_lightly(write)
    }

    /// As [`write`](Self::write), and from a store that is open for reading only past the process that holds it.
    pub(crate) fn write_from_anywhere(
        &self,
        write: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        match (&self.inner.writer, &self.inner.readers) {
            (None, Readers::File { path, .. }) => {
                let connection = Connection::open_with_flags(path, WRITE)?;
                prepare(&connection)?;
                write(&connection)
            }
            _ => self.write(|transaction| write(transaction)),
        }
    }

    pub(crate) fn record(&self, job_id: &str, record: Record) {
        if let Some(writer) = &self.inner.writer {
            writer.record(job_id, record);
        }
    }

    fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

/// What is left of the process that held the store before.
fn tidy(connection: &mut Connection, bounds: Bounds) -> Result<(Vec<String>, History), StoreError> {
    let begun = connection.transaction()?;
    let transaction = Transaction::new(&begun, History::read(&begun, bounds)?);
    let interrupted = jobs::fail_interrupted(&transaction)?;
    jobs::prune(&transaction, MOST_JOBS)?;
    transaction.prune()?;
    let history = transaction.history();
    begun.commit()?;
    Ok((interrupted, history))
}

fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(BUSY)
}

const DATABASE: &str = "store.db";
const ASSETS: &str = "assets";
const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
/// How long one connection waits for another one's write. Only a request to cancel comes from another process, and is short.
const BUSY: Duration = Duration::from_secs(5);
/// Bytes of the write-ahead log that are kept once all of it is in the database.
const LARGEST_IDLE_WAL: i64 = 16 * 1024 * 1024;
/// Statements that each connection keeps prepared: more than there are.
const STATEMENTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_readers_as_the_bound_are_kept_and_not_one_more() {
        fn nested(store: &Store, depth: usize) {
            if depth > 0 {
                let inner = || {
                    nested(store, depth - 1);
                    Ok(())
                };
                store.read(|_| inner()).unwrap();
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let Readers::File { idle, .. } = &store.inner.readers else { unreachable!("it has files") };
        for at_once in [MOST_IDLE_READERS, MOST_IDLE_READERS + 1] {
            nested(&store, at_once);
            assert_eq!(lock(idle).len(), MOST_IDLE_READERS);
        }
    }
}
