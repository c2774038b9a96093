//! The graph as it stands in a workflow file (protocol page 1.3).

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A workflow graph: nodes and the edges between their handles.
///
/// Keys this crate does not know are kept and written back, so that a graph made by a newer
/// editor survives a round trip.
///
/// ```
/// use clawnode_workflows::Graph;
///
/// let graph: Graph = serde_json::from_str(
///     r#"{"nodes":[{"id":"a","type":"nodetool.constant.String"}],"edges":[],"viewport":{"zoom":2}}"#,
/// )?;
/// assert_eq!(graph.nodes[0].id, "a");
/// assert_eq!(serde_json::to_value(&graph)?["viewport"]["zoom"], 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The nodes, in the order of the file; a run starts them in this order.
    pub nodes: Vec<Node>,
    /// The edges, in the order of the file; a value leaves over them in this order.
    pub edges: Vec<Edge>,
    /// Every other key of the graph object.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Graph {
    /// Reads a graph; unlike plain deserialization the error names the node or edge at fault.
    ///
    /// # Errors
    ///
    /// [`GraphError`] if `value` is not an object with the lists `nodes` and `edges`, or one of
    /// them has a part that is not a node or an edge.
    pub fn from_json(value: Value) -> Result<Self, GraphError> {
        let Value::Object(mut extra) = value else {
            return Err(GraphError("a graph must be a JSON object".to_owned()));
        };
        let nodes = parts(&mut extra, "nodes")?;
        let edges = parts(&mut extra, "edges")?;
        Ok(Self { nodes, edges, extra })
    }
}

/// A JSON value is not a graph; the text says which part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GraphError(String);

/// One node of a [`Graph`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique within the graph.
    pub id: String,
    /// The group the node is drawn in; without influence on a run.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// The node type, for example `nodetool.text.Concat`.
    #[serde(default = "default_type", rename = "type")]
    pub node_type: String,
    /// Property values by name. Files of the current editor may use the key `properties`
    /// instead; both are read, see [`Node::property`].
    #[serde(default, deserialize_with = "null_is_default")]
    pub data: Map<String, Value>,
    /// Position, size and colours for an editor; without influence on a run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub ui_properties: Map<String, Value>,
    /// Values of the properties that this one node adds to those of its type.
    #[serde(default, deserialize_with = "null_is_default")]
    pub dynamic_properties: Map<String, Value>,
    /// Type descriptors of the outputs that this one node adds to those of its type.
    #[serde(default, deserialize_with = "null_is_default")]
    pub dynamic_outputs: Map<String, Value>,
    /// When the node runs, if it has several connected inputs.
    #[serde(default, deserialize_with = "null_is_default")]
    pub sync_mode: SyncMode,
    /// Every other key of the node object.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Node {
    /// A node with no properties.
    pub fn new(id: impl Into<String>, node_type: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            parent_id: None,
            node_type: node_type.into(),
            data: Map::new(),
            ui_properties: Map::new(),
            dynamic_properties: Map::new(),
            dynamic_outputs: Map::new(),
            sync_mode: SyncMode::OnAny,
            extra: Map::new(),
        }
    }

    /// The node with property `name` set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }

    /// Whether the node says its type; one that does not is read as [`NO_TYPE`].
    pub(crate) fn has_type(&self) -> bool {
        !matches!(self.node_type.as_str(), "" | NO_TYPE)
    }

    /// The value set for property `name`: from `data`, else from the key `properties`.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.data.get(name).or_else(|| self.extra.get("properties")?.as_object()?.get(name))
    }

    /// Every value set by [`property`](Self::property)'s rule, each name once.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        let others = self.extra.get("properties").and_then(Value::as_object).into_iter().flatten();
        self.data.iter().chain(others.filter(|(name, _)| !self.data.contains_key(*name)))
    }

    /// Whether the node itself declares the dynamic input `name`.
    pub(crate) fn has_dynamic_input(&self, name: &str) -> bool {
        let in_dynamic_inputs = || self.extra.get("dynamic_inputs")?.as_object()?.get(name);
        self.dynamic_properties.contains_key(name) || in_dynamic_inputs().is_some()
    }

    /// The `name` property, which inputs and outputs are known by; empty when unset.
    pub(crate) fn public_name(&self) -> &str {
        self.property("name").and_then(Value::as_str).unwrap_or("")
    }
}

/// One edge of a [`Graph`]: from an output handle to an input handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Name of the edge in events. When absent, events use
    /// `source.sourceHandle-target.targetHandle`.
    #[serde(default)]
    pub id: Option<String>,
    /// Id of the node the values come from.
    pub source: String,
    /// Name of the output at the source.
    #[serde(rename = "sourceHandle")]
    pub source_handle: String,
    /// Id of the node the values go to.
    pub target: String,
    /// Name of the property at the target.
    #[serde(rename = "targetHandle")]
    pub target_handle: String,
    /// Colours and the like; without influence on a run.
    #[serde(default)]
    pub ui_properties: Option<Map<String, Value>>,
    /// Every other key of the edge object.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Edge {
    /// An edge without an id.
    pub fn new(source: &str, source_handle: &str, target: &str, target_handle: &str) -> Self {
        Self {
            id: None,
            source: source.to_owned(),
            source_handle: source_handle.to_owned(),
            target: target.to_owned(),
            target_handle: target_handle.to_owned(),
            ui_properties: None,
            extra: Map::new(),
        }
    }

    /// The name of the edge in events: its id, else one made of its four ends.
    pub fn event_id(&self) -> String {
        match &self.id {
            Some(id) if !id.is_empty() => id.clone(),
            _ => self.to_string(),
        }
    }

    /// Whether this is a control edge of newer editors, which carries no values.
    pub(crate) fn is_control(&self) -> bool {
        self.extra.get("edge_type").and_then(Value::as_str) == Some("control")
    }
}

impl std::fmt::Display for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, source_handle, target, target_handle, .. } = self;
        write!(f, "{source}.{source_handle}-{target}.{target_handle}")
    }
}

/// When a node with several connected inputs runs (protocol page 1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum SyncMode {
    /// For each arriving value, with the latest of the other inputs; first when all have one.
    #[default]
    OnAny,
    /// For each complete set, taking one value of every input.
    ZipAll,
    /// A mode this version does not know; validation rejects it.
    Other(String),
}

impl From<String> for SyncMode {
    fn from(name: String) -> Self {
        match name.as_str() {
            "on_any" => Self::OnAny,
            "zip_all" => Self::ZipAll,
            _ => Self::Other(name),
        }
    }
}

impl From<SyncMode> for String {
    fn from(mode: SyncMode) -> Self {
        match mode {
            SyncMode::OnAny => "on_any".to_owned(),
            SyncMode::ZipAll => "zip_all".to_owned(),
            SyncMode::Other(name) => name,
        }
    }
}

fn parts<T: DeserializeOwned>(
    object: &mut Map<String, Value>,
    name: &str,
) -> Result<Vec<T>, GraphError> {
    match object.remove(name) {
        Some(Value::Array(items)) => {
            let parse = |(index, item)| {
                serde_json::from_value(item)
                    .map_err(|error| GraphError(format!("{name}[{index}]: {error}")))
            };
            items.into_iter().enumerate().map(parse).collect()
        }
        Some(_) => Err(GraphError(format!("{name} must be a list"))),
        None => Err(GraphError(format!("a graph must have a list called {name}"))),
    }
}

/// What NodeTool reads as the type of a node without one.
const NO_TYPE: &str = "default";

fn default_type() -> String {
    NO_TYPE.to_owned()
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
