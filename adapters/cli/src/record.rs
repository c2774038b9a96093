//! The files of a recording.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Failure;

/// Gives new files at `path` that only their owner may read, one after the other; the first is made now. One that is there
/// already is kept beside it, as `.1`; the one before that is not.
pub(crate) fn files(
    path: PathBuf,
) -> Result<impl FnMut() -> io::Result<File> + Send + 'static, Failure> {
    let mut first = Some(create(&path).map_err(|error| {
        Failure::usage(format!("--record: {} cannot be written: {error}", path.display()))
    })?);
    Ok(move || first.take().map_or_else(|| create(&path), Ok))
}

fn create(path: &Path) -> io::Result<File> {
    keep_older(path)?;
    create_private(path)
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
