//! The node types of the library: the page about them, and how they fit those of NodeTool.

mod page;
mod recorded;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clawnode_nodes::Access;
use clawnode_workflows::{Engine, NodeLibrary};

/// Every node type there is, without access to anything.
fn engine() -> Engine {
    let mut library = NodeLibrary::standard();
    clawnode_nodes::register(&mut library, &Access::default());
    Engine::new(Arc::new(library))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it has a parent").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
