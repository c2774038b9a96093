//! What a node says that was let in (openclaw pages 11 and 13).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::schema::{Kind, Object, Property};
use super::wire::{self, CallTaken, ErrorShape, EventTaken, Taken};
use super::{FRAME, Role, fault, request_of};
use crate::dialect::json;
use crate::dialect::{Heard, Message};
use crate::peer::FromNode;
use crate::text::{MOST_REASON_BYTES, fitting};
use crate::websocket::CloseCode;
use crate::work::{Failure, Outcome};

/// Who is connected, and how far the talk with it is.
pub(super) struct Member {
    pub(super) node_id: String,
    role: &'static str,
    /// Whether what it says it can do is approved.
    pub(super) approved: bool,
    /// Requests without an answer, and which number their next news has.
    pub(super) open: BTreeMap<String, u64>,
    /// Events to everybody so far.
    broadcasts: u64,
    /// Calls in a row that it has no right to.
    unauthorized: u32,
}

/// What a request is answered with, and what the application hears of it.
type Answered<'a> = (Result<Reply<'a>, Error<'a>>, Heard);

enum Reply<'a> {
    Taken(Taken),
    Event(EventTaken<'a>),
    Call(CallTaken<'a>),
}

type Error<'a> = ErrorShape<'a, wire::CodeDetails>;

impl Member {
    pub(super) fn new(node_id: String, role: &Role, approved: bool) -> Self {
        Self {
            node_id,
            role: role.name(),
            approved,
            open: BTreeMap::new(),
            broadcasts: 0,
            unauthorized: 0,
        }
    }

    pub(super) fn next_broadcast(&mut self) -> u64 {
        self.broadcasts += 1;
        self.broadcasts
    }

    /// Reads a message, and leaves what it is answered with in `reply`.
    pub(super) fn read(&mut self, message: Message<'_>, reply: &mut Option<Vec<u8>>) -> Heard {
        let Message::Text(text) = message else { return fault("binary messages are ignored") };
        if serde_json::from_str::<&RawValue>(text).is_err() {
            return fault("what is not JSON is ignored");
        }
        let frame = match Object::read(text, FRAME) {
            Ok(frame) => request_of(&frame).ok_or("at /id: must not be so long".to_owned()),
            Err(problem) => Err(problem),
        };
        let (id, method, params) = match frame {
            Ok(request) => request,
            Err(problem) => {
                let problem = format!("invalid request frame: {problem}");
                let id = readable_id(text);
                let id = id.as_deref().unwrap_or("invalid");
                *reply = Some(wire::failure(id, &ErrorShape::invalid_request(&problem)));
                return fault(&problem);
            }
        };
        let params = params.map_or("{}", RawValue::get);
        if self.role != "node" || !METHODS.contains(&method.as_str()) {
            return self.unauthorized(&id, reply);
        }
        self.unauthorized = 0;
        let taken = match method.as_str() {
            "node.invoke.result" => self.result(params),
            "node.invoke.progress" => self.progress(params),
            "node.event" => self.event(params),
            _ => Ok(self.call(&method, params)),
        };
        match taken {
            Ok((Ok(granted), heard)) => {
                *reply = Some(match granted {
                    Reply::Taken(taken) => wire::success(&id, taken),
                    Reply::Event(taken) => wire::success(&id, taken),
                    Reply::Call(taken) => wire::success(&id, taken),
                });
                heard
            }
            Ok((Err(error), heard)) => {
                *reply = Some(wire::failure(&id, &error));
                heard
            }
            Err(problem) => {
                *reply = Some(wire::failure(&id, &ErrorShape::invalid_request(&problem)));
                fault(&problem)
            }
        }
    }

    fn unauthorized(&mut self, id: &str, reply: &mut Option<Vec<u8>>) -> Heard {
        self.unauthorized += 1;
        if self.unauthorized > MOST_UNAUTHORIZED {
            let why = "repeated unauthorized calls".to_owned();
            let code = CloseCode::POLICY_VIOLATION;
            return Heard::Offence { problem: why.clone(), code, why };
        }
        let problem = format!("unauthorized role: {}", self.role);
        *reply = Some(wire::failure(id, &ErrorShape::invalid_request(&problem)));
        fault(&problem)
    }

    fn result<'a>(&mut self, params: &'a str) -> Result<Answered<'a>, String> {
        let mut moved = None;
        let params = Object::read_with(params, RESULT, |params| {
            for name in ["payloadJSON", "error"] {
                if params.raw(name).is_some_and(|raw| raw.get() == "null") {
                    params.remove(name);
                }
            }
            // An object there is taken for the payload itself.
            if params.raw("payloadJSON").is_some_and(|raw| raw.get().starts_with('{')) {
                moved = params.remove("payloadJSON");
            }
        })
        .map_err(|problem| format!("invalid node.invoke.result params: {problem}"))?;
        let request_id = self.own(&params, "id")?;
        if self.open.remove(&*request_id).is_none() {
            return Ok(ignored(&request_id));
        }
        let ok = params.raw("ok").is_some_and(|ok| ok.get() == "true");
        let outcome = if ok {
            let payload = moved.or(params.raw("payload")).map(ToOwned::to_owned);
            Outcome::Completed(payload.unwrap_or_else(|| read_payload(params.text("payloadJSON"))))
        } else {
            let error = params.object("error");
            let text = |name| error.as_ref().and_then(|error| error.text(name));
            let message = text("message").unwrap_or("node invoke failed".into()).into_owned();
            let code = text("code").map(|code| Cow::Owned(code.into_owned()));
            Outcome::Failed(Failure { code, message, partial: None })
        };
        let request_id = request_id.into_owned();
        let answered = FromNode::Answered { request_id, job_id: None, outcome };
        Ok((Ok(Reply::Taken(Taken::new(false))), Heard::Message(answered)))
    }

    fn progress<'a>(&mut self, params: &'a str) -> Result<Answered<'a>, String> {
        let params = Object::read(params, PROGRESS)
            .map_err(|problem| format!("invalid node.invoke.progress params: {problem}"))?;
        let request_id = self.own(&params, "invokeId")?;
        let Some(next) = self.open.get_mut(&*request_id) else { return Ok(ignored(&request_id)) };
        if params.number("seq") != Some(*next) {
            return Err(format!("invalid node.invoke.progress params: at /seq: must be {next}"));
        }
        *next += 1;
        let progress = FromNode::Progress {
            request_id: request_id.into_owned(),
            job_id: None,
            kind: String::new(),
            data: params.raw("chunk").map_or_else(json::null, ToOwned::to_owned),
        };
        Ok((Ok(Reply::Taken(Taken::new(false))), Heard::Message(progress)))
    }

    fn event<'a>(&mut self, params: &'a str) -> Result<Answered<'a>, String> {
        let object = Object::read(params, EVENT)
            .map_err(|problem| format!("invalid node.event params: {problem}"))?;
        if !self.approved {
            return Ok((Err(ErrorShape::pairing_changed()), refused("node.event")));
        }
        let name = object.text("event").unwrap_or_default();
        let known = KNOWN_EVENTS.iter().find(|(known, ..)| *known == name);
        if name == "chat.subscribe" || name == "chat.unsubscribe" {
            return Ok((Ok(Reply::Taken(Taken::new(false))), called("node.event", params)));
        }
        let (handled, reason) = match known {
            Some((_, handled, reason)) if payload_is_object(&object) => (*handled, *reason),
            Some(_) => (false, "invalid_payload"),
            None => (false, "unsupported_event"),
        };
        let taken = EventTaken { ok: true, event: name, handled, reason };
        Ok((Ok(Reply::Event(taken)), called("node.event", params)))
    }

    /// Calls that say something, or ask for what there never is here.
    fn call<'a>(&'a self, method: &str, params: &'a str) -> Answered<'a> {
        const TOOLS: &[Property] = &[Property::required("tools", Kind::Any)];
        const SKILLS: &[Property] = &[Property::required("skills", Kind::Any)];
        let node_id = Some(self.node_id.as_str());
        let taken = match method {
            "health" => CallTaken { ok: Some(true), ..CallTaken::default() },
            "skills.bins" => CallTaken { bins: Some([]), ..CallTaken::default() },
            "node.pending.pull" => CallTaken { node_id, actions: Some([]), ..CallTaken::default() },
            "node.runnerInventory.update" if !self.approved => {
                let message = "node capability surface is awaiting operator approval";
                return (Err(ErrorShape::unavailable(message)), refused(method));
            }
            "node.runnerInventory.update" => CallTaken { node_id, ..CallTaken::default() },
            "node.pluginTools.update" => match Object::read(params, TOOLS) {
                Ok(object) => {
                    CallTaken { node_id, tools: object.raw("tools"), ..CallTaken::default() }
                }
                Err(_) => return invalid("invalid node.pluginTools.update params"),
            },
            "node.skills.update" => match Object::read(params, SKILLS) {
                Ok(object) => {
                    CallTaken { node_id, skills: object.raw("skills"), ..CallTaken::default() }
                }
                Err(_) => return invalid("invalid node.skills.update params"),
            },
            _ => {
                let message = "this gateway has nothing to say to it";
                return (Err(ErrorShape::unavailable(message)), called(method, params));
            }
        };
        (Ok(Reply::Call(taken)), called(method, params))
    }

    /// The request that something is about, if it comes from this node.
    fn own<'a>(&self, params: &Object<'a>, name: &str) -> Result<Cow<'a, str>, String> {
        if params.text("nodeId").as_deref() != Some(&*self.node_id) {
            return Err("nodeId mismatch".to_owned());
        }
        Ok(params.text(name).unwrap_or_default())
    }
}

fn ignored<'a>(request_id: &str) -> Answered<'a> {
    let request_id = fitting(request_id, MOST_REASON_BYTES).to_owned();
    (Ok(Reply::Taken(Taken::new(true))), Heard::Message(FromNode::Ignored { request_id }))
}

fn called(method: &str, params: &str) -> Heard {
    let params = RawValue::from_string(params.to_owned()).expect("it was read as JSON");
    Heard::Message(FromNode::Called { method: method.to_owned(), params })
}

fn refused(method: &str) -> Heard {
    Heard::Message(FromNode::Unapproved { method: method.to_owned() })
}

fn invalid<'a>(problem: &'static str) -> Answered<'a> {
    (Err(ErrorShape::invalid_request(problem)), fault(problem))
}

/// The result in a string. What is no JSON is passed on within some.
fn read_payload(text: Option<Cow<'_, str>>) -> Box<RawValue> {
    let Some(text) = text else { return json::null() };
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(payload) => payload.to_owned(),
        Err(_) => {
            let text = serde_json::to_string(&text).expect("a string is JSON");
            RawValue::from_string(format!(r#"{{"payloadJSON":{text}}}"#)).expect("it is JSON")
        }
    }
}

fn payload_is_object(params: &Object<'_>) -> bool {
    let is_object = |text: &str| {
        let raw = serde_json::from_str::<&RawValue>(text);
        raw.is_ok_and(|raw| raw.get().starts_with('{'))
    };
    match params.text("payloadJSON") {
        Some(text) => is_object(&text),
        None => params.raw("payload").is_some_and(|raw| is_object(raw.get())),
    }
}

/// The id of what is no good request.
fn readable_id(text: &str) -> Option<String> {
    let frame: super::super::wire::Frame<'_> = serde_json::from_str(text).ok()?;
    let id = frame.id.text("id").ok()??;
    (1..=super::MOST_NAME_BYTES).contains(&id.len()).then(|| id.into_owned())
}

/// What a node may call.
pub(super) const METHODS: &[&str] = &[
    "node.invoke.result",
    "node.invoke.progress",
    "node.event",
    "node.pluginTools.update",
    "node.skills.update",
    "node.runnerInventory.update",
    "node.pending.pull",
    "node.pending.ack",
    "node.pending.drain",
    "node.pluginSurface.refresh",
    "skills.bins",
    "health",
];

/// Events, whether something is done about them, and the word for it.
const KNOWN_EVENTS: &[(&str, bool, &str)] = &[
    ("node.host.stats", true, "updated"),
    ("node.presence.alive", true, "persisted"),
    ("node.presence.activity", false, "permission_required"),
    ("exec.started", false, "unmatched_exec_event"),
    ("exec.finished", false, "unmatched_exec_event"),
    ("exec.denied", false, "unmatched_exec_event"),
];

const RESULT: &[Property] = &[
    Property::required("id", Kind::TEXT),
    Property::required("nodeId", Kind::TEXT),
    Property::required("ok", Kind::Boolean),
    Property::optional("payload", Kind::Any),
    Property::optional("payloadJSON", Kind::ANY_TEXT),
    Property::optional("error", Kind::Object(ERROR)),
];

const ERROR: &[Property] =
    &[Property::optional("code", Kind::TEXT), Property::optional("message", Kind::TEXT)];

const PROGRESS: &[Property] = &[
    Property::required("invokeId", Kind::TEXT),
    Property::required("nodeId", Kind::TEXT),
    Property::required("seq", Kind::Integer { least: 0 }),
    Property::required("chunk", Kind::Text { least: 0, most: 16_384 }),
];

const EVENT: &[Property] = &[
    Property::required("event", Kind::TEXT),
    Property::optional("payload", Kind::Any),
    Property::optional("payloadJSON", Kind::ANY_TEXT),
];

/// Calls without a right to them that are answered, one after the other; the next one ends the connection.
const MOST_UNAUTHORIZED: u32 = 10;
