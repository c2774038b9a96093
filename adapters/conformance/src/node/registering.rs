use std::time::Instant;

use clawnode_protocol::Secret;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Stage, most_heartbeats, unknown_command};
use crate::check::{Outcome, failed, skipped};
use crate::talk::{has_zone, instant, kind, utc};

pub(super) async fn registers(stage: &mut Stage) -> Outcome {
    stage.registered().await?;
    Ok("node_registration as the first message".to_owned())
}

pub(super) async fn fields(stage: &mut Stage) -> Outcome {
    let (_link, message) = stage.registered().await?;
    let capabilities = &message["capabilities"];
    let strings = |list: &Vec<Value>| list.iter().all(Value::is_string);
    let rules = [
        (
            "node_id",
            &message["node_id"],
            message["node_id"].as_str().is_some_and(|id| !id.is_empty()),
        ),
        (
            "capabilities.workflow_execution",
            &capabilities["workflow_execution"],
            capabilities["workflow_execution"].is_boolean(),
        ),
        (
            "capabilities.commands",
            &capabilities["commands"],
            capabilities["commands"].as_array().is_some_and(strings),
        ),
        ("metadata", &message["metadata"], message["metadata"].is_object()),
    ];
    for (name, value, good) in rules {
        if !good {
            return failed(format!("{name}: {value}"));
        }
    }
    for call in [&stage.node.quick, &stage.node.slow, &stage.node.unique].into_iter().flatten() {
        let commands = capabilities["commands"].as_array();
        if !commands.is_some_and(|list| list.iter().any(|name| *name == *call.name)) {
            return failed(format!(
                "commands without {:?}, which the node is said to serve",
                call.name
            ));
        }
    }
    if stage.node.workflows && capabilities["workflow_execution"] != true {
        return failed("workflow_execution: false, though the node is said to run workflows");
    }
    Ok(format!("node_id {} and {capabilities}", message["node_id"]))
}

pub(super) async fn token(stage: &mut Stage) -> Outcome {
    let Some(token) = stage.node.token.as_ref().map(Secret::expose).map(str::to_owned) else {
        return skipped("needs the token that the node is given (--auth-token)");
    };
    let (_link, request) = stage.open().await?;
    // In a query `+` is a plus sign to some and a space to others, so only one way of writing it is safe.
    let in_query = request.query().into_iter().flat_map(|query| query.split('&')).any(|pair| {
        pair.strip_prefix("token=").is_some_and(|value| {
            !value.contains('+') && percent_decode_str(value).eq(token.bytes())
        })
    });
    match (request.bearer_token() == Some(&token), in_query) {
        (true, true) => Ok("the token in the header and in the query".to_owned()),
        (true, false) => Ok("the token in the header".to_owned()),
        (false, true) => Ok("the token in the query".to_owned()),
        (false, false) => failed("an upgrade request without the token, or with another"),
    }
}

pub(super) async fn timestamps(stage: &mut Stage) -> Outcome {
    for message in first_messages(stage).await? {
        let Some(text) = message["timestamp"].as_str() else {
            return failed(format!("timestamp {} in {}", message["timestamp"], kind(&message)));
        };
        let Some(time) = instant(text) else {
            return failed(format!("timestamp {text:?} in {}", kind(&message)));
        };
        let away = utc().as_second() - time.as_second();
        if away.abs() > 300 {
            return failed(format!("timestamp {text:?}, which is {away} s from the suite's clock"));
        }
    }
    Ok("such timestamps".to_owned())
}

pub(super) async fn zone(stage: &mut Stage) -> Outcome {
    for message in first_messages(stage).await? {
        let text = message["timestamp"].as_str().unwrap_or_default();
        if !has_zone(text) {
            return failed(format!("timestamp {text:?} in {}", kind(&message)));
        }
    }
    Ok("timestamps with a zone".to_owned())
}

/// The registration, and what is said to an unknown command.
async fn first_messages(stage: &mut Stage) -> Result<Vec<Value>, crate::check::Ended> {
    let (mut link, registration) = stage.registered().await?;
    let mut messages = link.ask(&unknown_command(), stage.patience()).await?.messages;
    messages.insert(0, registration);
    Ok(messages)
}

pub(super) async fn heartbeat(stage: &mut Stage) -> Outcome {
    let interval = stage.interval()?;
    let (mut link, registration) = stage.registered().await?;
    for count in 1..=3 {
        let within = interval.saturating_mul(2) + stage.patience();
        let message = link.message_of(&["heartbeat"], within).await?;
        if message["node_id"] != registration["node_id"] {
            return failed(format!(
                "node_id {} in a heartbeat of the node {}",
                message["node_id"], registration["node_id"]
            ));
        }
        if !message["status"].is_string() {
            return failed(format!("status {} in a heartbeat", message["status"]));
        }
        let most = most_heartbeats(link.opened, interval);
        if count > most {
            return failed(format!("{count} heartbeats in {:.1?}", link.opened.elapsed()));
        }
    }
    let took = Instant::now() - link.opened;
    Ok(format!("3 heartbeats in {took:.1?}"))
}
