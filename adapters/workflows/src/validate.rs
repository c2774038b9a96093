//! Checks a graph before it runs and lists every problem, not just the first.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Serialize, Serializer};

use crate::{
    graph::{Edge, Graph, Node, SyncMode},
    library::{NodeLibrary, closest},
    limits::{MAX_EDGES, MAX_LOOPS, MAX_NODES},
    node::{NodeType, Role},
    types::TypeDescriptor,
};

/// What [`validate`] found (protocol page 1.5, and the checks the original makes only in a run).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Why the graph cannot run.
    pub errors: Vec<Problem>,
    /// What is probably a mistake.
    pub warnings: Vec<Problem>,
    /// What may be an oversight.
    pub suggestions: Vec<Problem>,
}

impl Report {
    /// Whether the graph can run.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }
}

impl std::fmt::Display for Report {
    /// The errors, one after the other.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.errors.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// One finding. Shown and serialized as its message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// What kind of finding.
    pub kind: ProblemKind,
    /// What is wrong and where, for people.
    pub message: String,
    /// The node it is about, by id.
    pub node_id: Option<String>,
    /// The edge it is about, as in events.
    pub edge_id: Option<String>,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, message: String) -> Self {
        Self { kind, message, node_id: None, edge_id: None }
    }

    pub(crate) fn at_node(mut self, id: &str) -> Self {
        self.node_id = Some(id.to_owned());
        self
    }

    fn at_edge(mut self, edge: &Edge) -> Self {
        self.edge_id = Some(edge.event_id());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.message)
    }
}

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// More nodes or edges than a graph may have.
    TooLarge,
    /// Two nodes have the same id.
    DuplicateNodeId,
    /// No node type of that name.
    UnknownNodeType,
    /// A sync mode that does not exist.
    UnknownSyncMode,
    /// An edge from or to a node that does not exist.
    DanglingEdge,
    /// An edge from an output that its node does not have.
    UnknownSourceHandle,
    /// An edge to a property that its node does not have.
    UnknownTargetHandle,
    /// A control edge, which this engine does not run.
    ControlEdge,
    /// Several edges into a property that is not a list.
    SeveralEdges,
    /// A value or an edge of a type that does not fit.
    TypeMismatch,
    /// A parameter beyond the bounds that the graph states for it.
    OutOfRange,
    /// A value for a property that the type does not have; nothing reads it.
    UnknownProperty,
    /// A required property is neither set nor connected.
    MissingInput,
    /// An input or output node without a name.
    EmptyName,
    /// Two inputs of the same name.
    DuplicateInputName,
    /// Values would run in a circle.
    Cycle,
    /// The body of a loop would give it several values for one pass.
    LoopBody,
    /// A node without any edge.
    Orphan,
    /// A node whose values nobody takes.
    UnusedOutput,
}

/// Checks `graph` against the node types of `library`.
///
/// ```
/// use clawnode_workflows::{Graph, Node, NodeLibrary, validate};
///
/// let graph = Graph { nodes: vec![Node::new("n1", "nodetool.text.Conkat")], ..Graph::default() };
/// let report = validate(&graph, &NodeLibrary::standard());
/// assert_eq!(
///     report.errors[0].message,
///     "unknown node type nodetool.text.Conkat (node n1); did you mean nodetool.text.Concat?"
/// );
/// ```
pub fn validate(graph: &Graph, library: &NodeLibrary) -> Report {
    let mut report = Report::default();
    for (count, limit, what) in
        [(graph.nodes.len(), MAX_NODES, "nodes"), (graph.edges.len(), MAX_EDGES, "edges")]
    {
        if count > limit {
            let message = format!("the graph has {count} {what}; the most is {limit}");
            report.errors.push(Problem::new(ProblemKind::TooLarge, message));
        }
    }
    if !report.is_valid() {
        return report;
    }
    let mut check = Check::new(graph, library, report);
    check.nodes();
    check.edges();
    check.names();
    check.cycle();
    check.loops();
    check.usage();
    check.report
}

struct Check<'a> {
    graph: &'a Graph,
    library: &'a NodeLibrary,
    /// The first node of each id, with its type if that is known.
    known: HashMap<&'a str, (&'a Node, Option<&'a NodeType>)>,
    connected: HashSet<(&'a str, &'a str)>,
    report: Report,
}

impl<'a> Check<'a> {
    fn new(graph: &'a Graph, library: &'a NodeLibrary, report: Report) -> Self {
        let connected = graph.edges.iter().map(|e| (e.target.as_str(), e.target_handle.as_str()));
        Self { graph, library, known: HashMap::new(), connected: connected.collect(), report }
    }

    fn error(&mut self, problem: Problem) {
        self.report.errors.push(problem);
    }

    fn nodes(&mut self) {
        for node in &self.graph.nodes {
            let node_type = self.library.get(&node.node_type);
            let id = node.id.as_str();
            if self.known.contains_key(id) {
                let message = format!("node id {id} is used more than once; ids must be unique");
                self.error(Problem::new(ProblemKind::DuplicateNodeId, message).at_node(id));
            } else {
                self.known.insert(id, (node, node_type));
            }
            if let SyncMode::Other(mode) = &node.sync_mode {
                let message =
                    format!("unknown sync_mode {mode:?} (node {id}); use on_any or zip_all");
                self.error(Problem::new(ProblemKind::UnknownSyncMode, message).at_node(id));
            }
            match node_type {
                Some(node_type) => {
                    self.properties(node, node_type);
                    self.unknown_properties(node, node_type);
                }
                None => self.unknown_type(node),
            }
        }
    }

    fn unknown_type(&mut self, node: &Node) {
        let Node { id, node_type, .. } = node;
        let mut message = format!("unknown node type {node_type} (node {id})");
        if !node.has_type() {
            message = format!("node {id} has no `type`; set it, such as to nodetool.text.Concat");
        } else if let Some(closest) = self.library.closest(node_type) {
            message += &format!("; did you mean {closest}?");
        }
        self.error(Problem::new(ProblemKind::UnknownNodeType, message).at_node(id));
    }

    fn properties(&mut self, node: &Node, node_type: &NodeType) {
        for property in &node_type.metadata().properties {
            let Node { id, node_type, .. } = node;
            if self.connected.contains(&(id.as_str(), property.name.as_str())) {
                continue;
            }
            let own = node.property(&property.name);
            let own = own.or_else(|| node.dynamic_properties.get(&property.name));
            match own {
                Some(value) if value.is_null() && property.kind.null_is_unset() => {}
                Some(value) => {
                    if let Err(reason) = property.kind.coerce(value.clone()) {
                        let name = &property.name;
                        let message = format!("property {name} {reason} (node {id}, {node_type})");
                        self.error(Problem::new(ProblemKind::TypeMismatch, message).at_node(id));
                    }
                    continue;
                }
                None => {}
            }
            if property.required {
                let name = &property.name;
                let message = format!(
                    "required property {name} is neither set nor connected (node {id}, {node_type})"
                );
                self.error(Problem::new(ProblemKind::MissingInput, message).at_node(id));
            }
        }
    }

    /// Warns of values that nothing reads, which misspelt properties are.
    fn unknown_properties(&mut self, node: &Node, kind: &NodeType) {
        if kind.metadata().is_dynamic || kind.role == Role::Ignored {
            return;
        }
        let Node { id, node_type, .. } = node;
        for (name, value) in node.properties() {
            let is_read = kind.find_property(name).is_some();
            if is_read || value.is_null() || LABELS.contains(&name.as_str()) {
                continue;
            }
            let names = || kind.metadata().properties.iter().map(|known| known.name.as_str());
            let mut message = format!("property {name} is unknown (node {id}, {node_type})");
            message += &match closest(name, names()) {
                Some(closest) => format!("; did you mean {closest}?"),
                None => format!("; the type has {}", list_names(names())),
            };
            let problem = Problem::new(ProblemKind::UnknownProperty, message).at_node(id);
            self.report.warnings.push(problem);
        }
    }

    fn edges(&mut self) {
        let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
        for edge in &self.graph.edges {
            if edge.is_control() {
                let message = format!("edge {edge} is a control edge; only data edges can run");
                self.error(Problem::new(ProblemKind::ControlEdge, message).at_edge(edge));
                continue;
            }
            let source = self.known.get(edge.source.as_str()).copied();
            let target = self.known.get(edge.target.as_str()).copied();
            for (end, id, found) in
                [("source", &edge.source, source), ("target", &edge.target, target)]
            {
                if found.is_none() {
                    let message = format!("edge {edge} has a {end} node {id} that does not exist");
                    self.error(Problem::new(ProblemKind::DanglingEdge, message).at_edge(edge));
                }
            }
            let from = source.and_then(|(node, kind)| self.source_type(edge, node, kind?));
            let to = target.and_then(|(node, kind)| self.target_type(edge, node, kind?));
            if let (Some(from), Some(to)) = (&from, &to) {
                if !from.fits(to) {
                    let Edge { source, source_handle, target, target_handle, .. } = edge;
                    let message = format!(
                        "type mismatch: {source}.{source_handle} gives {from} but \
                         {target}.{target_handle} expects {to}"
                    );
                    self.error(Problem::new(ProblemKind::TypeMismatch, message).at_edge(edge));
                }
            }
            let count = counts.entry((&edge.target, &edge.target_handle)).or_default();
            *count += 1;
            if *count == 2 && to.is_some_and(|to| !to.is_list()) {
                let (id, name) = (&edge.target, &edge.target_handle);
                let message = format!(
                    "property {name} of node {id} has several edges; only a list can take them: lead them \
                     to one node first, such as nodetool.text.Join for one text or nodetool.constant.List \
                     for one list"
                );
                self.error(Problem::new(ProblemKind::SeveralEdges, message).at_edge(edge));
            }
        }
    }

    fn source_type(&mut self, edge: &Edge, node: &Node, kind: &NodeType) -> Option<TypeDescriptor> {
        let name = edge.source_handle.as_str();
        if let Some(output) = kind.find_output(name) {
            return Some(output.kind.clone());
        }
        if let Some(declared) = node.dynamic_outputs.get(name) {
            if kind.metadata().supports_dynamic_outputs {
                let declared = serde_json::from_value(declared.clone());
                return Some(declared.unwrap_or_else(|_| TypeDescriptor::any()));
            }
        }
        if self.passes_on(name, node, kind) {
            return Some(TypeDescriptor::any());
        }
        let names = kind.metadata().outputs.iter().map(|output| output.name.as_str());
        let message = format!(
            "edge {edge} starts at output {name:?}, which node {} ({}) does not have; it has {}",
            node.id,
            node.node_type,
            list_names(names)
        );
        self.error(Problem::new(ProblemKind::UnknownSourceHandle, message).at_edge(edge));
        None
    }

    /// Whether `name` is an input that was added to the node, of a type that passes such inputs
    /// on by an output of the same name, which graphs do not declare.
    fn passes_on(&self, name: &str, node: &Node, kind: &NodeType) -> bool {
        kind.passes_inputs_on()
            && kind.find_property(name).is_none()
            && (node.has_dynamic_input(name) || self.connected.contains(&(node.id.as_str(), name)))
    }

    fn target_type(&mut self, edge: &Edge, node: &Node, kind: &NodeType) -> Option<TypeDescriptor> {
        let name = edge.target_handle.as_str();
        if let Some(property) = kind.find_property(name) {
            return Some(property.kind.clone());
        }
        if kind.metadata().is_dynamic && (!name.is_empty() || node.has_dynamic_input(name)) {
            return Some(TypeDescriptor::any());
        }
        let names = kind.metadata().properties.iter().map(|property| property.name.as_str());
        let message = format!(
            "edge {edge} ends at property {name:?}, which node {} ({}) does not have; it has {}",
            node.id,
            node.node_type,
            list_names(names)
        );
        self.error(Problem::new(ProblemKind::UnknownTargetHandle, message).at_edge(edge));
        None
    }

    fn names(&mut self) {
        let mut seen = BTreeSet::new();
        for node in &self.graph.nodes {
            let Some(kind) = self.library.get(&node.node_type) else {
                continue;
            };
            let what = match kind.role {
                Role::Input => "input",
                Role::Output => "output",
                _ => continue,
            };
            let (name, id) = (node.public_name(), node.id.as_str());
            if name.is_empty() {
                let message = format!("{what} node {id} has no name; set its property name");
                self.error(Problem::new(ProblemKind::EmptyName, message).at_node(id));
            } else if kind.role == Role::Input && !seen.insert(name) {
                let message =
                    format!("input name {name:?} is used more than once (node {id}); rename one");
                self.error(Problem::new(ProblemKind::DuplicateInputName, message).at_node(id));
            }
        }
    }

    /// Takes away nodes without incoming edges until none is left (Kahn); what stays contains
    /// a circle, of which one is shown.
    fn cycle(&mut self) {
        let places: HashMap<&str, usize> =
            self.graph.nodes.iter().enumerate().map(|(i, node)| (node.id.as_str(), i)).collect();
        let mut next = vec![Vec::new(); self.graph.nodes.len()];
        let mut incoming = vec![0_usize; self.graph.nodes.len()];
        for edge in &self.graph.edges {
            if self.leads_back(edge) {
                continue;
            }
            if let (Some(&from), Some(&to)) =
                (places.get(edge.source.as_str()), places.get(edge.target.as_str()))
            {
                next[from].push(to);
                incoming[to] += 1;
            }
        }
        let mut work: Vec<usize> = (0..incoming.len()).filter(|&i| incoming[i] == 0).collect();
        let mut left = incoming.len();
        while let Some(node) = work.pop() {
            left -= 1;
            for &to in &next[node] {
                incoming[to] -= 1;
                if incoming[to] == 0 {
                    work.push(to);
                }
            }
        }
        if left == 0 {
            return;
        }
        let circle = find_circle(&next, &incoming);
        let ids: Vec<&str> = circle.iter().map(|&i| self.graph.nodes[i].id.as_str()).collect();
        let message = format!(
            "the edges form a cycle: {}; only a Loop node may lead back, through its next or \
             condition",
            ids.join(" -> ")
        );
        self.error(Problem::new(ProblemKind::Cycle, message));
    }

    /// Follows the streams that do not come from the loop itself up to where they lead back.
    fn loops(&mut self) {
        let loops: Vec<&str> = self.loop_ids().collect();
        if loops.len() > MAX_LOOPS {
            let message = format!("the graph has {} loops; the most is {MAX_LOOPS}", loops.len());
            self.error(Problem::new(ProblemKind::TooLarge, message));
            return;
        }
        if loops.is_empty() {
            return;
        }
        let mut outgoing: HashMap<&str, Vec<&'a Edge>> = HashMap::new();
        for edge in &self.graph.edges {
            outgoing.entry(&edge.source).or_default().push(edge);
        }
        for id in loops {
            let Some(edge) = self.stream_into(id, &outgoing) else { continue };
            let message = format!(
                "edge {edge} gives several values for one pass of the loop; take the node that \
                 makes a stream out of the body, or gather the stream before it enters the body"
            );
            self.error(Problem::new(ProblemKind::LoopBody, message).at_edge(edge));
        }
    }

    fn loop_ids(&self) -> impl Iterator<Item = &'a str> {
        let is_loop = |(id, (_, kind)): (&&'a str, &(_, Option<&NodeType>))| {
            kind.is_some_and(NodeType::is_loop).then_some(*id)
        };
        let mut ids: Vec<&str> = self.known.iter().filter_map(is_loop).collect();
        ids.sort_unstable();
        ids.into_iter()
    }

    /// The first edge over which a stream leads back to the loop `id`.
    fn stream_into(&self, id: &str, outgoing: &HashMap<&str, Vec<&'a Edge>>) -> Option<&'a Edge> {
        let kind_of = |id: &str| self.known.get(id).and_then(|(_, kind)| *kind);
        let streams = |edge: &Edge| {
            let Some(kind) = kind_of(&edge.source) else { return false };
            let passes = kind.is_loop() && edge.source != id && edge.source_handle != DONE;
            passes || (!kind.is_loop() && kind.multiplies())
        };
        let mut work: Vec<&Edge> = self.graph.edges.iter().filter(|edge| streams(edge)).collect();
        let mut seen = HashSet::new();
        while let Some(edge) = work.pop() {
            if self.leads_back(edge) {
                if edge.target == id {
                    return Some(edge);
                }
            } else if edge.target != id && !self.gathers(edge) && seen.insert(edge.target.as_str())
            {
                work.extend(outgoing.get(edge.target.as_str()).into_iter().flatten());
            }
        }
        None
    }

    /// Whether the edge may close a cycle.
    fn leads_back(&self, edge: &Edge) -> bool {
        let kind = self.known.get(edge.target.as_str()).and_then(|(_, kind)| *kind);
        kind.is_some_and(|kind| kind.is_feedback(&edge.target_handle))
    }

    /// Whether a stream that comes over the edge ends at its target.
    fn gathers(&self, edge: &Edge) -> bool {
        let kind_of = |id: &str| self.known.get(id).and_then(|(_, kind)| *kind);
        let Some(target) = kind_of(&edge.target) else { return false };
        let name = edge.target_handle.as_str();
        if target.is_streaming_input() && target.reads(name) {
            return !target.metadata().is_streaming_output;
        }
        let takes_list = target.find_property(name).is_some_and(|found| found.kind.is_list());
        let source = kind_of(&edge.source).and_then(|kind| kind.find_output(&edge.source_handle));
        takes_list && source.is_some_and(|out| !out.kind.is_list() && out.kind.kind != "any")
    }

    fn usage(&mut self) {
        let sources: HashSet<&str> = self.graph.edges.iter().map(|e| e.source.as_str()).collect();
        let targets: HashSet<&str> = self.graph.edges.iter().map(|e| e.target.as_str()).collect();
        for node in &self.graph.nodes {
            let Node { id, node_type, .. } = node;
            let role = self.library.get(node_type).map_or(Role::Regular, |kind| kind.role);
            let lower = node_type.to_lowercase();
            let stands_alone = role == Role::Ignored
                || ["input", "output", "constant", "preview"].iter().any(|w| lower.contains(w));
            let (gives, takes) = (sources.contains(id.as_str()), targets.contains(id.as_str()));
            if !gives && !takes && !stands_alone {
                let message = format!("node {id} ({node_type}) is not connected to anything");
                let problem = Problem::new(ProblemKind::Orphan, message).at_node(id);
                self.report.warnings.push(problem);
            } else if !gives && !matches!(role, Role::Output | Role::Preview | Role::Ignored) {
                let message = format!(
                    "nothing uses what node {id} ({node_type}) gives; connect it to an Output to \
                     see it"
                );
                let problem = Problem::new(ProblemKind::UnusedOutput, message).at_node(id);
                self.report.suggestions.push(problem);
            }
        }
    }
}

/// One circle among the nodes that still have incoming edges, first node repeated at the end.
fn find_circle(next: &[Vec<usize>], incoming: &[usize]) -> Vec<usize> {
    let in_rest = |node: usize| incoming[node] > 0;
    // Each node of the rest has a predecessor in the rest, so walking back must meet itself.
    let mut previous = vec![usize::MAX; next.len()];
    for (from, targets) in next.iter().enumerate().filter(|&(from, _)| in_rest(from)) {
        for &to in targets.iter().filter(|&&to| in_rest(to)) {
            previous[to] = previous[to].min(from);
        }
    }
    let Some(mut node) = (0..next.len()).find(|&node| in_rest(node)) else {
        return Vec::new();
    };
    let mut order = vec![usize::MAX; next.len()];
    let mut path = Vec::new();
    while node != usize::MAX && order[node] == usize::MAX {
        order[node] = path.len();
        path.push(node);
        node = previous[node];
    }
    if node == usize::MAX {
        return path;
    }
    let mut circle = path.split_off(order[node]);
    circle.push(node);
    circle.reverse();
    circle
}

/// What editors and people write on a node of any type, to tell it from others.
const LABELS: [&str; 4] = ["name", "title", "label", "description"];

/// The output of a loop that gives one value for each initial value.
const DONE: &str = "done";

fn list_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
