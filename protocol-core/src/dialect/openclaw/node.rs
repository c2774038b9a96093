use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::connect::{Auth, Challenge, Connect};
use super::refusal::Reaction;
use super::wire::{self, ErrorShape, Frame, HelloAuth, Payload, Policy, ReplyTo, RequestId};
use super::{Config, DeviceToken, MOST_CONNECT_BYTES, OLDER_PROTOCOL, PROTOCOL, Refusal};
use super::{RefusalCode, Role};
use crate::call::CallError;
use crate::dialect::json::{self, Field};
use crate::dialect::nodetool::DEFAULT_USER_ID;
use crate::dialect::{
    AfterDenial, FaultReply, FromGateway, MOST_NAME_BYTES, Message, Name, NodeSession, Rules,
    TaskKind, ToGateway, Unsayable, Welcome,
};
use crate::node::Endpoint;
use crate::secret::{Credentials, Secret};
use crate::state::{Cursor, Malformed, Saver, State};
use crate::time::Timestamp;
use crate::websocket::{ClientRequest, CloseCode, Connection, InvalidRequest};
use crate::work::{Outcome, Task};

/// The node's side, and an operator's.
#[derive(Debug)]
pub(crate) struct Node {
    config: Config,
    /// The version that is tried. An older gateway has to say so first.
    protocol: u32,
    /// Whether the version was changed since the gateway last let the node in.
    switched: bool,
    /// Whether the next attempt shows the kept device token beside the shared one, and whether that was tried already.
    with_device_token: bool,
    tried_device_token: bool,
    bootstrap_spent: bool,
    /// Of the present connection.
    credentials: Credentials,
    challenge: Option<Challenge>,
    welcomed: bool,
    most_bytes: usize,
    sent: u64,
    heard: Secrets,
}

/// Secrets that the gateway said.
#[derive(Debug, Default)]
struct Secrets {
    different: Vec<Secret>,
    /// How often it said one.
    said: usize,
}

impl Node {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            protocol: PROTOCOL,
            switched: false,
            with_device_token: false,
            tried_device_token: false,
            bootstrap_spent: false,
            credentials: Credentials::none(),
            challenge: None,
            welcomed: false,
            most_bytes: MOST_BYTES,
            sent: 0,
            heard: Secrets::default(),
        }
    }
}

impl NodeSession for Node {
    fn name(&self) -> Option<Name> {
        Some(Name::Openclaw)
    }

    fn rules(&self) -> Rules {
        super::RULES
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        _credentials: &Credentials,
    ) -> Result<ClientRequest, InvalidRequest> {
        ClientRequest::new(&endpoint.authority, &endpoint.target)
    }

    fn begin(&mut self, credentials: &Credentials) {
        self.credentials = credentials.clone();
        self.challenge = None;
        self.welcomed = false;
        self.most_bytes = MOST_BYTES;
        self.sent = 0;
        self.heard = Secrets::default();
    }

    fn registers_unasked(&self) -> bool {
        false
    }

    fn awaits_welcome(&self) -> bool {
        true
    }

    fn read(&mut self, message: Message<'_>) -> FromGateway {
        let Some(text) = message.as_json() else { return fault("a frame must hold JSON in UTF-8") };
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else {
            return fault("a frame must be a JSON object");
        };
        match frame.kind.text("type").ok().flatten().as_deref() {
            Some("event") => self.read_event(&frame, text),
            Some("res") => self.read_reply(&frame),
            Some("req") => fault("a gateway does not send requests"),
            _ => fault("a frame must have the type `event` or `res`"),
        }
    }

    fn write(
        &mut self,
        _utc: Timestamp,
        words: ToGateway<'_>,
        out: &mut Connection,
    ) -> Result<(), Unsayable> {
        match words {
            ToGateway::Register { commands, signature, .. } => {
                return self.register(commands, signature, out);
            }
            ToGateway::Progress { request_id, update, sequence, .. } => {
                for chunk in chunks(update.data.get()) {
                    let id = self.next_id();
                    let progress = wire::InvokeProgress {
                        invoke_id: request_id,
                        node_id: self.node_id(),
                        seq: *sequence,
                        chunk,
                    };
                    wire::request(out, id, "node.invoke.progress", progress);
                    *sequence += 1;
                }
            }
            ToGateway::Answer { request_id, outcome, .. } => self.answer(request_id, outcome, out),
            ToGateway::Call { call, method, params, traceparent } => {
                let size = params.get().len() + method.len();
                if size + ENVELOPE_BYTES > self.most_bytes {
                    let most = self.most_bytes;
                    return Err(Unsayable(format!(
                        "the call has {size} bytes; this gateway takes at most {most} with its envelope"
                    )));
                }
                let id = RequestId::Call(call);
                wire::traced_request(out, id, method, params, traceparent);
            }
            // The gateway takes nothing but requests, and hears of life by pongs.
            ToGateway::Alive
            | ToGateway::Accept { .. }
            | ToGateway::Error { .. }
            | ToGateway::Custom(_) => {}
        }
        Ok(())
    }

    fn takes_custom(&self, _text: &str) -> bool {
        false
    }

    fn has_calls(&self) -> bool {
        true
    }

    fn secrets_heard(&self) -> (&[Secret], usize) {
        (&self.heard.different, self.heard.said)
    }

    fn sign_text_with(&self, credentials: &Credentials) -> Option<Secret> {
        self.connect(&[], credentials, self.challenge.as_ref()?).payload()
    }

    fn connect_with(
        &self,
        commands: &[String],
        credentials: &Credentials,
        signature: Option<&str>,
    ) -> Option<Vec<u8>> {
        let connect = self.connect(commands, credentials, self.challenge.as_ref()?);
        connect.json_that_fits(signature).ok()
    }

    fn save(&self, to: &mut Saver<'_>) {
        let Self {
            config: _,
            protocol,
            switched,
            with_device_token,
            tried_device_token,
            bootstrap_spent,
            credentials,
            challenge,
            welcomed,
            most_bytes,
            sent,
            // Of use to a recording alone, which has heard them.
            heard: _,
        } = self;
        protocol.save(to);
        switched.save(to);
        with_device_token.save(to);
        tried_device_token.save(to);
        bootstrap_spent.save(to);
        credentials.save(to);
        challenge.save(to);
        welcomed.save(to);
        most_bytes.save(to);
        sent.save(to);
    }

    fn load(&mut self, from: &mut Cursor<'_>) -> Result<(), Malformed> {
        *self = Self {
            config: self.config.clone(),
            protocol: State::load(from)?,
            switched: State::load(from)?,
            with_device_token: State::load(from)?,
            tried_device_token: State::load(from)?,
            bootstrap_spent: State::load(from)?,
            credentials: State::load(from)?,
            challenge: State::load(from)?,
            welcomed: State::load(from)?,
            most_bytes: State::load(from)?,
            sent: State::load(from)?,
            heard: Secrets::default(),
        };
        Ok(())
    }
}

// What the gateway says.
impl Node {
    fn read_event(&mut self, frame: &Frame<'_>, text: &str) -> FromGateway {
        let event = frame.event.text("event").ok().flatten().unwrap_or_default();
        match &*event {
            "connect.challenge" => self.read_challenge(frame),
            // Nothing else is expected before the gateway has let the node in.
            _ if !self.welcomed => FromGateway::Nothing,
            "tick" => FromGateway::Nothing,
            "node.invoke.request" => read_invoke(frame),
            "node.invoke.cancel" => {
                match Payload::of(frame.payload).invoke_id.required_text("invokeId") {
                    Ok(id) => FromGateway::Cancel { request_id: id.into_owned() },
                    Err(invalid) => fault(&invalid.to_string()),
                }
            }
            "node.pair.resolved" if self.config.role == Role::Node => {
                let payload = Payload::of(frame.payload);
                let decision = payload.decision.text("decision").ok().flatten();
                let own = payload.node_id.text("nodeId").ok().flatten();
                if decision.as_deref() == Some("approved") && own.as_deref() == Some(self.node_id())
                {
                    FromGateway::Approved
                } else {
                    custom(&event, text)
                }
            }
            "shutdown" => {
                let payload = Payload::of(frame.payload);
                FromGateway::GoingAway {
                    reason: payload.reason.describe(),
                    back_in: milliseconds(payload.restart_expected_ms),
                }
            }
            _ => custom(&event, text),
        }
    }

    fn read_challenge(&mut self, frame: &Frame<'_>) -> FromGateway {
        if self.challenge.is_some() {
            return fault("a second challenge on one connection");
        }
        let payload = Payload::of(frame.payload);
        let nonce = match payload.nonce.required_text("nonce") {
            Ok(nonce) if (1..=MOST_NAME_BYTES).contains(&nonce.len()) => nonce.into_owned(),
            Ok(_) => return fault("`nonce` must have 1 to 1024 bytes"),
            Err(invalid) => return fault(&invalid.to_string()),
        };
        let Some(at_ms) = number(payload.ts) else {
            return fault("`ts` must be the gateway's time in milliseconds");
        };
        self.challenge = Some(Challenge { nonce, at_ms });
        FromGateway::Challenge { sign: self.sign_text_with(&self.credentials) }
    }

    fn read_reply(&mut self, frame: &Frame<'_>) -> FromGateway {
        let id = frame.id.text("id").ok().flatten().unwrap_or_default();
        let ok = frame.ok.raw().is_some_and(|ok| ok.get() == "true");
        match ReplyTo::of(&id) {
            ReplyTo::Connect if self.welcomed => fault("a second reply to `connect`"),
            ReplyTo::Connect if ok => self.read_hello(frame),
            ReplyTo::Connect => self.read_denial(frame),
            ReplyTo::Call(call) if ok => {
                let result = frame.payload.raw().map_or_else(json::null, ToOwned::to_owned);
                FromGateway::Reply { call, result: Ok(result) }
            }
            ReplyTo::Call(call) => {
                FromGateway::Reply { call, result: Err(call_error(frame.error)) }
            }
            ReplyTo::Other if ok => FromGateway::Nothing,
            ReplyTo::Other => {
                let error = call_error(frame.error);
                let details = frame.error.raw().map(|error| error.get().to_owned());
                FromGateway::Error { error: error.to_string(), details }
            }
        }
    }

    fn read_hello(&mut self, frame: &Frame<'_>) -> FromGateway {
        self.heard.collect(frame.payload);
        let hello = Payload::of(frame.payload);
        if hello.kind.text("type").ok().flatten().as_deref() != Some("hello-ok") {
            return fault("the reply to `connect` must be `hello-ok`");
        }
        let protocol = number(hello.protocol).unwrap_or(u64::from(self.protocol));
        if protocol > u64::from(self.protocol) && !self.switched_down() {
            self.protocol = PROTOCOL;
            let why = "gateway protocol upgraded";
            return FromGateway::Leave { code: CloseCode::SERVICE_RESTART, why };
        }
        self.welcomed = true;
        self.switched = false;
        self.tried_device_token = false;
        self.with_device_token = false;
        let shown = Auth::choose(&self.credentials, false, self.bootstrap_spent);
        self.bootstrap_spent |= shown.shows_bootstrap_token();
        let policy: Policy<'_> = parse(hello.policy);
        if let Some(most) = number(policy.max_payload).and_then(|most| usize::try_from(most).ok()) {
            self.most_bytes = most.max(MOST_CONNECT_BYTES);
        }
        let auth: HelloAuth<'_> = parse(hello.auth);
        let token = auth.device_token.text("deviceToken").ok().flatten();
        let role = auth.role.text("role").ok().flatten();
        let scopes = auth.scopes.raw().and_then(|raw| serde_json::from_str(raw.get()).ok());
        let device_token = token.map(|token| DeviceToken {
            token: Secret::new(token),
            role: role.unwrap_or_else(|| self.config.role.name().into()).into_owned(),
            scopes: scopes.unwrap_or_default(),
        });
        FromGateway::Welcome(Welcome { device_token, tick: milliseconds(policy.tick_interval_ms) })
    }

    /// A gateway that asked for the older version on this very connection means it, whatever its `hello-ok` says.
    fn switched_down(&self) -> bool {
        self.switched && self.protocol == OLDER_PROTOCOL
    }

    fn read_denial(&mut self, frame: &Frame<'_>) -> FromGateway {
        let error = frame.error.raw().map_or("null", RawValue::get);
        let refusal = Box::new(Refusal::parse(error));
        let mut forget_device_token = false;
        let others = self.credentials.token.is_some()
            || self.credentials.password.is_some()
            || (self.credentials.bootstrap_token.is_some() && !self.bootstrap_spent);
        let kept = self.credentials.device_token.is_some();
        let next = match refusal.reaction() {
            Reaction::Retry => AfterDenial::Retry,
            Reaction::RetryAfter(time) => AfterDenial::RetryAfter(time),
            Reaction::AwaitApproval => AfterDenial::AwaitApproval,
            Reaction::RetryWithDeviceToken => {
                let may = kept && self.config.trusted_endpoint && !self.tried_device_token;
                self.with_device_token = may;
                self.tried_device_token |= may;
                if may { AfterDenial::RetryDifferently } else { AfterDenial::Stop }
            }
            Reaction::ForgetDeviceToken => {
                forget_device_token = kept;
                self.with_device_token = false;
                if others && kept { AfterDenial::Retry } else { AfterDenial::Stop }
            }
            Reaction::SwitchProtocol(version) => {
                let known = version == PROTOCOL || version == OLDER_PROTOCOL;
                if known && version != self.protocol && !self.switched {
                    self.protocol = version;
                    self.switched = true;
                    AfterDenial::RetryDifferently
                } else {
                    AfterDenial::Stop
                }
            }
            // A setup code is good once; a device that was paired with it does not need it any more.
            Reaction::Stop
                if refusal.code() == &RefusalCode::AuthBootstrapTokenInvalid
                    && !self.bootstrap_spent
                    && kept =>
            {
                self.bootstrap_spent = true;
                AfterDenial::RetryDifferently
            }
            Reaction::Stop => AfterDenial::Stop,
        };
        FromGateway::Denied { refusal, next, forget_device_token }
    }
}

impl Secrets {
    /// Whatever a `hello-ok` calls a token, such as `auth.deviceToken` and those of `auth.deviceTokens`.
    fn collect(&mut self, payload: Field<'_>) {
        let payload = payload.raw().and_then(|raw| serde_json::from_str(raw.get()).ok());
        let mut rest: Vec<(bool, Value)> =
            payload.map(|payload| (false, payload)).into_iter().collect();
        while let Some((secret, value)) = rest.pop() {
            match value {
                Value::Object(fields) => rest.extend(fields.into_iter().map(|(name, value)| {
                    let name = name.to_ascii_lowercase();
                    (SECRET_NAMES.iter().any(|end| name.ends_with(end)), value)
                })),
                Value::Array(values) => {
                    rest.extend(values.into_iter().map(|value| (secret, value)));
                }
                Value::String(text) if secret && !text.is_empty() => {
                    self.said += 1;
                    let text = Secret::new(text);
                    if !self.different.contains(&text) {
                        self.different.push(text);
                    }
                }
                _ => {}
            }
        }
    }
}

// What the gateway is told.
impl Node {
    fn register(
        &mut self,
        commands: &[String],
        signature: Option<&str>,
        out: &mut Connection,
    ) -> Result<(), Unsayable> {
        let Some(challenge) = &self.challenge else { return Ok(()) };
        let connect = self.connect(commands, &self.credentials, challenge);
        let json = connect.json_that_fits(signature).map_err(|size| {
            Unsayable(format!(
                "the connect request has {size} bytes, and a gateway reads at most {MOST_CONNECT_BYTES}; serve fewer commands",
            ))
        })?;
        let _ = out.send_text_with(|buffer| buffer.extend_from_slice(&json));
        Ok(())
    }

    fn connect<'a>(
        &'a self,
        commands: &'a [String],
        credentials: &'a Credentials,
        challenge: &'a Challenge,
    ) -> Connect<'a> {
        Connect {
            config: &self.config,
            commands,
            protocol: self.protocol,
            auth: Auth::choose(credentials, self.with_device_token, self.bootstrap_spent),
            challenge,
        }
    }

    fn answer(&mut self, request_id: &str, outcome: &Outcome, out: &mut Connection) {
        let id = self.next_id();
        let most = self.most_bytes.saturating_sub(ENVELOPE_BYTES + request_id.len());
        let node_id = self.node_id();
        let failed = |code, message| wire::InvokeResult {
            id: request_id,
            node_id,
            ok: false,
            payload_json: None,
            payload: None,
            error: Some(wire::InvokeError { code, message }),
        };
        let too_large;
        let result = match outcome {
            Outcome::Completed(result) if result.get().len() > most => {
                too_large = format!(
                    "the result has {} bytes; this gateway takes at most {most}",
                    result.get().len()
                );
                failed(UNAVAILABLE, too_large.as_str())
            }
            Outcome::Completed(result) => {
                let text = Some(result.get()).filter(|text| quoted_len(text) <= most);
                wire::InvokeResult {
                    id: request_id,
                    node_id,
                    ok: true,
                    payload_json: text,
                    payload: if text.is_none() { Some(result) } else { None },
                    error: None,
                }
            }
            Outcome::Failed(failure) => {
                let code = failure.code.as_deref().filter(|code| !code.is_empty());
                let code = code.unwrap_or(UNAVAILABLE);
                failed(code, head(&failure.message, MOST_MESSAGE_BYTES.min(most / 6)))
            }
        };
        wire::request(out, id, "node.invoke.result", result);
    }

    fn node_id(&self) -> &str {
        self.config.device.as_ref().map_or("", |device| device.id())
    }

    fn next_id(&mut self) -> RequestId {
        self.sent += 1;
        RequestId::Invoke(self.sent)
    }
}

fn read_invoke(frame: &Frame<'_>) -> FromGateway {
    let payload = Payload::of(frame.payload);
    let request_id = match payload.id.required_text("id") {
        Ok(id) if (1..=MOST_NAME_BYTES).contains(&id.len()) => id.into_owned(),
        Ok(_) => return fault("`id` must have 1 to 1024 bytes"),
        Err(invalid) => return fault(&invalid.to_string()),
    };
    let name = match payload.command.required_text("command") {
        Ok(name) if name.len() <= MOST_NAME_BYTES => name.into_owned(),
        Ok(_) => return fault("`command` must have at most 1024 bytes"),
        Err(invalid) => return fault(&invalid.to_string()),
    };
    let kind = TaskKind::Command(name.as_str().into());
    match invoke_params(payload.params_json) {
        Ok(args) => {
            let time = milliseconds(payload.timeout_ms).filter(|time| !time.is_zero());
            let task = Task::Command { name, args };
            FromGateway::Work { request_id, user_id: DEFAULT_USER_ID.to_owned(), task, time }
        }
        Err(problem) => FromGateway::Fault {
            problem: format!("INVALID_REQUEST: {problem}"),
            reply: FaultReply::Answer { request_id, kind, code: Some("INVALID_REQUEST") },
        },
    }
}

/// The parameters are JSON in a string, or null where the caller gave none.
fn invoke_params(field: Field<'_>) -> Result<Box<RawValue>, String> {
    let Some(text) = field.text("paramsJSON").map_err(|invalid| invalid.to_string())? else {
        return Ok(json::empty_object());
    };
    match text.trim_start().as_bytes().first() {
        None => Ok(json::empty_object()),
        Some(b'{') => RawValue::from_string(text.into_owned())
            .map_err(|error| format!("paramsJSON malformed JSON: {error}")),
        Some(_) => match serde_json::from_str::<&RawValue>(&text) {
            Ok(raw) if raw.get() == "null" => Ok(json::empty_object()),
            Ok(_) => Err("the params must be an object".to_owned()),
            Err(error) => Err(format!("paramsJSON malformed JSON: {error}")),
        },
    }
}

fn call_error(field: Field<'_>) -> CallError {
    let error: ErrorShape<'_> = parse(field);
    let code = error.code.text("code").ok().flatten();
    CallError::Refused {
        code: code.map_or_else(|| UNAVAILABLE.to_owned(), |code| code.into_owned()),
        message: error.message.describe(),
        details: error.details.raw().map(ToOwned::to_owned),
        retryable: error.retryable.raw().is_some_and(|raw| raw.get() == "true"),
        retry_after: milliseconds(error.retry_after_ms),
    }
}

fn parse<'a, T: Default + serde::Deserialize<'a>>(field: Field<'a>) -> T {
    field.raw().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn custom(event: &str, text: &str) -> FromGateway {
    FromGateway::Custom { kind: event.to_owned(), text: text.to_owned() }
}

/// The gateway is not told of a bad frame: it takes nothing but requests.
fn fault(problem: &str) -> FromGateway {
    FromGateway::Fault { problem: problem.to_owned(), reply: FaultReply::Silence }
}

/// A number that counts something; fractions are cut off, and what is negative is no such number.
fn number(field: Field<'_>) -> Option<u64> {
    let text = field.raw()?.get();
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        // 2^53: beyond it a JSON number is no exact one.
        (0.0..=9_007_199_254_740_992.0).contains(&number).then_some(number as u64)
    })
}

fn milliseconds(field: Field<'_>) -> Option<Duration> {
    number(field).map(Duration::from_millis)
}

/// The text in pieces of at most 16,384 UTF-16 code units, the gateway's measure (openclaw page 11.6).
fn chunks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut units = 0;
        let end = rest.char_indices().find_map(|(index, char)| {
            units += char.len_utf16();
            (units > MOST_CHUNK_UNITS).then_some(index)
        });
        let (chunk, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(chunk)
    })
}

/// How many bytes JSON text has as a string in JSON. It holds no raw control characters but white space.
fn quoted_len(json: &str) -> usize {
    let escaped = json.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t'));
    json.len() + escaped.count() + 2
}

/// As much of the text as fits.
fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What a gateway takes unless it says otherwise (openclaw page 7).
const MOST_BYTES: usize = 26_214_400;

/// More than everything in a frame but its content: names, the frame's and the node's ids.
const ENVELOPE_BYTES: usize = 512;

/// Far more than a sentence needs.
const MOST_MESSAGE_BYTES: usize = 64 << 10;

const MOST_CHUNK_UNITS: usize = 16_384;

const UNAVAILABLE: &str = "UNAVAILABLE";

/// The ends of the names of fields whose texts are secret.
const SECRET_NAMES: [&str; 3] = ["token", "secret", "password"];
