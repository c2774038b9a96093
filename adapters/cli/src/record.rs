//! The file of a recording.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Failure;

/// A new file at `path` that only its owner may read. One that is there already is kept beside it, as `.1`; the one
/// before that is not.
pub(crate) fn create(path: &Path) -> Result<File, Failure> {
    keep_older(path).and_then(|()| create_private(path)).map_err(|error| {
        let path = path.display();
        Failure::usage(format!("--record: {path} cannot be written: {error}"))
    })
}

fn keep_older(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let mut older = OsString::from(path);
            older.push(".1");
            fs::rename(path, PathBuf::from(older))
        }
        Ok(_) => Err(io::Error::other("it is there already and is no ordinary file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
