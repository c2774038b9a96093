//! What a node type says about itself (protocol page 1.2, "Node metadata fields").

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{generation::Generation, types::TypeDescriptor};

/// The description of a node type, as `get_node_info` returns it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeMetadata {
    /// The name shown to people, for example "Concatenate Text".
    pub title: String,
    /// What the node does; the first line is a summary.
    pub description: String,
    /// The part of the type before its last dot.
    pub namespace: String,
    /// The full type name.
    pub node_type: String,
    /// The names under which graphs may use the type, the full type name first.
    pub names: Vec<NodeName>,
    /// How an editor draws the node; always "default" here.
    pub layout: String,
    /// The properties, in the order in which an editor shows them.
    pub properties: Vec<Property>,
    /// The outputs.
    pub outputs: Vec<Output>,
    /// Always empty: no node of this crate carries model information.
    pub the_model_info: Map<String, Value>,
    /// Always empty, as above.
    pub recommended_models: Vec<Value>,
    /// The properties an editor shows without unfolding the node.
    pub basic_fields: Vec<String>,
    /// Whether one node may add properties to those of its type.
    pub is_dynamic: bool,
    /// Whether one run of the node may emit several values.
    pub is_streaming_output: bool,
    /// Whether an agent may use the node as a tool.
    pub expose_as_tool: bool,
    /// Whether one node may add outputs to those of its type.
    pub supports_dynamic_outputs: bool,
    /// Always empty, as above.
    pub model_packs: Vec<Value>,
}

/// A name of a node type, and where it is in use.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeName {
    /// The name, as in a node's `type`.
    pub name: String,
    /// The generations of NodeTool that have it, in their order; empty if that is not known.
    pub generations: Vec<Generation>,
}

impl NodeName {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), generations: Generation::of(name) }
    }
}

/// One property of a node type; also the input handle of that name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Property {
    /// The name, as in a node's `data` and in `targetHandle`.
    pub name: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: TypeDescriptor,
    /// The value when neither set nor connected.
    pub default: Value,
    /// The name shown to people.
    pub title: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// The smallest number an editor offers.
    pub min: Option<f64>,
    /// The largest number an editor offers.
    pub max: Option<f64>,
    /// Hints for an editor.
    pub json_schema_extra: Option<Value>,
    /// Whether a graph is invalid unless this is set or connected.
    pub required: bool,
}

impl Property {
    /// A property of the given type; `default` must be a value of that type, or null.
    pub fn new(name: &str, kind: TypeDescriptor, default: impl Into<Value>) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            default: default.into(),
            title: Some(title_of(name)),
            description: None,
            min: None,
            max: None,
            json_schema_extra: None,
            required: false,
        }
    }

    /// A text property.
    pub fn str(name: &str, default: &str) -> Self {
        Self::new(name, TypeDescriptor::str(), default)
    }

    /// A whole-number property.
    pub fn int(name: &str, default: i64) -> Self {
        Self::new(name, TypeDescriptor::int(), default)
    }

    /// A number property.
    pub fn float(name: &str, default: f64) -> Self {
        Self::new(name, TypeDescriptor::float(), default)
    }

    /// A yes-or-no property.
    pub fn bool(name: &str, default: bool) -> Self {
        Self::new(name, TypeDescriptor::bool(), default)
    }

    /// A property that takes any value; null by default.
    pub fn any(name: &str) -> Self {
        Self::new(name, TypeDescriptor::any(), Value::Null)
    }

    /// A list property with elements of any type; empty by default.
    pub fn list(name: &str) -> Self {
        Self::new(name, TypeDescriptor::list(TypeDescriptor::any()), Vec::<Value>::new())
    }

    /// A property that takes one of several texts, the first by default.
    pub fn one_of(name: &str, values: &[&str]) -> Self {
        let default = values.first().copied().unwrap_or_default();
        Self::new(name, TypeDescriptor::one_of(values), default)
    }

    /// The same property with a sentence on what it means.
    #[must_use]
    pub fn describe(mut self, description: &str) -> Self {
        self.description = Some(description.to_owned());
        self
    }

    /// The same property with the smallest and largest number an editor should offer. Not
    /// enforced in a run.
    #[must_use]
    pub fn range(mut self, min: f64, max: f64) -> Self {
        self.min = Some(min);
        self.max = Some(max);
        self
    }

    /// The same property, but a graph that neither sets nor connects it is invalid.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// One output of a node type; also the output handle of that name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Output {
    /// What it gives.
    #[serde(rename = "type")]
    pub kind: TypeDescriptor,
    /// The name, as in `sourceHandle`.
    pub name: String,
    /// Whether it may give several values in one run of the node.
    pub stream: bool,
}

/// `input_list` becomes `Input List`.
fn title_of(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    words.collect::<Vec<_>>().join(" ")
}
