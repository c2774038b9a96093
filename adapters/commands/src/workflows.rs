//! The commands about workflows: `list_workflows`, `get_workflow` and `validate_workflow`, and the
//! arguments of `run_workflow`.

use std::{collections::BTreeSet, fmt, sync::Arc};

use clawnode_store::{Query as StoreQuery, WorkflowRow as StoredRow};
use clawnode_workflows::{BrokenFile, Graph, Problem, Workflow, WorkflowDirectory, validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Commands,
    error::CommandError,
    examples,
    limits::MAX_LIST_LIMIT,
    params::{bounded, check_user},
};

impl Commands {
    /// `list_workflows`: the workflows that match, and the files that are not workflows.
    ///
    /// The query is looked for in name, description and tags, without regard to case, before
    /// the limit is applied. First come the workflows of the folder, in the order of their ids, then
    /// those of the store, the newest first, then the examples.
    ///
    /// # Errors
    ///
    /// For a limit out of range or a `start_key` that is none, or when the folder or the store
    /// cannot be read.
    pub fn list_workflows(
        &self,
        user: &str,
        params: &ListWorkflows,
    ) -> Result<WorkflowList, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let limit = bounded(params.limit, MAX_LIST_LIMIT)?;
        let mut list = WorkflowList::default();
        let query = params.query.as_deref().unwrap_or("").to_lowercase();
        let kind = params.workflow_type.as_str();
        if matches!(kind, USER | ALL) {
            let page = self.user_workflows(user, &query, limit, params.start_key.as_deref())?;
            list.workflows.extend(page.rows.into_iter().map(WorkflowRow::User));
            list.broken = page.broken;
            list.next = (kind == USER).then(|| page.next.unwrap_or_default());
        }
        if matches!(kind, EXAMPLE | ALL) {
            let room = limit - list.workflows.len();
            let found = examples::all().iter().filter(|workflow| matches(workflow, &query));
            let detailed = query.is_empty();
            let rows = found.map(|workflow| WorkflowRow::of_example(workflow, detailed));
            list.workflows.extend(rows.take(room));
        }
        list.total = list.workflows.len();
        Ok(list)
    }

    /// `get_workflow`: one workflow with its graph and schemas.
    ///
    /// # Errors
    ///
    /// When there is no such workflow, or the folder or the store cannot be read.
    pub fn get_workflow(
        &self,
        user: &str,
        params: &GetWorkflow,
    ) -> Result<WorkflowDetails, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let workflow = self.workflow(user, &params.workflow_id)?;
        Ok(WorkflowDetails {
            id: workflow.id.clone(),
            name: workflow.name.clone(),
            description: workflow.description.clone(),
            tags: workflow.tags.clone(),
            graph: workflow.graph.clone(),
            input_schema: workflow.input_schema.clone(),
            output_schema: workflow.output_schema.clone(),
            created_at: workflow.created_at.clone(),
            updated_at: workflow.updated_at.clone(),
        })
    }

    /// `validate_workflow`: every problem of a workflow.
    ///
    /// # Errors
    ///
    /// When there is no such workflow, or the folder or the store cannot be read.
    pub fn validate_workflow(
        &self,
        user: &str,
        params: &ValidateWorkflow,
    ) -> Result<Validation, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let workflow = self.workflow(user, &params.workflow_id)?;
        let report = validate(&workflow.graph, self.engine().library());
        let valid = report.is_valid();
        Ok(Validation {
            valid,
            workflow_id: workflow.id.clone(),
            workflow_name: workflow.name.clone(),
            summary: ValidationSummary {
                total_nodes: workflow.graph.nodes.len(),
                total_edges: workflow.graph.edges.len(),
                errors: report.errors.len(),
                warnings: report.warnings.len(),
                suggestions: report.suggestions.len(),
            },
            errors: report.errors,
            warnings: report.warnings,
            suggestions: report.suggestions,
            message: match valid {
                true => "Workflow is valid and ready to run",
                false => "Workflow has validation errors - please fix before running",
            },
        })
    }

    /// The workflow with an id: of the folder, else of the user, else of the examples.
    pub(crate) fn workflow(&self, user: &str, id: &str) -> Result<Arc<Workflow>, CommandError> {
        let mut hint = String::new();
        if let Some(directory) = self.directory() {
            let listing = directory.list()?;
            if let Some(found) = listing.workflows.into_iter().find(|workflow| workflow.id == id) {
                return Ok(found);
            }
            let broken = listing
                .broken
                .iter()
                .find(|broken| broken.file.strip_suffix(".json") == Some(id) || broken.file == id);
            if let Some(broken) = broken {
                hint = format!("; its file {} is broken: {}", broken.file, broken.reason);
            }
        }
        if let Some(stored) = self.store().workflow(user, id)? {
            return Ok(Arc::new(stored));
        }
        if let Some(example) = examples::find(id) {
            return Ok(Arc::clone(example));
        }
        Err(CommandError::WorkflowNotFound { id: id.to_owned(), hint })
    }

    /// A page of what belongs to a user: first the workflows of the folder, in the order of their
    /// ids, then those of the store, the newest first. One of the store whose id the folder has is hidden,
    /// as it cannot be run.
    fn user_workflows(
        &self,
        user: &str,
        query: &str,
        limit: usize,
        start_key: Option<&str>,
    ) -> Result<Page, CommandError> {
        let listing =
            self.directory().map(WorkflowDirectory::list).transpose()?.unwrap_or_default();
        let mut page = Page { rows: Vec::new(), next: None, broken: listing.broken };
        let mut start = match start_key.filter(|key| !key.is_empty()).map(Position::parse) {
            None => Position::Folder(String::new()),
            Some(Some(position)) => position,
            Some(None) => {
                let key = start_key.unwrap_or_default();
                let text = format!(
                    "argument `start_key` is {key:?}, which no page gave as its `next`; leave it out to \
                     begin at the start"
                );
                return Err(CommandError::Arguments(text));
            }
        };
        if let Position::Folder(after) = &start {
            let mut found: Vec<&Workflow> = listing.workflows.iter().map(Arc::as_ref).collect();
            found.retain(|workflow| workflow.id > *after && matches(workflow, query));
            found.sort_by(|a, b| a.id.cmp(&b.id));
            let more = found.len() > limit;
            page.rows.extend(found.into_iter().take(limit).map(UserWorkflow::of_file));
            if more {
                page.next =
                    page.rows.last().map(|row| Position::Folder(row.id.clone()).to_string());
                return Ok(page);
            }
            start = Position::Store(String::new());
        }
        let Position::Store(mut start) = start else { return Ok(page) };
        let hidden: BTreeSet<&str> =
            listing.workflows.iter().map(|workflow| &*workflow.id).collect();
        loop {
            let room = limit - page.rows.len();
            let wanted = StoreQuery {
                text: Some(query.to_owned()),
                // With no room left, whether there is more is all that matters.
                limit: u32::try_from(room.max(1)).unwrap_or(u32::MAX),
                start: Some(start.clone()),
            };
            let found = self.store().workflows(user, &wanted)?;
            let rows = found.rows.into_iter().filter(|row| !hidden.contains(&*row.id));
            if room == 0 {
                let more = rows.count() > 0;
                match found.next {
                    Some(next) if !more => start = next,
                    _ => {
                        page.next = more.then(|| Position::Store(start).to_string());
                        return Ok(page);
                    }
                }
                continue;
            }
            page.rows.extend(rows.map(UserWorkflow::of_store));
            match found.next {
                Some(next) => start = next,
                None => return Ok(page),
            }
        }
    }
}

/// Some workflows of a user.
struct Page {
    rows: Vec<UserWorkflow>,
    next: Option<String>,
    broken: Vec<BrokenFile>,
}

/// Where a page begins.
enum Position {
    /// In the folder, after this id.
    Folder(String),
    /// In the store, at this cursor of its own.
    Store(String),
}

impl Position {
    fn parse(key: &str) -> Option<Self> {
        match key.split_once(':')? {
            ("folder", after) => Some(Self::Folder(after.to_owned())),
            ("store", cursor) => Some(Self::Store(cursor.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(after) => write!(f, "folder:{after}"),
            Self::Store(cursor) => write!(f, "store:{cursor}"),
        }
    }
}

/// Arguments of `list_workflows`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListWorkflows {
    /// `user` (the user's own), `example` or `all`; any other word finds nothing.
    pub workflow_type: String,
    /// Text to look for in name, description and tags, without regard to case.
    pub query: Option<String>,
    /// Rows at most.
    #[schemars(range(min = 1, max = MAX_LIST_LIMIT))]
    pub limit: u32,
    /// The `next` of the page before: where to go on. Only among the user's own.
    pub start_key: Option<String>,
    /// On whose behalf; nobody but the request's own user.
    pub user_id: Option<String>,
}

impl Default for ListWorkflows {
    fn default() -> Self {
        Self {
            workflow_type: USER.to_owned(),
            query: None,
            limit: 100,
            start_key: None,
            user_id: None,
        }
    }
}

/// Result of `list_workflows`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkflowList {
    /// The rows.
    pub workflows: Vec<WorkflowRow>,
    /// For the type `user`: the `start_key` of the next page, empty after the last.
    pub next: Option<String>,
    /// How many rows there are.
    pub total: usize,
    /// The files of the folder that are not workflows, and why.
    pub broken: Vec<BrokenFile>,
}

/// One row of [`WorkflowList`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "workflow_type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkflowRow {
    /// A workflow of the user.
    User(UserWorkflow),
    /// A workflow that comes with the program.
    Example(ExampleWorkflow),
}

impl WorkflowRow {
    /// What the workflow is run by.
    pub fn id(&self) -> &str {
        match self {
            Self::User(row) => &row.id,
            Self::Example(row) => &row.id,
        }
    }

    fn of_example(workflow: &Workflow, detailed: bool) -> Self {
        Self::Example(ExampleWorkflow {
            id: workflow.id.clone(),
            name: workflow.name.clone(),
            package_name: "clawnode",
            description: workflow.description.clone(),
            tags: workflow.tags.clone(),
            thumbnail_url: None,
            path: format!("{}.json", workflow.id),
            // No example needs any.
            required_providers: detailed.then(Vec::new),
            required_models: detailed.then(Vec::new),
        })
    }
}

/// A [`WorkflowRow`] of a user.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserWorkflow {
    /// What it is run by.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// When it was made, as its file has it.
    pub created_at: Option<String>,
    /// When it was changed.
    pub updated_at: Option<String>,
}

impl UserWorkflow {
    fn of_file(workflow: &Workflow) -> Self {
        Self {
            id: workflow.id.clone(),
            name: workflow.name.clone(),
            description: workflow.description.clone(),
            tags: workflow.tags.clone(),
            created_at: workflow.created_at.clone(),
            updated_at: workflow.updated_at.clone(),
        }
    }

    fn of_store(row: StoredRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            tags: row.tags,
            created_at: Some(row.created_at),
            updated_at: Some(row.updated_at),
        }
    }
}

/// A [`WorkflowRow`] of an example.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExampleWorkflow {
    /// What it is run by.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Always `clawnode`.
    pub package_name: &'static str,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Always null: they have no pictures.
    pub thumbnail_url: Option<String>,
    /// The name of its file in the package.
    pub path: String,
    /// The providers of models it needs, which are none; absent where a query was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_providers: Option<Vec<String>>,
    /// The models it needs, which are none; absent where a query was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_models: Option<Vec<String>>,
}

/// Arguments of `get_workflow`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetWorkflow {
    /// Which.
    pub workflow_id: String,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `get_workflow`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkflowDetails {
    /// What it is run by.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The graph.
    pub graph: Graph,
    /// The parameters it takes.
    pub input_schema: Value,
    /// The results it gives.
    pub output_schema: Value,
    /// When it was made, as its file has it.
    pub created_at: Option<String>,
    /// When it was changed.
    pub updated_at: Option<String>,
}

/// Arguments of `run_workflow`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunWorkflow {
    /// Which.
    pub workflow_id: String,
    /// Values for its inputs, by name.
    #[serde(default)]
    pub params: Option<Map<String, Value>>,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Arguments of `validate_workflow`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateWorkflow {
    /// Which.
    pub workflow_id: String,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `validate_workflow`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Validation {
    /// Whether it can run.
    pub valid: bool,
    /// Which workflow.
    pub workflow_id: String,
    /// What it is called.
    pub workflow_name: String,
    /// The counts.
    pub summary: ValidationSummary,
    /// Why it cannot run.
    pub errors: Vec<Problem>,
    /// What is probably a mistake.
    pub warnings: Vec<Problem>,
    /// What may be an oversight.
    pub suggestions: Vec<Problem>,
    /// One of two sentences.
    pub message: &'static str,
}

/// The counts of a [`Validation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ValidationSummary {
    /// Nodes of the graph.
    pub total_nodes: usize,
    /// Edges of the graph.
    pub total_edges: usize,
    /// Number of errors.
    pub errors: usize,
    /// Number of warnings.
    pub warnings: usize,
    /// Number of suggestions.
    pub suggestions: usize,
}

fn matches(workflow: &Workflow, query: &str) -> bool {
    let texts = [&workflow.name, &workflow.description].into_iter().chain(&workflow.tags);
    texts.into_iter().any(|text| text.to_lowercase().contains(query))
}

const USER: &str = "user";
const EXAMPLE: &str = "example";
const ALL: &str = "all";
