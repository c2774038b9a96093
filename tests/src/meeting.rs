use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::{
    self, Config, ConnectRequest, Device, GatewayConfig, Hello, Identity, Refusal,
};
use clawnode_protocol::node::{self, Action, Deadline, Endpoint, Event};
use clawnode_protocol::peer::{self, Applicant, Decision, FromNode, Peer};
use clawnode_protocol::websocket::{self, CloseCode, Closed, Connection, Role};
use clawnode_protocol::{Credentials, Node, Now, Outcome, Secret, Task, Timestamp, Update, Work};

use crate::json;

/// How the gateway answers the next attempt to connect.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It lets the node in.
    Welcome(Hello),
    /// It does not.
    Refuse(Refusal),
    /// It does not decide.
    Silence,
    /// It closes the connection.
    Close(u16, &'static str),
    /// There is nobody to connect to.
    Unreachable,
}

/// A node of the openclaw dialect and a gateway, both of this project, with virtual time between them.
///
/// Everything that happens becomes one line of a transcript. Long words that say nothing, such as keys, are replaced by short ones.
#[derive(Debug)]
pub struct Meeting {
    /// The node itself.
    pub node: Node,
    /// How the gateway answers the next attempt.
    pub answer: Answer,
    /// The version of the protocol that the gateway speaks.
    pub protocol: u32,
    /// What the application of the node has to show.
    pub credentials: Credentials,
    /// Whether the network carries anything. What is said meanwhile is lost.
    pub connected: bool,
    identity: Identity,
    now: Duration,
    attempts: u8,
    link: Option<Link>,
    running: Vec<Arc<Work>>,
    transcript: String,
}

/// The gateway's end of a connection, and what is overheard of it.
#[derive(Debug)]
struct Link {
    peer: Peer,
    to_gateway: Tap,
    to_node: Tap,
}

/// Reads along in one direction of a connection.
#[derive(Debug)]
struct Tap {
    who: &'static str,
    head: Option<Vec<u8>>,
    websocket: Connection,
}

impl Meeting {
    /// A node that has not started, and a gateway that will let it in.
    pub fn new(change: impl FnOnce(&mut node::Config)) -> Self {
        let identity = Identity::from_seed([1; 32]);
        let dialect = Config::node(Device::from(&identity), "1.0");
        let mut config = node::Config::new(Endpoint::new("gateway.test", "/"), dialect);
        config.commands = vec!["system.which".to_owned()];
        change(&mut config);
        Self {
            node: Node::new(config, [42; 32]),
            answer: Answer::Welcome(Hello::new("token")),
            protocol: openclaw::PROTOCOL,
            credentials: Credentials::token(Secret::new("shared-secret")),
            connected: true,
            identity,
            now: Duration::ZERO,
            attempts: 0,
            link: None,
            running: Vec::new(),
            transcript: String::new(),
        }
    }

    /// One whose node is let in, with nothing in its transcript yet.
    pub fn ready() -> Self {
        let mut meeting = Self::new(|_| {});
        meeting.start();
        assert_eq!(meeting.node.phase(), node::Phase::Ready);
        meeting.transcript.clear();
        meeting
    }

    /// Starts the node and plays until nothing moves.
    pub fn start(&mut self) {
        self.input(node::Input::Start);
    }

    /// Gives the node one input and plays what follows.
    pub fn input(&mut self, input: node::Input<'_>) {
        self.tell_node(input);
        self.play();
    }

    /// Gives the gateway one input and plays what follows.
    pub fn gateway(&mut self, input: peer::Input<'_>) {
        self.note(&format!("gateway is told: {}", input_name(&input)));
        let clock = self.clock();
        let link = self.link.as_mut().expect("there is a connection");
        link.peer.handle(clock, input).expect("the test uses the peer as it should");
        self.play();
    }

    /// The gateway asks for a command, and waits for this long.
    pub fn ask(&mut self, id: &str, time: Option<Duration>) {
        let args = json(r#"{"bins":["git"]}"#);
        let task = Task::Command { name: "system.which".to_owned(), args };
        let mut request = peer::Request::new(id, task);
        request.time = time;
        self.gateway(peer::Input::Request(&request));
    }

    /// The gateway closes the connection.
    pub fn close(&mut self, code: u16, why: &str) {
        let code = CloseCode::new(code).expect("a code that may be sent");
        self.gateway(peer::Input::Close(code, why));
    }

    /// The application of the node sends news of running work.
    pub fn progress(&mut self, id: &str, news: &str) {
        let work = self.running(id);
        self.input(node::Input::Progress(work, Update::new("note", json(news))));
    }

    /// The application of the node finishes running work.
    pub fn finish(&mut self, id: &str, outcome: Outcome) {
        let work = self.running(id);
        self.running.retain(|running| running.id != work);
        self.input(node::Input::Answer(work, outcome));
    }

    /// The network fails.
    pub fn cut(&mut self) {
        self.note("network: cut");
        self.link = None;
        self.input(node::Input::Disconnected("connection reset"));
    }

    /// Lets time pass: every deadline of both on the way is served.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let node = self.node.deadline();
            let peer = self.link.as_ref().and_then(|link| link.peer.deadline());
            let due = [node.map(|(due, _)| due), peer.map(|(due, _)| due)];
            let Some(due) = due.into_iter().flatten().min().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            if let Some((_, deadline)) = node.filter(|(at, _)| *at <= due) {
                self.note_deadline(deadline);
                self.tell_node(node::Input::Timeout);
            }
            if peer.is_some_and(|(at, _)| at <= due) {
                self.tell_peer(peer::Input::Timeout);
            }
            self.play();
        }
        self.now = end;
    }

    /// Everything that happened since the last call, one line an event, each with its time in seconds.
    pub fn take_transcript(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }

    /// A line of the test's own.
    pub fn title(&mut self, text: &str) {
        writeln!(self.transcript, "\n# {text}").expect("strings take text");
    }

    fn running(&self, id: &str) -> clawnode_protocol::WorkId {
        let mut running = self.running.iter().rev();
        running.find(|work| work.request_id == id).expect("the work runs").id
    }

    fn play(&mut self) {
        loop {
            let acted = self.act_for_node() | self.act_for_gateway();
            let carried = self.carry_to_gateway() | self.carry_to_node();
            if !acted && !carried {
                return;
            }
        }
    }

    fn act_for_node(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.node.poll_action() {
            acted = true;
            if let Some(line) = describe(&action) {
                self.note(&format!("node: {line}"));
            }
            match action {
                Action::Authenticate => {
                    let credentials = self.credentials.clone();
                    self.tell_node(node::Input::Credentials(credentials));
                }
                Action::Connect if matches!(self.answer, Answer::Unreachable) => {
                    self.tell_node(node::Input::ConnectFailed("connection refused"));
                }
                Action::Connect => {
                    self.open();
                    self.tell_node(node::Input::Connected);
                }
                Action::Sign(text) => {
                    let signature = self.identity.sign(text.expose());
                    self.tell_node(node::Input::Signature(&signature));
                }
                Action::KeepDeviceToken(token) => {
                    self.credentials.device_token = Some(token.token);
                    self.tell_node(node::Input::DeviceTokenKept);
                }
                Action::ForgetDeviceToken => self.credentials.device_token = None,
                Action::Disconnect => self.link = None,
                Action::Admit(work) => self.tell_node(node::Input::Admitted(work.id)),
                Action::Record(answer) => self.tell_node(node::Input::Recorded(answer.work)),
                Action::Start(work) => self.running.push(work),
                Action::Cancel(id) => self.running.retain(|work| work.id != id),
                _ => {}
            }
        }
        acted
    }

    fn open(&mut self) {
        self.attempts += 1;
        let mut dialect = GatewayConfig::default();
        dialect.protocol = self.protocol;
        let config = peer::Config::new(peer::Dialect::Openclaw(dialect));
        self.link = Some(Link {
            peer: Peer::new(config, self.clock(), [self.attempts; 32]),
            to_gateway: Tap::new("node", Role::Server),
            to_node: Tap::new("gateway", Role::Client),
        });
    }

    fn act_for_gateway(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.link.as_mut().and_then(|link| link.peer.poll_action()) {
            acted = true;
            match action {
                peer::Action::Authorize(Applicant::Upgrade(_)) => {
                    self.tell_peer(peer::Input::Authorize(Decision::Accept));
                }
                peer::Action::Authorize(Applicant::Connect(request)) => {
                    self.note(&format!("gateway hears: connect {}", shown(&request)));
                    self.decide();
                }
                peer::Action::Message(message) => {
                    self.note(&format!("gateway hears: {}", heard(&message)));
                }
                peer::Action::Closed(reason) => {
                    self.note(&format!("gateway hears: the end, {reason}"));
                    if self.link.take().is_some() && self.connected {
                        self.tell_node(node::Input::ReceivedEof);
                    }
                }
                _ => {}
            }
        }
        acted
    }

    fn decide(&mut self) {
        match self.answer.clone() {
            Answer::Welcome(hello) => {
                self.tell_peer(peer::Input::Authorize(Decision::Welcome(&hello)));
            }
            Answer::Refuse(refusal) => {
                self.tell_peer(peer::Input::Authorize(Decision::Refuse(&refusal)));
            }
            Answer::Close(code, why) => {
                let code = CloseCode::new(code).expect("a code that may be sent");
                self.tell_peer(peer::Input::Close(code, why));
            }
            Answer::Silence | Answer::Unreachable => {}
        }
    }

    fn carry_to_gateway(&mut self) -> bool {
        let bytes = self.node.transmit().to_vec();
        if bytes.is_empty() || (self.link.is_none() && self.connected) {
            return false;
        }
        self.tell_node(node::Input::Sent(bytes.len()));
        if self.connected {
            let tap = self.link.as_mut().map(|link| link.to_gateway.hear(&bytes));
            self.note_all(tap.unwrap_or_default());
            self.tell_peer(peer::Input::Received(&bytes));
        }
        true
    }

    fn carry_to_node(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        let bytes = link.peer.transmit().to_vec();
        if bytes.is_empty() {
            return false;
        }
        self.tell_peer(peer::Input::Sent(bytes.len()));
        if self.connected {
            let tap = self.link.as_mut().map(|link| link.to_node.hear(&bytes));
            self.note_all(tap.unwrap_or_default());
            self.tell_node(node::Input::Received(&bytes));
        }
        true
    }

    fn tell_node(&mut self, input: node::Input<'_>) {
        self.node.handle(self.clock(), input).expect("the stage plays by the rules");
    }

    fn tell_peer(&mut self, input: peer::Input<'_>) {
        let clock = self.clock();
        // What comes after the last action is discarded.
        if let Some(link) = &mut self.link {
            let _ = link.peer.handle(clock, input);
        }
    }

    fn clock(&self) -> Now {
        // 2026-01-02T03:04:05Z
        let start = 1_767_323_045_000_000;
        let passed = i64::try_from(self.now.as_micros()).expect("tests are short");
        Now::new(self.now, Timestamp::from_micros(start + passed))
    }

    fn note_deadline(&mut self, deadline: Deadline) {
        self.note(&format!("time: {}", format!("{deadline:?}").to_lowercase()));
    }

    fn note_all(&mut self, lines: Vec<String>) {
        lines.iter().for_each(|line| self.note(line));
    }

    fn note(&mut self, line: &str) {
        let line = line
            .replace(self.identity.device_id(), "DEVICE")
            .replace(self.identity.public_key(), "KEY");
        let line = replace_after(&line, "\"signature\":\"", "SIGNATURE");
        let line = replace_after(&line, "\"nonce\":\"", "NONCE");
        let line = replace_after(&line, "\"connId\":\"", "CONNECTION");
        let line = cut_between(&line, "\"features\":", ",\"auth\"");
        writeln!(self.transcript, "{:>9.3} {line}", self.now.as_secs_f64())
            .expect("strings take text");
    }
}

impl Tap {
    fn new(who: &'static str, role: Role) -> Self {
        let websocket = Connection::upgraded(role, websocket::Limits::default(), [0; 32]);
        Self { who, head: Some(Vec::new()), websocket }
    }

    fn hear(&mut self, bytes: &[u8]) -> Vec<String> {
        match &mut self.head {
            Some(head) => {
                head.extend_from_slice(bytes);
                let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
                    return Vec::new();
                };
                let rest = head.split_off(end + 4);
                self.head = None;
                self.websocket.receive(&rest);
            }
            None => self.websocket.receive(bytes),
        }
        let mut lines = Vec::new();
        let who = self.who;
        while let Some(event) = self.websocket.poll() {
            match event {
                websocket::Event::Text(text) => lines.push(format!("{who} > {text}")),
                websocket::Event::Closed(Closed::Clean { code: Some(code), reason, .. }) => {
                    lines.push(format!("{who} > close {code} {reason:?}"));
                }
                websocket::Event::Ping(_) => lines.push(format!("{who} > ping")),
                _ => {}
            }
        }
        lines
    }
}

/// What is worth a line of what a node wants.
fn describe(action: &Action) -> Option<String> {
    Some(match action {
        Action::Authenticate | Action::Connect | Action::Sign(_) | Action::Admit(_) => return None,
        Action::Record(_) | Action::Settled(_) => return None,
        Action::KeepDeviceToken(_) => "keep the device token".to_owned(),
        Action::ForgetDeviceToken => "forget the device token".to_owned(),
        Action::Start(work) => format!("start {}: {:?}", work.request_id, work.task),
        Action::Cancel(id) => format!("cancel {id}"),
        Action::Notify(Event::Lost { reason, retry_in: Some(delay) }) => {
            format!("lost: {reason}; again in {:.3} s", delay.as_secs_f64())
        }
        Action::Notify(Event::Lost { reason, retry_in: None }) => format!("lost: {reason}"),
        Action::Notify(event) => format!("{event:?}"),
        Action::Stopped(reason) => format!("stopped: {reason}"),
        other => format!("{other:?}").to_lowercase(),
    })
}

fn shown(request: &ConnectRequest) -> String {
    let Credentials { token, password, device_token, bootstrap_token, .. } = &request.credentials;
    let credentials = [
        ("token", token),
        ("deviceToken", device_token),
        ("bootstrapToken", bootstrap_token),
        ("password", password),
    ];
    let credentials = credentials.into_iter().filter(|(_, secret)| secret.is_some());
    let names: Vec<_> = credentials.map(|(name, _)| name).collect();
    format!("in protocol {} with {}", request.max_protocol, names.join(" and "))
}

fn heard(message: &FromNode) -> String {
    match message {
        FromNode::Registered(registration) => format!("registered {:?}", registration.commands),
        FromNode::Progress { request_id, data, .. } => format!("news of {request_id}: {data}"),
        FromNode::Answered { request_id, outcome: Outcome::Completed(result), .. } => {
            format!("{request_id} gave {result}")
        }
        FromNode::Answered { request_id, outcome: Outcome::Failed(failure), .. } => {
            let code = failure.code.as_deref().unwrap_or("no code");
            format!("{request_id} failed: {code}, {}", failure.message)
        }
        other => format!("{other:?}"),
    }
}

fn input_name(input: &peer::Input<'_>) -> String {
    match input {
        peer::Input::Request(request) => format!("ask {}", request.request_id),
        other => format!("{other:?}"),
    }
}

/// Replaces the string that begins behind `mark`.
fn replace_after(line: &str, mark: &str, with: &str) -> String {
    let Some((before, rest)) = line.split_once(mark) else { return line.to_owned() };
    let Some((_, after)) = rest.split_once('"') else { return line.to_owned() };
    format!("{before}{mark}{with}\"{after}")
}

/// Leaves out what is between the two.
fn cut_between(line: &str, from: &str, to: &str) -> String {
    let Some((before, rest)) = line.split_once(from) else { return line.to_owned() };
    let Some((_, after)) = rest.split_once(to) else { return line.to_owned() };
    format!("{before}{from} ..{to}{after}")
}
