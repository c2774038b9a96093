//! The store of the data folder, as the commands of one moment open it.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clawnode_store::{Store, StoreError};

use crate::device::DataDir;
use crate::error::{Failure, chain};
use crate::options::kept::{Backup, Kept};
use crate::output::note;

/// Opens the store for writing. Another command may hold it for a moment; a node that runs holds it to its end.
pub(crate) fn open(data_dir: &Path) -> Result<Store, StoreError> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match Store::open(data_dir) {
            Err(StoreError::Held { .. }) if Instant::now() < patience => sleep(PAUSE),
            opened => return opened,
        }
    }
}

/// The store to write to.
pub(crate) fn to_write(kept: &Kept) -> Result<Store, Failure> {
    let data = DataDir::open(kept.data_dir.as_deref())?;
    open(data.path()).map_err(failed)
}

/// The store to run the workflow `id` in.
pub(crate) fn to_run(kept: &Kept, id: &str) -> Result<Store, Failure> {
    let data = DataDir::open(kept.data_dir.as_deref())?;
    open(data.path()).map_err(|error| match error {
        error @ StoreError::Held { .. } => failed(error).with_advice(&format!(
            "if that is a node, ask it: clawnode run --gateway ... --workflow-id {id}"
        )),
        error => failed(error),
    })
}

/// The store to read, whoever holds it. Nobody has to wait for a reader. Where nothing is kept yet nothing is made, and the store
/// is an empty one.
pub(crate) fn to_read(kept: &Kept) -> Result<Store, Failure> {
    let data = DataDir::open(kept.data_dir.as_deref())?;
    if !Store::exists(data.path()) {
        note(&nothing_kept(data.path()));
        return Store::in_memory().map_err(failed);
    }
    match Store::open_to_read(data.path()) {
        // It is brought to the newest format by opening it once.
        Err(StoreError::NotReady { .. }) => to_write(kept),
        opened => opened.map_err(failed),
    }
}

/// The store to read, in which no job is called running that ended with its node.
pub(crate) fn to_read_jobs(kept: &Kept) -> Result<Store, Failure> {
    let data = DataDir::open(kept.data_dir.as_deref())?;
    if Store::exists(data.path()) {
        match Store::open(data.path()) {
            Ok(_) | Err(StoreError::Held { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    to_read(kept)
}

/// Copies the store, which a node may hold meanwhile.
pub(crate) fn backup(options: &Backup) -> Result<(), Failure> {
    let Backup { data_dir, to } = options;
    let data = DataDir::open(data_dir.as_deref())?;
    let store = Store::open_to_read(data.path()).map_err(|error| match error {
        StoreError::NotReady { .. } => Failure::usage(nothing_kept(data.path())),
        error => failed(error),
    })?;
    store.backup(to).map_err(failed)?;
    note(&format!("copied {} to {}", data.path().display(), to.display()));
    Ok(())
}

fn nothing_kept(data_dir: &Path) -> String {
    format!("nothing is kept in {} yet", data_dir.display())
}

/// What went wrong, with the exit code of who can do something about it.
pub(crate) fn failed(error: StoreError) -> Failure {
    match error {
        StoreError::Io { .. } | StoreError::Database(_) => Failure::from(error),
        error => Failure::usage(chain(&error)),
    }
}

/// What to remove, each once, when all of it is there: all of it is removed or nothing. Nobody else writes to a store that is held.
pub(crate) fn all_there(
    names: &[String],
    is_there: impl Fn(&str) -> Result<bool, Failure>,
    missing: impl FnOnce(&[&str]) -> Failure,
) -> Result<Vec<&str>, Failure> {
    let mut seen = BTreeSet::new();
    let (mut there, mut absent) = (Vec::new(), Vec::new());
    for name in names.iter().map(String::as_str).filter(|name| seen.insert(*name)) {
        if is_there(name)? { there.push(name) } else { absent.push(name) }
    }
    match (absent.as_slice(), there.as_slice()) {
        ([], _) => Ok(there),
        (absent, []) => Err(missing(absent)),
        (absent, _) => Err(missing(absent).with_advice("nothing is removed")),
    }
}

/// Says that a list is empty, and of whom: the user is often another one than was meant.
pub(crate) fn note_empty(store: &Store, kept: &Kept) {
    if let Some(data_dir) = store.data_dir() {
        let (user, shown) = (&kept.user_id, data_dir.display());
        note(&format!("nothing here for user {user} in {shown}; --user-id names another user"));
    }
}

/// Says that a list has more rows than it shows.
pub(crate) fn note_next(next: Option<&str>) {
    if let Some(cursor) = next {
        note(&format!("there are more: --start {cursor}"));
    }
}

/// The name of a file without its folder and its last extension.
pub(crate) fn stem(file: &Path) -> &str {
    file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("workflow")
}

/// How long a command waits for another one that writes.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);
