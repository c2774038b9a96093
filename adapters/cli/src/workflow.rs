//! `clawnode workflow`: the workflows of the data folder.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::iter;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use clawnode_commands::{CommandError, RunWorkflow, examples};
use clawnode_gateway::Status;
use clawnode_nodes::Access;
use clawnode_store::{Put, Query, Store};
use clawnode_workflows::{RunStatus, Workflow, validate};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::catalog::one_line;
use crate::error::{FAILED, Failure, INTERRUPTED, chain};
use crate::kept::{all_there, failed, note_empty, note_next, stem, to_read, to_run, to_write};
use crate::operator::text;
use crate::options::kept::{self, Kept, Part, WorkflowCommand};
use crate::output::{describe, finish, note, print, print_json, shortened};
use crate::run::{given_params, random_id};
use crate::signals;
use crate::table::{Table, fields};
use crate::workflows::{self, Service};

pub(crate) async fn run(options: kept::Workflow) -> Result<(), Failure> {
    let kept::Workflow { kept, command } = &options;
    let user = &kept.user_id;
    match command {
        WorkflowCommand::Import { files, replace } => import(kept, files, *replace),
        WorkflowCommand::Export { id } => {
            let own = to_read(kept)?.workflow_file(user, id).map_err(failed)?;
            let example = || examples::file(id).map(str::to_owned);
            let file = own.or_else(example).ok_or_else(|| unknown(kept, id))?;
            print(|out| out.write_all(file.as_bytes()))
        }
        WorkflowCommand::List { examples: true, .. } => list_examples(kept),
        WorkflowCommand::List { search, part: Part { limit, start }, .. } => {
            let query = Query { text: search.clone(), limit: *limit, start: start.clone() };
            let store = to_read(kept)?;
            let page = store.workflows(user, &query).map_err(failed)?;
            if kept.json {
                return print_json(&json!({ "workflows": page.rows, "next": page.next }));
            }
            let mut table = Table::new(["ID", "NAME", "CHANGED", "TAGS"]);
            for row in &page.rows {
                table.row([&row.id, &row.name, &row.updated_at, &row.tags.join(", ")]);
            }
            print(|out| table.write(out))?;
            if page.rows.is_empty() {
                note_empty(&store, kept);
            }
            note_next(page.next.as_deref());
            Ok(())
        }
        WorkflowCommand::Show { id } => show(kept, &find(&to_read(kept)?, kept, id)?),
        WorkflowCommand::Validate { file: Some(file), .. } => check(kept, &read(file)?.1),
        WorkflowCommand::Validate { id, .. } => {
            let id = id.as_deref().unwrap_or_default();
            check(kept, &find(&to_read(kept)?, kept, id)?)
        }
        WorkflowCommand::Run { id, params, quiet, access } => {
            run_here(kept, id, params, *quiet, access.access()?).await
        }
        WorkflowCommand::Remove { ids } => {
            let store = to_write(kept)?;
            let is_there = |id: &str| Ok(store.workflow_file(user, id).map_err(failed)?.is_some());
            let ids = all_there(ids, is_there, |missing| not_removable(kept, missing))?;
            for id in ids {
                store.remove_workflow(user, id).map_err(failed)?;
                note(&format!("removed {id}"));
            }
            Ok(())
        }
    }
}

fn list_examples(kept: &Kept) -> Result<(), Failure> {
    let all = examples::all();
    if kept.json {
        let row = |example: &Arc<Workflow>| {
            let Workflow { id, name, description, tags, .. } = &**example;
            json!({ "id": id, "name": name, "description": description, "tags": tags })
        };
        return print_json(&json!({ "workflows": all.iter().map(row).collect::<Vec<_>>() }));
    }
    let mut table = Table::new(["ID", "DESCRIPTION"]);
    for example in all {
        table.row([&example.id, &example.description]);
    }
    print(|out| table.write(out))
}

/// Keeps the files, all of them or none.
fn import(kept: &Kept, files: &[PathBuf], replace: bool) -> Result<(), Failure> {
    let read: Vec<(String, Workflow)> =
        files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    let store = to_write(kept)?;
    let user = &kept.user_id;
    let mut seen = BTreeMap::new();
    for (file, (text, workflow)) in files.iter().zip(&read) {
        let id = &workflow.id;
        if let Some((first, before)) = seen.insert(id, (file, text))
            && before != text
        {
            return Err(Failure::usage(format!(
                "{} is another workflow {id} than {}; give one of them another id",
                file.display(),
                first.display()
            )));
        }
        let there = store.workflow_file(user, id).map_err(failed)?;
        if !replace && there.is_some_and(|there| there != *text) {
            return Err(Failure::usage(format!(
                "there is another workflow {id} than {} already; --replace takes its place",
                file.display()
            )));
        }
    }
    let files = read.iter().map(|(text, workflow)| (text.as_str(), workflow.id.as_str()));
    let engine = workflows::engine(&Access::default());
    let mut imported = Vec::new();
    for (workflow, put) in store.put_workflow_files(user, files).map_err(failed)? {
        let done = match put {
            Put::Created => "imported",
            Put::Replaced => "replaced",
            _ => "unchanged",
        };
        let report = validate(&workflow.graph, engine.library());
        let mut row = json!({ "id": workflow.id, "name": workflow.name, "done": done });
        if !report.is_valid() {
            let warning = format!("{} cannot run as it is: {report}", workflow.id);
            note(&format!("warning: {}", text(&warning)));
            row["warnings"] = json!([warning]);
        }
        imported.push(row);
        if !kept.json {
            note(&format!("{done} {}", workflow.id));
        }
    }
    if kept.json { print_json(&json!({ "workflows": imported })) } else { Ok(()) }
}

/// The text of a file, and the workflow it is.
fn read(file: &Path) -> Result<(String, Workflow), Failure> {
    let (text, shown) = match file.to_str() {
        Some("-") => {
            let mut text = String::new();
            (io::stdin().read_to_string(&mut text).map(|_| text), "stdin".to_owned())
        }
        _ if file.is_dir() => {
            let shown = file.display();
            return Err(Failure::usage(format!(
                "{shown} is a folder; give its files, such as {shown}/*.json"
            )));
        }
        _ => (std::fs::read_to_string(file), file.display().to_string()),
    };
    let text = text.map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
    let text = without_mark(text);
    let name = if shown == "stdin" { "workflow" } else { stem(file) };
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{shown} is not JSON: {error}")))?;
    let workflow = Workflow::from_json(value, name)
        .map_err(|error| Failure::usage(format!("{shown} is no workflow: {}", chain(&error))))?;
    Ok((text, workflow))
}

/// A text without the byte order mark, which some editors begin a file with.
pub(crate) fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

fn show(kept: &Kept, workflow: &Workflow) -> Result<(), Failure> {
    if kept.json {
        return print_json(workflow);
    }
    let tags = workflow.tags.join(", ");
    let graph = &workflow.graph;
    let size = format!("{} nodes, {} edges", graph.nodes.len(), graph.edges.len());
    let takes = inputs(workflow);
    let gives = names(&workflow.output_schema);
    let mut shown = vec![
        ("id", Some(&*workflow.id)),
        ("name", Some(&*workflow.name)),
        ("description", Some(&*workflow.description)),
        ("tags", Some(&*tags)),
        ("graph", Some(&*size)),
    ];
    shown.extend(
        iter::once("takes").chain(iter::repeat("")).zip(takes.iter().map(|it| Some(&**it))),
    );
    shown.extend([
        ("gives", Some(&*gives)),
        ("created", workflow.created_at.as_deref()),
        ("changed", workflow.updated_at.as_deref()),
    ]);
    print(|out| fields(out, &shown))
}

/// The inputs, each with its type, bounds, default and meaning.
fn inputs(workflow: &Workflow) -> Vec<String> {
    let properties = workflow.input_schema["properties"].as_object().into_iter().flatten();
    let input = |(name, schema): (&String, &Value)| {
        let kind = schema["type"].as_str().filter(|kind| *kind != "any").map(str::to_owned);
        let default = schema.get("default").filter(|default| !default.is_null());
        let default = default.map(|default| format!("default {}", shortened(default)));
        let known: Vec<String> = [kind, bounds(schema), default].into_iter().flatten().collect();
        let known =
            if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
        let node = workflow.graph.nodes.iter().find(|node| {
            node.node_type.starts_with("nodetool.input.")
                && node.property("name").and_then(Value::as_str) == Some(name)
        });
        let label = said(schema.get("label"));
        let meaning = said(schema.get("description"))
            .or_else(|| said(node.and_then(|node| node.property("description"))));
        let meaning =
            [label, meaning].into_iter().flatten().map(|said| format!(": {}", one_line(said)));
        format!("{name}{known}{}", meaning.collect::<String>())
    };
    properties.map(input).collect()
}

fn bounds(schema: &Value) -> Option<String> {
    match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
        // What the schema has of an input whose bounds nobody stated.
        (Some(0.0), Some(99_999.0)) | (None, None) => None,
        (Some(min), Some(max)) => Some(format!("{min} to {max}")),
        (Some(min), None) => Some(format!("at least {min}")),
        (None, Some(max)) => Some(format!("at most {max}")),
    }
}

fn said(text: Option<&Value>) -> Option<&str> {
    text?.as_str().filter(|said| !said.is_empty())
}

/// The names of a schema, with their types.
fn names(schema: &Value) -> String {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let name = |(name, property): (&String, &Value)| match property["type"].as_str() {
        Some(kind) if kind != "any" => format!("{name} ({kind})"),
        _ => name.clone(),
    };
    properties.map(name).collect::<Vec<_>>().join(", ")
}

fn check(kept: &Kept, workflow: &Workflow) -> Result<(), Failure> {
    let report = validate(&workflow.graph, workflows::engine(&Access::default()).library());
    let valid = report.is_valid();
    if kept.json {
        print_json(&json!({
            "valid": valid,
            "errors": report.errors,
            "warnings": report.warnings,
            "suggestions": report.suggestions,
        }))?;
    } else {
        let all = [
            ("error", &report.errors),
            ("warning", &report.warnings),
            ("suggestion", &report.suggestions),
        ];
        print(|out| {
            for (what, problems) in all {
                for problem in problems {
                    writeln!(out, "{what}: {}", text(&problem.to_string()))?;
                }
            }
            Ok(())
        })?;
    }
    match valid {
        true => {
            note(&format!("{} is valid and can run", workflow.id));
            Ok(())
        }
        false => Err(Failure::new(FAILED, format!("{} cannot run as it is", workflow.id))),
    }
}

/// Runs a workflow as a job, which is cancelled when this is interrupted, or by `clawnode jobs cancel`.
async fn run_here(
    kept: &Kept,
    id: &str,
    given: &[(String, String)],
    quiet: bool,
    access: Access,
) -> Result<(), Failure> {
    let mut signal = pin!(signals::first()?);
    let store = to_run(kept, id)?;
    let (given, workflow) = (given.to_vec(), find(&store, kept, id)?);
    let read = spawn_blocking(move || given_params(&given, Some(&workflow)));
    let params = tokio::select! {
        read = read => read??,
        () = &mut signal => return Err(Failure::new(INTERRUPTED, "interrupted")),
    };
    let jobs = workflows::jobs(store, &access);
    let watch = tokio::spawn(Service::heed_cancel_requests(jobs.clone()));
    let request = RunWorkflow { workflow_id: id.to_owned(), params: Some(params), user_id: None };
    let mut run = match jobs.run_workflow(&kept.user_id, request, random_id()) {
        Ok(run) => run,
        Err(CommandError::InvalidGraph(invalid)) => {
            return finish(Status::Failed, None, Some(chain(&invalid)));
        }
        Err(error) => return Err(error.into()),
    };
    let ended = async {
        while let Some(event) = run.next_event().await {
            if let Some(line) = describe(event.update_type, &event.data).filter(|_| !quiet) {
                note(&line);
            }
        }
        run.finish().await
    };
    let outcome = tokio::select! {
        outcome = ended => Some(outcome?),
        () = &mut signal => None,
    };
    watch.abort();
    let Some(outcome) = outcome else {
        jobs.stop().await;
        return Err(Failure::new(INTERRUPTED, "interrupted; the job is cancelled"));
    };
    let (status, error) = match outcome.status {
        RunStatus::Completed => (Status::Completed, None),
        status => (Status::Failed, Some(format!("the run was {status}"))),
    };
    finish(status, Some(to_raw_value(&outcome.to_result())?), outcome.error.or(error))
}

/// A workflow of the user, or else one that comes with the program.
fn find(store: &Store, kept: &Kept, id: &str) -> Result<Workflow, Failure> {
    let own = store.workflow(&kept.user_id, id).map_err(failed)?;
    let found = own.or_else(|| examples::find(id).map(|example| Workflow::clone(example)));
    found.ok_or_else(|| unknown(kept, id))
}

fn not_removable(kept: &Kept, ids: &[&str]) -> Failure {
    let (examples, others): (Vec<&str>, Vec<&str>) =
        ids.iter().partition(|id| examples::find(id).is_some());
    let why =
        examples.iter().map(|id| format!("{id} comes with the program and cannot be removed"));
    let why = why.collect::<Vec<_>>().join("\n");
    match (examples.as_slice(), others.as_slice()) {
        (_, []) => Failure::usage(why),
        ([], _) => unknown(kept, &others.join(", ")),
        _ => unknown(kept, &others.join(", ")).with_advice(&why),
    }
}

fn unknown(kept: &Kept, id: &str) -> Failure {
    let file = match Path::new(id).is_file() {
        true => format!("; {id} is a file, which `validate --file` checks and `import` keeps"),
        false => String::new(),
    };
    Failure::usage(format!(
        "user {} has no workflow {id}; `clawnode workflow list` lists them{file}",
        kept.user_id
    ))
}
