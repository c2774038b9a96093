//! The workflows that come with the program.

use std::sync::{Arc, LazyLock};

use clawnode_workflows::Workflow;
use serde_json::{Map, Value};

/// The example workflows, in the order of their ids. Each has a description, and parameters to
/// try it with: [`sample_params`].
pub fn all() -> &'static [Arc<Workflow>] {
    &EXAMPLES
}

/// The example with an id.
pub fn find(id: &str) -> Option<&'static Arc<Workflow>> {
    EXAMPLES.iter().find(|workflow| workflow.id == id)
}

/// The file of the example with an id, as it was written.
pub fn file(id: &str) -> Option<&'static str> {
    let index = EXAMPLES.iter().position(|workflow| workflow.id == id)?;
    FILES.get(index).copied()
}

/// Parameters to try an example with, as its key `sample_params` has them.
pub fn sample_params(workflow: &Workflow) -> Map<String, Value> {
    let sample = workflow.extra.get("sample_params").and_then(Value::as_object);
    sample.cloned().unwrap_or_default()
}

static EXAMPLES: LazyLock<Vec<Arc<Workflow>>> = LazyLock::new(|| {
    let read = |text: &str| {
        let json = serde_json::from_str(text).expect("the examples are JSON, as a test shows");
        Workflow::from_json(json, "example").expect("the examples are workflows, as a test shows")
    };
    FILES.iter().map(|text| Arc::new(read(text))).collect()
});

const FILES: &[&str] = &[
    include_str!("../examples/fizz-buzz.json"),
    include_str!("../examples/greet.json"),
    include_str!("../examples/invoice-line.json"),
    include_str!("../examples/markdown-table.json"),
    include_str!("../examples/meeting-invitation.json"),
    include_str!("../examples/number-lines.json"),
    include_str!("../examples/shipping-cost.json"),
    include_str!("../examples/slugify.json"),
    include_str!("../examples/sort-by-threshold.json"),
    include_str!("../examples/word-count.json"),
];
