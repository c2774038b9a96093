use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::value::RawValue;

use super::super::{SECRET, assert_hides_the_secret};
use super::Transcript;
use crate::dialect::nodetool::{self, Gateway, TokenIn};
use crate::dialect::openclaw::{
    self, Device, GatewayConfig, Hello, Identity, Policy, Refusal, RefusalCode,
};
use crate::dialect::{Dialect, GatewaySession, Heard, Message, ToNode};
use crate::node::{Action, Config, Deadline, Endpoint, Input, Limits, Misuse, Phase, Timing};
use crate::peer::FromNode;
use crate::websocket::{self, Closed, Connection};
use crate::{Credentials, Failure, Node, Now, Outcome, Secret, Timestamp, Update, WorkId};

/// How the surroundings of the node behave of themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) openclaw: bool,
    pub(super) small_limits: bool,
    pub(super) answers_at_once: bool,
    pub(super) carries_at_once: bool,
    pub(super) refuses: bool,
    pub(super) slow_journal: bool,
    pub(super) token_in_query: bool,
    pub(super) single_bytes: bool,
    pub(super) timing: u8,
}

/// How far a piece of work has come, as its host has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Come {
    Admitted,
    Started,
    Recorded,
    Settled,
    /// In the openclaw dialect. If it was not the gateway that cancelled it, its failure is recorded at once.
    Cancelled,
}

pub(super) struct Stage {
    habits: Habits,
    node: Node,
    now: Duration,
    gateway: Option<Connection>,
    /// What the gateway makes of what it hears.
    ears: Box<dyn GatewaySession>,
    /// Whether the gateway has said nothing but what a gateway says.
    pub(super) honest: bool,
    /// Requests that came again under the same name, of which old news may still be on its way.
    superseded: bool,
    asked: BTreeSet<String>,
    work: Vec<WorkId>,
    come: BTreeMap<WorkId, Come>,
    /// Runs whose answer the gateway has heard on this connection.
    answered: BTreeSet<String>,
    stopped: bool,
    transcript: Transcript,
}

impl Stage {
    pub(super) fn new(habits: Habits) -> Self {
        let dialect = if habits.openclaw {
            let device = Device::from(&identity());
            Dialect::from(openclaw::Config::node(device, "1"))
        } else {
            let mut dialect = nodetool::Config::new("node-A");
            if habits.token_in_query {
                dialect.token_in = TokenIn::Both;
            }
            Dialect::from(dialect)
        };
        let mut config = Config::new(Endpoint::new("gateway.test", "/ws?room=1"), dialect);
        config.commands = vec!["echo".to_owned()];
        config.workflows = true;
        config.timing = timing(habits.timing);
        if habits.small_limits {
            config.limits = small_limits();
        }
        Self {
            habits,
            node: Node::new(config, [42; 32]),
            now: Duration::ZERO,
            gateway: None,
            ears: ears(habits.openclaw),
            honest: true,
            superseded: false,
            asked: BTreeSet::new(),
            work: Vec::new(),
            come: BTreeMap::new(),
            answered: BTreeSet::new(),
            stopped: false,
            transcript: Transcript::new(),
        }
    }

    /// One input, right or wrong, and all that follows from it.
    pub(super) fn give(&mut self, input: Input<'_>) {
        let before = self.look();
        if self.node.handle(self.clock(), input).is_err() {
            assert_eq!(self.look(), before, "a misuse changed something");
        }
        self.drain();
    }

    pub(super) fn give_about<'a>(&mut self, work: u8, input: impl FnOnce(WorkId) -> Input<'a>) {
        let id = self.some_work(work);
        self.give(input(id));
    }

    pub(super) fn connected(&mut self) {
        if self.node.phase() == Phase::Connecting {
            self.open_gateway();
        }
        self.give(Input::Connected);
    }

    pub(super) fn lose_gateway(&mut self) {
        self.gateway = None;
    }

    pub(super) fn received(&mut self, bytes: &[u8]) {
        if self.habits.single_bytes && !bytes.is_empty() {
            for byte in bytes {
                self.give(Input::Received(&[*byte]));
            }
        } else {
            self.give(Input::Received(bytes));
        }
    }

    pub(super) fn gateway_does(
        &mut self,
        act: impl FnOnce(&mut Connection) -> Result<(), websocket::Misuse>,
    ) {
        // It may be closing already.
        let _ = self.gateway.as_mut().map(act);
    }

    pub(super) fn gateway_says(&mut self, text: &str) {
        self.gateway_does(|gateway| gateway.send_text(text));
    }

    /// What a node of this dialect is asked for before it is let in, and keeps afterwards.
    pub(super) fn sign(&mut self) {
        if self.habits.openclaw {
            self.give(Input::Signature("no signature"));
            self.give(Input::DeviceTokenKept);
        }
    }

    pub(super) fn gateway_acknowledges(&mut self, id: u8) {
        let name = format!("r{}", id % 8);
        if !self.habits.openclaw {
            return self.gateway_says(&format!(r#"{{"type":"ack","request_id":"{name}"}}"#));
        }
        let words = match id >> 6 {
            0 => ToNode::Tick,
            1 => ToNode::GoingAway { reason: "gateway restarting", back_in: None },
            _ => ToNode::Cancel { request_id: &name },
        };
        if let Some(gateway) = &mut self.gateway {
            let _ = self.ears.write(Timestamp::default(), words, gateway);
        }
    }

    fn openclaw_gateway_requests(&mut self, id: u8, what: u8) {
        let padding = "x".repeat(usize::from(what >> 3) * 8);
        let args = match what & 1 {
            0 => json(&padding),
            _ => RawValue::from_string("null".to_owned()).expect("it is JSON"),
        };
        let name = if what & 2 == 0 { "echo" } else { "" };
        let task = crate::Task::Command { name: name.to_owned(), args };
        let mut request = crate::peer::Request::new(format!("r{}", id % 8), task);
        request.time = (what & 4 != 0).then(|| Duration::from_millis(u64::from(id) * 16));
        let Some(gateway) = &mut self.gateway else { return };
        let words = ToNode::Request(&request);
        if self.ears.write(Timestamp::default(), words, gateway).is_ok() {
            self.superseded |= !self.asked.insert(request.request_id);
        }
    }

    pub(super) fn gateway_requests(&mut self, id: u8, what: u8) {
        if self.habits.openclaw {
            return self.openclaw_gateway_requests(id, what);
        }
        let padding = "x".repeat(usize::from(what >> 3) * 8);
        let task = match what & 7 {
            0 => r#""type":"workflow_request","workflow_id":"w1""#.to_owned(),
            1 => format!(
                r#""type":"workflow_request","graph":{{"nodes":[],"edges":[]}},"params":{{"a":"{padding}"}}"#
            ),
            2 => r#""type":"workflow_request""#.to_owned(),
            3 => r#""type":"command_request","command":7"#.to_owned(),
            4 => r#""type":"command_request","command":"echo","user_id":"eve""#.to_owned(),
            _ => format!(r#""type":"command_request","command":"echo","args":{{"a":"{padding}"}}"#),
        };
        self.gateway_says(&format!(r#"{{"request_id":"r{}",{task}}}"#, id % 8));
    }

    pub(super) fn progress(&mut self, work: u8, what: u8) {
        let mut update = Update::new("note", json(&"y".repeat(usize::from(what))));
        update.key = (what & 1 != 0).then(|| "key".to_owned());
        self.give_about(work, |id| Input::Progress(id, update));
    }

    pub(super) fn answer(&mut self, work: u8, what: u8) {
        let value = json(&"z".repeat(usize::from(what >> 2) * 4));
        let outcome = match what & 3 {
            0 => Outcome::failed("it went wrong"),
            1 => Outcome::Failed(Failure { partial: Some(value), ..Failure::new("half") }),
            _ => Outcome::Completed(value),
        };
        self.give_about(work, |id| Input::Answer(id, outcome));
    }

    pub(super) fn sent_too_much(&mut self) {
        let most = self.node.transmit().len();
        let before = self.look();
        let result = self.node.handle(self.clock(), Input::Sent(most + 1));
        assert!(matches!(result, Err(Misuse::SentTooMuch | Misuse::WrongState)));
        assert_eq!(self.look(), before, "a misuse changed something");
    }

    // Time.

    pub(super) fn wait(&mut self, millis: u16) {
        self.now += Duration::from_millis(u64::from(millis) * 4);
        self.give(Input::Timeout);
    }

    pub(super) fn serve_deadline(&mut self) {
        // A node that would come back at once for ever keeps a machine busy with nothing.
        for _ in 0..64 {
            let Some((due, _)) = self.node.deadline() else { return };
            let before = self.node.deadline();
            self.now = self.now.max(due);
            self.give(Input::Timeout);
            assert_ne!(self.node.deadline(), before, "a served deadline goes or moves");
            if self.node.deadline().is_none_or(|(due, _)| due > self.now) {
                return;
            }
        }
        panic!("the node spins at {:?}: {:?}", self.now, self.node.deadline());
    }

    // The network.

    pub(super) fn carry_if_it_is_a_habit(&mut self) {
        if !self.habits.carries_at_once {
            return;
        }
        for _ in 0..1000 {
            let Some(gateway) = &self.gateway else { return };
            if self.node.transmit().is_empty() && gateway.transmit().is_empty() {
                if gateway.wants_shutdown() {
                    self.gateway = None;
                    self.give(Input::ReceivedEof);
                }
                return;
            }
            self.carry_to_gateway(usize::MAX);
            self.carry_to_node(usize::MAX);
        }
        panic!("the two ends never stop talking");
    }

    pub(super) fn carry_to_gateway(&mut self, most: usize) {
        let lent = self.node.transmit();
        let bytes = lent[..lent.len().min(most)].to_vec();
        if let Some(gateway) = &mut self.gateway {
            gateway.receive(&bytes);
            self.listen();
        }
        self.give(Input::Sent(bytes.len()));
    }

    pub(super) fn carry_to_node(&mut self, most: usize) {
        let Some(gateway) = &mut self.gateway else { return };
        let lent = gateway.transmit();
        let bytes = lent[..lent.len().min(most)].to_vec();
        gateway.sent(bytes.len()).expect("they were lent");
        if !bytes.is_empty() {
            self.received(&bytes);
        }
    }

    // The two ends.

    fn drain(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.node.poll_action() {
            actions += 1;
            assert!(actions < 10_000, "the node never has enough");
            assert!(!self.stopped, "{action:?} after the last action");
            self.transcript.action(&action);
            self.act(action);
        }
        for come in self.come.values_mut().filter(|come| **come == Come::Cancelled) {
            *come = Come::Settled;
        }
        self.check();
    }

    fn act(&mut self, action: Action) {
        let (at_once, journal) = (self.habits.answers_at_once, !self.habits.slow_journal);
        match action {
            Action::Authenticate if at_once => {
                self.tell(Input::Credentials(Credentials::token(Secret::new(SECRET))));
            }
            Action::Connect if at_once => {
                self.open_gateway();
                self.tell(Input::Connected);
            }
            Action::Sign(text) if at_once => {
                let signature = identity().sign(text.expose());
                self.tell(Input::Signature(&signature));
            }
            // What is signed so is no good, and a gateway that is told so is not to blame.
            Action::Sign(_) => self.honest = false,
            Action::KeepDeviceToken(_) if at_once => self.tell(Input::DeviceTokenKept),
            Action::Disconnect => self.gateway = None,
            Action::Admit(work) => {
                assert_eq!(self.come.insert(work.id, Come::Admitted), None, "admitted twice");
                self.work.push(work.id);
                if journal {
                    self.tell(Input::Admitted(work.id));
                }
            }
            Action::Start(work) => self.comes(work.id, &[Come::Admitted], Come::Started),
            Action::Cancel(id) => {
                assert_eq!(self.come[&id], Come::Started, "nothing to cancel");
                if self.habits.openclaw {
                    self.come.insert(id, Come::Cancelled);
                }
            }
            Action::Record(answer) => {
                let from = [Come::Admitted, Come::Started, Come::Cancelled];
                self.comes(answer.work, &from, Come::Recorded);
                if journal {
                    self.tell(Input::Recorded(answer.work));
                }
            }
            Action::Settled(id) => self.comes(id, &[Come::Recorded], Come::Settled),
            Action::Stopped(_) => self.stopped = true,
            _ => {}
        }
    }

    fn comes(&mut self, id: WorkId, from: &[Come], to: Come) {
        let before = self.come.insert(id, to);
        assert!(before.is_some_and(|before| from.contains(&before)), "{id}: {before:?}, {to:?}");
    }

    /// The answer to an action, which must fit.
    fn tell(&mut self, input: Input<'_>) {
        let shown = format!("{input:?}");
        if let Err(misuse) = self.node.handle(self.clock(), input) {
            panic!("{shown} was asked for: {misuse}\n{}{:?}", self.transcript.actions, self.node);
        }
    }

    fn open_gateway(&mut self) {
        self.answered.clear();
        self.asked.clear();
        self.superseded = false;
        self.ears = ears(self.habits.openclaw);
        self.gateway = Some(Connection::server(websocket::Limits::default()));
    }

    /// What the gateway hears is always right, whatever it says itself.
    fn listen(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        let mut asked = false;
        let (mut replies, mut decisions) = (Vec::new(), 0);
        while let Some(event) = gateway.poll() {
            match event {
                websocket::Event::Request(request) => {
                    assert_hides_the_secret(&format!("{request:?}"));
                    asked = true;
                }
                websocket::Event::Text(text) => {
                    self.transcript.heard(text);
                    let mut heard = self.ears.read(Timestamp::default(), Message::Text(text));
                    let decided = matches!(heard, Heard::Applicant(_));
                    if decided {
                        heard = Heard::Nothing;
                    }
                    match heard {
                        Heard::Message(FromNode::Answered { job_id: Some(job_id), .. }) => {
                            self.answered.insert(job_id);
                        }
                        Heard::Message(FromNode::Progress { job_id: Some(job_id), .. }) => {
                            assert!(!self.answered.contains(&job_id), "news after the answer");
                        }
                        Heard::Message(_) | Heard::Nothing => {}
                        _ if self.habits.openclaw && !self.honest => {}
                        Heard::Fault { problem, .. }
                            if self.superseded && problem.contains("/seq: must be ") => {}
                        other => panic!("{other:?}: {text}"),
                    }
                    replies.extend(self.ears.take_reply());
                    if decided {
                        decisions += 1;
                    }
                }
                websocket::Event::Closed(closed) => assert!(
                    matches!(
                        closed,
                        Closed::Clean { .. } | Closed::Rejected { .. } | Closed::Fault(_)
                    ),
                    "{closed:?}"
                ),
                websocket::Event::Open | websocket::Event::Ping(_) | websocket::Event::Pong(_) => {}
                other => panic!("a node does not say {other:?}"),
            }
            for reply in replies.drain(..) {
                let _ = gateway.send_text_with(|buffer| buffer.extend_from_slice(&reply));
            }
            if std::mem::take(&mut decisions) > 0 {
                let utc = Timestamp::default();
                let refusal = Refusal::new(RefusalCode::PairingRequired, "no");
                let hello = hello();
                let decision = match self.habits.refuses {
                    true => ToNode::Refuse(&refusal),
                    false => ToNode::Welcome(&hello),
                };
                self.ears.write(utc, decision, gateway).expect("it was asked for");
                while self.ears.resume().is_some() {}
            }
            let asked = std::mem::take(&mut asked);
            if asked && self.habits.openclaw {
                gateway.accept().expect("it was asked");
                self.ears.begin(Timestamp::default(), gateway);
            } else if asked {
                if self.habits.refuses {
                    gateway.reject(429, &[("Retry-After", "3")], "later").expect("it was asked");
                } else {
                    gateway.accept().expect("it was asked");
                }
            }
        }
    }

    // Laws.

    fn check(&self) {
        let tally = self.node.tally();
        let limits = &self.node.config().limits;
        assert!(tally.running <= limits.running, "{tally:?}");
        assert!(tally.owed <= limits.owed, "{tally:?}");
        assert!(tally.waiting_bytes <= limits.waiting_bytes, "{tally:?}");
        assert!(tally.remembered <= limits.remembered, "{tally:?}");
        let running = self.come.values().filter(|come| **come == Come::Started).count();
        assert_eq!(tally.running, running, "{tally:?}");
        let owed = self.come.values().filter(|come| **come < Come::Settled).count();
        assert!(tally.owed <= owed, "{tally:?}");
        let largest = limits.websocket.max_message.max(limits.result_bytes) * 6;
        let most =
            limits.transmit_bytes + largest + 131 * (limits.websocket.max_pending_pongs + 8) + 2048;
        let waits = self.node.transmit().len();
        assert!(waits <= most, "{waits} bytes wait");
        if self.stopped {
            assert_eq!(self.node.phase(), Phase::Stopped);
            assert_eq!((self.node.deadline(), waits), (None, 0));
        }
    }

    fn look(&self) -> (Vec<u8>, Option<(Duration, Deadline)>, Phase, crate::node::Tally) {
        let node = &self.node;
        (node.transmit().to_vec(), node.deadline(), node.phase(), node.tally())
    }

    /// Whatever has happened, a node that is told to stop, and given time, stops.
    pub(super) fn end(mut self) -> Transcript {
        assert_hides_the_secret(&format!("{:?}", self.node));
        let grace = Duration::from_secs(1);
        // The work's time, the time to tell of it, and the time to close.
        let latest = self.now + grace + 2 * self.node.config().timing.close;
        self.give(Input::Stop(grace));
        while !self.stopped {
            assert!(self.node.deadline().is_some(), "nothing will wake the node: {:?}", self.node);
            self.serve_deadline();
            assert!(self.now <= latest, "the node does not stop: {:?}", self.node);
        }
        assert_hides_the_secret(&format!("{:?}", self.node));
        self.transcript
    }

    fn some_work(&self, index: u8) -> WorkId {
        match self.work.get(usize::from(index) % (self.work.len() + 1)) {
            Some(id) => *id,
            None => WorkId(u64::from(index)),
        }
    }

    fn clock(&self) -> Now {
        let micros = i64::try_from(self.now.as_micros()).unwrap_or(i64::MAX);
        Now::new(self.now, Timestamp::from_micros(micros))
    }
}

/// What a gateway of the dialect makes of what it hears.
fn ears(openclaw: bool) -> Box<dyn GatewaySession> {
    if !openclaw {
        return Box::new(Gateway);
    }
    let policy = Policy {
        max_message: 25 << 20,
        transmit_bytes: 64 << 20,
        tick: Duration::from_secs(30),
        open_requests: 8,
    };
    Box::new(openclaw::Gateway::new(GatewayConfig::default(), policy, [5; 32]))
}

fn identity() -> Identity {
    Identity::from_seed([1; 32])
}

fn hello() -> Hello {
    let mut hello = Hello::new("token");
    hello.device_token = Some(openclaw::DeviceToken::new(SECRET, "node"));
    hello
}

fn json(padding: &str) -> Box<RawValue> {
    RawValue::from_string(format!(r#"{{"a":"{padding}"}}"#)).expect("it is JSON")
}

/// Low bits: what is short; high bits: how short, in milliseconds.
fn timing(choice: u8) -> Timing {
    let mut timing = Timing::default();
    let short = Duration::from_millis(u64::from(choice >> 4));
    let is_short = |bit: u8| choice >> bit & 1 != 0;
    if is_short(0) {
        (timing.heartbeat_interval, timing.confirm) = (short, short);
    }
    if is_short(1) {
        (timing.connect, timing.open, timing.register) = (short, short, short);
    }
    if is_short(2) {
        // Who wants no pause between attempts gets none, and spins.
        let pause = short.max(Duration::from_millis(1));
        (timing.reconnect_delay, timing.max_reconnect_delay) = (pause, pause);
    }
    if is_short(3) {
        timing.close = short;
    }
    timing
}

fn small_limits() -> Limits {
    Limits {
        websocket: websocket::Limits {
            max_message: 1000,
            max_pending_pongs: 2,
            ..websocket::Limits::default()
        },
        running: 2,
        owed: 3,
        waiting_bytes: 300,
        result_bytes: 150,
        kept_bytes: 300,
        remembered: 2,
        remembered_for: Duration::from_secs(5),
        updates: 2,
        update_bytes: 200,
        calls: 2,
        transmit_bytes: 400,
        fault_replies: 2,
    }
}
