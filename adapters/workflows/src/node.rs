//! How a node type is declared: its description and its behaviour, in one place.

use std::{borrow::Cow, future::Future, pin::Pin, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    engine::{Inputs, NodeContext},
    generation::Generation,
    metadata::{NodeMetadata, NodeName, Output, Property},
    types::TypeDescriptor,
};

/// A node type: what it is called, what it takes and gives, and what it does.
///
/// Declared once, in one expression. The description serves validation, `list_nodes` and
/// `get_node_info`; the behaviour is one of
///
/// - [`compute`](Self::compute): a plain function, called once per set of inputs,
/// - [`process`](Self::process): the same, but asynchronous and with a [`NodeContext`],
/// - [`generate`](Self::generate): emits any number of values per set of inputs,
/// - [`stream`](Self::stream): reads its inputs itself, value by value, once per run.
///
/// All but `Inputs` arrives as one struct `P`: its fields are the properties by name, set from
/// connected inputs, else from the node's data, else from the declared defaults. Values that
/// one node adds to those of its type (`dynamic_properties`) are there too; take them with
/// `#[serde(flatten)] extra: serde_json::Map<String, serde_json::Value>`.
///
/// ```
/// use clawnode_workflows::{NodeType, Property, TypeDescriptor};
///
/// #[derive(serde::Deserialize)]
/// struct Repeat {
///     text: String,
///     times: u16,
/// }
///
/// let repeat = NodeType::new("demo.Repeat", "Repeat", "Repeats a text.")
///     .own()
///     .property(Property::str("text", ""))
///     .property(Property::int("times", 2).describe("How often."))
///     .output("output", TypeDescriptor::str())
///     .compute(|p: Repeat| Ok(p.text.repeat(p.times.into())));
/// assert_eq!(repeat.metadata().namespace, "demo");
/// ```
#[derive(Clone)]
pub struct NodeType {
    metadata: NodeMetadata,
    /// The inputs that a streaming node reads itself.
    reads: Vec<String>,
    /// The input that takes the failure of an earlier node as an error instead of a value.
    catches: Option<String>,
    /// The inputs that edges from later nodes may lead back to.
    feedback: Vec<String>,
    /// Whether a streaming node gives at most one value for each it reads.
    forwards: bool,
    /// Whether inputs that a node adds are outputs, too.
    passes_inputs_on: bool,
    pub(crate) role: Role,
    pub(crate) behaviour: Behaviour,
}

impl NodeType {
    /// A type that does nothing yet; add properties, outputs and one behaviour.
    pub fn new(node_type: &str, title: &str, description: &str) -> Self {
        let namespace = node_type.rsplit_once('.').map_or("", |(namespace, _)| namespace);
        let metadata = NodeMetadata {
            title: title.to_owned(),
            description: description.to_owned(),
            namespace: namespace.to_owned(),
            node_type: node_type.to_owned(),
            names: vec![NodeName::new(node_type)],
            layout: "default".to_owned(),
            properties: Vec::new(),
            outputs: Vec::new(),
            the_model_info: Map::new(),
            recommended_models: Vec::new(),
            basic_fields: Vec::new(),
            is_dynamic: false,
            is_streaming_output: false,
            expose_as_tool: false,
            supports_dynamic_outputs: false,
            model_packs: Vec::new(),
        };
        Self {
            metadata,
            reads: Vec::new(),
            catches: None,
            feedback: Vec::new(),
            forwards: false,
            passes_inputs_on: false,
            role: Role::Regular,
            behaviour: Behaviour::Nothing,
        }
    }

    /// What the type says about itself.
    pub fn metadata(&self) -> &NodeMetadata {
        &self.metadata
    }

    /// The full type name.
    pub fn name(&self) -> &str {
        &self.metadata.node_type
    }

    /// Other names under which graphs may use the type.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.metadata.names.iter().skip(1).map(|known| known.name.as_str())
    }

    /// The property `name`, if the type declares it.
    pub fn find_property(&self, name: &str) -> Option<&Property> {
        self.metadata.properties.iter().find(|property| property.name == name)
    }

    /// The output `name`, if the type declares it.
    pub fn find_output(&self, name: &str) -> Option<&Output> {
        self.metadata.outputs.iter().find(|output| output.name == name)
    }

    /// Whether the node reads its inputs itself, value by value.
    pub fn is_streaming_input(&self) -> bool {
        matches!(self.behaviour, Behaviour::Stream(_))
    }

    /// The same type with one more property.
    #[must_use]
    pub fn property(mut self, property: Property) -> Self {
        self.metadata.basic_fields.push(property.name.clone());
        self.metadata.properties.push(property);
        self
    }

    /// The same type with one more output.
    #[must_use]
    pub fn output(mut self, name: &str, kind: TypeDescriptor) -> Self {
        self.metadata.outputs.push(Output { kind, name: name.to_owned(), stream: false });
        self
    }

    /// The same type, also found under another name.
    #[must_use]
    pub fn alias(mut self, name: &str) -> Self {
        self.metadata.names.push(NodeName::new(name));
        self
    }

    /// The same type, whose names so far are none of NodeTool's.
    #[must_use]
    pub fn own(mut self) -> Self {
        for name in &mut self.metadata.names {
            name.generations = vec![Generation::Own];
        }
        self
    }

    /// The same type, whose nodes may add properties of their own.
    #[must_use]
    pub fn dynamic(mut self) -> Self {
        self.metadata.is_dynamic = true;
        self
    }

    /// The same type, whose nodes may add outputs of their own.
    #[must_use]
    pub fn dynamic_outputs(mut self) -> Self {
        self.metadata.supports_dynamic_outputs = true;
        self
    }

    /// The same type, which gives each property that a node adds by an output of its name.
    #[must_use]
    pub(crate) fn pass_inputs_on(mut self) -> Self {
        self.metadata.is_dynamic = true;
        self.metadata.supports_dynamic_outputs = true;
        self.passes_inputs_on = true;
        self
    }

    pub(crate) fn passes_inputs_on(&self) -> bool {
        self.passes_inputs_on
    }

    /// A plain function from the properties to the outputs, called once per set of inputs.
    #[must_use]
    pub fn compute<P, O>(
        mut self,
        function: impl Fn(P) -> Result<O, NodeError> + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned,
        O: Into<Outputs>,
    {
        self.behaviour = Behaviour::Compute(Arc::new(move |properties| {
            function(typed(properties)?).map(Into::into)
        }));
        self
    }

    /// An asynchronous function from the properties to the outputs, called once per set of
    /// inputs. Values that it has earlier it may [`emit`](NodeContext::emit). Dropping the run
    /// drops its future.
    #[must_use]
    pub fn process<P, O, F>(
        mut self,
        function: impl Fn(P, NodeContext) -> F + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned,
        O: Into<Outputs>,
        F: Future<Output = Result<O, NodeError>> + Send + 'static,
    {
        self.behaviour = Behaviour::Process(Arc::new(move |properties, context| {
            let work = typed(properties).map(|typed| function(typed, context));
            Box::pin(async move { work?.await.map(Into::into) })
        }));
        self
    }

    /// An asynchronous function that emits any number of values with [`NodeContext::emit`],
    /// called once per set of inputs.
    #[must_use]
    pub fn generate<P, F>(
        mut self,
        function: impl Fn(P, NodeContext) -> F + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned,
        F: Future<Output = Result<(), NodeError>> + Send + 'static,
    {
        self = self.streaming();
        self.behaviour = Behaviour::Generate(Arc::new(move |properties, context| {
            let work = typed(properties).map(|typed| function(typed, context));
            Box::pin(async move { work?.await })
        }));
        self
    }

    /// An asynchronous function that reads the inputs named in `reads` itself, value by value,
    /// and emits what it likes; called once per run. Its other properties are settled before,
    /// each with the first value that arrives if it is connected.
    ///
    /// Call [`gathers`](Self::gathers) as well when it ends a stream instead of continuing it.
    #[must_use]
    pub fn stream<P, F>(
        mut self,
        reads: &[&str],
        function: impl Fn(P, Inputs, NodeContext) -> F + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned,
        F: Future<Output = Result<(), NodeError>> + Send + 'static,
    {
        self = self.streaming();
        self.reads = reads.iter().map(|name| (*name).to_owned()).collect();
        self.behaviour = Behaviour::Stream(Arc::new(move |properties, inputs, context| {
            let work = typed(properties).map(|typed| function(typed, inputs, context));
            Box::pin(async move { work?.await })
        }));
        self
    }

    /// The same type, which gives one value after its input streams have ended.
    #[must_use]
    pub fn gathers(mut self) -> Self {
        self.set_streaming(false);
        self
    }

    /// The same type, which gives at most one value on each output for each value it reads. A
    /// node that reads its inputs itself and stands in the body of a loop has to be of such a
    /// type: every pass of a loop gives one value back.
    #[must_use]
    pub fn forwards(mut self) -> Self {
        self.forwards = true;
        self
    }

    /// The same type, which gets the failure of an earlier node at the input `name` as an error
    /// of [`Inputs::next`], and the run goes on.
    pub(crate) fn catches(mut self, name: &str) -> Self {
        self.catches = Some(name.to_owned());
        self
    }

    /// The same type, to whose inputs `names` edges may lead back.
    pub(crate) fn feedback(mut self, names: &[&str]) -> Self {
        self.feedback = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Whether failures of earlier nodes end at an input.
    pub(crate) fn catches_any(&self) -> bool {
        self.catches.is_some()
    }

    /// Whether failures of earlier nodes end at the input `name`.
    pub(crate) fn catches_at(&self, name: &str) -> bool {
        self.catches.as_deref() == Some(name)
    }

    /// Whether an edge to the input `name` may close a cycle.
    pub(crate) fn is_feedback(&self, name: &str) -> bool {
        self.feedback.iter().any(|known| known == name)
    }

    /// Whether the type repeats what leads back to it.
    pub(crate) fn is_loop(&self) -> bool {
        !self.feedback.is_empty()
    }

    /// Whether the node may give several values for one that it gets.
    pub(crate) fn multiplies(&self) -> bool {
        self.metadata.is_streaming_output && !self.forwards
    }

    /// Whether the node reads the input `name` itself.
    pub(crate) fn reads(&self, name: &str) -> bool {
        self.reads.iter().any(|known| known == name)
    }

    pub(crate) fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    fn streaming(mut self) -> Self {
        self.set_streaming(true);
        self
    }

    fn set_streaming(&mut self, streaming: bool) {
        self.metadata.is_streaming_output = streaming;
        for output in &mut self.metadata.outputs {
            output.stream = streaming;
        }
    }
}

impl std::fmt::Debug for NodeType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NodeType").field(&self.metadata.node_type).finish()
    }
}

/// What a node type means to a run beyond its behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs like any other.
    Regular,
    /// Takes its value from the run's parameters and reports no `node_update` of its own.
    Input,
    /// Gives results of the run.
    Output,
    /// Shows values to people while the run goes on.
    Preview,
    /// A remark or a frame: never runs.
    Ignored,
}

type Work<T> = Pin<Box<dyn Future<Output = Result<T, NodeError>> + Send>>;

/// The behaviours, with the typed properties already erased.
#[derive(Clone)]
pub(crate) enum Behaviour {
    Nothing,
    Compute(Arc<Compute>),
    Process(Arc<Process>),
    Generate(Arc<Generate>),
    Stream(Arc<Stream>),
}

type Compute = dyn Fn(Map<String, Value>) -> Result<Outputs, NodeError> + Send + Sync;
type Process = dyn Fn(Map<String, Value>, NodeContext) -> Work<Outputs> + Send + Sync;
type Generate = dyn Fn(Map<String, Value>, NodeContext) -> Work<()> + Send + Sync;
type Stream = dyn Fn(Map<String, Value>, Inputs, NodeContext) -> Work<()> + Send + Sync;

fn typed<P: DeserializeOwned>(properties: Map<String, Value>) -> Result<P, NodeError> {
    serde_json::from_value(Value::Object(properties)).map_err(NodeError::new)
}

/// Why a node failed; its text becomes the error of the run.
///
/// Texts convert with `?` and `.into()`; other errors with [`NodeError::new`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NodeError {
    message: String,
    is_upstream: bool,
}

impl NodeError {
    /// An error with the text of `cause`.
    pub fn new(cause: impl std::fmt::Display) -> Self {
        Self::from(cause.to_string())
    }

    /// The failure of an earlier node, as it arrives at an input.
    pub(crate) fn upstream(failure: &str) -> Self {
        Self { message: failure.to_owned(), is_upstream: true }
    }

    /// Whether an earlier node failed, and not this one.
    pub(crate) fn is_upstream(&self) -> bool {
        self.is_upstream
    }
}

impl From<String> for NodeError {
    fn from(message: String) -> Self {
        Self { message, is_upstream: false }
    }
}

impl From<&str> for NodeError {
    fn from(message: &str) -> Self {
        Self::from(message.to_owned())
    }
}

/// The values that one call of a node gives, by output name.
///
/// A single value (text, number, bool, list, [`Value`] or `Arc<Value>`) converts into the
/// output named `output`. An output that is left out gives nothing, which is how branches end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    pub(crate) values: Vec<(Cow<'static, str>, Arc<Value>)>,
}

impl Outputs {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same values and one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.values.push((name.into(), Arc::new(value.into())));
        self
    }
}

impl From<Arc<Value>> for Outputs {
    fn from(value: Arc<Value>) -> Self {
        Self { values: vec![("output".into(), value)] }
    }
}

macro_rules! single_output {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Outputs {
            fn from(value: $kind) -> Self {
                Self::new().with("output", value)
            }
        })*
    };
}

single_output!(Value, String, bool, i64, f64, Vec<Value>, Map<String, Value>);
