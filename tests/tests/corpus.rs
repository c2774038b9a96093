//! Every kept input of the fuzz targets, replayed: what a fuzzer once found stays found without one.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use clawnode_protocol::fuzzing;

/// Replays the inputs that are kept for a target, and those that a run on this machine has left.
fn replay(target: &str, body: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let kept = inputs(&fuzz.join("seeds").join(target));
    assert!(!kept.is_empty(), "no inputs are kept for {target}");
    let left = inputs(&fuzz.join("artifacts").join(target));
    for path in kept.into_iter().chain(left) {
        let input = fs::read(&path).expect("the input can be read");
        if catch_unwind(AssertUnwindSafe(|| body(&input))).is_err() {
            panic!("{target} fails with {}", path.display());
        }
    }
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    paths.sort();
    paths
}

#[test]
fn http_head() {
    replay("http_head", fuzzing::http_head);
}

#[test]
fn proxy_head() {
    replay("proxy_head", fuzzing::proxy_head);
}

#[test]
fn frames() {
    replay("frames", fuzzing::frames);
}

#[test]
fn node_session() {
    replay("node_session", fuzzing::node_session);
}

#[test]
fn gateway_session() {
    replay("gateway_session", fuzzing::gateway_session);
}

#[test]
fn openclaw_messages() {
    replay("openclaw_messages", fuzzing::openclaw_messages);
}

#[test]
fn openclaw_node_session() {
    replay("openclaw_node_session", fuzzing::openclaw_node_session);
}

#[test]
fn openclaw_gateway_session() {
    replay("openclaw_gateway_session", fuzzing::openclaw_gateway_session);
}

#[test]
fn dialect_messages() {
    replay("dialect_messages", fuzzing::dialect_messages);
}

#[test]
fn graph() {
    replay("graph", clawnode_workflows::fuzzing::graph);
}

#[test]
fn world() {
    replay("world", clawnode_tests::world);
}
