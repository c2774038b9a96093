//! Workflows from the files of a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use crate::{
    limits::{MAX_WORKFLOW_FILE, MAX_WORKFLOW_FILES},
    workflow::Workflow,
};

/// The `*.json` files of one folder, without its subfolders.
///
/// Each call looks at the folder again and reads the files that are new or have another size
/// or time of change, so that a running node sees what people put there. The calls block while
/// they read; on an asynchronous runtime call them where blocking is allowed.
#[derive(Debug)]
pub struct WorkflowDirectory {
    path: PathBuf,
    files: Mutex<BTreeMap<OsString, ReadFile>>,
}

#[derive(Debug)]
struct ReadFile {
    size: u64,
    changed: Option<SystemTime>,
    content: Result<Arc<Workflow>, String>,
}

/// What a [`WorkflowDirectory`] holds at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Listing {
    /// The workflows, in the order of their files' names.
    pub workflows: Vec<Arc<Workflow>>,
    /// The files that are not workflows, in the order of their names.
    pub broken: Vec<BrokenFile>,
}

/// A file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BrokenFile {
    /// The file's name in its folder.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// The folder itself could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the workflow folder {}: {source}", path.display())]
pub struct DirectoryError {
    /// The folder.
    pub path: PathBuf,
    source: io::Error,
}

impl WorkflowDirectory {
    /// The workflows of the folder `path`, which is looked at on each call and not before.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), files: Mutex::default() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything in the folder.
    ///
    /// Of two files with the same workflow id the first by name counts; the other is listed as
    /// broken.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`] when the folder itself cannot be read; never because of a file in it.
    pub fn list(&self) -> Result<Listing, DirectoryError> {
        let fault = |source| DirectoryError { path: self.path.clone(), source };
        let names = json_files(&self.path).map_err(fault)?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|name, _| names.contains(name));
        let mut listing = Listing::default();
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            let file = name.to_string_lossy().into_owned();
            if index >= MAX_WORKFLOW_FILES {
                let reason =
                    format!("the folder has more than {MAX_WORKFLOW_FILES} workflow files");
                listing.broken.push(BrokenFile { file, reason });
                break;
            }
            let Some(content) = self.content(&mut files, name) else { continue };
            let workflow = content.and_then(|workflow| match owners.get(&workflow.id) {
                Some(first) => Err(format!("its id {:?} is also that of {first}", workflow.id)),
                None => Ok(workflow),
            });
            match workflow {
                Ok(workflow) => {
                    owners.insert(workflow.id.clone(), file);
                    listing.workflows.push(workflow);
                }
                Err(reason) => listing.broken.push(BrokenFile { file, reason }),
            }
        }
        Ok(listing)
    }

    /// The workflow with the id `id`, if there is one.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn get(&self, id: &str) -> Result<Option<Arc<Workflow>>, DirectoryError> {
        let listing = self.list()?;
        Ok(listing.workflows.into_iter().find(|workflow| workflow.id == id))
    }

    /// The content of one file; `None` if it is gone or not a file.
    fn content(
        &self,
        files: &mut BTreeMap<OsString, ReadFile>,
        name: &OsString,
    ) -> Option<Result<Arc<Workflow>, String>> {
        let path = self.path.join(name);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Some(Err(format!("the file cannot be read: {error}")));
            }
            _ => return None,
        };
        let (size, changed) = (metadata.len(), metadata.modified().ok());
        let known = files.get(name);
        if let Some(file) = known.filter(|file| (file.size, file.changed) == (size, changed)) {
            return Some(file.content.clone());
        }
        let content = read(&path, &metadata).map(Arc::new);
        files.insert(name.clone(), ReadFile { size, changed, content: content.clone() });
        Some(content)
    }
}

/// The names of the folder's `.json` files; one more than the limit at most.
fn json_files(path: &Path) -> io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "json") {
            names.insert(name);
            if names.len() > MAX_WORKFLOW_FILES + 1 {
                names.pop_last();
            }
        }
    }
    Ok(names)
}

fn read(path: &Path, metadata: &Metadata) -> Result<Workflow, String> {
    let too_large = || format!("the file is larger than {} MiB", MAX_WORKFLOW_FILE / 1024 / 1024);
    if metadata.len() > MAX_WORKFLOW_FILE {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // The file may have grown since it was looked at.
    let read =
        File::open(path).and_then(|file| file.take(MAX_WORKFLOW_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("the file cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_WORKFLOW_FILE {
        return Err(too_large());
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let json = serde_json::from_slice(text).map_err(|error| format!("not valid JSON: {error}"))?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let mut workflow = Workflow::from_json(json, &stem).map_err(|error| error.to_string())?;
    if workflow.updated_at.is_none() {
        let changed = metadata.modified().ok();
        let changed = changed.and_then(|time| jiff::Timestamp::try_from(time).ok());
        workflow.updated_at = changed.map(|time| format!("{time:.6}"));
    }
    Ok(workflow)
}
