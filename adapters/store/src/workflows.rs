//! Workflows, each as the text of its file.

use clawnode_workflows::Workflow;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;

use crate::Store;
use crate::error::{StoreError, named};
use crate::limits::MOST_WORKFLOW_BYTES;
use crate::page::{List, Page, Query, Window};
use crate::time::now;

/// A workflow in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkflowRow {
    /// What it is run by.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// When it was made: as its file has it, else when it was first kept, RFC 3339 in UTC.
    pub created_at: String,
    /// When it was changed: as its file has it, else when it was last kept.
    pub updated_at: String,
}

/// What became of a workflow that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Put {
    /// It is new.
    Created,
    /// It took the place of another one with its id.
    Replaced,
    /// It was there already, to the byte.
    Unchanged,
}

impl Store {
    /// Keeps a workflow of a user, in place of the one with its id if there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] beyond [`MOST_WORKFLOW_BYTES`]; [`StoreError::Empty`] without an id or a user; when the database
    /// fails.
    pub fn put_workflow(&self, user: &str, workflow: &Workflow) -> Result<Put, StoreError> {
        let new = NewWorkflow::of(workflow, serde_json::to_string(workflow)?)?;
        Ok(self.put(user, vec![new])?.remove(0))
    }

    /// Keeps a workflow as the text of its file, to the byte, and returns what the text says. `name` is the id and the name of a
    /// workflow whose file has none, mostly the file's name without `.json`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Json`] and [`StoreError::Workflow`] when the text is no workflow; otherwise as
    /// [`put_workflow`](Self::put_workflow).
    pub fn put_workflow_file(
        &self,
        user: &str,
        text: &str,
        name: &str,
    ) -> Result<(Workflow, Put), StoreError> {
        Ok(self.put_workflow_files(user, [(text, name)])?.remove(0))
    }

    /// Keeps many workflows as [`put_workflow_file`](Self::put_workflow_file), each with its name: all of them or none.
    ///
    /// # Errors
    ///
    /// As for one, for the first that cannot be kept.
    pub fn put_workflow_files<'a>(
        &self,
        user: &str,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<(Workflow, Put)>, StoreError> {
        let mut workflows = Vec::new();
        let mut new = Vec::new();
        for (text, name) in files {
            let workflow = parse(text, name)?;
            new.push(NewWorkflow::of(&workflow, text.to_owned())?);
            workflows.push(workflow);
        }
        Ok(workflows.into_iter().zip(self.put(user, new)?).collect())
    }

    /// A workflow of a user, if there is one with that id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn workflow(&self, user: &str, id: &str) -> Result<Option<Workflow>, StoreError> {
        let found = self.read(|connection| {
            let sql = "SELECT json, created_at, updated_at
                       FROM workflows JOIN workflow_files ON workflow = place
                       WHERE user_id = ?1 AND id = ?2";
            let mut query = connection.prepare_cached(sql)?;
            let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            Ok(query.query_one([user, id], columns).optional()?)
        })?;
        let Some((json, created_at, updated_at)) = found else { return Ok(None) };
        let json: String = json;
        let mut workflow = parse(&json, id)?;
        // The row decides: a bare graph that was kept under its file's name may have an id of its own.
        id.clone_into(&mut workflow.id);
        workflow.created_at.get_or_insert(created_at);
        workflow.updated_at.get_or_insert(updated_at);
        Ok(Some(workflow))
    }

    /// The text of a workflow of a user, as it was given.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn workflow_file(&self, user: &str, id: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| file(connection, user, id))
    }

    /// The workflows of a user.
    ///
    /// # Errors
    ///
    /// [`StoreError::Limit`] and [`StoreError::Cursor`] for a query that cannot be answered; when the database fails.
    pub fn workflows(&self, user: &str, query: &Query) -> Result<Page<WorkflowRow>, StoreError> {
        let window = Window::of(List::Workflows, query.limit, query.start.as_deref())?;
        let text = query.text.as_deref().unwrap_or_default().to_lowercase();
        self.read(|connection| {
            let mut rows = connection.prepare_cached(
                "SELECT place, id, name, description, tags, created_at, updated_at FROM workflows
                 WHERE user_id = ?1 AND place < ?2 AND (?4 = '' OR instr(searched, ?4) > 0)
                 ORDER BY place DESC LIMIT ?3",
            )?;
            let values = params![user, window.before, window.wanted(), text];
            let found = rows.query_map(values, workflow_row)?.collect::<Result<Vec<_>, _>>()?;
            Ok(window.page(found))
        })
    }

    /// Removes a workflow of a user; its jobs stay. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn remove_workflow(&self, user: &str, id: &str) -> Result<bool, StoreError> {
        let values = [user.to_owned(), id.to_owned()];
        self.write(move |connection| {
            let sql = "DELETE FROM workflows WHERE user_id = ?1 AND id = ?2";
            Ok(connection.prepare_cached(sql)?.execute(values)? > 0)
        })
    }

    fn put(&self, user: &str, new: Vec<NewWorkflow>) -> Result<Vec<Put>, StoreError> {
        named("the user of a workflow", user)?;
        let user = user.to_owned();
        self.write(move |connection| {
            let mut done = Vec::with_capacity(new.len());
            for workflow in &new {
                let put = match file(connection, &user, &workflow.row.id)? {
                    Some(kept) if kept == workflow.json => Put::Unchanged,
                    Some(_) => Put::Replaced,
                    None => Put::Created,
                };
                if put != Put::Unchanged {
                    insert(connection, &user, workflow)?;
                }
                done.push(put);
            }
            Ok(done)
        })
    }
}

/// A workflow that is to be kept.
struct NewWorkflow {
    row: WorkflowRow,
    /// Whether the time in the row is the file's.
    has_own_time: bool,
    json: String,
}

impl NewWorkflow {
    fn of(workflow: &Workflow, json: String) -> Result<Self, StoreError> {
        named("the id of a workflow", &workflow.id)?;
        StoreError::bounded("the workflow", json.len(), MOST_WORKFLOW_BYTES)?;
        let now = now();
        let row = WorkflowRow {
            id: workflow.id.clone(),
            name: workflow.name.clone(),
            description: workflow.description.clone(),
            tags: workflow.tags.clone(),
            created_at: workflow.created_at.clone().unwrap_or_else(|| now.clone()),
            updated_at: workflow.updated_at.clone().unwrap_or(now),
        };
        Ok(Self { row, has_own_time: workflow.created_at.is_some(), json })
    }
}

fn insert(connection: &Connection, user: &str, new: &NewWorkflow) -> Result<(), StoreError> {
    let NewWorkflow { row, has_own_time, json } = new;
    let WorkflowRow { id, name, description, tags, created_at, updated_at } = row;
    let searched = format!("{name}\n{description}\n{}", tags.join("\n")).to_lowercase();
    let tags = serde_json::to_string(tags)?;
    let mut upsert = connection.prepare_cached(
        "INSERT INTO workflows
             (user_id, id, name, description, tags, created_at, updated_at, searched)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (user_id, id) DO UPDATE SET
             name = excluded.name, description = excluded.description, tags = excluded.tags,
             created_at = iif(?9, excluded.created_at, created_at),
             updated_at = excluded.updated_at, searched = excluded.searched
         RETURNING place",
    )?;
    let values =
        params![user, id, name, description, tags, created_at, updated_at, searched, has_own_time];
    let place: i64 = upsert.query_one(values, |row| row.get(0))?;
    let sql = "INSERT INTO workflow_files (workflow, json) VALUES (?1, ?2)
               ON CONFLICT (workflow) DO UPDATE SET json = excluded.json";
    connection.prepare_cached(sql)?.execute(params![place, json])?;
    Ok(())
}

fn file(connection: &Connection, user: &str, id: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT json FROM workflows JOIN workflow_files ON workflow = place
               WHERE user_id = ?1 AND id = ?2";
    Ok(connection.prepare_cached(sql)?.query_one([user, id], |row| row.get(0)).optional()?)
}

fn parse(text: &str, name: &str) -> Result<Workflow, StoreError> {
    StoreError::bounded("the workflow", text.len(), MOST_WORKFLOW_BYTES)?;
    Ok(Workflow::from_json(serde_json::from_str(text)?, name)?)
}

fn workflow_row(row: &Row<'_>) -> Result<(i64, WorkflowRow), rusqlite::Error> {
    let tags: String = row.get(4)?;
    let found = WorkflowRow {
        id: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    };
    Ok((row.get(0)?, found))
}
