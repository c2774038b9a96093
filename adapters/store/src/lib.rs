//! What a node keeps, in one SQLite database and one folder: workflows, jobs with their events and logs, assets, models
//! that services have offered, and collections of documents, each for one user.
//!
//! ```
//! use clawnode_store::{JobStatus, LogRow, Level, NewJob, Query, Store};
//!
//! let store = Store::in_memory()?;
//! store.create_job(NewJob::new("job-1", "1"))?;
//! store.start_job("job-1")?;
//! store.log("job-1", LogRow::new(Level::Info, "half of it is done"));
//! store.finish_job("job-1", JobStatus::Completed, None)?;
//!
//! let jobs = store.jobs("1", None, &Query::default())?;
//! assert_eq!(jobs.rows[0].status, JobStatus::Completed);
//! assert_eq!(store.job_logs("1", "job-1", 200)?[0].message, "half of it is done");
//! assert!(store.jobs("2", None, &Query::default())?.rows.is_empty());
//! # Ok::<(), clawnode_store::StoreError>(())
//! ```
//!
//! # The folder
//!
//! ```text
//! DIR/store.db       the database, with store.db-wal and store.db-shm while it is open
//! DIR/store.lock     held by the one process that writes, with its process id
//! DIR/assets/ID      the content of an asset
//! ```
//!
//! The folder is made with the mode 0700 and its files with 0600, where the platform has such modes.
//!
//! # Who may do what at once
//!
//! One process at a time holds the store, see [`Store::open`]. Others may read meanwhile ([`Store::open_to_read`]) and ask for
//! a job to be cancelled ([`Store::request_cancel`]), which is the one thing that is written without the lock.
//!
//! Every method blocks, most of them for less than a millisecond and all of them for as long as the disk needs; an asynchronous
//! program calls them where blocking is allowed. [`Store::log`] and [`Store::event`] are the exception: they never wait.
//!
//! # What lasts
//!
//! All writes go through one thread, which takes whatever waits and writes it in one transaction.
//!
//! - What returns a `Result` is on the disk when it returns, also after a loss of power, but for the status of jobs. Calls that
//!   come together share one `fsync`.
//! - The status of a job costs no `fsync` of its own ([`Store::begin_job`], [`Store::start_job`], [`Store::finish_job`]): when the
//!   call returns, it survives the end of the process. It is on the disk within a second; a loss of power before may take it back.
//!   A job that is unfinished then is failed by the next [`Store::open`], as every interrupted one.
//! - Logs and events are queued. They reach the database in the order of the calls, and before any later write, and cost no
//!   `fsync` of their own either: one a second, at most, for all of them.
//! - The queue has a bound ([`limits::MOST_WAITING_ROWS`], [`limits::MOST_WAITING_BYTES`]). When the disk is so slow that it is
//!   full, the newest row is dropped, and the job's log says how many were.

#![forbid(unsafe_code)]

pub mod limits;

mod assets;
mod collections;
mod error;
mod folder;
mod history;
mod jobs;
mod migrations;
mod models;
mod page;
mod records;
mod store;
mod time;
mod workflows;
mod writer;

pub use assets::{Asset, AssetFolder, AssetQuery, FOLDER, NewAsset};
pub use collections::{Collection, Document, Hit};
pub use error::{DatabaseError, StoreError};
pub use jobs::{Job, JobStatus, NewJob, UnknownStatus};
pub use models::{Model, ModelRow};
pub use page::{Page, Query};
pub use records::{EventRow, Level, LogRow, StoredEvent};
pub use store::Store;
pub use workflows::{Put, WorkflowRow};

/// Metadata as it is kept.
fn metadata(metadata: &serde_json::Map<String, serde_json::Value>) -> Result<String, StoreError> {
    let text = serde_json::to_string(metadata)?;
    StoreError::bounded("the metadata", text.len(), limits::MOST_METADATA_BYTES)?;
    Ok(text)
}
