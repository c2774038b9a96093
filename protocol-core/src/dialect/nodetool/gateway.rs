use serde::Deserialize;

use super::DEFAULT_USER_ID;
use super::wire::{self, AckMessage, Envelope};
use crate::dialect::json::{self, Invalid};
use crate::dialect::{FaultReply, GatewaySession, Heard, Liveness, Message, ToNode};
use crate::node::custom_kind;
use crate::peer::{FromNode, Misuse, Registration};
use crate::time::Timestamp;
use crate::websocket::Connection;
use crate::work::{Failure, Outcome, Task, WorkflowSource};

/// The gateway's side.
#[derive(Debug, Default)]
pub(crate) struct Gateway;

impl GatewaySession for Gateway {
    fn liveness(&self) -> Liveness {
        Liveness::Heartbeats
    }

    fn read(&mut self, _utc: Timestamp, message: Message<'_>) -> Heard {
        let envelope = match Envelope::parse(message) {
            Ok(envelope) => envelope,
            Err(problem) => return fault(problem, FaultReply::Error { request_id: None }),
        };
        let kind = envelope.kind.text("type").ok().flatten();
        let read = match kind.as_deref() {
            Some("node_registration") => registration(&envelope),
            Some("heartbeat") => heartbeat(&envelope),
            Some("ack") => accepted(&envelope),
            Some("workflow_update") => progress(&envelope),
            Some("workflow_response") => answered(&envelope, "completed", "failed"),
            Some("command_response") => answered(&envelope, "success", "error"),
            Some("error") => Ok(FromNode::Error {
                error: envelope.error.describe(),
                details: envelope.details.raw().map(ToOwned::to_owned),
            }),
            Some(own) if wire::TYPES.contains(&own) => {
                let problem = format!("a node does not send `{own}`; a gateway does");
                let request_id = envelope.readable_request_id();
                return fault(problem, FaultReply::Error { request_id });
            }
            other => Ok(FromNode::Custom {
                kind: other.unwrap_or_default().to_owned(),
                text: message.as_json().unwrap_or_default().to_owned(),
            }),
        };
        let checked = envelope.timestamp.check_timestamp().and(read);
        checked.map(Heard::Message).unwrap_or_else(|invalid| {
            let reply = match kind.as_deref() {
                Some("ack") => FaultReply::Silence,
                _ => FaultReply::Error { request_id: envelope.readable_request_id() },
            };
            fault(invalid.to_string(), reply)
        })
    }

    fn write(
        &mut self,
        utc: Timestamp,
        words: ToNode<'_>,
        out: &mut Connection,
    ) -> Result<(), Misuse> {
        let timestamp = utc;
        match words {
            ToNode::Request(request) => {
                let request_id = &request.request_id;
                match &request.task {
                    Task::Workflow { source, params } => {
                        let (workflow_id, graph) = match source {
                            WorkflowSource::Id(id) => (Some(id.as_str()), None),
                            WorkflowSource::Graph(graph) => (None, Some(&**graph)),
                        };
                        wire::send(
                            out,
                            timestamp,
                            "workflow_request",
                            wire::WorkflowRequest {
                                request_id,
                                workflow_id,
                                graph,
                                params,
                                user_id: request.user_id.as_deref().unwrap_or(DEFAULT_USER_ID),
                            },
                        );
                    }
                    Task::Command { name, args } => wire::send(
                        out,
                        timestamp,
                        "command_request",
                        wire::CommandRequest {
                            request_id,
                            command: name,
                            args,
                            user_id: request.user_id.as_deref(),
                        },
                    ),
                }
            }
            ToNode::Acknowledge { request_id } => wire::send(
                out,
                timestamp,
                "ack",
                wire::Ack { request_id, message: Some(AckMessage::Answered) },
            ),
            ToNode::Error { error, request_id } => wire::send_error(out, utc, error, request_id),
            ToNode::Custom(text) => wire::send_text(out, text),
            ToNode::Welcome(_)
            | ToNode::Refuse(_)
            | ToNode::Cancel { .. }
            | ToNode::Surface(_)
            | ToNode::Tick
            | ToNode::GoingAway { .. } => return Err(Misuse::Unsayable),
        }
        Ok(())
    }

    fn takes_custom(&self, text: &str) -> bool {
        custom_kind(text).is_some_and(|kind| !reserves(&kind))
    }
}

/// Whether `kind` is a message type of the dialect's own.
pub(crate) fn reserves(kind: &str) -> bool {
    wire::TYPES.contains(&kind)
}

/// Bytes of JSON in which a node says what it can do: room for thousands of commands. A list of empty names takes eight times its
/// JSON in memory, so a whole message of them would be too much.
pub(crate) const MOST_CAPABILITIES_BYTES: usize = 256 << 10;

fn registration(envelope: &Envelope<'_>) -> Result<FromNode, Invalid> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Capabilities {
        workflow_execution: bool,
        commands: Vec<String>,
    }
    let node_id = envelope.node_id.required_text("node_id")?.into_owned();
    let Capabilities { workflow_execution, commands } = match envelope
        .capabilities
        .object("capabilities")?
    {
        Some(raw) if raw.get().len() > MOST_CAPABILITIES_BYTES => {
            return Err(Invalid::large("capabilities", "at most 256 KiB"));
        }
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| {
            Invalid::new("capabilities", "{workflow_execution: boolean, commands: [string]}", raw)
        })?,
        None => Capabilities::default(),
    };
    let metadata = envelope.metadata.object("metadata")?;
    Ok(FromNode::Registered(Registration {
        node_id,
        workflows: workflow_execution,
        commands,
        metadata: metadata.map_or_else(json::empty_object, ToOwned::to_owned),
    }))
}

fn heartbeat(envelope: &Envelope<'_>) -> Result<FromNode, Invalid> {
    let status = envelope
        .status
        .text("status")?
        .map_or_else(|| "active".into(), |status| status.into_owned());
    Ok(FromNode::Alive { status })
}

fn accepted(envelope: &Envelope<'_>) -> Result<FromNode, Invalid> {
    let request_id = envelope.request_id.required_text("request_id")?.into_owned();
    let message = envelope.message.text("message")?.map(|message| message.into_owned());
    Ok(FromNode::Accepted { request_id, message })
}

fn progress(envelope: &Envelope<'_>) -> Result<FromNode, Invalid> {
    Ok(FromNode::Progress {
        request_id: envelope.request_id.required_text("request_id")?.into_owned(),
        job_id: envelope.job_id.text("job_id")?.map(|id| id.into_owned()),
        kind: envelope.update_type.required_text("update_type")?.into_owned(),
        data: envelope.data.object("data")?.map_or_else(json::empty_object, ToOwned::to_owned),
    })
}

fn answered(envelope: &Envelope<'_>, done: &str, failed: &str) -> Result<FromNode, Invalid> {
    let request_id = envelope.request_id.required_text("request_id")?.into_owned();
    let job_id = envelope.job_id.text("job_id")?.map(|id| id.into_owned());
    let status = envelope.status.required_text("status")?;
    let result = envelope.result.object("result")?.map(ToOwned::to_owned);
    let outcome = if *status == *done {
        Outcome::Completed(result.unwrap_or_else(json::empty_object))
    } else if *status == *failed {
        Outcome::Failed(Failure { partial: result, ..Failure::new(envelope.error.describe()) })
    } else {
        return Err(Invalid::value(
            "status",
            "`completed`, `failed`, `success` or `error`, as its type has it",
        ));
    };
    Ok(FromNode::Answered { request_id, job_id, outcome })
}

fn fault(problem: String, reply: FaultReply) -> Heard {
    Heard::Fault { problem, reply }
}
