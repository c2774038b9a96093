use serde_json::value::RawValue;

use super::wire::{self, AckMessage, Envelope};
use super::{Config, DEFAULT_USER_ID, TokenIn};
use crate::dialect::json::{self, Field, Invalid};
use crate::dialect::{
    FaultReply, FromGateway, MOST_NAME_BYTES, Message, Name, NodeSession, Rules, TaskKind,
    ToGateway, Unsayable,
};
use crate::node::{Endpoint, custom_kind};
use crate::secret::{Credentials, Secret};
use crate::state::{Cursor, Malformed, Saver};
use crate::time::Timestamp;
use crate::websocket::{ClientRequest, Connection, InvalidRequest};
use crate::work::{Outcome, Task, WorkflowSource};

/// The node's side.
#[derive(Debug)]
pub(crate) struct Node {
    config: Config,
}

impl Node {
    pub(crate) fn new(config: Config) -> Self {
        Self { config }
    }
}

impl TokenIn {
    /// The HTTP upgrade request of a node that shows this token here. The gateway's answer tells whether it takes the token.
    ///
    /// # Errors
    ///
    /// When the endpoint or the token has characters that may not stand in a request.
    pub fn upgrade_request(
        self,
        endpoint: &Endpoint,
        token: Option<&Secret>,
    ) -> Result<ClientRequest, InvalidRequest> {
        let header = token.filter(|_| self != Self::Query);
        let query = token.filter(|_| self != Self::Header);
        let request = match query {
            Some(token) => {
                ClientRequest::new(&endpoint.authority, &with_token(&endpoint.target, token))?
            }
            None => ClientRequest::new(&endpoint.authority, &endpoint.target)?,
        };
        match header {
            Some(token) => request.header("Authorization", &format!("Bearer {}", token.expose())),
            None => Ok(request),
        }
    }
}

impl NodeSession for Node {
    fn name(&self) -> Option<Name> {
        Some(Name::Nodetool)
    }

    fn rules(&self) -> Rules {
        super::RULES
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
    ) -> Result<ClientRequest, InvalidRequest> {
        self.config.token_in.upgrade_request(endpoint, credentials.token.as_ref())
    }

    fn registers_unasked(&self) -> bool {
        true
    }

    fn awaits_welcome(&self) -> bool {
        false
    }

    fn read(&mut self, message: Message<'_>) -> FromGateway {
        let envelope = match Envelope::parse(message) {
            Ok(envelope) => envelope,
            Err(problem) => return fault(problem, FaultReply::Error { request_id: None }),
        };
        let kind = envelope.kind.text("type").ok().flatten();
        match kind.as_deref() {
            Some("workflow_request") => self.read_request(&envelope, Asked::Workflow),
            Some("command_request") => self.read_request(&envelope, Asked::Command),
            Some("ack") => match envelope.request_id.required_text("request_id") {
                Ok(id) => FromGateway::Settled { request_id: id.into_owned() },
                Err(invalid) => fault(invalid.to_string(), FaultReply::Silence),
            },
            Some("error") => FromGateway::Error {
                error: envelope.error.describe(),
                details: envelope.details.raw().map(|details| details.get().to_owned()),
            },
            Some(own) if wire::TYPES.contains(&own) => {
                let problem = format!("a gateway does not send `{own}`; a node does");
                let request_id = envelope.readable_request_id();
                fault(problem, FaultReply::Error { request_id })
            }
            other => FromGateway::Custom {
                kind: other.unwrap_or_default().to_owned(),
                text: message.as_json().unwrap_or_default().to_owned(),
            },
        }
    }

    fn write(
        &mut self,
        utc: Timestamp,
        words: ToGateway<'_>,
        out: &mut Connection,
    ) -> Result<(), Unsayable> {
        let timestamp = utc;
        let node_id = &self.config.node_id;
        match words {
            ToGateway::Register { workflows, commands, instance, .. } => wire::send(
                out,
                timestamp,
                "node_registration",
                wire::NodeRegistration {
                    node_id,
                    capabilities: wire::Capabilities { workflow_execution: workflows, commands },
                    metadata: wire::Metadata {
                        user_id: &self.config.user_id,
                        instance_id: instance,
                        more: &self.config.metadata,
                    },
                },
            ),
            ToGateway::Alive => wire::send(
                out,
                timestamp,
                "heartbeat",
                wire::Heartbeat { node_id, status: "active" },
            ),
            ToGateway::Accept { request_id, kind, repeated } => {
                let message = match kind {
                    _ if repeated => AckMessage::Repeated,
                    TaskKind::Workflow => AckMessage::WorkflowStarted,
                    TaskKind::Command(name) => AckMessage::Command(name),
                };
                wire::send(out, timestamp, "ack", wire::Ack { request_id, message: Some(message) });
            }
            ToGateway::Progress { request_id, job_id, update, .. } => wire::send(
                out,
                timestamp,
                "workflow_update",
                wire::WorkflowUpdate {
                    request_id,
                    job_id: Some(job_id),
                    update_type: &update.kind,
                    data: &update.data,
                },
            ),
            ToGateway::Answer { request_id, kind, job_id, outcome } => {
                let (done, result, error) = match outcome {
                    Outcome::Completed(result) => (true, Some(&**result), None),
                    Outcome::Failed(failure) => {
                        (false, failure.partial.as_deref(), Some(failure.message.as_str()))
                    }
                };
                match kind {
                    TaskKind::Workflow => wire::send(
                        out,
                        timestamp,
                        "workflow_response",
                        wire::WorkflowResponse {
                            request_id,
                            status: if done { "completed" } else { "failed" },
                            result,
                            error,
                            job_id,
                        },
                    ),
                    TaskKind::Command(_) => wire::send(
                        out,
                        timestamp,
                        "command_response",
                        wire::CommandResponse {
                            request_id,
                            status: if done { "success" } else { "error" },
                            result,
                            error,
                        },
                    ),
                }
            }
            ToGateway::Error { error, request_id } => wire::send_error(out, utc, error, request_id),
            ToGateway::Call { .. } => return Err(Unsayable("there are no calls".to_owned())),
            ToGateway::Custom(text) => wire::send_text(out, text),
        }
        Ok(())
    }

    fn takes_custom(&self, text: &str) -> bool {
        custom_kind(text).is_some_and(|kind| !wire::TYPES.contains(&&*kind))
    }

    fn has_calls(&self) -> bool {
        false
    }

    fn save(&self, _to: &mut Saver<'_>) {
        let Self { config: _ } = self;
    }

    fn load(&mut self, _from: &mut Cursor<'_>) -> Result<(), Malformed> {
        Ok(())
    }
}

impl Node {
    fn read_request(&self, envelope: &Envelope<'_>, asked: Asked) -> FromGateway {
        let Some(request_id) = envelope.readable_request_id() else {
            let problem = match envelope.request_id.required_text("request_id") {
                Err(invalid) => invalid.to_string(),
                Ok(id) if id.is_empty() => "`request_id` must not be empty".to_owned(),
                Ok(_) => format!("`request_id` must have at most {MOST_NAME_BYTES} bytes"),
            };
            return fault(problem, FaultReply::Error { request_id: None });
        };
        match self.task(envelope, asked) {
            Ok((user_id, task)) => FromGateway::Work { request_id, user_id, task, time: None },
            Err(problem) => fault(
                problem,
                FaultReply::Answer { request_id, kind: asked.kind(envelope), code: None },
            ),
        }
    }

    fn task(&self, envelope: &Envelope<'_>, asked: Asked) -> Result<(String, Task), String> {
        envelope.timestamp.check_timestamp().map_err(describe)?;
        match asked {
            Asked::Workflow => {
                let id = envelope.workflow_id.text("workflow_id").map_err(describe)?;
                let graph = envelope.graph.object("graph").map_err(describe)?;
                let source = match (id, graph) {
                    (Some(id), None) => WorkflowSource::Id(id.into_owned()),
                    (None, Some(graph)) => WorkflowSource::Graph(graph.to_owned()),
                    (Some(_), Some(_)) => {
                        return Err("workflow_id and graph are both given; give one of them".into());
                    }
                    (None, None) => return Err("either workflow_id or graph must be given".into()),
                };
                let params = envelope.params.object("params").map_err(describe)?;
                let user_id = self.user(envelope.user_id)?;
                Ok((user_id, Task::Workflow { source, params: owned_or_empty(params) }))
            }
            Asked::Command => {
                let name =
                    envelope.command.required_text("command").map_err(describe)?.into_owned();
                if name.len() > MOST_NAME_BYTES {
                    return Err(format!("`command` must have at most {MOST_NAME_BYTES} bytes"));
                }
                let args = envelope.args.object("args").map_err(describe)?;
                let user_id = match envelope.user_id.raw() {
                    Some(_) => self.user(envelope.user_id)?,
                    None => self.user(args.map(user_of_args).unwrap_or_default())?,
                };
                Ok((user_id, Task::Command { name, args: owned_or_empty(args) }))
            }
        }
    }

    fn user(&self, field: Field<'_>) -> Result<String, String> {
        let config = &self.config;
        match field.text("user_id").map_err(describe)? {
            None => Ok(config.user_id.clone()),
            Some(user) if user == DEFAULT_USER_ID || user == config.user_id => {
                Ok(config.user_id.clone())
            }
            Some(user) if config.allowed_users.iter().any(|allowed| *allowed == user) => {
                Ok(user.into_owned())
            }
            Some(user) if user.len() > MOST_NAME_BYTES => {
                Err(format!("`user_id` must have at most {MOST_NAME_BYTES} bytes"))
            }
            Some(user) => {
                Err(format!("this node does not work for user `{user}`; its operator may allow it"))
            }
        }
    }
}

/// The two requests.
#[derive(Clone, Copy)]
enum Asked {
    Workflow,
    Command,
}

impl Asked {
    /// What the sender of a faulty request is told it asked for.
    fn kind(self, envelope: &Envelope<'_>) -> TaskKind {
        match self {
            Self::Workflow => TaskKind::Workflow,
            Self::Command => {
                let name = envelope.command.text("command").ok().flatten();
                let name = name.filter(|name| name.len() <= MOST_NAME_BYTES).unwrap_or_default();
                TaskKind::Command(name.into())
            }
        }
    }
}

/// The `user_id` among a command's arguments. Parsed only when it can be there.
fn user_of_args(args: &RawValue) -> Field<'_> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Args<'a> {
        #[serde(borrow)]
        user_id: Field<'a>,
    }
    let json = args.get();
    if json.contains("\"user_id\"") || json.contains("\\u") {
        serde_json::from_str::<Args<'_>>(json).unwrap_or_default().user_id
    } else {
        Field::default()
    }
}

fn owned_or_empty(object: Option<&RawValue>) -> Box<RawValue> {
    object.map_or_else(json::empty_object, ToOwned::to_owned)
}

fn describe(invalid: Invalid) -> String {
    invalid.to_string()
}

fn fault(problem: String, reply: FaultReply) -> FromGateway {
    FromGateway::Fault { problem, reply }
}

/// The target with `token` in its query, beside what is there already.
fn with_token(target: &str, token: &Secret) -> String {
    let token = token.percent_encoded();
    let separator = match target.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{target}{separator}token={token}")
}
