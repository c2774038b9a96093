//! Budgets that are spent in steps too small to count from outside: the most that passes is looked for, one more must fail for the
//! reason of the budget, and what passed must be of the budget's size.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use clawnode_workflows::limits::{DRAIN_BUDGET, TEMPLATE_FUEL, TEMPLATE_RECURSION};
use clawnode_workflows::{
    Engine, NodeContext, NodeError, NodeLibrary, NodeType, Property, RunRequest, RunStatus,
    TypeDescriptor,
};
use common::{finish, graph, run};
use serde::Deserialize;
use serde_json::{Value, json};

/// The largest number up to `end` that passes, where all smaller ones pass.
fn most_that_passes(end: u64, passes: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, end);
    assert!(passes(low) && !passes(high), "the bound is not between 0 and {end}");
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if passes(middle) { low = middle } else { high = middle }
    }
    low
}

fn rendered(template: &str) -> Result<(), String> {
    let nodes = [
        ("n", "nodetool.text.FormatText", json!({ "template": template })),
        ("o", "nodetool.output.Output", json!({"name": "r"})),
    ];
    match run(graph(&nodes, &["n.output -> o.value"])).1.error {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

#[test]
fn a_template_may_use_its_fuel_and_no_more() {
    let body = "{% if i %}{% endif %}".repeat(10);
    let template = |rounds: u64| format!("{{% for i in range({rounds}) %}}{body}{{% endfor %}}");
    let most = most_that_passes(99_999, |rounds| rendered(&template(rounds)).is_ok());
    // Each round takes a few dozen instructions.
    assert!((TEMPLATE_FUEL / 100..TEMPLATE_FUEL / 10).contains(&most), "{most}");
    let error = rendered(&template(most + 1)).unwrap_err();
    assert!(error.contains("fuel"), "{error}");
}

#[test]
fn macros_may_call_each_other_to_their_depth_and_no_deeper() {
    let template = |depth: u64| {
        format!(
            "{{% macro m(n) %}}{{% if n > 0 %}}{{{{ m(n - 1) }}}}{{% endif %}}{{% endmacro %}}{{{{ m({depth}) }}}}"
        )
    };
    let most = most_that_passes(1_000, |depth| rendered(&template(depth)).is_ok());
    assert!((4..TEMPLATE_RECURSION as u64).contains(&most), "{most}");
    let error = rendered(&template(most + 1)).unwrap_err();
    assert!(error.contains("recursion"), "{error}");
}

#[derive(Deserialize)]
struct One {
    #[allow(dead_code)]
    value: Value,
}

/// Whether a node that gives `count` values gets to its end after another one failed.
fn comes_to_its_end(count: u64) -> bool {
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    let failing = NodeType::new("test.Failing", "Failing", "Gives a value, then fails.")
        .output("output", TypeDescriptor::any())
        .generate(|_: Value, context: NodeContext| async move {
            context.emit("output", Value::Null).await;
            Err(NodeError::from("done for"))
        });
    let busy = NodeType::new("test.Busy", "Busy", "Gives many.")
        .property(Property::any("value"))
        .output("output", TypeDescriptor::any())
        .generate(move |_: One, context: NodeContext| {
            let end = Arc::clone(&end);
            async move {
                for _ in 0..count {
                    context.emit("output", Value::Null).await;
                }
                end.store(true, SeqCst);
                Ok(())
            }
        });
    let mut library = NodeLibrary::standard();
    library.register(failing);
    library.register(busy);
    let nodes = [("f", "test.Failing", json!({})), ("b", "test.Busy", json!({}))];
    let graph = graph(&nodes, &["f.output -> b.value"]);
    let run = Engine::new(Arc::new(library)).run(RunRequest::new("job", graph));
    let (_, outcome) = finish(run.unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(outcome.status, RunStatus::Failed);
    ended.load(SeqCst)
}

#[test]
fn what_is_under_way_when_a_node_fails_goes_on_for_its_budget_and_no_longer() {
    let most = most_that_passes(1_000_000, comes_to_its_end);
    // A step gives a handful of values before others get their turn.
    let budget = u64::from(DRAIN_BUDGET);
    assert!((budget - 10..=budget * 20).contains(&most), "{most}");
}
