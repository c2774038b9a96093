//! The parameters of a run, as the inputs of its graph take them.

use serde_json::{Map, Value};

use crate::{
    graph::{Graph, Node},
    library::NodeLibrary,
    node::{NodeType, Role},
    validate::{Problem, ProblemKind, Report},
};

/// Checks the parameters of a run against the inputs of `graph`, as a run does before it starts: their types, and
/// the bounds that the graph states for a number. A parameter of a name that no input has is left alone; a run
/// ignores it, and says so in its log.
///
/// Bounds are stated by `min` and `max` of a number input. The defaults of both together (0 and 99,999) bind
/// nobody, as editors write them into their files unasked.
///
/// ```
/// use clawnode_workflows::{Graph, Node, NodeLibrary, validate_params};
///
/// let input = Node::new("n", "nodetool.input.IntegerInput").with("name", "count").with("max", 9);
/// let graph = Graph { nodes: vec![input], ..Graph::default() };
/// let params = serde_json::Map::from_iter([("count".to_owned(), 10.into())]);
/// let report = validate_params(&graph, &params, &NodeLibrary::standard());
/// assert_eq!(report.to_string(), "parameter \"count\" (node n) must be at most 9 but is 10");
/// ```
pub fn validate_params(
    graph: &Graph,
    params: &Map<String, Value>,
    library: &NodeLibrary,
) -> Report {
    let problem = |node: &Node| {
        let kind = library.get(&node.node_type).filter(|kind| kind.role == Role::Input)?;
        take(node, kind, params.get(node.public_name())?.clone())?.err()
    };
    Report { errors: graph.nodes.iter().filter_map(problem).collect(), ..Report::default() }
}

/// A parameter as an input takes it; `None` from an input without a value.
pub(crate) fn take(node: &Node, kind: &NodeType, value: Value) -> Option<Result<Value, Problem>> {
    let property = kind.find_property("value")?;
    let problem = |kind, reason: String| {
        let message = format!("parameter {:?} (node {}) {reason}", node.public_name(), node.id);
        Problem::new(kind, message).at_node(&node.id)
    };
    let taken = property.kind.coerce(value);
    let taken = taken.map_err(|reason| problem(ProblemKind::TypeMismatch, reason));
    Some(taken.and_then(|value| match out_of_range(node, kind, &value) {
        Some(reason) => Err(problem(ProblemKind::OutOfRange, reason)),
        None => Ok(value),
    }))
}

fn out_of_range(node: &Node, kind: &NodeType, value: &Value) -> Option<String> {
    let (min, max) = stated_bounds(node, kind);
    let number = value.as_f64()?;
    let fits = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
    let wanted = match (min, max) {
        _ if fits => return None,
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => return None,
    };
    Some(format!("must be {wanted} but is {value}"))
}

/// The bounds of a number input that somebody meant.
fn stated_bounds(node: &Node, kind: &NodeType) -> (Option<f64>, Option<f64>) {
    let bound = |name: &str| {
        let default = kind.find_property(name)?.default.as_f64();
        let stated = node.property(name)?.as_f64()?;
        Some((stated, Some(stated) == default))
    };
    match (bound("min"), bound("max")) {
        (Some((_, true)), Some((_, true))) => (None, None),
        (min, max) => (min.map(|(bound, _)| bound), max.map(|(bound, _)| bound)),
    }
}
