//! The example workflows of this crate, and those of any folder named by an environment
//! variable.

mod common;

use std::path::Path;

use clawnode_workflows::{Engine, RunRequest, RunStatus, Workflow, WorkflowDirectory, validate};
use common::{engine, finish};
use serde_json::{Map, Value, json};

fn example(id: &str, params: Value) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let workflow = WorkflowDirectory::new(path).get(id).unwrap().expect("the example exists");
    let (_, outcome) = run_workflow(&engine(), &workflow, params);
    assert_eq!(outcome.error, None);
    json!(outcome.outputs)
}

fn run_workflow(
    engine: &Engine,
    workflow: &Workflow,
    params: Value,
) -> (Vec<clawnode_workflows::RunEvent>, clawnode_workflows::RunOutcome) {
    let request = RunRequest {
        job_id: "job".into(),
        workflow_id: Some(workflow.id.clone()),
        graph: workflow.graph.clone(),
        params: params.as_object().cloned().unwrap_or_default(),
    };
    finish(engine.run(request).unwrap())
}

#[test]
fn batch_a_list_groups_the_stops() {
    assert_eq!(
        example("batch-a-list", json!({})),
        json!({"groups": [
            ["harbour", "market", "museum", "park"],
            ["station", "theatre", "university", "zoo"],
            ["airport", "depot"],
        ]})
    );
}

#[test]
fn threshold_report_gives_one_line() {
    for (temperature, line) in [
        (21, "alarm: False (hot False, cold False) - NOTHING TO DO."),
        (30, "alarm: True (hot True, cold False) - 30 DEGREES: OPEN THE WINDOWS."),
        (-3, "alarm: True (hot False, cold True) - -3 DEGREES: TURN THE HEATING UP."),
    ] {
        let found = example("threshold-report", json!({"temperature": temperature}));
        assert_eq!(found, json!({"report": [line]}));
    }
}

#[test]
fn the_examples_are_flawless() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for workflow in WorkflowDirectory::new(path).list().unwrap().workflows {
        let report = validate(&workflow.graph, engine().library());
        assert_eq!((report.errors, report.warnings), (vec![], vec![]), "{}", workflow.id);
    }
}

/// Runs every workflow of the folder `CLAWNODE_WORKFLOWS_DIR` with its defaults.
#[test]
fn workflows_of_a_folder_run() {
    let Some(folder) = std::env::var_os("CLAWNODE_WORKFLOWS_DIR") else { return };
    let listing = WorkflowDirectory::new(folder).list().unwrap();
    assert_eq!(listing.broken, []);
    assert!(!listing.workflows.is_empty(), "the folder has workflows");
    let engine = engine();
    for workflow in &listing.workflows {
        let report = validate(&workflow.graph, engine.library());
        assert!(report.is_valid(), "{}: {report}", workflow.id);
        let (_, outcome) = run_workflow(&engine, workflow, Value::Object(Map::new()));
        assert_eq!((outcome.status, &outcome.error), (RunStatus::Completed, &None));
        let Value::Object(outputs) = &workflow.output_schema["properties"] else { continue };
        for name in outputs.keys() {
            let values = outcome.outputs.get(name).unwrap_or_else(|| panic!("no {name}"));
            assert!(!values.is_empty());
            if name == "decision_result" {
                assert_eq!(values.len(), 1, "one value per run of a graph without streams");
                let text = values[0].as_str().unwrap();
                assert!(text.contains("Greater than 100? False"), "{text}");
                assert!(text.contains("MEDIUM VALUE: 75"), "{text}");
            }
            if name == "batches" {
                assert_eq!(json!(values), json!([["a", "b", "c"], ["d", "e", "f"], ["g"]]));
            }
        }
    }
}
