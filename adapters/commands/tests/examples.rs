//! The example workflows, each with its sample parameters and with none.

mod common;

use clawnode_commands::examples::{all, find, sample_params};
use clawnode_workflows::{Engine, RunRequest, RunStatus, validate};
use common::{engine, finish};
use serde_json::{Map, Value, json};

fn run(engine: &Engine, id: &str, params: Map<String, Value>) -> Value {
    let workflow = find(id).expect("it is an example");
    let request = RunRequest {
        job_id: "job".into(),
        workflow_id: Some(id.into()),
        graph: workflow.graph.clone(),
        params,
    };
    let (_, outcome) = finish(engine.run(request).unwrap());
    assert_eq!((outcome.status, &outcome.error), (RunStatus::Completed, &None), "{id}");
    json!(outcome.outputs)
}

#[test]
fn every_example_is_described_and_flawless() {
    let ids: Vec<&str> = all().iter().map(|workflow| &*workflow.id).collect();
    assert!(ids.len() >= 10 && ids.is_sorted(), "{ids:?}");
    let engine = engine();
    for workflow in all() {
        let report = validate(&workflow.graph, engine.library());
        assert!(report.is_valid() && report.warnings.is_empty(), "{}: {report}", workflow.id);
        assert!(workflow.description.len() > 20 && !workflow.tags.is_empty(), "{}", workflow.id);
        let inputs = &workflow.input_schema["properties"];
        for name in sample_params(workflow).keys() {
            assert!(inputs.get(name).is_some(), "{}: {name}", workflow.id);
        }
        run(&engine, &workflow.id, Map::new());
    }
}

#[test]
fn every_example_does_what_it_says() {
    let engine = engine();
    for (id, expected) in [
        (
            "fizz-buzz",
            json!({"words": [[
                "1", "2", "fizz", "4", "buzz", "fizz", "7", "8", "fizz", "buzz", "11", "fizz",
                "13", "14", "fizz buzz"
            ]]}),
        ),
        ("greet", json!({"greeting": ["Hello, Ada!"]})),
        ("invoice-line", json!({"line": ["3 x desk lamp: 66.15 net, 79.38 with tax"]})),
        (
            "markdown-table",
            json!({"table": ["## Opening hours\n\n| Day | From | To |\n| --- | --- | --- |\n\
                              | Monday | 10:00 | 18:00 |\n| Wednesday | 12:00 | 20:00 |\n\
                              | Saturday | 10:00 | 14:00 |\n"]}),
        ),
        (
            "meeting-invitation",
            json!({"invitation": ["You are invited: The next release\nWhen: 3 March, 10:00\n\
                                   Where: online; the link follows"]}),
        ),
        ("number-lines", json!({"numbered": ["1. milk\n2. bread\n3. apples\n"]})),
        ("shipping-cost", json!({"price": ["6.9 for 12.5 kg"]})),
        ("slugify", json!({"slug": ["ten-small-useful-workflows"]})),
        ("sort-by-threshold", json!({"high": [[21, 24.8]], "low": [[17.5, 19.2, 20]]})),
        ("word-count", json!({"report": ["9 words, 8 of them different, 43 characters"]})),
    ] {
        let workflow = find(id).expect("it is an example");
        assert_eq!(run(&engine, id, sample_params(workflow)), expected, "{id}");
    }
}
