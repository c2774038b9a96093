//! A workflow: a graph with a name, and what else its file says.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    graph::{Graph, GraphError},
    schema,
};

/// A workflow as its file describes it. Serializes with all keys of the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Workflow {
    /// What it is run by: its own id, or the name of its file without `.json`.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The graph.
    pub graph: Graph,
    /// The parameters it takes, as a JSON schema; made from the graph if the file has none.
    pub input_schema: Value,
    /// The results it gives, as a JSON schema; made from the graph if the file has none.
    pub output_schema: Value,
    /// When it was made, as the file has it.
    pub created_at: Option<String>,
    /// When it was changed: as the file has it, else when the file was.
    pub updated_at: Option<String>,
    /// Every other key of the file.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Workflow {
    /// Reads a workflow object, or a bare graph `{"nodes": [], "edges": []}`, which may have an `id` and a `name` too.
    ///
    /// `name` is used as id and as name when the object has none, or an empty one.
    ///
    /// ```
    /// use clawnode_workflows::Workflow;
    ///
    /// let bare = serde_json::json!({"nodes": [], "edges": []});
    /// assert_eq!(Workflow::from_json(bare, "my-file")?.id, "my-file");
    /// let named = serde_json::json!({"id": "w1", "name": "Mine", "nodes": [], "edges": []});
    /// assert_eq!(Workflow::from_json(named, "my-file")?.id, "w1");
    /// # Ok::<(), clawnode_workflows::WorkflowError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WorkflowError`] when there is no graph, or when the graph or one of the keys above is
    /// not what it should be.
    pub fn from_json(value: Value, name: &str) -> Result<Self, WorkflowError> {
        let Value::Object(mut extra) = value else { return Err(WorkflowError::NotAnObject) };
        let graph = match extra.remove("graph") {
            Some(graph) => Graph::from_json(graph)?,
            None if extra.contains_key("nodes") => {
                let (id, own) = (text(&mut extra, "id")?, text(&mut extra, "name")?);
                let graph = Graph::from_json(Value::Object(extra))?;
                let mut workflow = Self::new(name, graph);
                workflow.id = id.unwrap_or(workflow.id);
                workflow.name = own.unwrap_or(workflow.name);
                return Ok(workflow);
            }
            None => return Err(WorkflowError::NoGraph),
        };
        let mut workflow = Self::new(name, graph);
        if let Some(id) = text(&mut extra, "id")? {
            workflow.id = id;
        }
        if let Some(own) = text(&mut extra, "name")? {
            workflow.name = own;
        }
        workflow.description = text(&mut extra, "description")?.unwrap_or_default();
        workflow.created_at = text(&mut extra, "created_at")?;
        workflow.updated_at = text(&mut extra, "updated_at")?;
        workflow.tags = match extra.remove("tags") {
            None | Some(Value::Null) => Vec::new(),
            Some(tags) => serde_json::from_value(tags).map_err(|_| WorkflowError::WrongType {
                key: "tags",
                expected: "a list of texts",
            })?,
        };
        for (key, schema) in [
            ("input_schema", &mut workflow.input_schema),
            ("output_schema", &mut workflow.output_schema),
        ] {
            if let Some(own) = extra.remove(key).filter(|own| !own.is_null()) {
                *schema = own;
            }
        }
        workflow.extra = extra;
        Ok(workflow)
    }

    /// A workflow with nothing but a name and a graph.
    pub fn new(name: &str, graph: Graph) -> Self {
        Self {
            id: name.to_owned(),
            name: name.to_owned(),
            description: String::new(),
            tags: Vec::new(),
            input_schema: schema::input_schema(&graph),
            output_schema: schema::output_schema(&graph),
            graph,
            created_at: None,
            updated_at: None,
            extra: Map::new(),
        }
    }
}

/// Why a JSON value is not a workflow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// Some other kind of JSON value.
    #[error("a workflow must be a JSON object")]
    NotAnObject,
    /// Neither a workflow nor a bare graph.
    #[error("the workflow has no graph: expected the key graph, or nodes and edges")]
    NoGraph,
    /// The graph is not one.
    #[error("graph: {0}")]
    Graph(#[from] GraphError),
    /// A key has a value of the wrong type.
    #[error("{key} must be {expected}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What its value should be.
        expected: &'static str,
    },
}

/// The non-empty text at `key`, taken out of the object.
fn text(
    object: &mut Map<String, Value>,
    key: &'static str,
) -> Result<Option<String>, WorkflowError> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(WorkflowError::WrongType { key, expected: "a text" }),
    }
}
