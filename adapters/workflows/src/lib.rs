//! Workflow graphs: model, validation, engine and node library; runs on any async runtime.
//!
//! ```text
//!   JSON -> Graph -> validate(NodeLibrary) -> Engine::run -> Run: events ... RunOutcome
//! ```
//!
//! A [`Graph`] is checked by [`validate`] against a [`NodeLibrary`] and run by an [`Engine`].
//! The [`Run`] it returns does its work while it is polled for events: no threads, no timers,
//! no runtime. Dropping it cancels everything.
//!
//! ```
//! use std::sync::Arc;
//! use clawnode_workflows::{Engine, Graph, NodeLibrary, RunRequest};
//!
//! # futures_util::FutureExt::now_or_never(async {
//! let graph: Graph = serde_json::from_str(r#"{
//!     "nodes": [
//!         {"id": "who", "type": "nodetool.input.StringInput", "data": {"name": "who"}},
//!         {"id": "join", "type": "nodetool.text.Concat", "data": {"a": "hello "}},
//!         {"id": "out", "type": "nodetool.output.Output", "data": {"name": "greeting"}}
//!     ],
//!     "edges": [
//!         {"source": "who", "sourceHandle": "output", "target": "join", "targetHandle": "b"},
//!         {"source": "join", "sourceHandle": "output", "target": "out", "targetHandle": "value"}
//!     ]
//! }"#)?;
//! let engine = Engine::new(Arc::new(NodeLibrary::standard()));
//! let mut request = RunRequest::new("job-1", graph);
//! request.params.insert("who".into(), "world".into());
//!
//! let mut run = engine.run(request)?;
//! while let Some(event) = run.next_event().await {
//!     println!("{}: {}", event.update_type, event.data);
//! }
//! let outcome = run.outcome().expect("there is an outcome after the last event");
//! assert_eq!(outcome.to_result()["result"]["greeting"][0], "hello world");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).expect("nothing in this graph waits")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Contract
//!
//! A graph is refused with all its problems at once, or it runs to one [`RunOutcome`]. Work is done only while the run is polled, so
//! whoever reads events slowly slows the run down, and nothing has to be buffered. A node type that fails ends its run as failed, with
//! what there is of a result.
//!
//! To serve workflows to a gateway, give an engine to `NodeBuilder::workflows` of `clawnode-tokio`: the example
//! [`workflows`](https://github.com/clawnode/clawnode/blob/main/examples/tokio/workflows.rs) does it, and the
//! [cookbook](https://github.com/clawnode/clawnode/blob/main/adapters/tokio/docs/cookbook.md) has the rest of what a node can do.
//!
//! A new node type is one file under `nodes` and one line in its list, see [`NodeType`].
//! [All node types](https://github.com/clawnode/clawnode/blob/main/docs/nodes.md) are on one page, with the names that the
//! [generations](Generation) of NodeTool have for them.

#![forbid(unsafe_code)]

pub mod limits;

mod bounds;
mod directory;
mod engine;
#[cfg(feature = "__fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod generation;
mod graph;
mod library;
mod metadata;
mod node;
mod nodes;
mod params;
mod python;
mod schema;
mod types;
mod validate;
mod workflow;

pub use directory::{BrokenFile, DirectoryError, Listing, WorkflowDirectory};
pub use engine::{
    Engine, Inputs, InvalidGraph, NodeContext, Run, RunEvent, RunOutcome, RunRequest, RunStatus,
    Severity,
};
pub use generation::Generation;
pub use graph::{Edge, Graph, GraphError, Node, SyncMode};
pub use library::NodeLibrary;
pub use metadata::{NodeMetadata, NodeName, Output, Property};
pub use node::{NodeError, NodeType, Outputs};
pub use params::validate_params;
pub use types::TypeDescriptor;
pub use validate::{Problem, ProblemKind, Report, validate};
pub use workflow::{Workflow, WorkflowError};
