use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions};
use cap_tempfile::TempFile;
use clawnode_workflows::{NodeContext, NodeError, NodeType, Property, TypeDescriptor};
use serde::Deserialize;

use super::{encoding, find_encoding, path};
use crate::access::Access;
use crate::blocking::unblock;
use crate::folders::Place;
use crate::limits::shown_bytes;

#[derive(Deserialize)]
struct WriteTextFile {
    path: String,
    content: String,
    encoding: String,
    append: bool,
}

pub(super) fn node(access: &Access) -> NodeType {
    let access = access.clone();
    NodeType::new(
        "nodetool.workspace.WriteTextFile",
        "Write Text File",
        "Writes a text to a file, and gives the file's path.\nFolders on the way are made. The file is replaced as a whole: no reader \
         ever sees half of it.",
    )
    .alias("lib.os.WriteTextFile")
    .property(path())
    .property(Property::str("content", "").describe("The text."))
    .property(encoding())
    .property(Property::bool("append", false).describe("Add to what the file has already."))
    .output("output", TypeDescriptor::str())
    .process(move |p: WriteTextFile, _: NodeContext| {
        let access = access.clone();
        unblock(move |_| write(&access, &p))
    })
}

fn write(access: &Access, p: &WriteTextFile) -> Result<String, NodeError> {
    let encoding = find_encoding(&p.encoding)?;
    let place = Place::find(access, &p.path)?;
    let (bytes, used, unmappable) = encoding.encode(&p.content);
    if used != encoding {
        return Err(format!("text cannot be written as {}; use utf-8", encoding.name()).into());
    }
    if unmappable {
        return Err(
            format!("the text has letters that {} has not; use utf-8", encoding.name()).into()
        );
    }
    let dir = place.dir()?;
    let unwritable = |error| place.error("be written", &error);
    let target = match dir.canonicalize(&place.below) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => place.below.clone(),
        Err(error) => return Err(unwritable(error)),
    };
    let before = dir.metadata(&target).ok();
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        return Err(format!("{:?} is no file", place.given()).into());
    }
    let kept = before.as_ref().filter(|_| p.append).map_or(0, |before| before.len());
    let most = access.bounds().file_bytes;
    if usize::try_from(kept).unwrap_or(usize::MAX).saturating_add(bytes.len()) > most {
        let given = place.given();
        return Err(format!("{given:?} would be larger than {}", shown_bytes(most)).into());
    }
    let Some(name) = target.file_name() else {
        return Err(format!("{:?} is no file", place.given()).into());
    };
    if belongs_to_sqlite(name) {
        let given = place.given();
        return Err(format!(
            "{given:?} has a name that SQLite gives its own files; choose another"
        )
        .into());
    }
    let parent = parent(&target);
    dir.create_dir_all(&parent).map_err(unwritable)?;
    let parent = dir.open_dir(&parent).map_err(unwritable)?;
    let written = if p.append {
        append(&parent, Path::new(name), &bytes)
    } else {
        replace(&parent, Path::new(name), &bytes)
    };
    written.map_err(unwritable)?;
    Ok(place.shown(&place.below))
}

/// Whether SQLite would take the file for the journal of a database and do what it says, which includes deleting other files.
fn belongs_to_sqlite(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    // Windows leaves dots and blanks at the end of a name out.
    let name = name.trim_end_matches(['.', ' ']);
    ["-journal", "-wal", "-shm"].iter().any(|end| name.ends_with(end))
}

fn parent(target: &Path) -> PathBuf {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn append(dir: &Dir, name: &Path, bytes: &[u8]) -> std::io::Result<()> {
    dir.open_with(name, OpenOptions::new().append(true).create(true))?.write_all(bytes)
}

fn replace(dir: &Dir, name: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = TempFile::new(dir)?;
    file.write_all(bytes)?;
    if let Ok(before) = dir.metadata(name) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.replace(name)
}
