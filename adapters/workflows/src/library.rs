//! The node types a node can run.

use std::{collections::BTreeMap, sync::Arc};

use crate::{node::NodeType, nodes};

/// A set of node types, found by their name or one of their other names.
#[derive(Clone, Debug, Default)]
pub struct NodeLibrary {
    types: BTreeMap<String, Arc<NodeType>>,
    aliases: BTreeMap<String, String>,
}

impl NodeLibrary {
    /// An empty library.
    pub fn new() -> Self {
        Self::default()
    }

    /// The node types that come with this crate.
    ///
    /// ```
    /// let library = clawnode_workflows::NodeLibrary::standard();
    /// assert!(library.get("nodetool.text.Concat").is_some());
    /// ```
    pub fn standard() -> Self {
        let mut library = Self::new();
        for node in nodes::standard() {
            library.register(node);
        }
        library
    }

    /// Adds a type. One of the same name is replaced and returned.
    pub fn register(&mut self, node: NodeType) -> Option<Arc<NodeType>> {
        for alias in node.aliases() {
            self.aliases.insert(alias.to_owned(), node.name().to_owned());
        }
        self.types.insert(node.name().to_owned(), Arc::new(node))
    }

    /// The type called `name`, or having it as another name.
    pub fn get(&self, name: &str) -> Option<&NodeType> {
        self.find(name).map(Arc::as_ref)
    }

    /// The types in the order of their names, each once.
    pub fn iter(&self) -> impl Iterator<Item = &NodeType> {
        self.types.values().map(Arc::as_ref)
    }

    /// How many types there are.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there is no type at all.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The known type whose name is closest to the unknown `name`, if one is close.
    pub fn closest(&self, name: &str) -> Option<&str> {
        let last = |full: &str| full.rsplit('.').next().unwrap_or(full).to_lowercase();
        let wanted = last(name);
        let scored = self.types.keys().filter_map(|known| {
            let tail = last(known);
            let tails = distance(&wanted, &tail);
            let close = tails <= wanted.chars().count() / 3
                || (wanted.len() >= 3 && (tail.starts_with(&wanted) || wanted.starts_with(&tail)));
            close.then(|| (tails, distance(name, known), known.as_str()))
        });
        scored.min().map(|(_, _, known)| known)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<NodeType>> {
        self.types.get(name).or_else(|| self.types.get(self.aliases.get(name)?))
    }
}

/// The one of `known` that is closest to the unknown `name`, if one is close.
pub(crate) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let scored = known.filter_map(|known| {
        let apart = distance(&wanted, &known.to_lowercase());
        let close = apart <= wanted.chars().count().div_ceil(3)
            || (wanted.len() >= 3 && (known.starts_with(&wanted) || wanted.starts_with(known)));
        close.then_some((apart, known))
    });
    scored.min().map(|(_, known)| known)
}

/// Levenshtein distance; long names are cut, since only near misses matter.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 120;
    let b: Vec<char> = b.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(LONGEST).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
