//! `clawnode assets`: files that are kept for workflows and gateways.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use clawnode_store::{Asset, AssetQuery, NewAsset, Store};
use serde_json::json;

use crate::error::{FAILED, Failure};
use crate::kept::{all_there, failed, note_empty, note_next, to_read, to_write};
use crate::options::kept::{Assets, AssetsCommand, Kept, Part};
use crate::output::{note, print, print_json};
use crate::table::Table;

pub(crate) fn run(options: &Assets) -> Result<(), Failure> {
    let Assets { kept, command } = options;
    let user = &kept.user_id;
    match command {
        AssetsCommand::Add { files, name, content_type, folder } => {
            if name.is_some() && files.len() > 1 {
                return Err(Failure::usage("--name is for one file; without it each has its own"));
            }
            // Nothing is added before all of it can be read.
            files.iter().try_for_each(|file| opened(file).map(drop))?;
            let store = to_write(kept)?;
            let mut added = Vec::new();
            for file in files {
                let mut asset = NewAsset::new(user, called(file, name.as_deref())?);
                asset.content_type.clone_from(content_type);
                asset.parent_id.clone_from(folder);
                added.push(add(&store, asset, file)?);
            }
            show(kept, &added)
        }
        AssetsCommand::Folder { name, folder } => {
            let made = to_write(kept)?.create_folder(user, name, folder.as_deref());
            show(kept, &[made.map_err(failed)?])
        }
        AssetsCommand::List { folder, search, content_type, part: Part { limit, start } } => {
            let query = AssetQuery {
                parent_id: folder.clone(),
                content_type: content_type.clone(),
                text: search.clone(),
                limit: *limit,
                start: start.clone(),
            };
            let store = to_read(kept)?;
            let page = store.assets(user, &query).map_err(failed)?;
            if kept.json {
                return print_json(&json!({ "assets": page.rows, "next": page.next }));
            }
            show(kept, &page.rows)?;
            if page.rows.is_empty() {
                note_empty(&store, kept);
            }
            note_next(page.next.as_deref());
            Ok(())
        }
        AssetsCommand::Get { id, output } => {
            let store = to_read(kept)?;
            let asset = store.asset(user, id).map_err(failed)?.ok_or_else(|| unknown(kept, id))?;
            match (output, kept.json) {
                (None, true) => print_json(&asset),
                _ => get(&store, &asset, output.as_deref()),
            }
        }
        AssetsCommand::Remove { ids } => {
            let store = to_write(kept)?;
            let is_there = |id: &str| Ok(store.asset(user, id).map_err(failed)?.is_some());
            for id in all_there(ids, is_there, |missing| unknown(kept, &missing.join(", ")))? {
                store.remove_asset(user, id).map_err(failed)?;
                note(&format!("removed {id}"));
            }
            Ok(())
        }
    }
}

/// What a file is to be called.
fn called(file: &Path, name: Option<&str>) -> Result<String, Failure> {
    match (name, file.to_str()) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, Some("-")) => Err(Failure::usage("what comes from stdin needs a --name")),
        _ => match file.file_name() {
            Some(name) => Ok(name.to_string_lossy().into_owned()),
            None => Err(Failure::usage(format!("{} is no file", file.display()))),
        },
    }
}

fn add(store: &Store, asset: NewAsset, file: &Path) -> Result<Asset, Failure> {
    let added = match opened(file)? {
        Some(content) => store.add_asset(asset, content),
        None => store.add_asset(asset, io::stdin().lock()),
    };
    added.map_err(failed)
}

/// A file to read; `None` for stdin.
fn opened(file: &Path) -> Result<Option<File>, Failure> {
    if file.as_os_str() == "-" {
        return Ok(None);
    }
    let unreadable =
        |error: io::Error| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let content = File::open(file).map_err(unreadable)?;
    if content.metadata().map_err(unreadable)?.is_dir() {
        return Err(Failure::usage(format!(
            "{} is a folder; add its files, or make a folder with `clawnode assets folder`",
            file.display()
        )));
    }
    Ok(Some(content))
}

fn get(store: &Store, asset: &Asset, output: Option<&Path>) -> Result<(), Failure> {
    let content = store.open_asset(&asset.user_id, &asset.id).map_err(failed)?;
    let Some(mut content) = content else {
        return Err(Failure::usage(format!("{} is a folder and has no content", asset.id)));
    };
    let Some(path) = output else {
        return print(|out| io::copy(&mut content, out).map(drop));
    };
    let unwritable = |error: io::Error| {
        Failure::new(FAILED, format!("cannot write {}: {error}", path.display()))
    };
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).map_err(unwritable)?;
    io::copy(&mut content, &mut file).map_err(unwritable)?;
    Ok(())
}

fn show(kept: &Kept, assets: &[Asset]) -> Result<(), Failure> {
    if kept.json {
        return print_json(&json!({ "assets": assets }));
    }
    let mut table = Table::new(["ID", "SIZE", "TYPE", "CREATED", "NAME"]);
    for asset in assets {
        let size = asset.size.to_string();
        table.row([&asset.id, &size, &asset.content_type, &asset.created_at, &asset.name]);
    }
    print(|out| table.write(out))
}

fn unknown(kept: &Kept, id: &str) -> Failure {
    Failure::usage(format!(
        "user {} has no asset {id}; `clawnode assets list` lists them",
        kept.user_id
    ))
}
