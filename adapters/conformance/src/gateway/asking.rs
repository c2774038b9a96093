use std::time::Instant;

use clawnode_gateway::Status;
use clawnode_gateway::client::{Client, RequestInfo, Submission};
use serde_json::{Value, json};

use super::Stage;
use crate::check::{Ended, Outcome, failed, skipped};
use crate::process::Process;
use crate::settings::Submit;
use crate::talk::{fresh_id, kind};
use crate::wire::Link;

const REQUESTS: &[&str] = &["command_request", "workflow_request"];

pub(super) async fn request(stage: &mut Stage) -> Outcome {
    let submission = submit_later(stage)?;
    let mut link = stage.registered().await?;
    let (_running, request) = asked(stage, &submission, &mut link).await?;
    let text = |name: &str| request[name].as_str().is_some_and(|text| !text.is_empty());
    let good = text("request_id")
        && match kind(&request) {
            "command_request" => text("command") && request["args"].is_object(),
            _ => {
                let (id, graph) = (&request["workflow_id"], &request["graph"]);
                request["params"].is_object()
                    && (id.is_string() && graph.is_null() || id.is_null() && graph.is_object())
            }
        };
    if good { Ok(kind(&request).to_owned()) } else { failed(request.to_string()) }
}

pub(super) async fn answer(stage: &mut Stage) -> Outcome {
    let submission = submit_later(stage)?;
    let mut link = stage.registered().await?;
    let (_running, request) = asked(stage, &submission, &mut link).await?;
    take(&mut link, &request).await;
    link.say(&json!({
        "type": "workflow_update", "timestamp": super::now(), "request_id": request["request_id"],
        "job_id": "conformance-job", "update_type": "log_update", "data": {"content": "half done"},
    }))
    .await;
    succeed(&mut link, &request, "whole").await;
    stage.lives(&mut link).await?;
    expect_result(stage, &request, "whole").await
}

pub(super) async fn failure(stage: &mut Stage) -> Outcome {
    let submission = submit_later(stage)?;
    let Some(client) = client(stage)? else {
        return skipped("needs the gateway's HTTP API (--http)");
    };
    let mut link = stage.registered().await?;
    let (_running, request) = asked(stage, &submission, &mut link).await?;
    take(&mut link, &request).await;
    let mut answer = response(&request);
    let failed_word = if kind(&request) == "command_request" { "error" } else { "failed" };
    answer["status"] = json!(failed_word);
    answer["error"] = json!("it broke");
    link.say(&answer).await;
    let known = known(stage, &client, &request).await?;
    let error = known.error.unwrap_or_default();
    let came = format!("status {} with error {error:?}", known.status);
    if known.status == Status::Failed && error == "it broke" { Ok(came) } else { failed(came) }
}

pub(super) async fn acknowledges(stage: &mut Stage) -> Outcome {
    let submission = submit_later(stage)?;
    let mut link = stage.registered().await?;
    let (_running, request) = asked(stage, &submission, &mut link).await?;
    take(&mut link, &request).await;
    succeed(&mut link, &request, "acknowledged").await;
    let ack = link.message_of(&["ack"], stage.look() + stage.look()).await?;
    if ack["request_id"] == request["request_id"] {
        Ok("an ack".to_owned())
    } else {
        failed(ack.to_string())
    }
}

pub(super) async fn repeated_answer(stage: &mut Stage) -> Outcome {
    let submission = submit_later(stage)?;
    let mut link = stage.registered().await?;
    let (_running, request) = asked(stage, &submission, &mut link).await?;
    take(&mut link, &request).await;
    succeed(&mut link, &request, "first").await;
    succeed(&mut link, &request, "second").await;
    stage.lives(&mut link).await?;
    expect_result(stage, &request, "first").await
}

pub(super) async fn repeats_unaccepted(stage: &mut Stage) -> Outcome {
    let submission = submit_later(stage)?;
    let mut link = stage.registered().await?;
    let (_running, request) = asked(stage, &submission, &mut link).await?;
    drop(link);
    let mut link = stage.open().await?;
    link.say(&stage.registration()).await;
    let again = link.message_of(REQUESTS, stage.patience()).await?;
    if again["request_id"] != request["request_id"] {
        return failed(format!(
            "request_id {} after {}",
            again["request_id"], request["request_id"]
        ));
    }
    take(&mut link, &again).await;
    succeed(&mut link, &again, "again").await;
    stage.lives(&mut link).await?;
    Ok("the same request again".to_owned())
}

pub(super) async fn late_answer(stage: &mut Stage) -> Outcome {
    let submission = submit_later(stage)?;
    let mut link = stage.registered().await?;
    let (_running, request) = asked(stage, &submission, &mut link).await?;
    take(&mut link, &request).await;
    // So that the ack is not lost with the connection.
    stage.lives(&mut link).await?;
    drop(link);
    let mut link = stage.open().await?;
    link.say(&stage.registration()).await;
    succeed(&mut link, &request, "late").await;
    stage.lives(&mut link).await?;
    expect_result(stage, &request, "late").await
}

/// How this check is going to make the gateway ask.
fn submit_later(stage: &Stage) -> Result<Submit, Ended> {
    stage
        .gateway
        .submit
        .clone()
        .map_or_else(|| skipped("needs a way to make the gateway ask (--http or --submit)"), Ok)
}

/// Makes the gateway ask, and waits for the request. A program that does it runs until the check is over.
async fn asked(
    stage: &Stage,
    submit: &Submit,
    link: &mut Link,
) -> Result<(Option<Process>, Value), Ended> {
    let request_id = fresh_id("request");
    let process = match submit {
        Submit::Http(_) => {
            let Some(client) = client(stage)? else { return failed("no HTTP API") };
            let submission = Submission::command("conformance_echo")
                .node_id(&stage.node_id)
                .request_id(&request_id);
            let submitted = client.submit(&submission).await;
            submitted.map_err(|error| Ended::Failed(format!("submitting fails: {error}")))?;
            None
        }
        Submit::Command(line) => {
            let values = [("node_id", &*stage.node_id), ("request_id", &*request_id)];
            let environment =
                [("CLAWNODE_NODE_ID", &*stage.node_id), ("CLAWNODE_REQUEST_ID", &*request_id)];
            let process = Process::start(line, &values, &environment);
            Some(process.map_err(|error| Ended::Failed(error.to_string()))?)
        }
    };
    let request = link.message_of(REQUESTS, stage.patience()).await?;
    Ok((process, request))
}

async fn take(link: &mut Link, request: &Value) {
    link.say(&json!({
        "type": "ack", "timestamp": super::now(), "request_id": request["request_id"],
        "message": "Taken",
    }))
    .await;
}

async fn succeed(link: &mut Link, request: &Value, text: &str) {
    let mut answer = response(request);
    let done = if kind(request) == "command_request" { "success" } else { "completed" };
    answer["status"] = json!(done);
    answer["result"] = json!({ "conformance": text });
    link.say(&answer).await;
}

fn response(request: &Value) -> Value {
    let mut answer = json!({
        "type": "command_response", "timestamp": super::now(), "request_id": request["request_id"],
        "status": null, "result": null, "error": null,
    });
    if kind(request) == "workflow_request" {
        answer["type"] = json!("workflow_response");
        answer["job_id"] = json!("conformance-job");
    }
    answer
}

async fn expect_result(stage: &Stage, request: &Value, text: &str) -> Outcome {
    let Some(client) = client(stage)? else {
        return Ok("an open connection without an error".to_owned());
    };
    let known = known(stage, &client, request).await?;
    let result = known.result.map(|result| result.get().to_owned()).unwrap_or_default();
    let came = format!("status {} with result {result}", known.status);
    let read: Value = serde_json::from_str(&result).unwrap_or_default();
    let right = known.status == Status::Completed && read["conformance"] == text;
    if right { Ok(came) } else { failed(came) }
}

/// What the gateway knows of the request once it is answered.
async fn known(stage: &Stage, client: &Client, request: &Value) -> Result<RequestInfo, Ended> {
    let id = request["request_id"].as_str().unwrap_or_default();
    let deadline = Instant::now() + stage.patience();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let known = client.result(id, Some(left)).await;
        let known =
            known.map_err(|error| Ended::Failed(format!("asking for it fails: {error}")))?;
        if known.status.is_final() {
            return Ok(known);
        }
        if left.is_zero() {
            return failed(format!("status {} after {:?}", known.status, stage.patience()));
        }
    }
}

fn client(stage: &Stage) -> Result<Option<Client>, Ended> {
    match &stage.gateway.submit {
        Some(Submit::Http(url)) => Client::new(url, stage.gateway.token.clone())
            .map(Some)
            .map_err(|error| Ended::Failed(format!("the HTTP API: {error}"))),
        _ => Ok(None),
    }
}
