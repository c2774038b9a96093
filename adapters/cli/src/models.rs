//! `clawnode models`: what the services of models have offered a node.

use clawnode_store::Query;
use serde_json::json;

use crate::error::Failure;
use crate::kept::{failed, note_empty, note_next, to_read};
use crate::options::kept::Part;
use crate::options::models::{Models, ModelsCommand};
use crate::output::{note, print, print_json};
use crate::table::Table;

pub(crate) fn run(options: &Models) -> Result<(), Failure> {
    let Models { kept, command } = options;
    match command {
        ModelsCommand::List { source, search, part: Part { limit, start } } => {
            let query = Query { text: search.clone(), limit: *limit, start: start.clone() };
            let store = to_read(kept)?;
            let page = store.models(&kept.user_id, source.as_deref(), &query).map_err(failed)?;
            if kept.json {
                return print_json(&json!({ "models": page.rows, "next": page.next }));
            }
            let mut table = Table::new(["ID", "TYPE", "PROVIDER", "SOURCE", "SEEN"]);
            for row in &page.rows {
                table.row([
                    &row.model.id,
                    row.model.model_type.as_deref().unwrap_or("-"),
                    row.model.provider.as_deref().unwrap_or("-"),
                    &row.source,
                    &row.seen_at,
                ]);
            }
            print(|out| table.write(out))?;
            if page.rows.is_empty() {
                note_empty(&store, kept);
                if store.data_dir().is_some() {
                    note(HOW_THEY_COME);
                }
            }
            note_next(page.next.as_deref());
            Ok(())
        }
    }
}

const HOW_THEY_COME: &str =
    "a node with --models-url keeps what its service offers when list_models is asked";
