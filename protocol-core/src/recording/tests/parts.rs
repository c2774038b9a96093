//! A node goes on from a checkpoint as if nothing had happened, and a recording goes on in its next part.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use serde_json::value::RawValue;

use super::super::digest::Digester;
use super::super::recorder::Piece;
use super::super::{End, Recorder, Replay};
use crate::dialect::openclaw::{self, Device, Identity};
use crate::dialect::{Dialect, either, nodetool};
use crate::node::{Action, Config, Endpoint, HostStats, Input, Limits, Publication};
use crate::secret::{Credentials, Secret};
use crate::state::{Cursor, Saver};
use crate::time::{Now, Timestamp};
use crate::websocket::{self, CloseCode, Connection};
use crate::work::{Failure, Outcome, Update, WorkId};
use crate::{Call, CallId, Node};

/// What the shared token, the password and so on are in these sessions.
pub(super) const TOKEN: &str = "s3cret/t0ken";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// One thing that happens: which, and with what.
pub(super) type Step = (u8, u8);

/// A recorded node, a gateway, an application, and other nodes that were made from checkpoints on the way.
pub(super) struct Stage {
    pub(super) node: Recorder,
    twins: Vec<Node>,
    queued: u64,
    openclaw: bool,
    pub(super) credentials: Credentials,
    gateway: Option<Connection>,
    clock: Duration,
    work: Vec<WorkId>,
    calls: u64,
    greeted: bool,
    /// What the gateway puts into its greeting.
    pub(super) hello: serde_json::Value,
    /// Whom it does not let in it tells why.
    pub(super) denial: Option<serde_json::Value>,
    pub(super) parts: Vec<Vec<u8>>,
    /// How many twins there were in all.
    pub(super) born: usize,
}

impl Stage {
    pub(super) fn new(dialect: impl Into<Dialect>, limit: u64) -> Self {
        let dialect = dialect.into();
        let openclaw = !matches!(dialect, Dialect::Nodetool(_));
        let mut config =
            Config::new(Endpoint::new("gateway.test", "/nodes?api_key=Zx81/b"), dialect);
        config.commands = vec!["echo".to_owned()];
        config.workflows = true;
        config.limits = Limits {
            running: 2,
            owed: 6,
            waiting_bytes: 1000,
            kept_bytes: 1000,
            remembered: 4,
            remembered_for: Duration::from_secs(20),
            updates: 3,
            update_bytes: 300,
            transmit_bytes: 600,
            ..Limits::default()
        };
        let mut stage = Self {
            node: Recorder::in_parts(config, [7; 32], limit),
            twins: Vec::new(),
            queued: 0,
            openclaw,
            credentials: Credentials::token(Secret::new(TOKEN)),
            gateway: None,
            clock: Duration::from_secs(5),
            work: Vec::new(),
            calls: 0,
            greeted: false,
            hello: json!({ "deviceToken": "dev1ce-T0ken", "role": "node" }),
            denial: None,
            parts: Vec::new(),
            born: 0,
        };
        stage.give(|| Input::Start);
        stage
    }

    fn now(&self) -> Now {
        let micros = 1_767_323_045_000_000 + i64::try_from(self.clock.as_micros()).unwrap();
        Now::new(self.clock, Timestamp::from_micros(micros))
    }

    /// The same input for all, and all they do is the same.
    pub(super) fn give<'a>(&mut self, input: impl Fn() -> Input<'a>) {
        if matches!(input(), Input::Connected) {
            self.queued = 0;
        }
        let now = self.now();
        let handled = self.node.handle(now, input());
        for twin in &mut self.twins {
            assert_eq!(twin.handle(now, input()), handled);
        }
        let mut asked = Vec::new();
        loop {
            let action = self.node.poll_action();
            let mark = |node: &Node, action: &Action| {
                let mark = Digester::new(&mut Vec::new(), None)
                    .action(action, |work| node.request_digest(work));
                (format!("{action:?}"), mark)
            };
            let expected = action.as_ref().map(|action| mark(&self.node, action));
            for twin in &mut self.twins {
                let same = twin.poll_action().map(|action| mark(twin, &action));
                assert_eq!(same, expected);
            }
            match action {
                Some(action) => asked.push(action),
                None => break,
            }
        }
        self.compare();
        let live = self.born % 3 == 0 || !self.twins.is_empty();
        if self.node.is_at_rest() && (live || self.twins.is_empty()) {
            self.bear_twin();
        }
        while let Some(piece) = self.node.take_piece(Vec::new()) {
            self.keep(piece);
        }
        for action in asked {
            self.act(action);
        }
    }

    fn keep(&mut self, piece: Piece) {
        if piece.begins_part() {
            self.parts.push(Vec::new());
        }
        self.parts.last_mut().expect("the first piece begins a part").extend(piece.seal());
    }

    fn compare(&mut self) {
        let fresh = self.node.queued_since(self.queued).unwrap_or_default();
        for twin in &self.twins {
            assert_eq!(twin.queued_since(self.queued).unwrap_or_default(), fresh);
            assert_eq!(twin.deadline(), self.node.deadline());
            assert_eq!(twin.phase(), self.node.phase());
            assert_eq!(twin.tally(), self.node.tally());
            assert_eq!(twin.dialect(), self.node.dialect());
            assert_eq!(twin.transmit().len(), self.node.transmit().len());
        }
        self.queued += fresh.len() as u64;
    }

    fn bear_twin(&mut self) {
        let mut saver = Saver::plain(Vec::new());
        self.node.save(&mut saver);
        let mut cursor = Cursor::new(&saver.out);
        let twin = Node::load(self.node.config().clone(), &mut cursor).expect("it was saved");
        assert!(cursor.is_at_end());
        if self.twins.len() == 3 {
            // The one in the middle, so that there are old ones and young ones.
            self.twins.remove(1);
        }
        self.twins.push(twin);
        self.born += 1;
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Authenticate => {
                let credentials = self.credentials.clone();
                self.give(|| Input::Credentials(credentials.clone()));
            }
            Action::Sign(text) => {
                let signature = Identity::from_seed([1; 32]).sign(text.expose());
                self.give(|| Input::Signature(&signature));
            }
            Action::KeepDeviceToken(given) => {
                self.credentials.device_token = Some(given.token);
                self.give(|| Input::DeviceTokenKept);
            }
            Action::ForgetDeviceToken => self.credentials.device_token = None,
            Action::Connect => {
                self.gateway = Some(Connection::server(websocket::Limits::default()));
                self.greeted = false;
                self.give(|| Input::Connected);
            }
            Action::Disconnect => self.gateway = None,
            Action::Admit(work) => {
                self.work.push(work.id);
                self.give(|| Input::Admitted(work.id));
            }
            Action::Record(answer) => self.give(|| Input::Recorded(answer.work)),
            _ => {}
        }
    }

    /// Carries bytes both ways, those to the node in pieces of `size`, until there are none.
    pub(super) fn carry(&mut self, size: usize) {
        for _ in 0..100 {
            let mut moved = self.carry_to_gateway(usize::MAX);
            while self.carry_to_node(size) {
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    fn carry_to_gateway(&mut self, most: usize) -> bool {
        let out = self.node.transmit();
        let out = out[..out.len().min(most)].to_vec();
        let Some(gateway) = self.gateway.as_mut().filter(|_| !out.is_empty()) else { return false };
        gateway.receive(&out);
        let (mut asked, mut texts) = (false, Vec::new());
        while let Some(event) = gateway.poll() {
            match event {
                websocket::Event::Request(_) => asked = true,
                websocket::Event::Text(text) => texts.push(text.to_owned()),
                _ => {}
            }
        }
        if asked {
            gateway.accept().expect("it asked");
        }
        if asked && self.openclaw {
            self.say(&json!({
                "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 1_767_323_045_000_u64 },
            }));
        }
        self.give(|| Input::Sent(out.len()));
        for text in texts {
            if text.starts_with(r#"{"type":"req","id":"connect""#) && !self.greeted {
                self.greeted = true;
                if let Some(error) = self.denial.clone() {
                    self.say(
                        &json!({ "type": "res", "id": "connect", "ok": false, "error": error }),
                    );
                    self.close(1008, "no");
                    continue;
                }
                let hello = json!({
                    "type": "hello-ok", "protocol": 4, "auth": self.hello, "policy": { "tickIntervalMs": 2000 },
                });
                self.say(&json!({ "type": "res", "id": "connect", "ok": true, "payload": hello }));
            }
        }
        true
    }

    fn carry_to_node(&mut self, most: usize) -> bool {
        let Some(gateway) = &mut self.gateway else { return false };
        let bytes = gateway.transmit();
        let bytes = bytes[..bytes.len().min(most)].to_vec();
        gateway.sent(bytes.len()).expect("it was lent");
        if bytes.is_empty() {
            return false;
        }
        self.clock += Duration::from_micros(1500);
        self.give(|| Input::Received(&bytes));
        true
    }

    pub(super) fn say(&mut self, message: &serde_json::Value) {
        if let Some(gateway) = &mut self.gateway {
            let _ = gateway.send_text(&message.to_string());
        }
    }

    pub(super) fn close(&mut self, code: u16, why: &str) {
        if let Some(gateway) = &mut self.gateway {
            let _ = gateway.close(CloseCode::new(code).expect("it is one"), why);
        }
    }

    fn request(&mut self, with: u8) {
        let id = format!("r{}", with % 4);
        // Mostly the same under the same id, so that answers are asked for again.
        let text = match with % 4 {
            0 if with > 200 => "x".repeat(usize::from(with)),
            1 => format!("quoted: {TOKEN}"),
            other => "é\"\\".repeat(usize::from(other) * 8),
        };
        self.say(&if self.openclaw {
            json!({ "type": "event", "event": "node.invoke.request", "payload": {
                "id": id, "nodeId": "x", "command": "echo", "paramsJSON": json!({ "text": text }).to_string(),
                "timeoutMs": if with & 32 == 0 { 0 } else { 3000 },
            } })
        } else if with % 4 != 3 {
            json!({ "type": "command_request", "request_id": id, "command": "echo", "args": { "text": text } })
        } else {
            json!({ "type": "workflow_request", "request_id": id, "workflow_id": "w", "params": { "text": text } })
        });
    }

    pub(super) fn step(&mut self, (kind, with): Step) {
        let some_work = |stage: &Self| {
            let index = usize::from(with) % (stage.work.len() + 1);
            // The newest are those that something can still happen to.
            stage.work.iter().rev().nth(index).copied().unwrap_or(WorkId(0))
        };
        match kind % 21 {
            0..=3 => self.request(with),
            4 => {
                let acknowledged = json!({ "type": "ack", "request_id": format!("r{}", with % 4) });
                self.say(&acknowledged);
            }
            5 | 6 => {
                self.carry_to_node(usize::from(with) + 1);
            }
            7 => {
                self.carry_to_gateway(usize::from(with) + 1);
            }
            8 | 9 => {
                let work = some_work(self);
                let result = json!({ "text": "y".repeat(usize::from(with)) }).to_string();
                let outcome = match with % 4 {
                    0 => Outcome::failed(format!("it failed with {TOKEN}")),
                    1 => Outcome::Failed(Failure::new("no").with_code("INVALID_REQUEST")),
                    _ => Outcome::Completed(RawValue::from_string(result).expect("it is JSON")),
                };
                self.give(|| Input::Answer(work, outcome.clone()));
            }
            10 => {
                let work = some_work(self);
                let data =
                    RawValue::from_string(r#"{"half":true}"#.to_owned()).expect("it is JSON");
                let mut update = Update::new("news", data);
                update.key = (with % 2 == 0).then(|| "key".to_owned());
                self.give(|| Input::Progress(work, update.clone()));
            }
            11 => {
                let work = some_work(self);
                self.give(|| Input::Cancel(work, "not wanted"));
            }
            12 => {
                self.clock += Duration::from_millis(u64::from(with) * 20);
                self.give(|| Input::Timeout);
            }
            13 => {
                if let Some((due, _)) = self.node.deadline() {
                    self.clock = self.clock.max(due);
                    self.give(|| Input::Timeout);
                }
            }
            14 => {
                self.say(&json!({ "type": "error", "error": format!("who is {TOKEN}?") }));
                self.say(&json!({ "nonsense": with }));
            }
            15 => {
                let id = CallId(self.calls);
                self.calls += u64::from(with % 3 != 0);
                let params = RawValue::from_string("{}".to_owned()).expect("it is JSON");
                let timeout = Duration::from_secs(u64::from(with));
                let traceparent = (with % 2 == 0).then(|| TRACE.parse().expect("it is one"));
                self.give(|| {
                    Input::Call(Call { id, method: "m", params: &params, timeout, traceparent })
                });
                self.say(&json!({ "type": "res", "id": format!("c{}", with % 4), "ok": true, "payload": {} }));
            }
            16 => {
                let stats = HostStats {
                    cpu_count: 2,
                    load_average: [0.5, 1.0, 0.25],
                    memory_total_bytes: 1 << 30,
                    memory_free_bytes: u64::from(with),
                    disk_total_bytes: 1 << 40,
                    disk_available_bytes: 1 << 39,
                };
                self.give(|| Input::Publish(Publication::HostStats(stats)));
                let error = json!({ "code": "UNAVAILABLE", "message": "too early" });
                self.say(
                    &json!({ "type": "res", "id": "p0", "ok": with % 2 == 0, "error": error }),
                );
            }
            17 if with < 60 => self.close(1012, "restart"),
            17 if with < 120 => {
                self.gateway = None;
                self.give(|| Input::Disconnected("reset"));
            }
            18 if with < 25 => {
                let grace = Duration::from_millis(u64::from(with) * 100);
                self.give(|| Input::Stop(grace));
            }
            18 => {
                if let Some(gateway) = &mut self.gateway {
                    let _ = gateway.ping(b"?");
                }
                self.give(|| Input::Custom(r#"{"type":"mine"}"#));
            }
            _ => self.carry(usize::from(with) * 4 + 1),
        }
    }

    /// Time goes on to the next deadline.
    pub(super) fn wait(&mut self) {
        self.step((13, 0));
    }

    /// The connection breaks.
    pub(super) fn lose(&mut self) {
        self.step((17, 100));
    }

    /// The parts of the recording, whose last ends as it should.
    pub(super) fn end(mut self) -> Vec<Vec<u8>> {
        self.node.end(End::Closed);
        while let Some(piece) = self.node.take_piece(Vec::new()) {
            self.keep(piece);
        }
        self.parts
    }
}

pub(super) fn openclaw_node() -> openclaw::Config {
    let mut config = openclaw::Config::node(Device::from(&Identity::from_seed([1; 32])), "1.0");
    config.client.display_name = Some("s3cretary".to_owned());
    config.trusted_endpoint = true;
    config
}

fn dialect(choice: u8) -> Dialect {
    match choice % 3 {
        0 => nodetool::Config::new("node-A").into(),
        1 => openclaw_node().into(),
        _ => either::Config::new(nodetool::Config::new("node-A"), openclaw_node()).into(),
    }
}

/// Whether each part is replayed to the byte; and how they end.
pub(super) fn ends(parts: &[Vec<u8>]) -> Vec<Option<End>> {
    let replayed = parts.iter().enumerate().map(|(index, part)| {
        let mut replay = Replay::new(part).expect("it has a beginning");
        assert_eq!(replay.header().part, index as u64);
        let steps: Vec<_> = replay.by_ref().map(|step| format!("{step:?}")).collect();
        assert!(replay.is_identical(), "part {index}: {steps:#?}");
        replay.end()
    });
    replayed.collect()
}

fn contains(recording: &[u8], text: &str) -> bool {
    memchr::memmem::find(recording, text.as_bytes()).is_some()
}

#[test]
fn an_answer_that_a_checkpoint_left_out_is_supplied_when_it_is_sent_again() {
    let mut stage = Stage::new(nodetool::Config::new("node-A"), 6000);
    let request =
        json!({ "type": "command_request", "request_id": "r", "command": "echo", "args": {} });
    let result = json!({ "text": format!("{TOKEN} {}", "y".repeat(400)) }).to_string();
    stage.carry(1000);
    stage.say(&request);
    stage.carry(1000);
    let work = stage.work[0];
    let outcome = Outcome::Completed(RawValue::from_string(result).expect("it is JSON"));
    stage.give(|| Input::Answer(work, outcome.clone()));
    stage.carry(1000);
    stage.say(&json!({ "type": "ack", "request_id": "r" }));
    for part in 2..5 {
        while stage.parts.len() < part {
            stage.say(&json!({ "type": "news", "text": "x".repeat(100) }));
            stage.carry(1000);
        }
        stage.say(&request);
        stage.say(&request);
        stage.carry(1000);
        stage.say(&request);
        stage.carry(1000);
    }
    let parts = stage.end();
    let answers = |part: &Vec<u8>| memchr::memmem::find_iter(part, &"y".repeat(400)).count();
    assert_eq!(parts.iter().map(answers).collect::<Vec<_>>(), [1, 1, 1, 1]);
    assert!(parts.iter().all(|part| !contains(part, TOKEN)));
    assert_eq!(ends(&parts).last(), Some(&Some(End::Closed)));
}

#[test]
fn a_damaged_checkpoint_is_refused_or_played_and_noticed_without_panic() {
    for choice in 0..3 {
        let mut stage = Stage::new(dialect(choice), 5000);
        stage.carry(1000);
        for with in 0..60 {
            // A request, work that ends, and everything on its way; a Stop would end it too early.
            for kind in [0, 10, 8, 4, 16, 9] {
                stage.step((kind, with * 4 + 3));
            }
            stage.carry(300);
        }
        let parts = stage.end();
        let part = parts.get(1).expect("there is more than one");
        let mut noticed = 0;
        for at in 0..part.len() {
            for bit in [0x01, 0x10, 0x80] {
                let mut damaged = part.clone();
                damaged[at] ^= bit;
                match Replay::new(&damaged) {
                    Ok(mut replay) => noticed += usize::from(replay.any(|step| step.is_err())),
                    Err(_) => noticed += 1,
                }
            }
        }
        assert!(noticed * 10 > part.len() * 3 * 8, "{noticed} of {}", part.len() * 3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 150 } else { 2000 }))]

    #[test]
    fn a_node_goes_on_from_any_checkpoint_as_if_nothing_had_happened(
        choice: u8,
        limit in 4000..12_000_u64,
        steps in prop::collection::vec(any::<Step>(), 0..200),
    ) {
        let mut stage = Stage::new(dialect(choice), limit);
        for step in steps {
            stage.step(step);
        }
        let parts = stage.end();
        let mut ends = ends(&parts);
        let last = ends.pop();
        prop_assert!(matches!(last, Some(Some(End::Closed | End::Full))), "{last:?}");
        prop_assert!(ends.iter().all(|end| *end == Some(End::Continued)), "{ends:?}");
        for part in &parts {
            prop_assert!(part.len() as u64 <= limit, "{} of {limit}", part.len());
            for secret in [TOKEN, "dev1ce-T0ken", r"s3cret\/t0ken", "Zx81"] {
                prop_assert!(!contains(part, secret), "{secret}");
            }
        }
    }
}
