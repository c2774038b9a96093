//! From the paths that workflows give to places in the allowed folders.

use std::env;
use std::io;
#[cfg(feature = "files")]
use std::path::Path;
use std::path::{Component, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use clawnode_workflows::NodeError;

use crate::access::{Access, AllowedFolder};

/// A path in an allowed folder. It does not leave the folder by its letters alone; what `dir` opens does not by links either.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// As the workflow gave it, for errors.
    given: String,
    folder: AllowedFolder,
    /// Below the folder; `.` for the folder itself.
    pub(crate) below: PathBuf,
}

impl Place {
    /// Finds the allowed folder that a path is in.
    pub(crate) fn find(access: &Access, path: &str) -> Result<Self, NodeError> {
        let folders = access.folders();
        let Some(first) = folders.first() else {
            return Err(
                format!("no folder is allowed, so {path:?} cannot be used; allow one with --allow-folder DIR").into()
            );
        };
        if path.is_empty() {
            return Err("the path is empty".into());
        }
        if path.contains('\0') {
            return Err("the path has a zero byte".into());
        }
        let wanted = with_home(path);
        let found = if wanted.is_absolute() {
            folders.iter().find_map(|folder| {
                let below = [&folder.given, &folder.real].into_iter();
                let below = below.filter_map(|start| wanted.strip_prefix(start).ok()).next()?;
                Some((folder, below.to_owned()))
            })
        } else {
            // `C:name` and `\name` of Windows are neither absolute nor below a folder.
            let plain = |part| !matches!(part, Component::Prefix(_) | Component::RootDir);
            wanted.components().all(plain).then(|| (first, wanted.clone()))
        };
        let Some((folder, below)) = found else {
            return Err(format!(
                "{path:?} is in no allowed folder; allow its folder with --allow-folder"
            )
            .into());
        };
        let below = if below.as_os_str().is_empty() { PathBuf::from(".") } else { below };
        Ok(Self { given: path.to_owned(), folder: folder.clone(), below })
    }

    /// The folder. What is opened through it stays in it, whatever links there are.
    pub(crate) fn dir(&self) -> Result<Dir, NodeError> {
        Dir::open_ambient_dir(&self.folder.real, ambient_authority())
            .map_err(|error| self.error("be used", &error))
    }

    /// A path below the folder as a workflow can use it again.
    #[cfg(feature = "files")]
    pub(crate) fn shown(&self, below: &Path) -> String {
        let tidy: PathBuf =
            below.components().filter(|part| !matches!(part, Component::CurDir)).collect();
        self.folder.given.join(tidy).to_string_lossy().into_owned()
    }

    /// Where it really is, without a link in it. It was in the folder when this was called.
    #[cfg(feature = "sqlite")]
    pub(crate) fn real(&self) -> Result<PathBuf, NodeError> {
        let below = self.dir()?.canonicalize(&self.below);
        Ok(self.folder.real.join(below.map_err(|error| self.error("be opened", &error))?))
    }

    /// What could not be done to it, and why.
    pub(crate) fn error(&self, what: &str, error: &io::Error) -> NodeError {
        let given = &self.given;
        // An error that is not the system's is that of the check.
        if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
            return format!(
                "{given:?} leads out of the allowed folder {}; allow where it leads with --allow-folder",
                self.folder.given.display()
            )
            .into();
        }
        format!("{given:?} cannot {what}: {error}").into()
    }

    /// The path as it was given.
    #[cfg(feature = "files")]
    pub(crate) fn given(&self) -> &str {
        &self.given
    }
}

/// A leading `~` is the folder of the user.
fn with_home(path: &str) -> PathBuf {
    let below = match path.strip_prefix('~') {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    };
    match (below, env::home_dir()) {
        (Some(below), Some(home)) => home.join(below),
        _ => PathBuf::from(path),
    }
}
