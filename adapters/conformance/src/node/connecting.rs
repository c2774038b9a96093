use std::time::{Duration, Instant};

use serde_json::json;

use super::{Next, Stage, most_heartbeats, request, unknown_command};
use crate::check::{Ended, Outcome, failed, skipped};
use crate::talk::Exchange;
use crate::wire::{End, Link, read_upgrade};

pub(super) async fn reconnects(stage: &mut Stage) -> Outcome {
    let (mut link, first) = stage.registered().await?;
    for _ in 0..2 {
        drop(link);
        let (next, registration) = stage.registered().await?;
        if registration["node_id"] != first["node_id"] {
            return failed(format!(
                "node_id {} after {}",
                registration["node_id"], first["node_id"]
            ));
        }
        link = next;
        stage.answers(&mut link, "reconnecting").await?;
    }
    Ok("two new registrations with the same node_id".to_owned())
}

pub(super) async fn one_heartbeat(stage: &mut Stage) -> Outcome {
    let interval = stage.interval()?;
    let (mut link, _) = stage.registered().await?;
    for _ in 0..3 {
        // Long enough that the connection's heartbeats have begun.
        link.message_of(&["heartbeat"], interval.saturating_mul(2) + stage.patience()).await?;
        drop(link);
        (link, _) = stage.registered().await?;
    }
    let deadline = Instant::now() + interval.saturating_mul(3);
    let mut heartbeats = 0;
    while let Some(message) =
        link.message(deadline.saturating_duration_since(Instant::now())).await?
    {
        heartbeats += usize::from(message["type"] == "heartbeat");
    }
    let (most, took) = (most_heartbeats(link.opened, interval), link.opened.elapsed());
    let came = format!("{heartbeats} heartbeats in {took:.1?} at an interval of {interval:?}");
    if heartbeats <= most { Ok(came) } else { failed(came) }
}

pub(super) async fn backoff(stage: &mut Stage) -> Outcome {
    let (link, _) = stage.registered().await?;
    drop(link);
    let deadline = Instant::now() + stage.patience();
    let mut attempts = Vec::new();
    while attempts.len() < 6 {
        match stage.next(deadline.saturating_duration_since(Instant::now())).await {
            Next::Connects(stream) => {
                attempts.push(Instant::now());
                if let Ok(asked) = read_upgrade(stream, stage.patience()).await {
                    asked.reject(503).await;
                }
            }
            Next::Ends(end) => return failed(end),
            Next::Nothing => break,
        }
    }
    let pauses: Vec<Duration> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let came = format!("{} attempts, with pauses of {pauses:.1?}", attempts.len());
    let grows = match pauses[..] {
        // A busy machine prolongs pauses, so the shorter of two early ones and the longer of two late ones count.
        [a, b, .., c, d] if attempts.len() == 6 => c.max(d) >= 2 * a.min(b),
        _ => !attempts.is_empty(),
    };
    if grows { Ok(came) } else { failed(came) }
}

pub(super) async fn unauthorized(stage: &mut Stage) -> Outcome {
    const LOOK: Duration = Duration::from_secs(3);
    const MOST: usize = 6;
    let mut attempts = 0;
    let mut deadline = Instant::now() + stage.patience();
    loop {
        match stage.next(deadline.saturating_duration_since(Instant::now())).await {
            Next::Connects(stream) => {
                attempts += 1;
                if attempts == 1 {
                    deadline = Instant::now() + LOOK;
                }
                if let Ok(asked) = read_upgrade(stream, stage.patience()).await {
                    asked.reject(401).await;
                }
            }
            Next::Ends(end) if attempts == 0 => return failed(end),
            Next::Ends(end) => return Ok(format!("after {attempts} attempts {end}")),
            Next::Nothing => break,
        }
        if attempts > MOST {
            break;
        }
    }
    let came = format!("{attempts} attempts in {LOOK:?}");
    if (1..=MOST).contains(&attempts) { Ok(came) } else { failed(came) }
}

pub(super) async fn late_answer(stage: &mut Stage) -> Outcome {
    let slow = stage.slow()?.clone();
    let (mut link, _) = stage.registered().await?;
    let began = Instant::now();
    link.ask(&request(&slow), stage.patience()).await?;
    let takes = began.elapsed();

    let question = request(&slow);
    let id = question["request_id"].as_str().unwrap_or_default().to_owned();
    link.say(&question).await;
    let began = Instant::now();
    let mut exchange = Exchange::default();
    link.settle(&id, &mut exchange, stage.look()).await?;
    if exchange.answer().is_some() {
        return skipped(format!("the slow command took {takes:.1?}: make it slower"));
    }
    drop(link);
    // The gateway is away until the work is done, and a little longer.
    let back = began + takes + Duration::from_secs(1);
    loop {
        match stage.next(back.saturating_duration_since(Instant::now())).await {
            Next::Connects(stream) => {
                if let Ok(asked) = read_upgrade(stream, stage.patience()).await {
                    asked.reject(503).await;
                }
            }
            Next::Ends(end) => return failed(end),
            Next::Nothing => break,
        }
    }
    let (mut link, _) = stage.registered().await?;
    deliver(stage, &mut link, &id).await
}

pub(super) async fn unconfirmed(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    let question = stage.node.quick.as_ref().map_or_else(unknown_command, request);
    if stage.node.quick.is_none() {
        return skipped("needs a command of the node that succeeds (--command)");
    }
    let id = question["request_id"].as_str().unwrap_or_default().to_owned();
    link.ask(&question, stage.patience()).await?;
    drop(link);
    let (mut link, _) = stage.registered().await?;
    deliver(stage, &mut link, &id).await
}

/// Waits for an answer that nobody asks for again, and acknowledges it.
async fn deliver(stage: &Stage, link: &mut Link, id: &str) -> Outcome {
    let mut exchange = Exchange::default();
    link.follow(id, &mut exchange, stage.patience()).await?;
    link.say(&json!({
        "type": "ack", "timestamp": super::now(), "request_id": id, "message": "Answer received",
    }))
    .await;
    Ok(format!("after the registration: {}", exchange.story()))
}

pub(super) async fn sigterm(stage: &mut Stage) -> Outcome {
    let (mut link, _) = stage.registered().await?;
    stage.answers(&mut link, "registering").await?;
    if !stage.process.terminate().await {
        return skipped("needs an operating system with signals, and its `kill`");
    }
    let came = match link.end(stage.patience()).await {
        Some(End::Frame { code: Some(code @ (1000 | 1001)), .. }) => code,
        Some(end) => return failed(end.to_string()),
        None => return failed(format!("no close frame within {:?}", stage.patience())),
    };
    drop(link);
    match stage.process.ended_within(stage.patience()).await {
        Some(status) => Ok(format!("code {came}, then {status}")),
        None => Err(Ended::Failed(format!("code {came}, and a process that goes on"))),
    }
}
