use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use clawnode_workflows::{NodeContext, NodeError, NodeType, Property, TypeDescriptor};
use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;

use crate::access::Access;
use crate::blocking::{Cancelled, unblock};
use crate::folders::Place;

#[derive(Deserialize)]
struct ListFiles {
    folder: String,
    pattern: String,
    include_subdirectories: bool,
}

pub(super) fn node(access: &Access) -> NodeType {
    let access = access.clone();
    NodeType::new(
        "lib.os.ListFiles",
        "List Files",
        "Gives the paths of the files in a folder, one after the other, in the order of their names.",
    )
    .property(Property::str("folder", "~").describe("An allowed folder, or one below."))
    .property(
        Property::str("pattern", "*")
            .describe("Which names, such as *.txt; with a slash in it, which paths below the folder."),
    )
    .property(
        Property::bool("include_subdirectories", false)
            .describe("Look into the folders below as well."),
    )
    .output("file", TypeDescriptor::str())
    .generate(move |p: ListFiles, context: NodeContext| {
        let access = access.clone();
        async move {
            for file in unblock(move |cancelled| list(&access, &p, &cancelled)).await? {
                context.emit("file", serde_json::Value::from(file)).await;
            }
            Ok(())
        }
    })
}

fn list(access: &Access, p: &ListFiles, cancelled: &Cancelled) -> Result<Vec<String>, NodeError> {
    let glob = GlobBuilder::new(&p.pattern).literal_separator(true).build();
    let glob = glob.map_err(|error| format!("the pattern cannot be used: {error}"))?;
    let place = Place::find(access, &p.folder)?;
    let dir =
        place.dir()?.open_dir(&place.below).map_err(|error| place.error("be listed", &error))?;
    let mut listing = Listing {
        access,
        place: &place,
        pattern: glob.compile_matcher(),
        whole_paths: p.pattern.contains('/'),
        recursive: p.include_subdirectories,
        cancelled,
        looked_at: 0,
        found: Vec::new(),
    };
    listing.enter(&dir, Path::new(""), 0)?;
    let shown = listing.found.iter().map(|file| place.shown(&place.below.join(file)));
    Ok(shown.collect())
}

struct Listing<'a> {
    access: &'a Access,
    place: &'a Place,
    pattern: GlobMatcher,
    whole_paths: bool,
    recursive: bool,
    cancelled: &'a Cancelled,
    looked_at: usize,
    found: Vec<PathBuf>,
}

impl Listing<'_> {
    fn enter(&mut self, dir: &Dir, below: &Path, depth: usize) -> Result<(), NodeError> {
        let limits = self.access.bounds();
        let unlistable = |error| self.place.error("be listed", &error);
        let mut names = Vec::new();
        for entry in dir.entries().map_err(unlistable)? {
            self.looked_at += 1;
            if self.looked_at > limits.listed_entries {
                let most = limits.listed_entries;
                let folder = self.place.given();
                return Err(format!(
                    "{folder:?} has more than {most} entries; list folders below it one by one"
                )
                .into());
            }
            if self.cancelled.is_set() {
                return Err("cancelled".into());
            }
            names.push(entry.map_err(unlistable)?.file_name());
        }
        names.sort_unstable();
        for name in names {
            let path = below.join(&name);
            // What is gone by now, or leads out of the folder, is not there.
            let Ok(kind) = dir.symlink_metadata(&name) else { continue };
            if kind.is_dir() {
                if self.recursive && depth < limits.folder_depth {
                    let inner = dir.open_dir(&name);
                    self.enter(
                        &inner.map_err(|error| self.place.error("be listed", &error))?,
                        &path,
                        depth + 1,
                    )?;
                } else if self.recursive {
                    let most = limits.folder_depth;
                    return Err(format!("folders are nested more than {most} deep").into());
                }
                continue;
            }
            let is_file =
                kind.is_file() || dir.metadata(&name).is_ok_and(|target| target.is_file());
            let compared = if self.whole_paths { path.as_path() } else { Path::new(&name) };
            if is_file && self.pattern.is_match(compared) {
                self.found.push(path);
            }
        }
        Ok(())
    }
}
