//! What happened, in lines for people.

use std::fmt;
use std::time::Duration;

use clawnode_protocol::node::{Action, Event, Input};
use clawnode_protocol::recording::{Replay, Step, What};
use clawnode_protocol::websocket::{self, Connection, Role};
use clawnode_protocol::{Credentials, Outcome, Task, Timestamp};
use serde_json::{Map, Value};

/// Where something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Gateway = 0,
    Node = 1,
    Application = 2,
}

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Control,
    Connection,
    Work,
    Timer,
    Trouble,
    Bytes,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Control => "control",
            Self::Connection => "connection",
            Self::Work => "work",
            Self::Timer => "timer",
            Self::Trouble => "trouble",
            Self::Bytes => "bytes",
        }
    }
}

/// One event.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) at: Duration,
    pub(super) kind: Kind,
    pub(super) from: Lane,
    pub(super) to: Lane,
    /// In a few words.
    pub(super) short: String,
    /// The whole of it, where that is more.
    pub(super) long: Option<String>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match (self.from, self.to) {
            (Lane::Gateway, _) => "gateway >",
            (Lane::Application, _) => "application >",
            (_, Lane::Gateway) => "> gateway",
            (_, Lane::Application) => "> application",
            _ => "",
        };
        let text = self.long.as_ref().unwrap_or(&self.short);
        write!(f, "{:>12.6} {way:<13} {text}", self.at.as_secs_f64())
    }
}

/// Lines and sums of a replay.
pub(super) struct Story {
    pub(super) lines: Vec<Line>,
    /// From when to when, by the wall clock.
    pub(super) covered: Option<(Timestamp, Timestamp)>,
    pub(super) last: Duration,
    pub(super) inputs: u64,
    pub(super) connections: u64,
    pub(super) requests: u64,
    pub(super) answers: u64,
    pub(super) received: u64,
    pub(super) queued: u64,
    limits: websocket::Limits,
    from_gateway: FromGateway,
    from_node: Connection,
}

/// The gateway's end of the stream, read for its messages.
enum FromGateway {
    Head(Vec<u8>),
    Open(Box<Connection>),
    Refused,
}

impl Story {
    pub(super) fn new(replay: &Replay<'_>) -> Self {
        let mut limits = replay.header().config.limits.websocket;
        // Whatever was recorded is shown.
        limits.max_message = usize::MAX;
        let (from_gateway, from_node) = match replay.connected_with() {
            Some(unfinished) => {
                let mut open = Connection::upgraded(Role::Client, limits, [0; 32]);
                open.receive(unfinished);
                let node = Connection::upgraded(Role::Server, limits, [0; 32]);
                (FromGateway::Open(Box::new(open)), node)
            }
            None => (FromGateway::Head(Vec::new()), Connection::server(limits)),
        };
        Self {
            lines: Vec::new(),
            covered: None,
            last: Duration::ZERO,
            inputs: 0,
            connections: 0,
            requests: 0,
            answers: 0,
            received: 0,
            queued: 0,
            limits,
            from_gateway,
            from_node,
        }
    }

    pub(super) fn tell(&mut self, step: &Step<'_>) {
        let (from, _) = self.covered.unwrap_or((step.utc, step.utc));
        self.covered = Some((from, step.utc));
        self.last = step.at;
        match &step.what {
            What::Input(input) => self.input(input),
            What::Timeout(due) => {
                self.inputs += 1;
                let text = due.map_or("nothing is due".to_owned(), |due| format!("{due:?}"));
                self.at_node(Kind::Timer, format!("timer: {}", text.to_lowercase()));
            }
            What::Refused(misuse) => self.at_node(Kind::Trouble, format!("refused: {misuse}")),
            What::Action(action) => self.action(action),
            What::Queued(bytes) => {
                self.queued += bytes.len() as u64;
                self.node_says(bytes);
            }
            What::Differs(difference) => {
                self.at_node(Kind::Trouble, format!("DIFFERENT {difference}"));
            }
            other => self.at_node(Kind::Trouble, format!("{other:?}")),
        }
    }

    fn input(&mut self, input: &Input<'_>) {
        self.inputs += 1;
        let from = Lane::Application;
        match input {
            Input::Start => self.arrow(Kind::Connection, from, Lane::Node, "start"),
            Input::Credentials(credentials) => {
                let Credentials { token, password, device_token, bootstrap_token, .. } =
                    credentials;
                let shown: Vec<&str> = [
                    ("token", token),
                    ("password", password),
                    ("device token", device_token),
                    ("bootstrap token", bootstrap_token),
                ]
                .into_iter()
                .filter_map(|(name, secret)| secret.as_ref().map(|_| name))
                .collect();
                let text = match shown.as_slice() {
                    [] => "credentials: none".to_owned(),
                    shown => format!("credentials: {}, as stand-ins", shown.join(", ")),
                };
                self.arrow(Kind::Connection, from, Lane::Node, text);
            }
            Input::CredentialsFailed(why) => {
                self.arrow(Kind::Trouble, from, Lane::Node, format!("no credential: {why}"));
            }
            Input::Signature(_) => {
                self.arrow(Kind::Connection, from, Lane::Node, "signature");
            }
            Input::SigningFailed(why) => {
                self.arrow(Kind::Trouble, from, Lane::Node, format!("no signature: {why}"));
            }
            Input::DeviceTokenKept => {
                self.arrow(Kind::Connection, from, Lane::Node, "device token kept");
            }
            Input::DeviceTokenNotKept(why) => {
                let what = format!("device token not kept: {why}");
                self.arrow(Kind::Trouble, from, Lane::Node, what);
            }
            Input::Call(call) => {
                self.arrow(Kind::Work, from, Lane::Node, format!("call {}", call.method));
            }
            Input::Publish(_) => self.arrow(Kind::Work, from, Lane::Node, "publish"),
            Input::Connected => {
                self.connections += 1;
                self.from_gateway = FromGateway::Head(Vec::new());
                self.from_node = Connection::server(self.limits);
                self.at_node(Kind::Connection, "connected");
            }
            Input::ConnectFailed(why) => {
                self.at_node(Kind::Trouble, format!("could not connect: {why}"));
            }
            Input::ProxyRefused { status, why, .. } => {
                self.at_node(Kind::Trouble, format!("the proxy refused: {status} {why}"));
            }
            Input::Received(bytes) => {
                self.received += bytes.len() as u64;
                self.gateway_says(bytes);
            }
            Input::ReceivedEof => {
                self.arrow(Kind::Connection, Lane::Gateway, Lane::Node, "end of the stream");
            }
            Input::Disconnected(why) => {
                self.at_node(Kind::Trouble, format!("disconnected: {why}"));
            }
            Input::Sent(count) => self.at_node(Kind::Bytes, format!("{count} bytes sent")),
            Input::Timeout => {}
            Input::Admitted(work) => {
                self.arrow(Kind::Work, from, Lane::Node, format!("admitted {work}"));
            }
            Input::NotAdmitted(work, why) => {
                self.arrow(Kind::Trouble, from, Lane::Node, format!("not admitted {work}: {why}"));
            }
            Input::Progress(work, update) => {
                let short = format!("progress {work}: {}", update.kind);
                let long = format!("progress {work}: {} {}", update.kind, update.data);
                self.line(Kind::Work, from, Lane::Node, short, Some(long));
            }
            Input::Answer(work, outcome) => {
                let (short, long) = outcome_in_words(outcome);
                let long = Some(format!("answer {work}: {long}"));
                self.line(Kind::Work, from, Lane::Node, format!("answer {work}: {short}"), long);
            }
            Input::Recorded(work) => {
                self.arrow(Kind::Work, from, Lane::Node, format!("recorded {work}"));
            }
            Input::Cancel(work, why) => {
                self.arrow(Kind::Work, from, Lane::Node, format!("cancel {work}: {why}"));
            }
            Input::Custom(text) => {
                self.arrow(Kind::Work, from, Lane::Node, format!("custom {text}"));
            }
            Input::Stop(grace) => {
                let grace = grace.as_secs_f64();
                self.arrow(Kind::Connection, from, Lane::Node, format!("stop within {grace} s"));
            }
        }
    }

    fn action(&mut self, action: &Action) {
        let to = Lane::Application;
        match action {
            Action::Authenticate => {
                self.arrow(Kind::Connection, Lane::Node, to, "asks for the credentials");
            }
            Action::Sign(_) => self.arrow(Kind::Connection, Lane::Node, to, "asks for a signature"),
            Action::KeepDeviceToken(given) => {
                let text = format!("keep the device token of the role {}", given.role);
                self.arrow(Kind::Connection, Lane::Node, to, text);
            }
            Action::ForgetDeviceToken => {
                self.arrow(Kind::Connection, Lane::Node, to, "forget the device token");
            }
            Action::Reply { id, result } => match result {
                Ok(result) => {
                    let short = format!("reply to call {}", id.0);
                    let long = Some(format!("{short}: {result}"));
                    self.line(Kind::Work, Lane::Node, to, short, long);
                }
                Err(error) => {
                    let text = format!("reply to call {}: {error}", id.0);
                    self.arrow(Kind::Trouble, Lane::Node, to, text);
                }
            },
            Action::Connect => self.at_node(Kind::Connection, "connects"),
            Action::Disconnect => self.at_node(Kind::Connection, "drops the connection"),
            Action::Admit(work) => {
                self.requests += 1;
                let short = format!("admit {} {}", work.id, work.request_id);
                self.arrow(Kind::Work, Lane::Node, to, short);
            }
            Action::Start(work) => {
                let what = match &work.task {
                    Task::Command { name, .. } => name.clone(),
                    _ => "workflow".to_owned(),
                };
                self.arrow(Kind::Work, Lane::Node, to, format!("start {} {what}", work.id));
            }
            Action::Cancel(work) => {
                self.arrow(Kind::Work, Lane::Node, to, format!("cancel {work}"));
            }
            Action::Record(answer) => {
                self.answers += 1;
                self.arrow(Kind::Work, Lane::Node, to, format!("keep answer {}", answer.work));
            }
            Action::Settled(work) => {
                self.arrow(Kind::Work, Lane::Node, to, format!("settled {work}"));
            }
            Action::Notify(Event::Lost { reason, retry_in }) => {
                let text = match retry_in {
                    Some(delay) => format!("lost: {reason}; again in {:.3} s", delay.as_secs_f64()),
                    None => format!("lost: {reason}"),
                };
                self.at_node(Kind::Trouble, text);
            }
            Action::Notify(event @ (Event::Connected | Event::Ready | Event::Approved)) => {
                self.at_node(Kind::Connection, format!("{event:?}").to_lowercase());
            }
            Action::Notify(Event::WaitingForApproval) => {
                self.at_node(Kind::Trouble, "awaits approval of what it may do");
            }
            Action::Notify(Event::GoingAway { reason, back_in }) => {
                let back = back_in.map(|time| format!("; back in {:.3} s", time.as_secs_f64()));
                let text = format!("the gateway goes away: {reason}{}", back.unwrap_or_default());
                self.at_node(Kind::Trouble, text);
            }
            Action::Notify(Event::DeviceTokenLost(why)) => {
                self.at_node(Kind::Trouble, format!("device token not kept: {why}"));
            }
            Action::Notify(Event::Custom { kind, .. }) => {
                self.arrow(Kind::Work, Lane::Node, to, format!("passes on {kind}"));
            }
            Action::Notify(event) => self.at_node(Kind::Trouble, format!("{event:?}")),
            Action::Stopped(reason) => {
                self.at_node(Kind::Connection, format!("stopped: {reason}"));
            }
            other => self.at_node(Kind::Trouble, format!("{other:?}")),
        }
    }

    fn gateway_says(&mut self, bytes: &[u8]) {
        let (from, to) = (Lane::Gateway, Lane::Node);
        if let FromGateway::Head(known) = &mut self.from_gateway {
            known.extend_from_slice(bytes);
            let Some(end) = known.windows(4).position(|four| four == b"\r\n\r\n") else {
                let text = format!("{} bytes received", bytes.len());
                return self.arrow(Kind::Bytes, from, to, text);
            };
            let rest = known.split_off(end + 4);
            let head = String::from_utf8_lossy(known).trim().replace("\r\n", " | ");
            let status = head.split(" | ").next().unwrap_or_default().to_owned();
            let code = status.split(' ').nth(1).unwrap_or_default().to_owned();
            self.line(Kind::Control, from, to, status, Some(head));
            self.from_gateway = match code.as_str() {
                "101" => {
                    let open = Connection::upgraded(Role::Client, self.limits, [0; 32]);
                    FromGateway::Open(Box::new(open))
                }
                interim if interim.starts_with('1') => FromGateway::Head(Vec::new()),
                _ => FromGateway::Refused,
            };
            if !rest.is_empty() {
                self.gateway_says(&rest);
            }
            return;
        }
        match &mut self.from_gateway {
            FromGateway::Open(open) => {
                let said = said(open, bytes);
                if said.is_empty() {
                    let text = format!("{} bytes received", bytes.len());
                    self.arrow(Kind::Bytes, from, to, text);
                }
                for (kind, short, long) in said {
                    self.line(kind, from, to, short, long);
                }
            }
            _ => self.arrow(Kind::Control, from, to, String::from_utf8_lossy(bytes).trim()),
        }
    }

    fn node_says(&mut self, bytes: &[u8]) {
        for (kind, short, long) in said(&mut self.from_node, bytes) {
            self.line(kind, Lane::Node, Lane::Gateway, short, long);
        }
    }

    fn at_node(&mut self, kind: Kind, text: impl Into<String>) {
        self.line(kind, Lane::Node, Lane::Node, text, None);
    }

    fn arrow(&mut self, kind: Kind, from: Lane, to: Lane, text: impl Into<String>) {
        self.line(kind, from, to, text, None);
    }

    fn line(
        &mut self,
        kind: Kind,
        from: Lane,
        to: Lane,
        short: impl Into<String>,
        long: Option<String>,
    ) {
        let (short, long) = (printable(&short.into()), long.map(|long| printable(&long)));
        self.lines.push(Line { at: self.last, kind, from, to, short, long });
    }
}

/// The messages that are whole with these bytes.
fn said(end: &mut Connection, bytes: &[u8]) -> Vec<(Kind, String, Option<String>)> {
    end.receive(bytes);
    let mut lines = Vec::new();
    let mut asked = false;
    while let Some(event) = end.poll() {
        lines.push(match event {
            websocket::Event::Request(request) => {
                asked = true;
                let query = if request.query().is_some() { "?.." } else { "" };
                (Kind::Control, format!("GET {}{query}", request.path()), None)
            }
            websocket::Event::Text(text) => (Kind::Message, summary(text), Some(text.to_owned())),
            websocket::Event::Binary(bytes) => {
                (Kind::Message, format!("{} bytes of binary message", bytes.len()), None)
            }
            websocket::Event::Ping(_) => (Kind::Control, "ping".to_owned(), None),
            websocket::Event::Pong(_) => (Kind::Control, "pong".to_owned(), None),
            websocket::Event::Closed(websocket::Closed::Clean { code, reason, .. }) => {
                let code = code.map_or(String::new(), |code| format!(" {code}"));
                (Kind::Control, format!("close{code} {reason}").trim_end().to_owned(), None)
            }
            websocket::Event::Closed(other) => (Kind::Trouble, other.to_string(), None),
            _ => continue,
        });
        if std::mem::take(&mut asked) {
            let _ = end.accept();
        }
    }
    // What this end would answer is of no interest.
    let _ = end.sent(end.transmit().len());
    lines
}

/// The few fields by which a message is recognised.
fn summary(text: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return text.to_owned() };
    let named = |fields: &Map<String, Value>, names: &[&str]| {
        let values = names.iter().filter_map(|name| fields.get(*name).and_then(Value::as_str));
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    // One of the two dialects has the first names, the other the second, some of them a level deeper.
    let nodetool = ["request_id", "command", "workflow_id", "update_type", "status", "error"];
    let openclaw = ["id", "method", "event"];
    let mut values = named(&fields, &["type"]);
    values.extend(named(&fields, &nodetool));
    values.extend(named(&fields, &openclaw));
    if let Some(ok) = fields.get("ok").and_then(Value::as_bool) {
        values.push(if ok { "ok" } else { "not ok" }.to_owned());
    }
    for (part, names) in [
        ("payload", &["type", "id", "invokeId", "command", "decision"][..]),
        ("params", &["id", "invokeId", "event"][..]),
        ("error", &["code", "message"][..]),
    ] {
        let part = fields.get(part).and_then(Value::as_object);
        values.extend(part.map(|part| named(part, names)).unwrap_or_default());
        let error = part.and_then(|part| part.get("error")).and_then(Value::as_object);
        values.extend(error.map(|error| named(error, &["code", "message"])).unwrap_or_default());
    }
    if values.is_empty() { text.to_owned() } else { values.join(" ") }
}

fn outcome_in_words(outcome: &Outcome) -> (String, String) {
    match outcome {
        Outcome::Completed(result) => ("completed".to_owned(), format!("completed {result}")),
        Outcome::Failed(failure) => {
            let partial = failure.partial.as_ref().map_or(String::new(), |part| format!(" {part}"));
            let short = format!("failed: {}", failure.message);
            (short.clone(), short + &partial)
        }
    }
}

/// One line without control characters, cut short where it would be endless.
fn printable(text: &str) -> String {
    const MOST: usize = 2000;
    let mut line: String = text
        .chars()
        .take(MOST)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if text.chars().nth(MOST).is_some() {
        line.push_str(" ...");
    }
    line
}
