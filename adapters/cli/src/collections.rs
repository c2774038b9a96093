//! `clawnode collections`: documents that are found by their words.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clawnode_store::{Document, Query, StoreError};
use serde_json::{Map, Value, json};

use crate::error::Failure;
use crate::kept::{all_there, failed, note_empty, note_next, to_read, to_write};
use crate::options::collections::{Collections, CollectionsCommand};
use crate::options::kept::{Kept, Part};
use crate::output::{note, print, print_json};
use crate::table::Table;

pub(crate) fn run(options: &Collections) -> Result<(), Failure> {
    let Collections { kept, command } = options;
    let user = &kept.user_id;
    match command {
        CollectionsCommand::Create { name, workflow_id } => {
            let mut metadata = Map::new();
            if let Some(id) = workflow_id {
                metadata.insert("workflow".to_owned(), Value::from(id.as_str()));
            }
            to_write(kept)?.create_collection(user, name, &metadata).map_err(failed)?;
            note(&format!("made {name}"));
            Ok(())
        }
        CollectionsCommand::Add { name, files } => {
            let mut ids = BTreeSet::new();
            let mut documents = Vec::with_capacity(files.len());
            for file in files {
                let document = document(file)?;
                if !ids.insert(document.id.clone()) {
                    return Err(Failure::usage(format!(
                        "two files are called {}, and a collection has one document of a name",
                        document.id
                    )));
                }
                documents.push(document);
            }
            let count = documents.len();
            let store = to_write(kept)?;
            match store.create_collection(user, name, &Map::new()) {
                Ok(()) | Err(StoreError::Exists { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
            store.add_documents(user, name, documents).map_err(failed)?;
            note(&format!("added {count} to {name}"));
            Ok(())
        }
        CollectionsCommand::List { search, part: Part { limit, start } } => {
            let query = Query { text: search.clone(), limit: *limit, start: start.clone() };
            let store = to_read(kept)?;
            let page = store.collections(user, &query).map_err(failed)?;
            if kept.json {
                return print_json(&json!({ "collections": page.rows, "next": page.next }));
            }
            let mut table = Table::new(["NAME", "DOCUMENTS", "CREATED"]);
            for row in &page.rows {
                table.row([&row.name, &row.count.to_string(), &row.created_at]);
            }
            print(|out| table.write(out))?;
            if page.rows.is_empty() {
                note_empty(&store, kept);
            }
            note_next(page.next.as_deref());
            Ok(())
        }
        CollectionsCommand::Search { name, words, limit } => {
            let found = to_read(kept)?.search(user, name, &words.join(" "), *limit);
            let found = found.map_err(|error| match error {
                StoreError::NotFound { .. } => unknown(kept, name),
                error => failed(error),
            })?;
            if kept.json {
                return print_json(&json!({ "documents": found }));
            }
            let mut table = Table::new(["RANK", "ID", "TEXT"]);
            for (rank, hit) in (1..).zip(&found) {
                let text: String = hit.document.text.chars().take(SHOWN).collect();
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                table.row([&rank.to_string(), &hit.document.id, &text]);
            }
            if found.is_empty() {
                note(&format!("no document of {name} has all of these words"));
            }
            print(|out| table.write(out))
        }
        CollectionsCommand::Remove { names } => {
            let store = to_write(kept)?;
            let is_there = |name: &str| Ok(store.collection(user, name).map_err(failed)?.is_some());
            for name in all_there(names, is_there, |missing| unknown(kept, &missing.join(", ")))? {
                store.remove_collection(user, name).map_err(failed)?;
                note(&format!("removed {name}"));
            }
            Ok(())
        }
    }
}

fn document(file: &Path) -> Result<Document, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Document::new(name.unwrap_or_default(), text))
}

fn unknown(kept: &Kept, name: &str) -> Failure {
    Failure::usage(format!(
        "user {} has no collection {name}; `clawnode collections list` lists them",
        kept.user_id
    ))
}

/// Characters of a text that a table shows.
const SHOWN: usize = 80;
