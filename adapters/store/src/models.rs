//! Models, as the services that offer them named them last.

use rusqlite::{Connection, Row, params};
use serde::Serialize;

use crate::Store;
use crate::error::{StoreError, named};
use crate::limits::{MOST_MODELS, MOST_MODELS_OF_A_SOURCE, MOST_NAME_BYTES};
use crate::page::{List, Page, Query, Window};
use crate::time::now;

/// What is known of a model (protocol page 1.2, `list_models`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Model {
    /// What it is asked for by.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// The repository it comes from, if it is known.
    pub repo_id: Option<String>,
    /// Its file within the repository, if it is known.
    pub path: Option<String>,
    /// What it is, such as `language_model`, if it is known.
    #[serde(rename = "type")]
    pub model_type: Option<String>,
    /// Whether its files are on this machine, if it is known.
    pub downloaded: Option<bool>,
    /// Bytes of its files, if they are known.
    pub size_on_disk: Option<u64>,
    /// Who serves it, if it is known.
    pub provider: Option<String>,
}

impl Model {
    /// A model of which nothing but the id is known.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            name: id.clone(),
            id,
            repo_id: None,
            path: None,
            model_type: None,
            downloaded: None,
            size_on_disk: None,
            provider: None,
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        named("the id of a model", &self.id)?;
        let texts = [&self.repo_id, &self.path, &self.model_type, &self.provider];
        for text in texts.into_iter().flatten().chain([&self.name]) {
            StoreError::bounded("a text about a model", text.len(), MOST_NAME_BYTES)?;
        }
        Ok(())
    }
}

/// A model that a service has offered. Whether the service can be reached now, the row does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelRow {
    /// The service.
    pub source: String,
    /// What the service said of it last.
    #[serde(flatten)]
    pub model: Model,
    /// When the service first offered it, RFC 3339 in UTC. One that was gone for a while begins anew.
    pub first_seen_at: String,
    /// When the service offered it last, RFC 3339 in UTC.
    pub seen_at: String,
}

impl Store {
    /// Keeps what the service `source` offers a user, in its order, in place of what it offered before: models that are
    /// offered no more are removed. Returns the time at which they are [seen](ModelRow::seen_at).
    ///
    /// `source` is the name of the service, such as its URL, and must hold no secret. Of two models with the same id the first
    /// is kept. Beyond [`MOST_MODELS`] the offers go, of whatever user, that are not seen for the longest time.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] for more than [`MOST_MODELS_OF_A_SOURCE`] models, or a text of more than [`MOST_NAME_BYTES`];
    /// [`StoreError::Empty`] without a user or a source, and for a model without an id; when the database fails. Then all is
    /// as before.
    pub fn replace_models(
        &self,
        user: &str,
        source: &str,
        models: Vec<Model>,
    ) -> Result<String, StoreError> {
        named("the user of a model", user)?;
        named("the source of a model", source)?;
        let (what, size, most) = ("the list of models", models.len(), MOST_MODELS_OF_A_SOURCE);
        if size > most {
            return Err(StoreError::TooLarge { what, unit: "models", size, most });
        }
        models.iter().try_for_each(Model::check)?;
        let (user, source) = (user.to_owned(), source.to_owned());
        self.write(move |connection| {
            let seen_at = now();
            remove_others(connection, &user, &source, &models)?;
            // Lists begin with the newest row, which is to be the first of the source.
            for model in models.iter().rev() {
                put(connection, &user, &source, model, &seen_at)?;
            }
            prune(connection, MOST_MODELS)?;
            Ok(seen_at)
        })
    }

    /// The models of a user, or those that one source has offered, the newest first and those that came together in the order
    /// of their source; the text of the query is looked for in their ids and names.
    ///
    /// # Errors
    ///
    /// [`StoreError::Limit`] and [`StoreError::Cursor`] for a query that cannot be answered; when the database fails.
    pub fn models(
        &self,
        user: &str,
        source: Option<&str>,
        query: &Query,
    ) -> Result<Page<ModelRow>, StoreError> {
        let window = Window::of(List::Models, query.limit, query.start.as_deref())?;
        let text = query.text.as_deref().unwrap_or_default().to_lowercase();
        let of_source = if source.is_some() { "AND source = ?5" } else { "AND ?5 IS NULL" };
        let sql = format!(
            "SELECT place, source, id, name, repo_id, path, type, downloaded, size_on_disk, provider,
                    first_seen_at, seen_at
             FROM models
             WHERE user_id = ?1 AND place < ?2 AND (?4 = '' OR instr(searched, ?4) > 0) {of_source}
             ORDER BY place DESC LIMIT ?3"
        );
        self.read(|connection| {
            let mut rows = connection.prepare_cached(&sql)?;
            let values = params![user, window.before, window.wanted(), text, source];
            let found = rows.query_map(values, model_row)?.collect::<Result<Vec<_>, _>>()?;
            Ok(window.page(found))
        })
    }
}

/// Removes what the source offers no more.
fn remove_others(
    connection: &Connection,
    user: &str,
    source: &str,
    models: &[Model],
) -> Result<(), StoreError> {
    let ids: Vec<_> = models.iter().map(|model| &model.id).collect();
    let sql = "DELETE FROM models WHERE user_id = ?1 AND source = ?2
               AND id NOT IN (SELECT value FROM json_each(?3))";
    let values = params![user, source, serde_json::to_string(&ids)?];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn put(
    connection: &Connection,
    user: &str,
    source: &str,
    model: &Model,
    seen_at: &str,
) -> Result<(), StoreError> {
    let Model { id, name, repo_id, path, model_type, downloaded, size_on_disk, provider } = model;
    let mut upsert = connection.prepare_cached(
        "INSERT INTO models
             (user_id, source, id, name, repo_id, path, type, downloaded, size_on_disk, provider,
              first_seen_at, seen_at, searched)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12)
         ON CONFLICT (user_id, source, id) DO UPDATE SET
             name = excluded.name, repo_id = excluded.repo_id, path = excluded.path,
             type = excluded.type, downloaded = excluded.downloaded,
             size_on_disk = excluded.size_on_disk, provider = excluded.provider,
             seen_at = excluded.seen_at, searched = excluded.searched",
    )?;
    upsert.execute(params![
        user,
        source,
        id,
        name,
        repo_id,
        path,
        model_type,
        downloaded,
        size_on_disk,
        provider,
        seen_at,
        format!("{id}\n{name}").to_lowercase()
    ])?;
    Ok(())
}

/// Removes the offers that are not seen for the longest time, each as a whole, beyond `most` models.
fn prune(connection: &Connection, most: u32) -> Result<(), StoreError> {
    let sql = "DELETE FROM models WHERE (user_id, source) IN (
                   SELECT user_id, source FROM (
                       SELECT user_id, source, sum(count(*)) OVER (
                           ORDER BY max(seen_at) DESC, max(place) DESC ROWS UNBOUNDED PRECEDING
                       ) AS so_far
                       FROM models GROUP BY user_id, source
                   ) WHERE so_far > ?1)";
    connection.prepare_cached(sql)?.execute([most])?;
    Ok(())
}

fn model_row(row: &Row<'_>) -> Result<(i64, ModelRow), rusqlite::Error> {
    let found = ModelRow {
        source: row.get(1)?,
        model: Model {
            id: row.get(2)?,
            name: row.get(3)?,
            repo_id: row.get(4)?,
            path: row.get(5)?,
            model_type: row.get(6)?,
            downloaded: row.get(7)?,
            size_on_disk: row.get(8)?,
            provider: row.get(9)?,
        },
        first_seen_at: row.get(10)?,
        seen_at: row.get(11)?,
    };
    Ok((row.get(0)?, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_models_as_the_bound_are_kept_and_beyond_it_the_offers_not_seen_for_long_go() {
        let store = Store::in_memory().unwrap();
        let offer = |user: &str, source: &str, ids: &[&str]| {
            let models = ids.iter().copied().map(Model::new).collect();
            store.replace_models(user, source, models).unwrap();
        };
        offer("1", "old", &["a", "b"]);
        offer("2", "old", &["c"]);
        offer("1", "new", &["d", "e"]);
        // The first is seen again, and so the newest.
        offer("1", "old", &["a", "b"]);
        let left = |most| {
            store.write(move |connection| prune(connection, most)).unwrap();
            ["1", "2"].map(|user| {
                let rows = store.models(user, None, &Query::default()).unwrap().rows;
                rows.into_iter().map(|row| row.model.id).collect::<Vec<_>>().join(" ")
            })
        };
        assert_eq!(left(5), ["d e a b", "c"]);
        assert_eq!(left(4), ["d e a b", ""]);
        assert_eq!(left(3), ["a b", ""]);
    }
}
