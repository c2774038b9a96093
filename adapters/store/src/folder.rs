//! The data directory: private files, and the lock that one process holds.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::error::StoreError;

/// Held for as long as this process may write to the store.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join(LOCK);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = private(&mut options).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Held {
                    data_dir: data_dir.to_owned(),
                    holder: noted_holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Makes the folder and its parents where they are missing, for its owner's eyes only.
pub(crate) fn make(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(StoreError::io(path))
}

/// Makes a new file for its owner's eyes only.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().write(true).create_new(true)).open(path)
}

/// Makes the file where it is missing. One that is there is not even opened: closing it would take SQLite's locks on it away
/// (SQLite, "How To Corrupt An SQLite Database File", section 2.2).
pub(crate) fn ensure_private(path: &Path) -> io::Result<()> {
    match create_private(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn private(options: &mut OpenOptions) -> &OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn noted_holder(file: &mut File) -> String {
    let mut text = String::new();
    // Some platforms let nobody read a locked file.
    let _ = file.take(NOTE_BYTES).read_to_string(&mut text);
    match text.trim().parse::<u32>() {
        Ok(pid) => format!("process {pid}"),
        Err(_) => "another process".to_owned(),
    }
}

const LOCK: &str = "store.lock";
/// Bytes of the lock file that are read: a process id has ten digits.
const NOTE_BYTES: u64 = 32;
