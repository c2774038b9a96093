use serde_json::json;

use super::Stage;
use crate::check::{Ended, Outcome, failed};
use crate::talk::fresh_id;
use crate::wire::frame::BINARY;

const OPEN: &str = "an open connection without an error";

pub(super) async fn registers(stage: &mut Stage) -> Outcome {
    stage.registered().await?;
    Ok(OPEN.to_owned())
}

pub(super) async fn heartbeats(stage: &mut Stage) -> Outcome {
    let mut link = stage.registered().await?;
    for _ in 0..3 {
        link.say(&stage.heartbeat()).await;
    }
    stage.lives(&mut link).await?;
    Ok(OPEN.to_owned())
}

pub(super) async fn timestamps(stage: &mut Stage) -> Outcome {
    let mut link = stage.registered().await?;
    for form in [
        "2026-01-02T03:04:05.678901Z",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.678901",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05+01:00",
    ] {
        let mut heartbeat = stage.heartbeat();
        heartbeat["timestamp"] = json!(form);
        link.say(&heartbeat).await;
    }
    stage.lives(&mut link).await?;
    Ok(OPEN.to_owned())
}

pub(super) async fn extra_fields(stage: &mut Stage) -> Outcome {
    let mut link = stage.open().await?;
    let mut registration = stage.registration();
    registration["conformance_extra"] = json!({"deep": [1, null]});
    registration["capabilities"]["conformance_extra"] = json!(true);
    link.say(&registration).await;
    let mut heartbeat = stage.heartbeat();
    heartbeat["conformance_extra"] = json!(1.5);
    link.say(&heartbeat).await;
    stage.lives(&mut link).await?;
    Ok(OPEN.to_owned())
}

pub(super) async fn unknown_type(stage: &mut Stage) -> Outcome {
    let mut link = stage.registered().await?;
    link.say(&json!({"type": "conformance_no_such_type", "timestamp": super::now(), "x": 1})).await;
    survived_or_told(stage, &mut link, "an unknown type").await
}

pub(super) async fn malformed(stage: &mut Stage) -> Outcome {
    let mut came = Vec::new();
    let wrongs = [
        ("text that is not JSON", "{\"type\": ".to_owned()),
        ("an array", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("an object without a type", "{}".to_owned()),
        (
            "an ack whose request_id is a number",
            json!({"type": "ack", "request_id": 7, "message": null}).to_string(),
        ),
        (
            "a response without a status",
            json!({"type": "command_response", "request_id": "x", "result": null}).to_string(),
        ),
    ];
    let mut link = stage.registered().await?;
    for (what, text) in wrongs {
        link.text(&text).await;
        came.push(survived_or_told(stage, &mut link, what).await?);
        if came.last().is_some_and(|came| came.ends_with("closed")) {
            link = stage.registered().await?;
        }
    }
    link.frame(true, BINARY, &[0xff, 0x00]).await;
    came.push(survived_or_told(stage, &mut link, "a binary message").await?);
    came.dedup();
    Ok(came.join("; "))
}

pub(super) async fn unasked_answer(stage: &mut Stage) -> Outcome {
    let mut link = stage.registered().await?;
    link.say(&json!({
        "type": "command_response", "timestamp": super::now(), "request_id": fresh_id("unasked"),
        "status": "success", "result": {}, "error": null,
    }))
    .await;
    stage.told(&mut link).await?;
    Ok("an open connection".to_owned())
}

pub(super) async fn several_nodes(stage: &mut Stage) -> Outcome {
    let mut first = stage.registered().await?;
    stage.node_id = fresh_id("node");
    let mut second = stage.registered().await?;
    stage.lives(&mut first).await?;
    stage.lives(&mut second).await?;
    Ok("two open connections".to_owned())
}

pub(super) async fn same_id(stage: &mut Stage) -> Outcome {
    let mut older = stage.registered().await?;
    let newer = stage.registered().await;
    let older = stage.told(&mut older).await;
    match (older, newer) {
        (Err(Ended::Failed(end)), Ok(_)) => Ok(format!("the newer goes on; of the older, {end}")),
        (Ok(_), Err(Ended::Failed(end))) => Ok(format!("the older goes on; of the newer, {end}")),
        (Ok(_), Ok(_)) => failed("both connections go on"),
        (Err(Ended::Failed(older)), Err(Ended::Failed(newer))) => {
            failed(format!("neither goes on: {older}; {newer}"))
        }
        (Err(ended), _) | (_, Err(ended)) => Err(ended),
    }
}

pub(super) async fn several_registrations(stage: &mut Stage) -> Outcome {
    let mut link = stage.registered().await?;
    link.say(&stage.registration()).await;
    match stage.told(&mut link).await {
        Ok(None) => Ok(OPEN.to_owned()),
        Ok(Some(error)) => Ok(error),
        Err(Ended::Failed(end)) if end.contains("a close frame with") => Ok(end),
        Err(ended) => Err(ended),
    }
}

/// An open connection, or an error; a close without a word fails.
async fn survived_or_told(stage: &Stage, link: &mut crate::wire::Link, what: &str) -> Outcome {
    use crate::wire::Heard;
    link.frame(true, crate::wire::frame::PING, b"still?").await;
    let mut error = false;
    loop {
        match link.hear(stage.patience()).await {
            Some(Heard::Pong(payload)) if payload == b"still?" => {
                return Ok("an open connection".to_owned());
            }
            Some(Heard::Text(text)) => error |= text.contains("\"error\""),
            Some(Heard::Closed(_)) if error => return Ok("an error, then closed".to_owned()),
            Some(Heard::Closed(end)) => return failed(format!("after {what}: {end}")),
            Some(_) => {}
            None => return failed(format!("after {what}: no pong within {:?}", stage.patience())),
        }
    }
}
