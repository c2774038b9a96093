use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Stage, command_request, now, request};
use crate::check::{Ended, Outcome, failed, skipped};
use crate::talk::{Exchange, NO_SUCH_COMMAND, fresh_id, is_about, is_answer, kind};
use crate::wire::Link;
use crate::wire::frame::BINARY;

pub(super) async fn unknown_command(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    let question = super::unknown_command();
    let exchange = ask_once(stage, &mut link, &question).await?;
    let answer = exchange.answer().unwrap_or(&Value::Null);
    let text = answer["error"].as_str().unwrap_or_default();
    let good = kind(answer) == "command_response"
        && answer["status"] == "error"
        && answer["request_id"] == question["request_id"]
        && answer["result"].is_null()
        && !text.is_empty();
    if good { Ok(format!("an error: {text}")) } else { failed(answer.to_string()) }
}

pub(super) async fn command(stage: &mut Stage) -> Outcome {
    let question = request(stage.quick()?);
    let (mut link, _) = stage.registered().await?;
    let exchange = ask_once(stage, &mut link, &question).await?;
    let answer = exchange.answer().unwrap_or(&Value::Null);
    let good = kind(answer) == "command_response"
        && answer["status"] == "success"
        && answer["result"].is_object()
        && answer["error"].is_null();
    if good {
        Ok("one command_response with a result".to_owned())
    } else {
        failed(answer.to_string())
    }
}

pub(super) async fn ack_first(stage: &mut Stage) -> Outcome {
    let question = match (&stage.node.quick, stage.node.workflows) {
        (Some(call), _) => request(call),
        (None, true) => workflow_request(&fresh_id("workflow"), Some(constant_graph("x"))),
        (None, false) => {
            return skipped("needs a command that succeeds (--command), or workflows (--workflow)");
        }
    };
    let (mut link, _) = stage.registered().await?;
    let mut exchange = link.ask(&question, stage.patience()).await?;
    let id = question["request_id"].as_str().unwrap_or_default();
    link.settle(id, &mut exchange, stage.look()).await?;
    let first_is_ack = exchange.messages.first().is_some_and(|first| kind(first) == "ack");
    if first_is_ack && exchange.acks() == 1 {
        Ok(exchange.story())
    } else {
        failed(exchange.story())
    }
}

pub(super) async fn invalid_request(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    let wrongs = [
        ("a request without a command", json!({"type": "command_request", "args": {}})),
        (
            "args that are a string",
            json!({"type": "command_request", "command": NO_SUCH_COMMAND, "args": "text"}),
        ),
    ];
    for (what, mut question) in wrongs {
        let id = fresh_id("invalid");
        question["request_id"] = json!(id);
        let wait = answer_or_any_error(stage, &mut link, &question).await;
        let answer = wait.map_err(|ended| match ended {
            Ended::Failed(came) => Ended::Failed(format!("to {what}: {came}")),
            other => other,
        })?;
        if !is_about(&answer, &id) {
            return failed(format!("to {what}: an error that does not name the request: {answer}"));
        }
        if answer["status"] == "success" {
            return failed(format!("to {what}: {answer}"));
        }
    }
    Ok("an error that names the request, each time".to_owned())
}

pub(super) async fn malformed(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    link.text("{\"type\": \"command_request\", ").await;
    let error = link.message_of(&["error"], stage.patience()).await?;
    if !error["error"].is_string() {
        return failed(error.to_string());
    }
    stage.answers(&mut link, "text that is not JSON").await?;
    Ok(format!("an error: {}", error["error"].as_str().unwrap_or_default()))
}

pub(super) async fn not_an_object(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    for text in ["[]", "\"text\"", "null", "7", "{}"] {
        link.text(text).await;
        stage.answers(&mut link, text).await?;
    }
    Ok("an answer to the request after each".to_owned())
}

pub(super) async fn binary(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    let json = super::unknown_command().to_string();
    link.frame(true, BINARY, json.as_bytes()).await;
    stage.answers(&mut link, "a binary message of JSON").await?;
    link.frame(true, BINARY, &[0xff, 0xfe, 0x00]).await;
    stage.answers(&mut link, "a binary message of other bytes").await?;
    Ok("an answer to the request after it".to_owned())
}

pub(super) async fn unknown_type(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    for (what, message) in [
        ("an unknown type", json!({"type": "conformance_no_such_type", "x": 1})),
        ("a type that is a number", json!({"type": 7})),
        (
            "a message that only nodes send",
            json!({"type": "heartbeat", "node_id": "x", "status": "active"}),
        ),
    ] {
        link.say(&message).await;
        stage.answers(&mut link, what).await?;
    }
    Ok("an answer to the request after it".to_owned())
}

pub(super) async fn extra_fields(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    let mut question = stage.node.quick.as_ref().map_or_else(super::unknown_command, request);
    question["conformance_extra"] = json!({"deep": [1, 2, {"x": null}]});
    let exchange = ask_once(stage, &mut link, &question).await?;
    let expected = if stage.node.quick.is_some() { "success" } else { "error" };
    let answer = exchange.answer().unwrap_or(&Value::Null);
    if answer["status"] == expected { Ok(exchange.story()) } else { failed(answer.to_string()) }
}

pub(super) async fn timestamp_forms(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    let forms = [
        json!("2026-01-02T03:04:05.678901Z"),
        json!("2026-01-02T03:04:05.678901"),
        json!("2026-01-02T03:04:05"),
        json!("2026-01-02T03:04:05+01:00"),
        json!(1_767_323_045),
        json!(1_767_323_045.5),
        Value::Null,
    ];
    for form in forms {
        let mut question = super::unknown_command();
        question["timestamp"] = form.clone();
        if let (Value::Null, Some(fields)) = (&form, question.as_object_mut()) {
            fields.remove("timestamp");
        }
        let exchange = link.ask(&question, stage.patience()).await;
        let exchange = exchange.map_err(|ended| match ended {
            Ended::Failed(came) => Ended::Failed(format!("to timestamp {form}: {came}")),
            other => other,
        })?;
        let answer = exchange.answer().unwrap_or(&Value::Null);
        if kind(answer) != "command_response" {
            return failed(format!("to timestamp {form}: {answer}"));
        }
    }
    Ok("an answer to each".to_owned())
}

pub(super) async fn unicode(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    let id = format!("\u{e9} \u{6f22}\u{5b57} \u{1f980} \"\\/ {}", fresh_id("unicode"));
    let plain = command_request(&id, NO_SUCH_COMMAND, &json!({})).to_string();
    let escaped: String = plain
        .chars()
        .map(|c| {
            if c.is_ascii() {
                return c.to_string();
            }
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        })
        .collect();
    for (form, text) in
        [("plain", plain), ("escaped", escaped.replace("conformance-", "conformance-2"))]
    {
        let id =
            if form == "plain" { id.clone() } else { id.replace("conformance-", "conformance-2") };
        link.text(&text).await;
        let mut exchange = Exchange::default();
        let follow = link.follow(&id, &mut exchange, stage.patience()).await;
        follow.map_err(|ended| match ended {
            Ended::Failed(came) => Ended::Failed(format!("written {form}: {came}")),
            other => other,
        })?;
    }
    Ok("the same id back, plain and escaped".to_owned())
}

pub(super) async fn repeated(stage: &mut Stage) -> Outcome {
    let (question, witness) = match (&stage.node.unique, stage.node.workflows) {
        (Some(call), _) => (request(call), "result"),
        (None, true) => {
            (workflow_request(&fresh_id("workflow"), Some(constant_graph("once"))), "job_id")
        }
        (None, false) => {
            return skipped(
                "needs a command whose result differs each time (--unique-command), or workflows (--workflow)",
            );
        }
    };
    let (mut link, _) = stage.registered().await?;
    let first = ask_once(stage, &mut link, &question).await?;
    let first = first.answer().unwrap_or(&Value::Null);
    if first[witness].is_null() {
        return skipped(format!("the answer has no {witness} to tell two runs apart: {first}"));
    }
    let id = question["request_id"].as_str().unwrap_or_default();
    let mut again = Exchange::default();
    link.say(&question).await;
    link.settle(id, &mut again, stage.look()).await?;
    match again.answer() {
        None => Ok("no second answer".to_owned()),
        Some(second) if second[witness] == first[witness] => Ok("the same answer again".to_owned()),
        Some(second) if kind(second) == "error" => Ok("the repetition is refused".to_owned()),
        Some(second) => {
            failed(format!("{witness} {} and then {}", first[witness], second[witness]))
        }
    }
}

pub(super) async fn big(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    let mut question = super::unknown_command();
    question["args"] = json!({ "padding": "x".repeat(1536 << 10) });
    link.ask(&question, stage.patience()).await?;
    Ok("an answer".to_owned())
}

pub(super) async fn pipelined(stage: &mut Stage) -> Outcome {
    const REQUESTS: usize = 200;
    let (mut link, _) = stage.registered().await?;
    let mut answers = BTreeMap::new();
    for _ in 0..REQUESTS {
        let question = super::unknown_command();
        answers.insert(question["request_id"].as_str().unwrap_or_default().to_owned(), 0_usize);
        link.say(&question).await;
    }
    let mut missing = REQUESTS;
    let mut deadline = Instant::now() + stage.patience();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(message) = link.message(left).await? else { break };
        let id = message["request_id"].as_str().or(message["details"]["request_id"].as_str());
        if let Some(count) = id.filter(|_| is_answer(&message)).and_then(|id| answers.get_mut(id)) {
            *count += 1;
            if *count == 1 {
                missing -= 1;
                let wait = if missing > 0 { stage.patience() } else { stage.look() };
                deadline = Instant::now() + wait;
            }
        }
    }
    let several = answers.values().filter(|count| **count > 1).count();
    match (missing, several) {
        (0, 0) => Ok(format!("{REQUESTS} answers")),
        _ => failed(format!("{missing} requests without an answer, {several} with several")),
    }
}

pub(super) async fn workflow(stage: &mut Stage) -> Outcome {
    needs_workflows(stage)?;
    let (mut link, _) = stage.registered().await?;
    let text = fresh_id("text");
    let question = workflow_request(&fresh_id("workflow"), Some(constant_graph(&text)));
    let exchange = ask_once(stage, &mut link, &question).await?;
    let answer = exchange.answer().unwrap_or(&Value::Null);
    let good = kind(answer) == "workflow_response"
        && answer["status"] == "completed"
        && answer["result"].is_object()
        && answer["result"].to_string().contains(&text);
    if good { Ok(exchange.story()) } else { failed(answer.to_string()) }
}

pub(super) async fn workflow_failure(stage: &mut Stage) -> Outcome {
    needs_workflows(stage)?;
    let (mut link, _) = stage.registered().await?;
    let unknown = json!({
        "nodes": [{"id": "1", "type": "conformance.NoSuchNode", "data": {}}], "edges": [],
    });
    let edge = |from: &str, to: &str| {
        json!({
            "id": from, "source": from, "sourceHandle": "output", "target": to, "targetHandle": "a",
        })
    };
    let cycle = json!({
        "nodes": [
            {"id": "1", "type": "nodetool.text.Concat", "data": {}},
            {"id": "2", "type": "nodetool.text.Concat", "data": {}},
        ],
        "edges": [edge("1", "2"), edge("2", "1")],
    });
    for (what, graph) in [
        ("neither id nor graph", None),
        ("an unknown node type", Some(unknown)),
        ("a cycle", Some(cycle)),
    ] {
        let question = workflow_request(&fresh_id("failing"), graph);
        let exchange = link.ask(&question, stage.patience()).await;
        let exchange = exchange.map_err(|ended| match ended {
            Ended::Failed(came) => Ended::Failed(format!("to {what}: {came}")),
            other => other,
        })?;
        let answer = exchange.answer().unwrap_or(&Value::Null);
        if kind(answer) != "workflow_response" || answer["status"] != "failed" {
            return failed(format!("to {what}: {answer}"));
        }
    }
    Ok("status failed each time".to_owned())
}

fn needs_workflows(stage: &Stage) -> Result<(), Ended> {
    if stage.node.workflows {
        Ok(())
    } else {
        skipped("needs a node that runs workflows (--workflow)")
    }
}

fn workflow_request(id: &str, graph: Option<Value>) -> Value {
    json!({
        "type": "workflow_request", "timestamp": now(), "request_id": id,
        "workflow_id": null, "graph": graph, "params": {}, "user_id": "1",
    })
}

/// A graph that puts out `text`.
fn constant_graph(text: &str) -> Value {
    json!({
        "nodes": [
            {"id": "1", "type": "nodetool.constant.String", "data": {"value": text}},
            {"id": "2", "type": "nodetool.output.Output", "data": {"name": "text"}},
        ],
        "edges": [{
            "id": "1", "source": "1", "sourceHandle": "output", "target": "2", "targetHandle": "value",
        }],
    })
}

/// Asks, and looks that there is exactly one answer.
async fn ask_once(stage: &Stage, link: &mut Link, question: &Value) -> Result<Exchange, Ended> {
    let mut exchange = link.ask(question, stage.patience()).await?;
    let id = question["request_id"].as_str().unwrap_or_default();
    link.settle(id, &mut exchange, stage.look()).await?;
    match exchange.answers() {
        1 => Ok(exchange),
        many => failed(format!("{many} answers: {}", exchange.story())),
    }
}

/// The answer to a request, or an error that may be about anything.
async fn answer_or_any_error(
    stage: &Stage,
    link: &mut Link,
    question: &Value,
) -> Result<Value, Ended> {
    link.say(question).await;
    link.message_of(&["error", "command_response", "workflow_response"], stage.patience()).await
}
