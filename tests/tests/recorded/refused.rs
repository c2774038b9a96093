//! What gateways said to clients of other people's making, told to this node: mostly that they are not let in, and why.
//!
//! Those clients sent what this node never does, so nothing that was sent is compared. What counts is what the node makes of it.

use std::fmt::Write as _;

use clawnode_protocol::node::{Event, Phase};
use clawnode_protocol::websocket::accept_value;
use insta::assert_snapshot;
use serde_json::Value;

use crate::recording::{Line, Recording, What};
use crate::stage::{Heard, Stage, credentials, delays};

#[test]
fn refused_connects_in_all_their_forms() {
    assert_snapshot!(reactions("50-connect-failures.jsonl"));
}

#[test]
fn a_gateway_that_is_starting() {
    assert_snapshot!(reactions("42-connect-during-startup.jsonl"));
}

#[test]
fn tokens_and_pairings_that_are_taken_away() {
    assert_snapshot!(reactions("63-token-and-pairing-lifecycle.jsonl"));
}

#[test]
fn setup_codes() {
    assert_snapshot!(reactions("64-setup-code-pairing.jsonl"));
}

/// One line for each connection of a recording: what was tried, what the node makes of the answer, and what it does next.
fn reactions(file: &str) -> String {
    let recording = Recording::read(&[(file, 0, u64::MAX)], &Stage::identity());
    let mut said = String::new();
    let mut note = "";
    let mut lines = &recording.lines[..];
    while let Some((line, rest)) = lines.split_first() {
        lines = rest;
        match &line.what {
            What::Note(text) => note = text,
            What::Opened => {
                let of_it = lines.iter().filter(|other| other.connection == line.connection);
                let of_it: Vec<&Line> = of_it.collect();
                let connect = recording.connects().next().expect("somebody connects");
                writeln!(said, "{note}: {}", reaction(connect, &of_it)).expect("strings take text");
            }
            _ => {}
        }
    }
    said
}

/// What a new node makes of one connection.
fn reaction(connect: &Value, lines: &[&Line]) -> String {
    let shown = lines.iter().find_map(|line| match &line.what {
        What::FromNode(message) => Some(&message["params"]),
        _ => None,
    });
    let mut stage = Stage::new(connect, credentials(shown.unwrap_or(&Value::Null), None));
    stage.connect();
    let Some(Heard::Upgrade(head)) = stage.heard.pop_front() else { panic!("an upgrade") };
    let is_reached = !lines.iter().any(|line| matches!(line.what, What::Unreachable));
    if is_reached {
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let accept = accept_value(key.expect("there is a key").as_bytes()).expect("it is one");
        stage.receive(
            format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes(),
        );
    }
    for line in lines {
        match &line.what {
            What::FromGateway(text) => stage.receive_message(&as_reply_to_connect(text)),
            What::Ping => stage.receive_ping(),
            What::GatewayClosed(code, reason) => stage.receive_close(*code, reason),
            What::GatewayEnded => stage.receive_end(),
            What::Unreachable | What::Gone => stage.cut(),
            _ => {}
        }
    }
    let forgets = if stage.forgot_device_token { ", forgets the device token" } else { "" };
    let ready = stage.events.iter().any(|event| matches!(event, Event::Ready));
    let ready = if ready { "ready, then " } else { "" };
    match (&stage.stopped, stage.events.last()) {
        (Some(reason), _) => format!("{ready}stops{forgets}: {reason}"),
        (None, Some(Event::Lost { reason, retry_in: Some(delay) })) => {
            let delay = named(u64::try_from(delay.as_millis()).expect("delays are short"));
            format!("{ready}again {delay}{forgets}: {reason}")
        }
        (None, _) if stage.phase() == Phase::Waiting => "again, and it is no news yet".to_owned(),
        (None, other) => panic!("{ready}{:?} after {other:?}", stage.phase()),
    }
}

/// A client's only request was its first, whatever it was.
fn as_reply_to_connect(text: &str) -> String {
    let Ok(mut message) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    if message["type"] == "res" {
        message["id"] = "connect".into();
    }
    message.to_string()
}

/// A delay by the rule that it follows.
fn named(ms: u64) -> &'static str {
    match ms {
        _ if delays::about(delays::DIFFERENTLY).contains(&ms) => "at once, in another way",
        _ if delays::usual(0).contains(&ms) => "after the usual delay",
        _ if delays::about(delays::APPROVAL).contains(&ms) => "to see whether it was approved",
        other => panic!("no rule gives {other} ms"),
    }
}
