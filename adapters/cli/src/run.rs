use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clawnode_commands::examples;
use clawnode_gateway::Status;
use clawnode_gateway::client::{Client, ClientError, Event, Events, News, Submission, Submitted};
use clawnode_tokio::{Runtime as _, Tokio};
use clawnode_workflows::{NodeLibrary, RunRequest, RunStatus, Workflow, validate_params};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::client::{client, unavailable};
use crate::error::{FAILED, Failure, INTERRUPTED, UNAVAILABLE, chain};
use crate::options;
use crate::output::{describe, finish, note};
use crate::workflow::without_mark;
use crate::{signals, workflows};

/// Runs a workflow: shows its updates on stderr, prints its result on stdout.
pub(crate) async fn run(options: Box<options::Run>) -> Result<(), Failure> {
    let mut signal = std::pin::pin!(signals::first()?);
    let options: Arc<options::Run> = Arc::from(options);
    let request_id = OnceLock::new();
    let run = async {
        match &options.gateway {
            Some(_) => on_gateway(&options, &request_id).await,
            None => match &options.workflow_id {
                Some(id) => Err(without_gateway(id)),
                None => here(&options).await,
            },
        }
    };
    tokio::select! {
        done = run => done,
        () = &mut signal => Err(Failure::new(INTERRUPTED, match request_id.get() {
            Some(id) => format!("interrupted; the run goes on, fetch its result with: clawnode result {id} --gateway ..."),
            None => "interrupted".to_owned(),
        })),
    }
}

fn without_gateway(id: &str) -> Failure {
    Failure::usage(format!(
        "--workflow-id {id} is a workflow of a node, so it wants --gateway URL. Without a gateway give a file, or --example NAME for one \
         that comes with the program; `clawnode workflow run {id}` runs one of the data folder"
    ))
}

/// How long `run` looks for a gateway that it lost in mid-run.
const PATIENCE: Duration = Duration::from_secs(120);

async fn on_gateway(
    options: &Arc<options::Run>,
    submitted_id: &OnceLock<String>,
) -> Result<(), Failure> {
    let (client, submission) = off_thread(options, |options| {
        let url = options.gateway.as_deref().unwrap_or_default();
        Ok((client(url, &options.token)?, submission(options)?))
    })
    .await?;
    let client = &client;
    let submitted = submit(client, &submission).await?;
    let request_id = submitted_id.get_or_init(|| submitted.request_id.clone());
    let show = |line: String| {
        if !options.quiet {
            note(&line)
        }
    };
    show(format!("request {request_id} on node {}", submitted.node_id));
    let mut last_id = None;
    let mut lost_since: Option<Instant> = None;
    loop {
        match follow(client, request_id, &mut last_id, &show).await {
            Ok((status, result, error)) => return finish(status, result, error),
            Err(error) if is_passing(&error) => {
                let since = *lost_since.get_or_insert_with(|| {
                    show(format!("{error}; waiting for the gateway to come back"));
                    Instant::now()
                });
                if since.elapsed() > PATIENCE {
                    let again = format!("clawnode result {request_id} --gateway ...");
                    let message = format!(
                        "{}; the run may have gone on, fetch its result with: {again}",
                        chain(&error)
                    );
                    return Err(Failure::new(UNAVAILABLE, message));
                }
                sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(unavailable(error)),
        }
    }
}

/// Submits, again if the connection breaks in the middle: under the same id that is the same request.
async fn submit(client: &Client, submission: &Submission) -> Result<Submitted, Failure> {
    let mut broken_since: Option<Instant> = None;
    loop {
        match client.submit(submission).await {
            Ok(submitted) => return Ok(submitted),
            Err(error @ ClientError::Broken(_)) if broken_since.is_none() => {
                note(&format!("{error}; trying again"));
                broken_since = Some(Instant::now());
            }
            Err(error) if is_passing(&error) => match broken_since {
                Some(since) if since.elapsed() < PATIENCE => {}
                _ => return Err(unavailable(error)),
            },
            Err(error) => return Err(unavailable(error)),
        }
        sleep(Duration::from_millis(500)).await;
    }
}

type Answer = (Status, Option<Box<RawValue>>, Option<String>);

/// Shows events until the answer. After a break `last_id` says where to go on.
async fn follow(
    client: &Client,
    request_id: &str,
    last_id: &mut Option<u64>,
    show: &impl Fn(String),
) -> Result<Answer, ClientError> {
    let mut events: Events = match client.events(request_id, *last_id).await {
        Err(error) => {
            // A gateway that was restarted counts its events from the start.
            *last_id = None;
            return Err(error);
        }
        Ok(events) => events,
    };
    while let Some(Event { id, news, .. }) = events.next().await? {
        *last_id = Some(id);
        match news {
            News::Answer { status, result, error, .. } => return Ok((status, result, error)),
            News::Accepted { message } => show(message.unwrap_or_else(|| "accepted".to_owned())),
            News::Update { update_type, data, .. } => {
                let data = serde_json::from_str(data.get()).unwrap_or_default();
                if let Some(line) = describe(&update_type, &data) {
                    show(line);
                }
            }
            News::Lost { reason } => {
                show(format!("the node is lost ({reason}); its answer comes when it is back"))
            }
            News::Resent => show("the node is back".to_owned()),
            News::Dropped { dropped } => show(format!("{dropped} updates are no longer kept")),
            _ => {}
        }
    }
    // The stream was at its end already: the answer is known.
    let request = client.result(request_id, None).await?;
    match request.status.is_final() {
        true => Ok((request.status, request.result, request.error)),
        false => Err(ClientError::Broken("the events ended before the answer".to_owned())),
    }
}

/// Whether waiting may help: the gateway is away, or back without its memory and waiting for the node itself.
fn is_passing(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Connect { .. }
            | ClientError::Broken(_)
            | ClientError::Refused { status: 404 | 500.., .. }
    )
}

fn submission(options: &options::Run) -> Result<Submission, Failure> {
    let (submission, params) = match &options.workflow_id {
        Some(id) => (Submission::workflow(id), params(options, None)?),
        None => {
            let workflow = workflow(options)?;
            (Submission::graph(to_raw_value(&workflow.graph)?), params(options, Some(&workflow))?)
        }
    };
    let mut submission = submission.input(to_raw_value(&params)?);
    if let Some(id) = &options.on_node {
        submission = submission.node_id(id);
    }
    if let Some(id) = &options.for_user {
        submission = submission.user_id(id);
    }
    let request_id = options.request_id.clone().unwrap_or_else(random_id);
    Ok(submission.request_id(request_id))
}

pub(crate) fn random_id() -> String {
    let seed = Tokio.seed();
    seed[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn here(options: &Arc<options::Run>) -> Result<(), Failure> {
    let (workflow, params, access) = off_thread(options, |options| {
        let workflow = workflow(options)?;
        let params = params(options, Some(&workflow))?;
        Ok((workflow, params, options.access.access()?))
    })
    .await?;
    let mut request = RunRequest::new("local", workflow.graph);
    request.params = params;
    let engine = workflows::engine(&access);
    let mut run = match engine.run(request) {
        Ok(run) => run,
        Err(invalid) => return finish(Status::Failed, None, Some(chain(&invalid))),
    };
    while let Some(event) = run.next_event().await {
        if let Some(line) = describe(event.update_type, &event.data).filter(|_| !options.quiet) {
            note(&line);
        }
    }
    let outcome = run
        .into_outcome()
        .ok_or_else(|| Failure::new(FAILED, "the run ended without an outcome"))?;
    let status = match outcome.status {
        RunStatus::Completed => Status::Completed,
        _ => Status::Failed,
    };
    finish(status, Some(to_raw_value(&outcome.to_result())?), outcome.error)
}

/// Reads files where they stop nobody: a pipe may keep its reader for ever, which has to hear of signals.
async fn off_thread<T: Send + 'static>(
    options: &Arc<options::Run>,
    read: impl FnOnce(&options::Run) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let options = Arc::clone(options);
    spawn_blocking(move || read(&options)).await?
}

/// The values for the workflow's inputs. With the workflow at hand, its inputs decide what a value is.
fn params(
    options: &options::Run,
    workflow: Option<&Workflow>,
) -> Result<Map<String, Value>, Failure> {
    if let (Some(_), [], Some(example)) = (&options.example, &*options.params, workflow) {
        return Ok(examples::sample_params(example));
    }
    given_params(&options.params, workflow)
}

/// What `--param` says, as the inputs of the workflow have it. Blocks where a file is a pipe.
pub(crate) fn given_params(
    given: &[(String, String)],
    workflow: Option<&Workflow>,
) -> Result<Map<String, Value>, Failure> {
    let mut params = Map::new();
    for (name, text) in given {
        let text = param_text(name, text)?;
        let kind = workflow.map(|workflow| input_type(workflow, name)).transpose()?;
        let value = match kind {
            Some(kind) if kind.ends_with(".StringInput") => Value::from(text),
            _ => json_or_text(&text),
        };
        // A run would take any value for true or false, the text "no" for true.
        if kind.is_some_and(|kind| kind.ends_with(".BooleanInput")) && !value.is_boolean() {
            return Err(Failure::usage(format!("--param {name}: give true or false")));
        }
        if params.insert(name.clone(), value).is_some() {
            return Err(Failure::usage(format!("--param {name} is given twice")));
        }
    }
    if let Some(workflow) = workflow {
        let report = validate_params(&workflow.graph, &params, &NodeLibrary::standard());
        if !report.is_valid() {
            return Err(Failure::usage(format!("--param: {report}")));
        }
    }
    Ok(params)
}

/// A value as it is given, or from the file that `@` names.
fn param_text(name: &str, given: &str) -> Result<String, Failure> {
    let Some(file) = given.strip_prefix('@') else { return Ok(given.to_owned()) };
    if file.starts_with('@') {
        return Ok(file.to_owned());
    }
    std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!(
            "--param {name}: cannot read {file}: {error}; a value that begins with @ is written with two, @@"
        ))
    })
}

fn input_type<'a>(workflow: &'a Workflow, name: &str) -> Result<&'a str, Failure> {
    let inputs = || {
        let nodes = workflow.graph.nodes.iter();
        let inputs = nodes.filter(|node| node.node_type.starts_with("nodetool.input."));
        inputs.filter_map(|node| Some((node.property("name")?.as_str()?, node.node_type.as_str())))
    };
    let found = inputs().find(|(input, _)| *input == name);
    found.map(|(_, node_type)| node_type).ok_or_else(|| {
        let known: Vec<&str> = inputs().map(|(input, _)| input).collect();
        Failure::usage(match known.as_slice() {
            [] => format!("--param {name}: this workflow has no inputs"),
            _ => format!(
                "--param {name}: this workflow has no such input, it has {}",
                known.join(", ")
            ),
        })
    })
}

/// JSON where that changes nothing: a version number like 1.10 is no 1.1.
fn json_or_text(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) if number.to_string() != text.trim() => Value::from(text),
        Ok(value) => value,
        Err(_) => Value::from(text),
    }
}

/// The workflow of the file, or the example.
fn workflow(options: &options::Run) -> Result<Workflow, Failure> {
    match (&options.file, &options.example) {
        (Some(file), _) => load(file),
        (None, Some(name)) => {
            let example = examples::find(name).ok_or_else(|| {
                let known: Vec<_> = examples::all().iter().map(|known| &*known.id).collect();
                Failure::usage(format!(
                    "--example: there is no {name}; there are: {}",
                    known.join(", ")
                ))
            })?;
            Ok(Workflow::clone(example))
        }
        (None, None) => Err(Failure::usage("give a workflow file, --example or --workflow-id")),
    }
}

fn load(file: &Path) -> Result<Workflow, Failure> {
    let shown =
        if file.as_os_str() == "-" { "from stdin".to_owned() } else { file.display().to_string() };
    let text = match file.to_str() {
        Some("-") => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map(|_| text)
        }
        _ => std::fs::read_to_string(file),
    };
    let text =
        text.map_err(|error| Failure::usage(format!("cannot read the workflow {shown}: {error}")))?;
    let value = serde_json::from_str(&without_mark(text))
        .map_err(|error| Failure::usage(format!("the workflow {shown} is not JSON: {error}")))?;
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("workflow");
    Workflow::from_json(value, name).map_err(|error| {
        Failure::usage(format!("the workflow {shown} cannot be used: {}", chain(&error)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_what_was_typed() {
        for (text, value) in [
            ("120", Value::from(120)),
            ("120\n", Value::from(120)),
            ("true", Value::from(true)),
            ("[1]", Value::from(vec![1])),
        ] {
            assert_eq!(json_or_text(text), value);
        }
        for text in ["1.10", "1e3", "12345678901234567890123", "plain", ""] {
            assert_eq!(json_or_text(text), Value::from(text));
        }
    }
}
