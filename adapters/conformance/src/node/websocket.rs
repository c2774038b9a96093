use serde_json::{Value, json};

use super::{Stage, request, unknown_command};
use crate::check::{Outcome, failed};
use crate::talk::{Exchange, fresh_id};
use crate::wire::frame::{CONTINUATION, Frame, PONG, TEXT};
use crate::wire::{End, Heard, Link};

pub(super) async fn ping(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    for payload in [&b""[..], b"ping", &[0xa5; 125]] {
        link.pong(payload, stage.patience()).await?;
    }
    Ok("a pong with each payload".to_owned())
}

pub(super) async fn ping_while_busy(stage: &mut Stage) -> Outcome {
    let question = request(stage.slow()?);
    let (mut link, _) = stage.registered().await?;
    link.say(&question).await;
    // So that the work has begun.
    let id = question["request_id"].as_str().unwrap_or_default();
    let mut exchange = Exchange::default();
    link.settle(id, &mut exchange, stage.look()).await?;
    if exchange.answer().is_some() {
        return crate::check::skipped(format!(
            "the slow command was answered within {:?}: make it slower",
            stage.look()
        ));
    }
    link.frame(true, crate::wire::frame::PING, b"busy?").await;
    loop {
        match link.hear(stage.patience()).await {
            Some(Heard::Pong(payload)) if payload == b"busy?" => {
                return Ok("a pong before the answer".to_owned());
            }
            Some(Heard::Text(text)) => {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                if message["request_id"] == id && crate::talk::is_answer(&message) {
                    return failed("the answer before the pong");
                }
            }
            Some(Heard::Closed(end)) => return failed(end.to_string()),
            Some(_) => {}
            None => return failed(format!("no pong within {:?}", stage.patience())),
        }
    }
}

pub(super) async fn fragmented(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    let mut question = unknown_command();
    let id = fresh_id("fragments");
    question["request_id"] = json!(id);
    question["args"] = json!({ "crab": "\u{1f980}" });
    let bytes = question.to_string().into_bytes();
    let crab = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(1) + 2;
    link.frame(false, TEXT, &bytes[..5]).await;
    link.frame(true, PONG, b"nobody asked").await;
    link.frame(false, CONTINUATION, &bytes[5..crab]).await;
    link.frame(true, CONTINUATION, &bytes[crab..]).await;
    let mut exchange = Exchange::default();
    link.follow(&id, &mut exchange, stage.patience()).await?;
    Ok(exchange.story())
}

pub(super) async fn masked(stage: &mut Stage) -> Outcome {
    let link = frames_of_all_kinds(stage).await?;
    let bare = link.masks.iter().filter(|mask| mask.is_none()).count();
    if bare > 0 {
        return failed(format!("{bare} of {} frames without a mask", link.masks.len()));
    }
    // By chance two of so few are alike once in a hundred million times.
    let most = link.masks.iter().map(|mask| link.masks.iter().filter(|one| *one == mask).count());
    if let Some(alike @ 3..) = most.max() {
        return failed(format!("the same mask on {alike} of {} frames", link.masks.len()));
    }
    Ok(format!("masks on {} frames", link.masks.len()))
}

pub(super) async fn frames(stage: &mut Stage) -> Outcome {
    let link = frames_of_all_kinds(stage).await?;
    let broken: Vec<_> =
        link.broken.iter().filter(|rule| !rule.contains("masked")).cloned().collect();
    if broken.is_empty() {
        Ok(format!("{} frames", link.masks.len()))
    } else {
        failed(broken.join("; "))
    }
}

/// A connection on which the node has sent messages, a pong and, as its last frame, a close frame, unless it does not.
async fn frames_of_all_kinds(stage: &mut Stage) -> Result<Link, crate::check::Ended> {
    let (mut link, _) = stage.registered().await?;
    let question = stage.node.quick.as_ref().map_or_else(unknown_command, request);
    link.ask(&question, stage.patience()).await?;
    let mut question = unknown_command();
    let id = format!("\u{1f980} {}", fresh_id("text"));
    question["request_id"] = json!(id);
    link.say(&question).await;
    // Whether the id comes back as it was is another check's matter.
    link.settle(&id, &mut Exchange::default(), stage.look()).await?;
    link.frame(true, crate::wire::frame::PING, &[7; 125]).await;
    link.close(1000).await;
    // Whether it does is another check's matter.
    link.end(stage.look()).await;
    Ok(link)
}

pub(super) async fn refuses_masked(stage: &mut Stage) -> Outcome {
    let text = unknown_command().to_string();
    let payload = text.as_bytes();
    let mask = Some([1, 2, 3, 4]);
    let frame = Frame { fin: true, reserved: 0, opcode: TEXT, mask, payload };
    refused(stage, &frame, 1002).await
}

pub(super) async fn refuses_utf8(stage: &mut Stage) -> Outcome {
    let payload = b"{\"type\":\"\xff\"}";
    let frame = Frame { fin: true, reserved: 0, opcode: TEXT, mask: None, payload };
    refused(stage, &frame, 1007).await
}

async fn refused(stage: &mut Stage, frame: &Frame<'_>, code: u16) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    link.raw(&frame.encode()).await;
    match link.end(stage.patience()).await {
        None => failed("a connection that goes on"),
        Some(End::Frame { code: Some(other), reason }) if other != code => {
            failed(format!("a close frame with code {other} ({reason})"))
        }
        Some(end) => Ok(end.to_string()),
    }
}

pub(super) async fn close(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    link.close(1000).await;
    match link.end(stage.patience()).await {
        Some(End::Frame { code: Some(1000), .. }) => {}
        Some(end) => return failed(end.to_string()),
        None => return failed(format!("no close frame within {:?}", stage.patience())),
    }
    drop(link);
    match stage.registered().await {
        Ok(_) => Ok("a close frame with code 1000, and a new registration".to_owned()),
        Err(crate::check::Ended::Failed(came)) => failed(format!("a close frame, but then {came}")),
        Err(other) => Err(other),
    }
}
