use std::io;
use std::path::{Path, PathBuf};

use clawnode_workflows::WorkflowError;

use crate::limits::{MOST_ASSET_BYTES, MOST_NAME_BYTES, MOST_PAGE_ROWS};

/// Why the store did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process holds the store.
    #[error(
        "{holder} holds the store in {}; stop it, or choose another data directory",
        data_dir.display()
    )]
    Held {
        /// The folder.
        data_dir: PathBuf,
        /// Who: `process 4711`, or `another process` if it did not say.
        holder: String,
    },
    /// A newer version of this library wrote the database.
    #[error(
        "the store in {} was written by a newer version (its format is {found}, this one knows up to {known}); use that version",
        data_dir.display()
    )]
    Newer {
        /// The folder.
        data_dir: PathBuf,
        /// The database's `user_version`.
        found: u32,
        /// The newest `user_version` this library knows.
        known: u32,
    },
    /// There is no database yet, or it has an older format: [`Store::open`](crate::Store::open) makes it usable.
    #[error("the store in {} is not ready to be read: open it for writing once", data_dir.display())]
    NotReady {
        /// The folder.
        data_dir: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a store of this program; move it away, or choose another data directory", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The file system would not.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite would not: the disk is full, the file is damaged, ...
    #[error("the store cannot be used: {0}")]
    Database(#[from] DatabaseError),
    /// The store was opened with [`Store::open_to_read`](crate::Store::open_to_read).
    #[error("the store is open for reading only")]
    ReadOnly,
    /// A page was asked for with a cursor that did not come from the same list.
    #[error(
        "{0:?} is no cursor of this list; pass on what the page before gave as next, or start without one"
    )]
    Cursor(String),
    /// A page has no rows, or too many.
    #[error("the limit must be from 1 to {MOST_PAGE_ROWS}, not {0}")]
    Limit(u32),
    /// A row with this id exists already.
    #[error("{what} {id} exists already")]
    Exists {
        /// What kind of row.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// There is no such row, or it is another user's.
    #[error("{what} {id} not found")]
    NotFound {
        /// What kind of row.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A job can end as completed, failed or cancelled only.
    #[error("a job does not end as {0}")]
    NotFinal(crate::JobStatus),
    /// An id, a name or a user has no characters.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// What was to be kept is larger than its bound.
    #[error("{what} has {size} {unit}, of at most {most}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// What the size counts, such as `bytes`.
        unit: &'static str,
        /// Its size.
        size: usize,
        /// The bound.
        most: usize,
    },
    /// The content of an asset is larger than [`MOST_ASSET_BYTES`].
    #[error("an asset has at most {MOST_ASSET_BYTES} bytes")]
    AssetTooLarge,
    /// Something is in the folder.
    #[error("the folder {id} is not empty; remove what is in it first")]
    NotEmpty {
        /// The folder's id.
        id: String,
    },
    /// A text is no JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A JSON value is no workflow.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
}

/// What SQLite said.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct DatabaseError(String);

impl DatabaseError {
    pub(crate) fn new(text: impl ToString) -> Self {
        Self(text.to_string())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(DatabaseError::new(error))
    }
}

impl StoreError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// The writing thread is gone, which only a panic in it explains.
    pub(crate) fn gone() -> Self {
        Self::Database(DatabaseError::new("the writing thread ended"))
    }

    /// Refuses what has more bytes than its bound.
    pub(crate) fn bounded(what: &'static str, size: usize, most: usize) -> Result<(), Self> {
        match size <= most {
            true => Ok(()),
            false => Err(Self::TooLarge { what, unit: "bytes", size, most }),
        }
    }
}

/// Refuses an id, a name or a user that is empty or out of all proportion.
pub(crate) fn named(what: &'static str, text: &str) -> Result<(), StoreError> {
    if text.is_empty() {
        return Err(StoreError::Empty(what));
    }
    StoreError::bounded(what, text.len(), MOST_NAME_BYTES)
}
