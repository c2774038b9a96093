//! The gateway's side, for those who play one: simulations, fuzzing and tests.

mod calls;
mod config;
mod connect;
mod refuse;
mod schema;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde_json::value::RawValue;

use super::{MOST_CONNECT_BYTES, OLDER_PROTOCOL, Role};
use crate::dialect::{
    FaultReply, GatewaySession, Heard, Liveness, MOST_NAME_BYTES, Message, ToNode,
};
use crate::peer::{FromNode, Misuse, Registration, Request, Surface};
use crate::random::Random;
use crate::text::json_len;
use crate::time::Timestamp;
use crate::websocket::{CloseCode, Connection};
use crate::work::{JobId, Task};
use calls::Member;
use connect::{Applicant, Asked};
use refuse::Refused;
use schema::{Kind, Object, Property};
use wire::ErrorShape;

pub use config::{ConnectRequest, GatewayConfig, Hello};

/// One connection of a gateway.
pub(crate) struct Gateway {
    config: GatewayConfig,
    policy: Policy,
    nonce: String,
    connection_id: String,
    stage: Stage,
    /// What was said while the application decided.
    waiting: VecDeque<String>,
    /// What the message that was read last is answered with.
    reply: Option<Vec<u8>>,
}

/// What a node is told about the connection, and is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) max_message: usize,
    pub(crate) transmit_bytes: usize,
    pub(crate) tick: Duration,
    pub(crate) open_requests: usize,
}

enum Stage {
    /// The challenge is sent.
    Challenged,
    /// The application decides.
    Deciding(Candidate),
    /// It is let in, and the application is yet to be told.
    Greeted(Member, Registration),
    Joined(Member),
    /// Nothing more is heard.
    Over,
}

/// Whom the application decides about.
struct Candidate {
    /// The id of its `connect`.
    id: String,
    role: Role,
    device_id: Option<String>,
    client_id: String,
    commands: Vec<String>,
    metadata: Box<RawValue>,
}

impl Gateway {
    /// The seed decides the challenge, so it must be another for each connection.
    pub(crate) fn new(config: GatewayConfig, policy: Policy, seed: [u8; 32]) -> Self {
        let mut random = Random::from_seed(seed);
        let mut uuid = || JobId::from_random(random.bytes()).to_string();
        Self {
            config,
            policy,
            nonce: uuid(),
            connection_id: uuid(),
            stage: Stage::Challenged,
            waiting: VecDeque::new(),
            reply: None,
        }
    }

    fn read_first(&mut self, utc: Timestamp, message: Message<'_>) -> Heard {
        let text = message.as_json().filter(|text| serde_json::from_str::<&RawValue>(text).is_ok());
        let Some(text) = text else {
            return self.over("the first message is not JSON", CloseCode::NORMAL, "");
        };
        let request = Object::read(text, FRAME).ok().and_then(|frame| request_of(&frame));
        let Some((id, method, params)) = request else {
            let why = "invalid request frame";
            return self.over(why, CloseCode::POLICY_VIOLATION, why);
        };
        if method != "connect" {
            let why = "invalid handshake: first request must be connect";
            self.reply = Some(wire::failure(&id, &ErrorShape::invalid_request(why)));
            return self.over(why, CloseCode::POLICY_VIOLATION, why);
        }
        let asked = Asked { protocol: self.config.protocol, nonce: &self.nonce, now: utc };
        match connect::read(params.map_or("{}", RawValue::get), &asked) {
            Ok(Applicant { request, metadata }) => {
                self.stage = Stage::Deciding(Candidate {
                    id,
                    role: request.role.clone(),
                    device_id: request.device_id.clone(),
                    client_id: request.client.id.clone(),
                    commands: request.commands.clone(),
                    metadata,
                });
                Heard::Applicant(Box::new(request))
            }
            Err(refused) => {
                self.reply = Some(wire::failure(&id, &refused.error()));
                let (code, why) = refused.refusal.closing();
                self.over(refused.refusal.message(), code, &why)
            }
        }
    }

    fn over(&mut self, problem: &str, code: CloseCode, why: &str) -> Heard {
        self.stage = Stage::Over;
        self.waiting = VecDeque::new();
        Heard::Offence { problem: problem.to_owned(), code, why: why.to_owned() }
    }

    fn welcome(&mut self, utc: Timestamp, hello: &Hello, out: &mut Connection) {
        let Stage::Deciding(candidate) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        let Candidate { id, role, device_id, client_id, commands, metadata } = candidate;
        let token = hello.device_token.as_ref();
        let hello_ok = wire::HelloOk {
            kind: "hello-ok",
            protocol: self.config.protocol,
            server: wire::Server {
                version: env!("CARGO_PKG_VERSION"),
                conn_id: &self.connection_id,
            },
            features: wire::Features { methods: calls::METHODS, events: EVENTS },
            snapshot: wire::Snapshot::default(),
            auth: wire::Auth {
                method: &hello.auth_method,
                role: token.map_or(role.name(), |token| &token.role),
                scopes: token.map_or(role.scopes(), |token| &token.scopes),
                device_token: token.map(|token| token.token.expose()),
                issued_at_ms: token.map(|_| millis(utc)),
            },
            policy: wire::Policy {
                max_payload: self.policy.max_message,
                max_buffered_bytes: self.policy.transmit_bytes,
                tick_interval_ms: wire::whole_millis(self.policy.tick),
            },
        };
        wire::send(out, &wire::success(&id, hello_ok));
        let node_id = device_id.unwrap_or(client_id);
        let registration =
            Registration { node_id: node_id.clone(), workflows: false, commands, metadata };
        self.stage = Stage::Greeted(Member::new(node_id, &role, hello.approved), registration);
    }

    fn refuse(&mut self, refusal: &super::Refusal, out: &mut Connection) {
        let Stage::Deciding(candidate) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        self.waiting = VecDeque::new();
        let Candidate { id, role, device_id, .. } = candidate;
        let refused = Refused::of(refusal.clone(), device_id, role.name());
        wire::send(out, &wire::failure(&id, &refused.error()));
    }

    fn ask(
        &mut self,
        request: &Request,
        most_open: usize,
        out: &mut Connection,
    ) -> Result<(), Misuse> {
        let Task::Command { name, args } = &request.task else { return Err(Misuse::Unsayable) };
        let Stage::Joined(member) = &mut self.stage else { return Err(Misuse::NotReady) };
        let id = &request.request_id;
        if id.len() > MOST_NAME_BYTES {
            return Err(Misuse::TooLarge);
        }
        if member.open.len() >= most_open && !member.open.contains_key(id) {
            return Err(Misuse::Full);
        }
        member.open.insert(id.clone(), 0);
        let invoke = wire::InvokeRequest {
            id,
            node_id: &member.node_id,
            command: name,
            params_json: Some(args.get()).filter(|args| *args != "null"),
            timeout_ms: request.time.map(wire::whole_millis),
            idempotency_key: request.idempotency_key.as_deref(),
        };
        wire::event(out, "node.invoke.request", invoke, None);
        Ok(())
    }
}

impl GatewaySession for Gateway {
    fn liveness(&self) -> Liveness {
        Liveness::Ticks
    }

    fn most_before_registration(&self) -> Option<usize> {
        Some(MOST_CONNECT_BYTES)
    }

    fn unregistered(&self) -> (CloseCode, &'static str) {
        (CloseCode::NORMAL, "")
    }

    fn begin(&mut self, utc: Timestamp, out: &mut Connection) {
        let challenge = wire::Challenge { nonce: &self.nonce, ts: millis(utc), capabilities: [] };
        wire::event(out, "connect.challenge", challenge, None);
    }

    fn read(&mut self, utc: Timestamp, message: Message<'_>) -> Heard {
        match &mut self.stage {
            Stage::Challenged => self.read_first(utc, message),
            Stage::Deciding(_) | Stage::Greeted(..) => {
                if self.waiting.len() >= MOST_PENDING_FRAMES {
                    let why = "too many pending handshake frames";
                    return self.over(why, CloseCode::POLICY_VIOLATION, why);
                }
                self.waiting.extend(message.as_json().map(str::to_owned));
                Heard::Nothing
            }
            Stage::Joined(member) => member.read(message, &mut self.reply),
            Stage::Over => Heard::Nothing,
        }
    }

    fn resume(&mut self) -> Option<Heard> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Greeted(member, registration) => {
                self.stage = Stage::Joined(member);
                Some(Heard::Message(FromNode::Registered(registration)))
            }
            Stage::Joined(mut member) => {
                let waiting = self.waiting.pop_front();
                let heard = waiting.map(|text| member.read(Message::Text(&text), &mut self.reply));
                self.stage = Stage::Joined(member);
                heard
            }
            stage => {
                self.stage = stage;
                None
            }
        }
    }

    fn take_reply(&mut self) -> Option<Vec<u8>> {
        self.reply.take()
    }

    fn size(&self, request: &Request) -> usize {
        let args = match &request.task {
            Task::Command { args, .. } => json_len(args.get()).saturating_sub(args.get().len()),
            Task::Workflow { .. } => 0,
        };
        // Its params are JSON within JSON.
        request.size().saturating_add(args)
    }

    fn write(
        &mut self,
        utc: Timestamp,
        words: ToNode<'_>,
        out: &mut Connection,
    ) -> Result<(), Misuse> {
        match words {
            ToNode::Welcome(hello) => self.welcome(utc, hello, out),
            ToNode::Refuse(refusal) => self.refuse(refusal, out),
            ToNode::Request(request) => return self.ask(request, self.policy.open_requests, out),
            ToNode::Cancel { request_id } => {
                let Stage::Joined(member) = &mut self.stage else { return Err(Misuse::NotReady) };
                if member.open.remove(request_id).is_none() {
                    return Err(Misuse::NotOpen);
                }
                let cancel = wire::InvokeCancel { invoke_id: request_id, node_id: &member.node_id };
                wire::event(out, "node.invoke.cancel", cancel, None);
            }
            ToNode::Surface(surface) => {
                let Stage::Joined(member) = &mut self.stage else { return Err(Misuse::NotReady) };
                member.approved = matches!(surface, Surface::Approved { .. });
                if let Surface::Approved { request_id: Some(request_id) } = surface {
                    let resolved = wire::PairResolved {
                        request_id,
                        node_id: &member.node_id,
                        decision: "approved",
                        ts: millis(utc),
                    };
                    wire::event(out, "node.pair.resolved", resolved, None);
                }
            }
            ToNode::Tick => {
                let Stage::Joined(member) = &mut self.stage else { return Err(Misuse::NotReady) };
                let seq = member.next_broadcast();
                wire::event(out, "tick", wire::Tick { ts: millis(utc) }, Some(seq));
            }
            ToNode::GoingAway { reason, back_in } => {
                let Stage::Joined(member) = &mut self.stage else { return Err(Misuse::NotReady) };
                let restart_expected_ms = back_in.map(wire::whole_millis);
                let shutdown = wire::Shutdown { reason, restart_expected_ms };
                let seq = member.next_broadcast();
                wire::event(out, "shutdown", shutdown, Some(seq));
            }
            ToNode::Custom(text) => wire::send(out, text.as_bytes()),
            // The reply to the result says so already, and errors are replies too.
            ToNode::Acknowledge { .. } | ToNode::Error { .. } => return Err(Misuse::Unsayable),
        }
        Ok(())
    }

    fn takes_custom(&self, text: &str) -> bool {
        let Ok(frame) = serde_json::from_str::<super::wire::Frame<'_>>(text) else { return false };
        let event = frame.event.text("event").ok().flatten();
        frame.kind.text("type").ok().flatten().as_deref() == Some("event")
            && event.is_some_and(|event| !event.is_empty() && !EVENTS.contains(&&*event))
    }
}

/// No message and no credential.
impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Challenged => "challenged",
            Stage::Deciding(_) => "deciding",
            Stage::Greeted(..) => "greeted",
            Stage::Joined(_) => "joined",
            Stage::Over => "over",
        };
        f.debug_struct("Gateway")
            .field("stage", &stage)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// Bytes that a gateway with this many open requests may hold between two messages.
pub(crate) fn memory_bound(open_requests: usize) -> usize {
    let waiting = MOST_PENDING_FRAMES * (MOST_CONNECT_BYTES + size_of::<String>());
    // Lists of short names take up to 9 bytes of memory for each byte of JSON, and twice that as they grow; they are kept here and
    // given to the application.
    let candidate = MOST_CONNECT_BYTES * 36;
    let open = open_requests.saturating_mul(MOST_NAME_BYTES + 4 * size_of::<String>());
    open.saturating_add(waiting + candidate)
}

/// The id, method and params of a request.
fn request_of<'a>(frame: &Object<'a>) -> Option<(String, String, Option<&'a RawValue>)> {
    let id = frame.text("id").filter(|id| id.len() <= MOST_NAME_BYTES)?.into_owned();
    Some((id, frame.text("method")?.into_owned(), frame.raw("params")))
}

fn fault(problem: &str) -> Heard {
    Heard::Fault { problem: problem.to_owned(), reply: FaultReply::Silence }
}

fn millis(utc: Timestamp) -> i64 {
    utc.as_micros().div_euclid(1000)
}

const FRAME: &[Property] = &[
    Property::required("type", Kind::Word(&["req"])),
    Property::required("id", Kind::TEXT),
    Property::required("method", Kind::TEXT),
    Property::optional("params", Kind::Any),
    Property::optional("traceparent", Kind::Text { least: 0, most: 128 }),
];

/// The events of the dialect's own.
const EVENTS: &[&str] = &[
    "connect.challenge",
    "node.invoke.request",
    "node.invoke.cancel",
    "node.invoke.input",
    "node.pair.resolved",
    "shutdown",
    "tick",
];

/// Frames that may come between a `connect` and the reply to it (openclaw page 3).
const MOST_PENDING_FRAMES: usize = 15;
