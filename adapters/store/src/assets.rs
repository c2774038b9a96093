//! Assets: files that workflows and people keep, in folders.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Store;
use crate::error::{StoreError, named};
use crate::folder;
use crate::limits::{MOST_ASSET_BYTES, MOST_FOLDER_DEPTH};
use crate::page::{List, Page, Window};
use crate::time::now;

/// An asset to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAsset {
    /// Whose it is.
    pub user_id: String,
    /// What it is called; mostly a file's name. Several assets of one folder may have one name.
    pub name: String,
    /// Its media type, such as `image/png`; `None` for what the name says, else `application/octet-stream`.
    pub content_type: Option<String>,
    /// The workflow it comes from.
    pub workflow_id: Option<String>,
    /// The folder it goes into; `None` and the user's id are the top.
    pub parent_id: Option<String>,
    /// What else there is to say.
    pub metadata: Map<String, Value>,
    /// Seconds that it plays.
    pub duration: Option<f64>,
}

impl NewAsset {
    /// An asset at the top, of the type that its name says.
    pub fn new(user_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            name: name.into(),
            content_type: None,
            workflow_id: None,
            parent_id: None,
            metadata: Map::new(),
            duration: None,
        }
    }
}

/// An asset, or a folder of assets (protocol page 1.2, `get_asset`).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Asset {
    /// Its id, which the store gave.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// The workflow it comes from.
    pub workflow_id: Option<String>,
    /// The folder it is in; at the top the user's id.
    pub parent_id: String,
    /// What it is called.
    pub name: String,
    /// Its media type; [`FOLDER`] for a folder.
    pub content_type: String,
    /// Bytes of its content; 0 for a folder.
    pub size: u64,
    /// What else there is to say.
    pub metadata: Map<String, Value>,
    /// When it was kept, RFC 3339 in UTC.
    pub created_at: String,
    /// Where its content is, as a `file:` URL on this machine; `None` for a folder.
    pub get_url: Option<String>,
    /// Always `None`: the store makes no previews.
    pub thumb_url: Option<String>,
    /// Seconds that it plays.
    pub duration: Option<f64>,
}

impl Asset {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.content_type == FOLDER
    }
}

/// The content type of a folder.
pub const FOLDER: &str = "folder";

/// Which assets are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetQuery {
    /// Only those in this folder, not in its folders; the user's id for those at the top. `None` for all.
    pub parent_id: Option<String>,
    /// Only those whose content type begins so, such as `image/`.
    pub content_type: Option<String>,
    /// Only those with this text in their name, whatever the case.
    pub text: Option<String>,
    /// Rows at most, 1 to [`MOST_PAGE_ROWS`](crate::limits::MOST_PAGE_ROWS); 100 by default.
    pub limit: u32,
    /// Where to go on: [`Page::next`] of the page before.
    pub start: Option<String>,
}

impl Default for AssetQuery {
    fn default() -> Self {
        Self { parent_id: None, content_type: None, text: None, limit: 100, start: None }
    }
}

/// The folder that an asset is in, as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AssetFolder {
    /// The folder's name; `Home` at the top.
    pub folder_name: String,
    /// The names from the top, such as `Home / Photos / 2026`.
    pub folder_path: String,
    /// The folder's id; the user's at the top.
    pub folder_id: String,
}

impl Store {
    /// Keeps all that `content` gives as an asset. The file is whole and on the disk before there is a row for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user has no such folder; [`StoreError::AssetTooLarge`] beyond [`MOST_ASSET_BYTES`];
    /// [`StoreError::Empty`] and [`StoreError::TooLarge`] for a name that is none, or metadata out of all proportion; when
    /// `content`, the file system or the database fails.
    pub fn add_asset(&self, asset: NewAsset, content: impl Read) -> Result<Asset, StoreError> {
        let row = self.new_row(asset)?;
        let file = IncomingFile::write(self.assets_dir(), &row.id, content)?;
        let size = file.size;
        let path = file.publish()?;
        let kept = self.insert(NewRow { size, ..row });
        if kept.is_err() {
            // Without a row nobody finds it.
            let _ = fs::remove_file(path);
        }
        kept
    }

    /// Makes a folder for assets, in the folder `parent_id` or at the top.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the user has no such folder; [`StoreError::TooLarge`] deeper than [`MOST_FOLDER_DEPTH`], or
    /// for a name out of all proportion; [`StoreError::Empty`]; when the database fails.
    pub fn create_folder(
        &self,
        user: &str,
        name: &str,
        parent_id: Option<&str>,
    ) -> Result<Asset, StoreError> {
        let mut folder = NewAsset::new(user, name);
        folder.content_type = Some(FOLDER.to_owned());
        folder.parent_id = parent_id.map(str::to_owned);
        let row = self.new_row(folder)?;
        self.insert(row)
    }

    /// An asset of a user, if there is one with that id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn asset(&self, user: &str, id: &str) -> Result<Option<Asset>, StoreError> {
        let found = self.read(|connection| find(connection, user, id))?;
        Ok(found.map(|found| self.asset_of(found)))
    }

    /// The assets of a user, folders included.
    ///
    /// # Errors
    ///
    /// [`StoreError::Limit`] and [`StoreError::Cursor`] for a query that cannot be answered; when the database fails.
    pub fn assets(&self, user: &str, query: &AssetQuery) -> Result<Page<Asset>, StoreError> {
        let window = Window::of(List::Assets, query.limit, query.start.as_deref())?;
        let mut sql = format!("{SELECT} WHERE asset.user_id = ? AND asset.place < ?");
        let mut values = vec![Sql::from(user.to_owned()), Sql::from(window.before)];
        match &query.parent_id {
            Some(id) if id == user => sql.push_str(" AND asset.parent IS NULL"),
            Some(id) => {
                sql.push_str(
                    " AND asset.parent = (SELECT place FROM assets WHERE id = ? AND user_id = ?)",
                );
                values.extend([Sql::from(id.clone()), Sql::from(user.to_owned())]);
            }
            None => {}
        }
        if let Some(content_type) = &query.content_type {
            sql.push_str(" AND substr(asset.content_type, 1, length(?)) = ?");
            values.extend([Sql::from(content_type.clone()), Sql::from(content_type.clone())]);
        }
        if let Some(text) = query.text.as_ref().filter(|text| !text.is_empty()) {
            sql.push_str(" AND instr(asset.searched, ?) > 0");
            values.push(Sql::from(text.to_lowercase()));
        }
        sql.push_str(" ORDER BY asset.place DESC LIMIT ?");
        values.push(Sql::from(window.wanted()));
        let page = self.read(|connection| {
            let mut rows = connection.prepare_cached(&sql)?;
            let found = rows.query_map(params_from_iter(values), found_asset)?;
            let found = found.collect::<Result<Vec<_>, _>>()?;
            Ok(window.page(found.into_iter().map(|found| (found.place, found)).collect()))
        })?;
        let rows = page.rows.into_iter().map(|found| self.asset_of(found)).collect();
        Ok(Page { rows, next: page.next })
    }

    /// Opens the content of a user's asset; `None` when there is no such asset, or when it is a folder.
    ///
    /// # Errors
    ///
    /// When the file system or the database fails.
    pub fn open_asset(&self, user: &str, id: &str) -> Result<Option<File>, StoreError> {
        match self.asset(user, id)? {
            Some(asset) if !asset.is_folder() => {
                let path = self.assets_dir().join(&asset.id);
                Ok(Some(File::open(&path).map_err(StoreError::io(&path))?))
            }
            _ => Ok(None),
        }
    }

    /// The folder that a user's asset is in.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn asset_folder(&self, user: &str, id: &str) -> Result<Option<AssetFolder>, StoreError> {
        self.read(|connection| {
            let Some(asset) = find(connection, user, id)? else { return Ok(None) };
            let mut names = vec![TOP.to_owned()];
            let mut above = connection.prepare_cached(ABOVE)?;
            let above = above.query_map([asset.parent], |row| row.get(0))?;
            names.extend(above.collect::<Result<Vec<String>, _>>()?);
            Ok(Some(AssetFolder {
                folder_path: names.join(" / "),
                folder_name: names.pop().unwrap_or_default(),
                folder_id: asset.parent_id.unwrap_or_else(|| user.to_owned()),
            }))
        })
    }

    /// Removes an asset of a user and its content. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotEmpty`] for a folder with something in it; when the database fails.
    pub fn remove_asset(&self, user: &str, id: &str) -> Result<bool, StoreError> {
        let (user, id) = (user.to_owned(), id.to_owned());
        let removed = self.write(move |connection| {
            let Some(found) = find(connection, &user, &id)? else { return Ok(None) };
            let inside = "SELECT 1 FROM assets WHERE parent = ?1";
            if connection.prepare_cached(inside)?.exists([found.place])? {
                return Err(StoreError::NotEmpty { id });
            }
            let sql = "DELETE FROM assets WHERE place = ?1";
            connection.prepare_cached(sql)?.execute([found.place])?;
            Ok(Some(found.asset.id))
        })?;
        if let Some(id) = &removed {
            // Without a row nobody finds it; a folder has no file.
            let _ = fs::remove_file(self.assets_dir().join(id));
        }
        Ok(removed.is_some())
    }

    fn new_row(&self, asset: NewAsset) -> Result<NewRow, StoreError> {
        named("the user of an asset", &asset.user_id)?;
        named("the name of an asset", &asset.name)?;
        let metadata = crate::metadata(&asset.metadata)?;
        let guess = || mime_guess::from_path(&asset.name).first_or_octet_stream().to_string();
        let content_type =
            asset.content_type.clone().filter(|given| !given.is_empty()).unwrap_or_else(guess);
        let parent_id = asset.parent_id.clone().filter(|id| *id != asset.user_id && !id.is_empty());
        let parent = parent_id
            .map(|id| {
                let found = self.read(|connection| find(connection, &asset.user_id, &id))?;
                let folder = found.filter(|found| found.asset.content_type == FOLDER);
                let folder = folder.ok_or(StoreError::NotFound { what: "folder", id })?;
                Ok::<_, StoreError>(folder.place)
            })
            .transpose()?;
        let id = Uuid::new_v4().simple().to_string();
        Ok(NewRow { id, asset, metadata, content_type, parent, size: 0 })
    }

    fn insert(&self, row: NewRow) -> Result<Asset, StoreError> {
        let found = self.write(move |connection| {
            let NewRow { id, asset, metadata, content_type, parent, size } = row;
            if content_type == FOLDER {
                check_depth(connection, parent)?;
            }
            let sql =
                "INSERT INTO assets (id, user_id, workflow_id, parent, name, content_type, size,
                                           metadata, created_at, duration, searched)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
            let searched = asset.name.to_lowercase();
            let inserted = connection.prepare_cached(sql)?.execute(params![
                id,
                asset.user_id,
                asset.workflow_id,
                parent,
                asset.name,
                content_type,
                size,
                metadata,
                now(),
                asset.duration,
                searched
            ]);
            match inserted {
                // The folder was removed meanwhile.
                Err(error)
                    if error.sqlite_error_code()
                        == Some(rusqlite::ErrorCode::ConstraintViolation) =>
                {
                    let id = asset.parent_id.unwrap_or_default();
                    return Err(StoreError::NotFound { what: "folder", id });
                }
                inserted => inserted?,
            };
            let found = find(connection, &asset.user_id, &id)?;
            found.ok_or(StoreError::NotFound { what: "asset", id })
        })?;
        Ok(self.asset_of(found))
    }

    fn asset_of(&self, found: Found) -> Asset {
        let mut asset = found.asset;
        asset.parent_id = found.parent_id.unwrap_or_else(|| asset.user_id.clone());
        if !asset.is_folder() {
            let path = std::path::absolute(self.assets_dir().join(&asset.id)).ok();
            let url = path.and_then(|path| url::Url::from_file_path(path).ok());
            asset.get_url = url.map(String::from);
        }
        asset
    }
}

/// Removes what a process that ended in the middle had begun to write.
pub(crate) fn sweep(assets_dir: &Path) {
    // It is in nobody's way: the next time will do as well.
    let _ = fs::remove_dir_all(assets_dir.join(INCOMING));
}

/// Copies the content of all assets of a database from one folder to another.
pub(crate) fn copy_content(
    connection: &Connection,
    from: &Path,
    to: &Path,
) -> Result<(), StoreError> {
    let mut ids = connection.prepare("SELECT id FROM assets WHERE content_type <> ?1")?;
    for id in ids.query_map([FOLDER], |row| row.get::<_, String>(0))? {
        folder::make(to)?;
        let id = id?;
        match fs::copy(from.join(&id), to.join(&id)) {
            // It was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            copied => drop(copied.map_err(StoreError::io(&to.join(id)))?),
        }
    }
    Ok(())
}

struct NewRow {
    id: String,
    asset: NewAsset,
    metadata: String,
    content_type: String,
    parent: Option<i64>,
    size: u64,
}

struct Found {
    place: i64,
    parent: Option<i64>,
    parent_id: Option<String>,
    asset: Asset,
}

/// A file that is being written, and is removed unless it gets to its place.
struct IncomingFile {
    path: PathBuf,
    place: PathBuf,
    size: u64,
    published: bool,
}

impl IncomingFile {
    fn write(assets_dir: &Path, id: &str, content: impl Read) -> Result<Self, StoreError> {
        let incoming = assets_dir.join(INCOMING);
        folder::make(assets_dir)?;
        folder::make(&incoming)?;
        let path = incoming.join(id);
        let mut file = folder::create_private(&path).map_err(StoreError::io(&path))?;
        let place = assets_dir.join(id);
        let mut written = Self { path, place, size: 0, published: false };
        let size = copy(content, &mut file, MOST_ASSET_BYTES)
            .and_then(|size| file.sync_all().map(|()| size))
            .map_err(StoreError::io(&written.path))?;
        written.size = size.ok_or(StoreError::AssetTooLarge)?;
        Ok(written)
    }

    fn publish(mut self) -> Result<PathBuf, StoreError> {
        fs::rename(&self.path, &self.place).map_err(StoreError::io(&self.place))?;
        self.published = true;
        #[cfg(unix)]
        if let Some(folder) = self.place.parent() {
            // The name is on the disk when its folder is.
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(StoreError::io(folder))?;
        }
        Ok(self.place.clone())
    }
}

impl Drop for IncomingFile {
    fn drop(&mut self) {
        if !self.published {
            // What stays is swept when the store is opened next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Copies all of `content`, unless there is more than `most`.
fn copy(content: impl Read, file: &mut impl Write, most: u64) -> io::Result<Option<u64>> {
    let size = io::copy(&mut content.take(most.saturating_add(1)), file)?;
    Ok((size <= most).then_some(size))
}

fn check_depth(connection: &Connection, parent: Option<i64>) -> Result<(), StoreError> {
    let mut above = connection.prepare_cached(ABOVE)?;
    let depth = above.query_map([parent], |_| Ok(()))?.count() + 1;
    if depth > MOST_FOLDER_DEPTH {
        let (what, most) = ("the path of a folder", MOST_FOLDER_DEPTH);
        return Err(StoreError::TooLarge { what, unit: "folders", size: depth, most });
    }
    Ok(())
}

fn find(connection: &Connection, user: &str, id: &str) -> Result<Option<Found>, StoreError> {
    let sql = format!("{SELECT} WHERE asset.id = ?1 AND asset.user_id = ?2");
    Ok(connection.prepare_cached(&sql)?.query_one([id, user], found_asset).optional()?)
}

fn found_asset(row: &Row<'_>) -> Result<Found, rusqlite::Error> {
    let metadata: String = row.get(9)?;
    Ok(Found {
        place: row.get(0)?,
        parent: row.get(1)?,
        parent_id: row.get(2)?,
        asset: Asset {
            id: row.get(3)?,
            user_id: row.get(4)?,
            workflow_id: row.get(5)?,
            parent_id: String::new(),
            name: row.get(6)?,
            content_type: row.get(7)?,
            size: row.get(8)?,
            metadata: serde_json::from_str(&metadata).unwrap_or_default(),
            created_at: row.get(10)?,
            get_url: None,
            thumb_url: None,
            duration: row.get(11)?,
        },
    })
}

const SELECT: &str = "SELECT asset.place, asset.parent, folder.id, asset.id, asset.user_id, asset.workflow_id, \
                      asset.name, asset.content_type, asset.size, asset.metadata, asset.created_at, asset.duration \
                      FROM assets AS asset LEFT JOIN assets AS folder ON folder.place = asset.parent";
/// The names of the folders from the top down to one.
const ABOVE: &str = "WITH RECURSIVE above (place, name, parent, depth) AS (
                         SELECT place, name, parent, 0 FROM assets WHERE place = ?1
                         UNION ALL
                         SELECT assets.place, assets.name, assets.parent, depth + 1
                         FROM assets JOIN above ON assets.place = above.parent
                     )
                     SELECT name FROM above ORDER BY depth DESC";
const TOP: &str = "Home";
/// The folder, in that of the assets, of files that are being written.
const INCOMING: &str = "incoming";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_as_many_bytes_as_the_bound_is_copied_and_one_byte_more_is_not() {
        for (size, copied) in [(10, Some(10)), (11, None), (1_000, None)] {
            let mut file = Vec::new();
            assert_eq!(copy(vec![7; size].as_slice(), &mut file, 10).unwrap(), copied);
            assert!(file.len() <= 11);
        }
    }
}
