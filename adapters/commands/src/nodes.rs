//! The commands about node types: `list_nodes`, `search_nodes` and `get_node_info`.

use clawnode_workflows::{NodeMetadata, NodeName, TypeDescriptor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Commands,
    error::CommandError,
    limits::MAX_LIST_LIMIT,
    params::{Words, bounded, check_user},
    search::Query,
};

impl Commands {
    /// `list_nodes`: the node types, in the order of their names.
    ///
    /// # Errors
    ///
    /// For a limit out of range.
    pub fn list_nodes(&self, user: &str, params: &ListNodes) -> Result<NodeList, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let limit = bounded(params.limit, MAX_LIST_LIMIT)?;
        let prefix = params.namespace.as_deref().unwrap_or("").to_lowercase();
        let found = self.node_types().filter(|found| begins(&found.namespace, &prefix));
        let nodes: Vec<NodeRow> = found.take(limit).map(NodeRow::new).collect();
        Ok(NodeList { count: nodes.len(), nodes })
    }

    /// `search_nodes`: the node types that fit the words, best first; equals in the order of
    /// their names.
    ///
    /// Title, type, description and query are compared without regard to case and split at dots and
    /// underscores, and both split at capitals and not. The whole query in a row counts 60 and 20 for each of its words; each word
    /// counts 10 in the title, 6 in the type and 1 in the description; three quarters of the words in
    /// title and type count 25 more, half of them 10 (protocol page 1.2).
    ///
    /// # Errors
    ///
    /// For a query without a word, and a number of results out of range.
    pub fn search_nodes(
        &self,
        user: &str,
        params: &SearchNodes,
    ) -> Result<FoundNodes, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        if !(1..=MAX_LIST_LIMIT).contains(&params.n_results) {
            let given = params.n_results;
            let text =
                format!("argument `n_results` must be from 1 to {MAX_LIST_LIMIT}, not {given}");
            return Err(CommandError::Arguments(text));
        }
        let Some(query) = Query::new(&params.query.joined()) else {
            let text = "argument `query` has no word to look for; give it some, such as [\"join\", \"text\"]";
            return Err(CommandError::Arguments(text.to_owned()));
        };
        let excluded: Vec<String> =
            params.exclude_namespaces.iter().flatten().map(|name| name.to_lowercase()).collect();
        let takes = |found: &NodeMetadata, kind: &str| {
            found.properties.iter().any(|property| is(&property.kind, kind))
        };
        let gives = |found: &NodeMetadata, kind: &str| {
            found.outputs.iter().any(|output| is(&output.kind, kind))
        };
        let mut scored: Vec<(u32, &NodeMetadata)> = self
            .node_types()
            .filter(|found| !excluded.iter().any(|prefix| begins(&found.namespace, prefix)))
            .filter(|found| params.input_type.as_deref().is_none_or(|kind| takes(found, kind)))
            .filter(|found| params.output_type.as_deref().is_none_or(|kind| gives(found, kind)))
            .map(|found| (query.score(found), found))
            .filter(|(score, _)| *score > 0)
            .collect();
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        scored.truncate(usize::try_from(params.n_results).unwrap_or(usize::MAX));
        let nodes: Vec<FoundNode> = scored
            .into_iter()
            .map(|(_, found)| match params.include_metadata {
                true => FoundNode::Full(Box::new(found.clone())),
                false => FoundNode::Row(NodeRow::new(found)),
            })
            .collect();
        Ok(FoundNodes { count: nodes.len(), nodes })
    }

    /// `get_node_info`: everything a node type says about itself.
    ///
    /// # Errors
    ///
    /// When there is no such type.
    pub fn get_node_info(
        &self,
        user: &str,
        params: &GetNodeInfo,
    ) -> Result<NodeInfo, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let library = self.engine().library();
        let Some(node_type) = library.get(&params.node_type) else {
            let closest = library.closest(&params.node_type);
            return Err(CommandError::NodeTypeNotFound {
                node_type: params.node_type.clone(),
                hint: closest.map(|known| format!("; did you mean {known}?")).unwrap_or_default(),
            });
        };
        let metadata = node_type.metadata().clone();
        Ok(NodeInfo { metadata, package: "clawnode", installed: true })
    }

    fn node_types(&self) -> impl Iterator<Item = &NodeMetadata> {
        self.engine().library().iter().map(|node_type| node_type.metadata())
    }
}

/// Arguments of `list_nodes`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListNodes {
    /// The beginning of the namespaces to list, without regard to case.
    pub namespace: Option<String>,
    /// Rows at most.
    #[schemars(range(min = 1, max = MAX_LIST_LIMIT))]
    pub limit: u32,
    /// On whose behalf; nobody but the request's own user.
    pub user_id: Option<String>,
}

impl Default for ListNodes {
    fn default() -> Self {
        Self { namespace: None, limit: 200, user_id: None }
    }
}

/// Result of `list_nodes`. (The original returns a bare list, which its own protocol cannot
/// carry.)
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeList {
    /// The rows.
    pub nodes: Vec<NodeRow>,
    /// How many rows there are.
    pub count: usize,
}

/// One row of [`NodeList`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeRow {
    /// The full type name.
    #[serde(rename = "type")]
    pub node_type: String,
    /// The name shown to people.
    pub title: String,
    /// What it does.
    pub description: String,
    /// The part of the type before its last dot.
    pub namespace: String,
    /// The names under which graphs may use the type, each with the generations of NodeTool that have it.
    pub names: Vec<NodeName>,
}

impl NodeRow {
    fn new(metadata: &NodeMetadata) -> Self {
        Self {
            node_type: metadata.node_type.clone(),
            title: metadata.title.clone(),
            description: metadata.description.clone(),
            namespace: metadata.namespace.clone(),
            names: metadata.names.clone(),
        }
    }
}

/// Arguments of `search_nodes`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchNodes {
    /// Words to look for.
    pub query: Words,
    /// Rows at most.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = MAX_LIST_LIMIT))]
    pub n_results: u32,
    /// Only types with a property of this type, such as `str`.
    #[serde(default)]
    pub input_type: Option<String>,
    /// Only types with an output of this type.
    #[serde(default)]
    pub output_type: Option<String>,
    /// Beginnings of namespaces to leave out, without regard to case.
    #[serde(default)]
    pub exclude_namespaces: Option<Vec<String>>,
    /// Whether each row is all that the type says about itself.
    #[serde(default)]
    pub include_metadata: bool,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

impl SearchNodes {
    /// A search for `text` with the defaults of everything else.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            query: Words::One(text.into()),
            n_results: ten(),
            input_type: None,
            output_type: None,
            exclude_namespaces: None,
            include_metadata: false,
            user_id: None,
        }
    }
}

/// Result of `search_nodes`; an object for the same reason as [`NodeList`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FoundNodes {
    /// The rows, best first.
    pub nodes: Vec<FoundNode>,
    /// How many rows there are.
    pub count: usize,
}

/// One row of [`FoundNodes`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FoundNode {
    /// The same as in `list_nodes`.
    Row(NodeRow),
    /// All that the type says about itself, asked for by `include_metadata`.
    Full(Box<NodeMetadata>),
}

/// Arguments of `get_node_info`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetNodeInfo {
    /// The full type name, such as `nodetool.text.Concat`, or another name of the type.
    pub node_type: String,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `get_node_info`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeInfo {
    /// What the type says about itself.
    #[serde(flatten)]
    pub metadata: NodeMetadata,
    /// Always `clawnode`.
    pub package: &'static str,
    /// Always true.
    pub installed: bool,
}

/// Whether `namespace` begins with `prefix`, which is in lower case.
fn begins(namespace: &str, prefix: &str) -> bool {
    namespace.to_lowercase().starts_with(prefix)
}

/// Whether a type is called `name`, or is a union with one that is.
fn is(kind: &TypeDescriptor, name: &str) -> bool {
    kind.kind.eq_ignore_ascii_case(name)
        || (kind.kind == "union" && kind.type_args.iter().any(|member| is(member, name)))
}

fn ten() -> u32 {
    10
}
