//! Runs graphs: one actor per node, bounded edges, everything inside one value that is polled.
//!
//! - `plan`: the checked graph, with indices instead of names.
//! - `state`: what the actors of a run share: input buffers, events, results.
//! - `actor`: how one node runs: sync modes, coercion, its events.
//! - `run`: polls the actors in a fixed order and hands out the events.

mod actor;
mod context;
mod event;
mod plan;
mod run;
mod schedule;
mod state;

use std::sync::Arc;

use serde_json::{Map, Value};

pub(crate) use actor::{check_collected, collected_list};
pub use context::{Inputs, NodeContext, Severity};
pub use event::RunEvent;
pub use run::{Run, RunOutcome, RunStatus};

use crate::{
    graph::Graph,
    library::NodeLibrary,
    validate::{Report, validate},
};

/// Runs graphs against one library of node types. Cheap to clone; all runs are independent.
#[derive(Clone, Debug)]
pub struct Engine {
    library: Arc<NodeLibrary>,
}

impl Engine {
    /// An engine for the node types of `library`.
    pub fn new(library: Arc<NodeLibrary>) -> Self {
        Self { library }
    }

    /// The node types this engine knows.
    pub fn library(&self) -> &Arc<NodeLibrary> {
        &self.library
    }

    /// Checks the graph and prepares its run; nothing happens until the run is polled.
    ///
    /// # Errors
    ///
    /// [`InvalidGraph`] with every problem of the graph, and with parameters that do not fit
    /// the type of their input.
    pub fn run(&self, request: RunRequest) -> Result<Run, InvalidGraph> {
        let report = validate(&request.graph, &self.library);
        if !report.is_valid() {
            return Err(InvalidGraph { report });
        }
        let plan = plan::Plan::new(request, &self.library)?;
        Ok(Run::new(Arc::new(plan)))
    }
}

/// What to run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// The run's id, chosen by the caller; also its job id.
    pub job_id: String,
    /// The workflow the graph comes from, if it has one; repeated in the events.
    pub workflow_id: Option<String>,
    /// The graph.
    pub graph: Graph,
    /// Values for the graph's inputs, by the inputs' names. A name that no input has is
    /// reported by a `log_update` and otherwise ignored; an input without a value here uses
    /// the one in the graph.
    pub params: Map<String, Value>,
}

impl RunRequest {
    /// A request for an inline graph without parameters.
    pub fn new(job_id: impl Into<String>, graph: Graph) -> Self {
        Self { job_id: job_id.into(), workflow_id: None, graph, params: Map::new() }
    }
}

/// The graph cannot run; the report has every reason.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the graph cannot run: {report}")]
pub struct InvalidGraph {
    /// What validation found.
    pub report: Report,
}
