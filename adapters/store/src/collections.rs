//! Collections: documents that are found by their words.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Store;
use crate::error::{StoreError, named};
use crate::limits::{MOST_ADDED_DOCUMENTS, MOST_DOCUMENT_BYTES};
use crate::page::{List, Page, Query, Window};
use crate::time::now;

/// A collection of documents (protocol page 1.2, `get_collection`).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Collection {
    /// What it is called, unique among those of its user.
    pub name: String,
    /// What else there is to say.
    pub metadata: Map<String, Value>,
    /// Documents in it.
    pub count: u64,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
}

/// A document of a collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// Unique in its collection.
    pub id: String,
    /// What is searched.
    pub text: String,
    /// What else there is to say.
    pub metadata: Map<String, Value>,
}

impl Document {
    /// A document without metadata.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), text: text.into(), metadata: Map::new() }
    }
}

/// A document that a search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// The document.
    #[serde(flatten)]
    pub document: Document,
    /// How well it fits; the higher, the better. Good for comparing the hits of one search only.
    pub score: f64,
}

impl Store {
    /// Makes a collection of a user.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`] when the user has one of that name; [`StoreError::Empty`] and [`StoreError::TooLarge`] for a name
    /// that is none, or metadata out of all proportion; when the database fails.
    pub fn create_collection(
        &self,
        user: &str,
        name: &str,
        metadata: &Map<String, Value>,
    ) -> Result<(), StoreError> {
        named("the user of a collection", user)?;
        named("the name of a collection", name)?;
        let metadata = crate::metadata(metadata)?;
        let (user, name) = (user.to_owned(), name.to_owned());
        self.write(move |connection| {
            let sql = "INSERT INTO collections (user_id, name, metadata, created_at, searched)
                       VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
            let values = params![user, name, metadata, now(), name.to_lowercase()];
            match connection.prepare_cached(sql)?.execute(values)? {
                0 => Err(StoreError::Exists { what: "collection", id: name }),
                _ => Ok(()),
            }
        })
    }

    /// A collection of a user, if there is one of that name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn collection(&self, user: &str, name: &str) -> Result<Option<Collection>, StoreError> {
        self.read(|connection| {
            let sql = format!("{SELECT} WHERE user_id = ?1 AND name = ?2");
            let mut query = connection.prepare_cached(&sql)?;
            let found = query.query_one([user, name], collection).optional()?;
            Ok(found.map(|(_, collection)| collection))
        })
    }

    /// The collections of a user; the text of the query is looked for in their names.
    ///
    /// # Errors
    ///
    /// [`StoreError::Limit`] and [`StoreError::Cursor`] for a query that cannot be answered; when the database fails.
    pub fn collections(&self, user: &str, query: &Query) -> Result<Page<Collection>, StoreError> {
        let window = Window::of(List::Collections, query.limit, query.start.as_deref())?;
        let text = query.text.as_deref().unwrap_or_default().to_lowercase();
        self.read(|connection| {
            let sql = format!(
                "{SELECT} WHERE user_id = ?1 AND place < ?2 AND (?4 = '' OR instr(searched, ?4) > 0)
                 ORDER BY place DESC LIMIT ?3"
            );
            let mut rows = connection.prepare_cached(&sql)?;
            let values = params![user, window.before, window.wanted(), text];
            let found = rows.query_map(values, collection)?.collect::<Result<Vec<_>, _>>()?;
            Ok(window.page(found))
        })
    }

    /// Removes a collection of a user with all its documents. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn remove_collection(&self, user: &str, name: &str) -> Result<bool, StoreError> {
        let values = [user.to_owned(), name.to_owned()];
        self.write(move |connection| {
            let sql = "DELETE FROM collections WHERE user_id = ?1 AND name = ?2";
            Ok(connection.prepare_cached(sql)?.execute(values)? > 0)
        })
    }

    /// Adds documents to a collection of a user, each in place of the one with its id if there is one: all of them or none.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user has no such collection; [`StoreError::TooLarge`] for more than
    /// [`MOST_ADDED_DOCUMENTS`] at once, or one of more than [`MOST_DOCUMENT_BYTES`]; [`StoreError::Empty`] for one without an
    /// id; when the database fails.
    pub fn add_documents(
        &self,
        user: &str,
        collection: &str,
        documents: Vec<Document>,
    ) -> Result<(), StoreError> {
        let (what, size) = ("the list of documents", documents.len());
        if size > MOST_ADDED_DOCUMENTS {
            let most = MOST_ADDED_DOCUMENTS;
            return Err(StoreError::TooLarge { what, unit: "documents", size, most });
        }
        let mut rows = Vec::with_capacity(size);
        for Document { id, text, metadata } in documents {
            named("the id of a document", &id)?;
            StoreError::bounded("the text of a document", text.len(), MOST_DOCUMENT_BYTES)?;
            rows.push((id, text, crate::metadata(&metadata)?));
        }
        let (user, collection) = (user.to_owned(), collection.to_owned());
        self.write(move |connection| {
            let place = place(connection, &user, &collection)?;
            let mut upsert = connection.prepare_cached(
                "INSERT INTO documents (collection, id, text, metadata) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (collection, id) DO UPDATE
                 SET text = excluded.text, metadata = excluded.metadata",
            )?;
            for (id, text, metadata) in &rows {
                upsert.execute(params![place, id, text, metadata])?;
            }
            Ok(())
        })
    }

    /// A document of a collection of a user, if there is one with that id.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user has no such collection; when the database fails.
    pub fn document(
        &self,
        user: &str,
        collection: &str,
        id: &str,
    ) -> Result<Option<Document>, StoreError> {
        self.read(|connection| {
            let place = place(connection, user, collection)?;
            let sql = "SELECT id, text, metadata FROM documents WHERE collection = ?1 AND id = ?2";
            let mut query = connection.prepare_cached(sql)?;
            Ok(query.query_one(params![place, id], document).optional()?)
        })
    }

    /// Removes a document of a collection of a user. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user has no such collection; when the database fails.
    pub fn remove_document(
        &self,
        user: &str,
        collection: &str,
        id: &str,
    ) -> Result<bool, StoreError> {
        let (user, collection, id) = (user.to_owned(), collection.to_owned(), id.to_owned());
        self.write(move |connection| {
            let place = place(connection, &user, &collection)?;
            let sql = "DELETE FROM documents WHERE collection = ?1 AND id = ?2";
            Ok(connection.prepare_cached(sql)?.execute(params![place, id])? > 0)
        })
    }

    /// The documents of a collection of a user that have all of the words, whatever their case and accents, the best first. A
    /// word that ends in `*` stands for all that begin so.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user has no such collection; [`StoreError::Empty`] without words;
    /// [`StoreError::Limit`]; when the database fails.
    pub fn search(
        &self,
        user: &str,
        collection: &str,
        words: &str,
        limit: u32,
    ) -> Result<Vec<Hit>, StoreError> {
        let window = Window::of(List::Collections, limit, None)?;
        named("the text to search for", words.trim())?;
        let words: Vec<String> = words.split_whitespace().map(quoted).collect();
        self.read(|connection| {
            let place = place(connection, user, collection)?;
            let mut rows = connection.prepare_cached(
                "SELECT documents.id, documents.text, documents.metadata, -bm25(document_words)
                 FROM document_words JOIN documents ON documents.place = document_words.rowid
                 WHERE document_words MATCH ?1 AND documents.collection = ?2
                 ORDER BY bm25(document_words), documents.place LIMIT ?3",
            )?;
            let values = params![words.join(" "), place, window.limit()];
            let hit = |row: &Row<'_>| Ok(Hit { document: document(row)?, score: row.get(3)? });
            Ok(rows.query_map(values, hit)?.collect::<Result<_, _>>()?)
        })
    }
}

/// A word as FTS5 takes it literally (SQLite FTS5, section 3.2).
fn quoted(word: &str) -> String {
    let (word, star) = match word.strip_suffix('*') {
        Some(beginning) => (beginning, "*"),
        None => (word, ""),
    };
    format!("\"{}\"{star}", word.replace('"', "\"\""))
}

fn place(connection: &Connection, user: &str, name: &str) -> Result<i64, StoreError> {
    let sql = "SELECT place FROM collections WHERE user_id = ?1 AND name = ?2";
    match connection.prepare_cached(sql)?.query_one([user, name], |row| row.get(0)) {
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            Err(StoreError::NotFound { what: "collection", id: name.to_owned() })
        }
        found => Ok(found?),
    }
}

fn collection(row: &Row<'_>) -> Result<(i64, Collection), rusqlite::Error> {
    let metadata: String = row.get(2)?;
    let collection = Collection {
        name: row.get(1)?,
        metadata: serde_json::from_str(&metadata).unwrap_or_default(),
        created_at: row.get(3)?,
        count: row.get(4)?,
    };
    Ok((row.get(0)?, collection))
}

fn document(row: &Row<'_>) -> Result<Document, rusqlite::Error> {
    let metadata: String = row.get(2)?;
    let metadata = serde_json::from_str(&metadata).unwrap_or_default();
    Ok(Document { id: row.get(0)?, text: row.get(1)?, metadata })
}

const SELECT: &str = "SELECT place, name, metadata, created_at, \
                      (SELECT count(*) FROM documents WHERE collection = collections.place) FROM collections";
