use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{
    Action, Config, Deadline, Endpoint, Event, Input, LostReason, Misuse,
};
use clawnode_protocol::websocket::{self, CloseCode, Connection};
use clawnode_protocol::{Node, Now, Outcome, Timestamp, Update, WorkId};
use serde_json::Value;

use super::node::{Name, NodeModel, NodeStep, Seen, Variant};
use crate::json;

/// What a play drives: a node, or one with something broken to see that the play finds it.
pub trait NodeUnderTest {
    /// [`Node::handle`].
    fn handle(&mut self, now: Now, input: Input<'_>) -> Result<(), Misuse>;
    /// [`Node::poll_action`].
    fn poll_action(&mut self) -> Option<Action>;
    /// [`Node::transmit`].
    fn transmit(&self) -> &[u8];
    /// [`Node::deadline`].
    fn deadline(&self) -> Option<(Duration, Deadline)>;
}

impl NodeUnderTest for Node {
    fn handle(&mut self, now: Now, input: Input<'_>) -> Result<(), Misuse> {
        self.handle(now, input)
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.poll_action()
    }

    fn transmit(&self) -> &[u8] {
        self.transmit()
    }

    fn deadline(&self) -> Option<(Duration, Deadline)> {
        self.deadline()
    }
}

/// What the node of a play is told.
pub fn node_config(variant: Variant) -> Config {
    let mut config =
        Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node-A"));
    config.commands = vec!["echo".to_owned()];
    // So long that heartbeats come only when a step waits for one.
    config.timing.heartbeat_interval = BEAT;
    config.limits.running = Variant::RUNNING;
    config.limits.owed = variant.owed();
    config.limits.updates = Variant::UPDATES;
    config.limits.remembered = Variant::REMEMBERED;
    config.limits.remembered_for = Duration::MAX;
    config
}

const BEAT: Duration = Duration::from_secs(10_000);
const FIRST_DELAY: Duration = Duration::from_secs(5);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// A node beside its model. Each method is one step: it panics if the two differ, or if it cannot happen now.
///
/// The application answers nothing by itself: admissions and records wait for [`admit`](Self::admit) and
/// [`record`](Self::record).
pub struct NodePlay {
    node: Box<dyn NodeUnderTest>,
    model: NodeModel,
    now: Duration,
    gateway: Option<Connection>,
    reachable: bool,
    held: bool,
    /// Whether the gateway has the beginning of a frame.
    in_frame: bool,
    works: BTreeMap<Name, WorkId>,
    names: BTreeMap<WorkId, Name>,
    /// Attempts that failed since the last good connection.
    failures: u32,
    beats: usize,
    seen: Seen,
}

impl fmt::Debug for NodePlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodePlay").field("model", &self.model).finish_non_exhaustive()
    }
}

impl NodePlay {
    /// A registered node. `small` makes the bound on owed answers small; `chunk` is how many bytes it reads at a time, all for 0.
    pub fn new(small: bool, chunk: usize) -> Self {
        let variant = Variant { small, chunk };
        Self::on(Box::new(Node::new(node_config(variant), [3; 32])), variant)
    }

    /// The same with any node.
    pub fn on(node: Box<dyn NodeUnderTest>, variant: Variant) -> Self {
        let mut play = Self {
            node,
            model: NodeModel::new(variant),
            now: Duration::ZERO,
            gateway: None,
            reachable: true,
            held: false,
            in_frame: false,
            works: BTreeMap::new(),
            names: BTreeMap::new(),
            failures: 0,
            beats: 0,
            seen: Seen::default(),
        };
        play.input(Input::Start);
        assert_eq!(play.seen.actions, ["ready"], "a node registers");
        play
    }

    /// Does a step on both and compares.
    ///
    /// # Errors
    ///
    /// How they differ.
    ///
    /// # Panics
    ///
    /// When the step cannot happen now.
    pub fn step(&mut self, step: NodeStep) -> Result<(), String> {
        assert!(self.model.allows(step), "`{step}` cannot happen now: {:?}", self.model);
        self.model.step(step);
        self.seen = Seen::default();
        self.seen.taken = self.perform(step);
        let promised = self.model.seen();
        if self.seen == *promised {
            return Ok(());
        }
        Err(format!("after `{step}`\n  promised: {promised:?}\n      seen: {:?}", self.seen))
    }

    fn perform(&mut self, step: NodeStep) -> bool {
        match step {
            NodeStep::Ask(name, content) => self.gateway_says(&format!(
                r#"{{"type":"command_request","request_id":"{name}","command":"echo","args":{{"content":{content}}}}}"#
            )),
            NodeStep::Acknowledge(name) => {
                self.gateway_says(&format!(r#"{{"type":"ack","request_id":"{name}"}}"#));
            }
            NodeStep::Garble => self.gateway_says("not JSON"),
            NodeStep::Admit(name) => return self.input(Input::Admitted(self.works[name])),
            NodeStep::Refuse(name) => {
                return self.input(Input::NotAdmitted(self.works[name], "not kept"));
            }
            NodeStep::Update(name, value) => {
                let update = Update::new("news", json(&format!(r#"{{"value":{value}}}"#)));
                return self.input(Input::Progress(self.works[name], update));
            }
            NodeStep::Answer(name, value) => {
                let outcome = Outcome::Completed(json(&format!(r#"{{"value":{value}}}"#)));
                return self.input(Input::Answer(self.works[name], outcome));
            }
            NodeStep::Fail(name, value) => {
                let outcome = Outcome::failed(value.to_string());
                return self.input(Input::Answer(self.works[name], outcome));
            }
            NodeStep::Record(name) => return self.input(Input::Recorded(self.works[name])),
            NodeStep::Cancel(name) => {
                return self.input(Input::Cancel(self.works[name], "enough"));
            }
            NodeStep::Custom => return self.input(Input::Custom(r#"{"type":"weather"}"#)),
            NodeStep::Hold => self.held = true,
            NodeStep::Carry(words) => self.carry_some(words.into()),
            NodeStep::Release => self.open_network(),
            NodeStep::Cut => {
                self.gateway = None;
                self.input(Input::Disconnected("reset"));
                self.open_network();
            }
            NodeStep::Close => {
                let gateway = self.gateway.as_mut().expect("there is a connection");
                gateway.close(CloseCode::NORMAL, "").expect("it is open");
                self.play();
            }
            NodeStep::Die => self.fall_silent(),
            NodeStep::Unreachable => self.reachable = false,
            NodeStep::Reachable => self.reachable = true,
            NodeStep::Moment => self.run_for(Duration::from_millis(1500)),
            NodeStep::Long => self.run_for(Duration::from_secs(100)),
            NodeStep::Beat => {
                self.beats = 0;
                self.run_for(BEAT + Duration::from_secs(1));
                assert_eq!(self.beats, 1, "one heartbeat an interval");
                self.failures = 0;
            }
            NodeStep::Stop => {
                self.input(Input::Stop(Duration::from_secs(1 << 40)));
            }
            NodeStep::StopNow => {
                self.input(Input::Stop(Duration::ZERO));
                self.run_for(Duration::ZERO);
            }
        }
        true
    }

    fn gateway_says(&mut self, text: &str) {
        let gateway = self.gateway.as_mut().expect("there is a connection");
        gateway.send_text(text).expect("it is open");
        self.play();
    }

    fn input(&mut self, input: Input<'_>) -> bool {
        let taken = self.node.handle(self.clock(), input).is_ok();
        self.play();
        taken
    }

    fn tell(&mut self, input: Input<'_>) {
        self.node.handle(self.clock(), input).expect("the play keeps the contract");
    }

    fn clock(&self) -> Now {
        Now::new(self.now, Timestamp::from_micros(0))
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some((due, _)) = self.node.deadline().filter(|(due, _)| *due <= end) {
            self.now = self.now.max(due);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// The gateway reads nothing and says nothing until the node gives up.
    fn fall_silent(&mut self) {
        self.held = true;
        // By then it has lasted an interval.
        self.failures = 0;
        let latest = self.now + 2 * BEAT;
        while self.gateway.is_some() {
            let (due, _) = self.node.deadline().expect("a connection is watched");
            assert!(due <= latest, "a dead gateway is noticed within two intervals");
            self.now = due;
            self.input(Input::Timeout);
        }
        self.open_network();
    }

    fn open_network(&mut self) {
        (self.held, self.in_frame) = (false, false);
        self.play();
    }

    /// Lets so many messages through, and a bit of the next frame.
    fn carry_some(&mut self, words: usize) {
        let enough = self.seen.heard.len() + words;
        while self.seen.heard.len() < enough && !self.node.transmit().is_empty() {
            self.in_frame = false;
            self.bring_gateway(1);
            self.play();
        }
        // Three bytes are less than any frame of these conversations.
        if !self.in_frame {
            self.in_frame = true;
            self.bring_gateway(3);
        }
        self.play();
    }

    fn play(&mut self) {
        loop {
            let acted = self.act();
            let carried = !self.held && self.bring_gateway(usize::MAX);
            if !acted && !carried && !self.bring_node() {
                return;
            }
        }
    }

    fn act(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.node.poll_action() {
            acted = true;
            let seen = match action {
                Action::Authenticate => {
                    self.tell(Input::Credentials(clawnode_protocol::Credentials::none()));
                    continue;
                }
                Action::Connect if self.reachable => {
                    self.gateway = Some(Connection::server(websocket::Limits::default()));
                    self.tell(Input::Connected);
                    continue;
                }
                Action::Connect => {
                    self.tell(Input::ConnectFailed("nobody there"));
                    continue;
                }
                Action::Disconnect => {
                    self.gateway = None;
                    continue;
                }
                Action::Admit(work) => {
                    let name = NAMES.into_iter().find(|name| *name == work.request_id);
                    let name = name.expect("only these are asked");
                    self.works.insert(name, work.id);
                    self.names.insert(work.id, name);
                    format!("admit {name}")
                }
                Action::Start(work) => format!("start {}", work.request_id),
                Action::Cancel(id) => format!("cancel {}", self.names[&id]),
                Action::Record(answer) => format!("record {}", answer.request_id),
                Action::Settled(id) => format!("settled {}", self.names[&id]),
                Action::Notify(Event::Ready) => "ready".to_owned(),
                Action::Notify(Event::Lost { reason, retry_in }) => {
                    self.check_delay(retry_in.expect("it tries again"));
                    // Of attempts that failed there may be any number.
                    if matches!(reason, LostReason::ConnectFailed(_)) {
                        continue;
                    }
                    "lost".to_owned()
                }
                Action::Stopped(_) => "stopped".to_owned(),
                _ => continue,
            };
            self.seen.actions.push(seen);
        }
        acted
    }

    /// Delays double, each is drawn from its upper half, and a connection that lasted an interval starts them anew.
    fn check_delay(&mut self, delay: Duration) {
        let full = LONGEST_DELAY.min(FIRST_DELAY * (1 << self.failures.min(10)));
        assert!(full / 2 <= delay && delay <= full, "waits {delay:?} of {full:?}");
        self.failures += 1;
    }

    /// Brings the gateway so many bytes.
    fn bring_gateway(&mut self, most: usize) -> bool {
        let Some(gateway) = &mut self.gateway else { return false };
        let bytes = self.node.transmit();
        let bytes = bytes[..bytes.len().min(most)].to_vec();
        gateway.receive(&bytes);
        while let Some(event) = gateway.poll() {
            match event {
                websocket::Event::Request(_) => gateway.accept().expect("a request came"),
                websocket::Event::Text(text) => match heard(text) {
                    Some(word) => self.seen.heard.push(word),
                    None => self.beats += usize::from(text.contains("\"heartbeat\"")),
                },
                _ => {}
            }
        }
        if !bytes.is_empty() {
            self.tell(Input::Sent(bytes.len()));
        }
        !bytes.is_empty()
    }

    /// Brings the node what the gateway has written.
    fn bring_node(&mut self) -> bool {
        let chunk = self.model.variant().chunk;
        let Some(gateway) = &mut self.gateway else { return false };
        let bytes = gateway.transmit();
        let most = if chunk == 0 { bytes.len() } else { chunk.min(bytes.len()) };
        let bytes = bytes[..most].to_vec();
        if bytes.is_empty() {
            let over = gateway.wants_shutdown();
            if over {
                self.gateway = None;
                self.tell(Input::ReceivedEof);
            }
            return over;
        }
        gateway.sent(bytes.len()).expect("these were lent");
        self.tell(Input::Received(&bytes));
        true
    }
}

/// The request ids that plays use.
const NAMES: [Name; 6] = ["a", "b", "c", "d", "e", "f"];

/// A message of the node in the model's words. Heartbeats and the registration are not among them.
fn heard(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).expect("a node sends JSON");
    let word = |field: &str| message[field].as_str().unwrap_or_default().to_owned();
    let id = word("request_id");
    Some(match message["type"].as_str().expect("a node's messages have a type") {
        "ack" if word("message") == "Already received" => format!("{id} ack again"),
        "ack" => format!("{id} ack"),
        "workflow_update" => format!("{id} update {}", message["data"]["value"]),
        "command_response" if word("status") == "success" => {
            format!("{id} answer {}", message["result"]["value"])
        }
        "command_response" => format!("{id} failed: {}", cause(&word("error"))),
        "error" => "error".to_owned(),
        "weather" => "custom".to_owned(),
        _ => return None,
    })
}

/// The reasons of failures are for people; this is what they must be about.
fn cause(error: &str) -> &str {
    let causes = [
        ("not kept", "not kept"),
        ("another request", "another request"),
        ("takes no new work", "stopping"),
        ("requests to answer already", "too many"),
        ("the node stopped", "stopped"),
    ];
    causes.into_iter().find(|(part, _)| error.contains(part)).map_or(error, |(_, cause)| cause)
}

macro_rules! steps {
    ($($(#[$doc:meta])* $method:ident($($argument:ident: $type:ty),*) => $step:ident;)*) => {
        /// The steps.
        impl NodePlay {
            $($(#[$doc])* pub fn $method(&mut self $(, $argument: $type)*) {
                if let Err(difference) = self.step(steps!(@ $step $($argument)*)) {
                    panic!("{difference}");
                }
            })*
        }
    };
    (@ $step:ident) => { NodeStep::$step };
    (@ $step:ident $($argument:ident)+) => { NodeStep::$step($($argument),+) };
}

steps! {
    /// The gateway asks for work. The same name and content is the same request.
    ask(name: Name, content: u8) => Ask;
    /// The gateway says that it has the answer.
    acknowledge(name: Name) => Acknowledge;
    /// The gateway sends something that is no message.
    garble() => Garble;
    /// The application has kept the request.
    admit(name: Name) => Admit;
    /// The application cannot keep the request.
    refuse(name: Name) => Refuse;
    /// The work has news.
    update(name: Name, value: u8) => Update;
    /// The work is done.
    answer(name: Name, value: u8) => Answer;
    /// The work has failed.
    fail(name: Name, value: u8) => Fail;
    /// The application has kept the answer.
    record(name: Name) => Record;
    /// The application wants the work to end.
    cancel(name: Name) => Cancel;
    /// The application sends a message of its own.
    custom() => Custom;
    /// The network takes no more bytes of the node.
    hold() => Hold;
    /// It takes so many messages, and part of the next.
    carry(words: u8) => Carry;
    /// It takes everything again.
    release() => Release;
    /// The connection breaks; what was on the way is lost.
    cut() => Cut;
    /// The gateway closes the connection.
    close() => Close;
    /// The gateway falls silent until the node gives it up.
    die() => Die;
    /// From now on attempts to connect fail.
    unreachable() => Unreachable;
    /// From now on they succeed.
    reachable() => Reachable;
    /// A second and a half pass: time to ask for proof, too short to connect again.
    moment() => Moment;
    /// A hundred seconds pass: time to connect again.
    long() => Long;
    /// An interval of heartbeats passes.
    beat() => Beat;
    /// The node is to stop when everything is done and delivered.
    stop() => Stop;
    /// The node is to stop now.
    stop_now() => StopNow;
}
