//! A checked graph made ready to run: indices instead of names, properties complete.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{InvalidGraph, RunRequest};
use crate::{
    graph::{Graph, Node, SyncMode},
    library::NodeLibrary,
    node::{NodeType, Role},
    params,
    types::TypeDescriptor,
    validate::{Problem, Report},
};

/// One run's plan; immutable and shared by its actors.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) job_id: String,
    pub(super) workflow_id: Option<String>,
    pub(super) nodes: Vec<PlannedNode>,
    /// The edges' names in events.
    pub(super) edges: Vec<String>,
    /// Of each node whether a later one takes care of its failure.
    pub(super) caught: Vec<bool>,
    /// The loops, inner ones before those around them.
    pub(super) loops: Vec<usize>,
    /// Parameters that no input is named after.
    pub(super) unknown_params: Vec<String>,
    /// The names of the inputs, in the order of the graph.
    pub(super) input_names: Vec<String>,
}

#[derive(Debug)]
pub(super) struct PlannedNode {
    pub(super) id: String,
    /// The type's name as the graph has it, which may be one of its other names.
    pub(super) type_name: String,
    pub(super) node_type: Arc<NodeType>,
    pub(super) sync_mode: SyncMode,
    /// Complete and of the declared types; connected ones have their default.
    pub(super) properties: Map<String, Value>,
    pub(super) inputs: Vec<InputHandle>,
    pub(super) outputs: Vec<OutputHandle>,
}

#[derive(Debug)]
pub(super) struct InputHandle {
    pub(super) name: String,
    /// What the property takes; `None` for one that only this node has.
    pub(super) kind: Option<TypeDescriptor>,
    /// How many edges lead here.
    pub(super) edges: usize,
    /// Whether the node reads it itself.
    pub(super) live: bool,
    /// Whether the values of all edges are gathered into one list.
    pub(super) gathers: bool,
    /// Whether more than one value may come.
    pub(super) streams: bool,
    /// Whether what comes may be made of what the node itself gave.
    pub(super) leads_back: bool,
    /// Whether it comes into the body of a loop from outside, and is the same in every pass.
    pub(super) held: bool,
}

#[derive(Debug)]
pub(super) struct OutputHandle {
    pub(super) name: String,
    pub(super) routes: Vec<Route>,
}

/// Where the values of an output go: over which edge, to which node, into which input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) edge: usize,
    pub(super) node: usize,
    pub(super) input: usize,
    /// Whether the edge comes from a list and its elements are gathered, not the list.
    pub(super) spreads: bool,
}

impl Plan {
    /// Plans a graph that validation found no fault with.
    pub(super) fn new(request: RunRequest, library: &NodeLibrary) -> Result<Self, InvalidGraph> {
        let RunRequest { job_id, workflow_id, graph, mut params } = request;
        let mut problems = Vec::new();
        let mut nodes = Vec::with_capacity(graph.nodes.len());
        let mut places = HashMap::with_capacity(graph.nodes.len());
        let mut input_names = Vec::new();
        let connected = connected_inputs(&graph);
        for node in &graph.nodes {
            // Validation has looked every type up already.
            let Some(node_type) = library.find(&node.node_type) else {
                continue;
            };
            if node_type.role == Role::Ignored {
                continue;
            }
            if node_type.role == Role::Input {
                input_names.push(node.public_name().to_owned());
            }
            let properties = properties(node, node_type, &connected, &mut params, &mut problems);
            places.insert(node.id.clone(), nodes.len());
            nodes.push(PlannedNode {
                id: node.id.clone(),
                type_name: node.node_type.clone(),
                node_type: Arc::clone(node_type),
                sync_mode: node.sync_mode.clone(),
                properties,
                inputs: Vec::new(),
                outputs: Vec::new(),
            });
        }
        if !problems.is_empty() {
            return Err(InvalidGraph { report: Report { errors: problems, ..Report::default() } });
        }
        let edges = connect(&graph, &places, &mut nodes);
        let loops = prepare_loops(&mut nodes);
        mark_streams(&mut nodes);
        let caught = caught(&nodes);
        let unknown_params = params.into_iter().map(|(name, _)| name).collect();
        Ok(Self { job_id, workflow_id, nodes, edges, caught, loops, unknown_params, input_names })
    }
}

fn connected_inputs(graph: &Graph) -> HashSet<(&str, &str)> {
    let ends = graph.edges.iter().map(|edge| (edge.target.as_str(), edge.target_handle.as_str()));
    ends.collect()
}

/// Defaults, then the node's own values, then the parameter; a connected property keeps its
/// default until a value arrives (protocol page 1.3).
fn properties(
    node: &Node,
    node_type: &NodeType,
    connected: &HashSet<(&str, &str)>,
    given: &mut Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> Map<String, Value> {
    let mut all = Map::new();
    for property in &node_type.metadata().properties {
        let is_connected = connected.contains(&(node.id.as_str(), property.name.as_str()));
        let own = node.property(&property.name).filter(|_| !is_connected);
        let own = own.or_else(|| node.dynamic_properties.get(&property.name));
        let set = own.filter(|value| !(value.is_null() && property.kind.null_is_unset()));
        // Validation has tried every value, so a default here is never a silent replacement.
        let value = set.and_then(|value| property.kind.coerce(value.clone()).ok());
        all.insert(property.name.clone(), value.unwrap_or_else(|| property.default.clone()));
    }
    if node_type.metadata().is_dynamic {
        for (name, value) in &node.dynamic_properties {
            all.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    if node_type.role == Role::Input {
        let name = node.public_name();
        let taken = given.remove(name).and_then(|value| params::take(node, node_type, value));
        match taken {
            Some(Ok(value)) => {
                all.insert("value".to_owned(), value);
            }
            Some(Err(problem)) => problems.push(problem),
            None => {}
        }
    }
    all
}

/// Fills in the handles and returns the edges' names.
fn connect(
    graph: &Graph,
    places: &HashMap<String, usize>,
    nodes: &mut [PlannedNode],
) -> Vec<String> {
    let mut names = Vec::with_capacity(graph.edges.len());
    let (mut inputs, mut outputs) = (Handles::new(), Handles::new());
    for edge in &graph.edges {
        let (Some(&source), Some(&target)) = (places.get(&edge.source), places.get(&edge.target))
        else {
            continue;
        };
        let input = input_handle(&mut inputs, nodes, target, &edge.target_handle);
        nodes[target].inputs[input].edges += 1;
        let output = output_handle(&mut outputs, nodes, source, &edge.source_handle);
        let route = Route { edge: names.len(), node: target, input, spreads: false };
        nodes[source].outputs[output].routes.push(route);
        names.push(edge.event_id());
    }
    for source in 0..nodes.len() {
        for output in 0..nodes[source].outputs.len() {
            for index in 0..nodes[source].outputs[output].routes.len() {
                let name = &nodes[source].outputs[output].name;
                let declared = nodes[source].node_type.find_output(name);
                let kind = declared.map_or_else(TypeDescriptor::any, |found| found.kind.clone());
                let route = nodes[source].outputs[output].routes[index];
                let target = &mut nodes[route.node];
                let input = &mut target.inputs[route.input];
                let takes_list = input.kind.as_ref().is_some_and(TypeDescriptor::is_list);
                let gives_list = kind.is_list() || kind.kind == "any";
                input.gathers |= takes_list && !input.live && (input.edges > 1 || !gives_list);
                nodes[source].outputs[output].routes[index].spreads = kind.is_list();
            }
        }
    }
    names
}

/// The handles made so far, by node and name.
type Handles<'a> = HashMap<(usize, &'a str), usize>;

fn input_handle<'a>(
    known: &mut Handles<'a>,
    nodes: &mut [PlannedNode],
    node: usize,
    name: &'a str,
) -> usize {
    *known.entry((node, name)).or_insert_with(|| {
        let PlannedNode { node_type, inputs, .. } = &mut nodes[node];
        inputs.push(InputHandle {
            name: name.to_owned(),
            kind: node_type.find_property(name).map(|property| property.kind.clone()),
            edges: 0,
            live: node_type.reads(name),
            gathers: false,
            streams: false,
            leads_back: node_type.is_feedback(name),
            held: false,
        });
        inputs.len() - 1
    })
}

fn output_handle<'a>(
    known: &mut Handles<'a>,
    nodes: &mut [PlannedNode],
    node: usize,
    name: &'a str,
) -> usize {
    *known.entry((node, name)).or_insert_with(|| {
        let outputs = &mut nodes[node].outputs;
        outputs.push(OutputHandle { name: name.to_owned(), routes: Vec::new() });
        outputs.len() - 1
    })
}

/// A node streams if its type does or if it runs once per value of a stream; a node that
/// reads its inputs itself and gathers them ends the stream.
fn mark_streams(nodes: &mut [PlannedNode]) {
    let mut work: Vec<usize> = (0..nodes.len())
        .filter(|&index| nodes[index].node_type.metadata().is_streaming_output)
        .collect();
    let mut streams = vec![false; nodes.len()];
    while let Some(index) = work.pop() {
        if std::mem::replace(&mut streams[index], true) {
            continue;
        }
        let routes: Vec<Route> =
            nodes[index].outputs.iter().flat_map(|output| output.routes.iter().copied()).collect();
        for route in routes {
            let target = &mut nodes[route.node];
            let input = &mut target.inputs[route.input];
            input.streams = !input.gathers && !input.held;
            if input.streams && !target.node_type.is_streaming_input() {
                work.push(route.node);
            }
        }
    }
}

/// Lets the bodies of loops run in step and returns the loops, inner ones first.
fn prepare_loops(nodes: &mut [PlannedNode]) -> Vec<usize> {
    let loops = (0..nodes.len()).filter(|&index| nodes[index].node_type.is_loop());
    let mut bodies: Vec<(Vec<usize>, usize)> =
        loops.map(|index| (body(nodes, index), index)).collect();
    // The body of an inner loop is a part of the body around it.
    bodies.sort_by_key(|(body, index)| (body.len(), *index));
    let mut known = vec![false; nodes.len()];
    for (body, index) in &bodies {
        let mut inside = vec![false; nodes.len()];
        inside[*index] = true;
        body.iter().for_each(|&node| inside[node] = true);
        hold_inputs(nodes, &inside, &known);
        for &node in body {
            nodes[node].sync_mode = SyncMode::ZipAll;
            known[node] = true;
        }
    }
    bodies.into_iter().map(|(_, index)| index).collect()
}

/// Marks the inputs that come into a body from outside, except those of nodes in an inner body.
fn hold_inputs(nodes: &mut [PlannedNode], inside: &[bool], known: &[bool]) {
    for source in (0..nodes.len()).filter(|&source| !inside[source]) {
        for output in 0..nodes[source].outputs.len() {
            for index in 0..nodes[source].outputs[output].routes.len() {
                let route = nodes[source].outputs[output].routes[index];
                let enters = inside[route.node] && !known[route.node];
                let target = &mut nodes[route.node];
                target.inputs[route.input].held |= enters && !target.node_type.is_loop();
            }
        }
    }
}

/// The nodes on the ways from the outputs of a loop back to it.
fn body(nodes: &[PlannedNode], start: usize) -> Vec<usize> {
    let mut next = vec![Vec::new(); nodes.len()];
    let mut previous = vec![Vec::new(); nodes.len()];
    for (from, node) in nodes.iter().enumerate() {
        for route in node.outputs.iter().flat_map(|output| &output.routes) {
            let into_loop = route.node == start;
            let target = &nodes[route.node];
            if into_loop && target.inputs[route.input].leads_back {
                previous[start].push(from);
            } else if !into_loop {
                next[from].push(route.node);
                previous[route.node].push(from);
            }
        }
    }
    let (after, before) = (reached(&next, start), reached(&previous, start));
    (0..nodes.len()).filter(|&node| node != start && after[node] && before[node]).collect()
}

/// A failure is caught if it reaches an input that catches and nothing else but previews.
fn caught(nodes: &[PlannedNode]) -> Vec<bool> {
    if !nodes.iter().any(|node| node.node_type.catches_any()) {
        return vec![false; nodes.len()];
    }
    let mut previous = vec![Vec::new(); nodes.len()];
    let (mut catching, mut escaping) = (Vec::new(), Vec::new());
    for (from, node) in nodes.iter().enumerate() {
        let mut ends = true;
        for route in node.outputs.iter().flat_map(|output| &output.routes) {
            ends = false;
            let target = &nodes[route.node];
            if target.node_type.catches_at(&target.inputs[route.input].name) {
                catching.push(from);
            } else {
                previous[route.node].push(from);
            }
        }
        if ends && node.node_type.role != Role::Preview {
            escaping.push(from);
        }
    }
    let before = |ends: Vec<usize>| {
        let mut all = vec![false; nodes.len()];
        for end in ends {
            spread(&previous, end, &mut all);
        }
        all
    };
    let (catches, escapes) = (before(catching), before(escaping));
    catches.into_iter().zip(escapes).map(|(catches, escapes)| catches && !escapes).collect()
}

fn reached(next: &[Vec<usize>], start: usize) -> Vec<bool> {
    let mut all = vec![false; next.len()];
    spread(next, start, &mut all);
    all
}

/// Marks `start` and what can be reached from it.
fn spread(next: &[Vec<usize>], start: usize, marked: &mut [bool]) {
    let mut work = vec![start];
    while let Some(node) = work.pop() {
        if !std::mem::replace(&mut marked[node], true) {
            work.extend(&next[node]);
        }
    }
}
