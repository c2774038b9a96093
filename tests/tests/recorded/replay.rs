//! A recording played to a node, and what the node says held against what the recorded node said.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::verify;
use clawnode_protocol::node::{HostStats, Input, Publication};
use clawnode_protocol::websocket::accept_value;
use clawnode_protocol::{Failure, Outcome};
use clawnode_tests::json;
use serde_json::Value;

use crate::difference::Difference;
use crate::recording::{Recording, What};
use crate::stage::{Heard, Stage, credentials, delays};

/// How a recording leaves the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Connected.
    Connected,
    /// It tries again.
    Waiting,
    /// It does not try again.
    Stopped,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) differences: BTreeSet<Difference>,
    pub(crate) left: Left,
    /// How many messages were held against each other.
    pub(crate) compared: usize,
    pub(crate) forgot_device_token: bool,
    /// Requests that were started, and those that were stopped, oldest first.
    pub(crate) started: Vec<String>,
    pub(crate) cancelled: Vec<String>,
}

/// Plays a recording to a node that serves what the recorded one served, with the same outcomes.
pub(crate) fn replay(recording: &Recording) -> Report {
    Replay::new(recording, false).run()
}

/// Plays a recording to a node that serves no command at all.
pub(crate) fn replay_serving_nothing(recording: &Recording) -> Report {
    Replay::new(recording, true).run()
}

struct Replay<'a> {
    recording: &'a Recording,
    stage: Stage,
    /// How much later it is on the stage than in the recording.
    shift: u64,
    at: u64,
    /// Which of the node's requests each recorded request became; `None` for what it does not say.
    ids: BTreeMap<String, Option<String>>,
    connection: Progress,
    /// Since the gateway last let the node in.
    failures: u32,
    recorded_failures: u32,
    /// When the recorded connection ended, if the recording shows it.
    ended_at: Option<u64>,
    next: Next,
    holding: bool,
    /// When the gateway said something last, and how often it says something at least.
    heard_at: u64,
    tick_ms: u64,
    differences: BTreeSet<Difference>,
    compared: usize,
    /// Results of commands that the node does not serve, by request.
    refused: BTreeMap<String, Value>,
}

/// How far the present connection has come.
#[derive(Debug, Default)]
struct Progress {
    inventory_published: bool,
    gateway_closed: bool,
    node_closed: bool,
}

/// What the next attempt waits for.
#[derive(Debug, Clone, Copy)]
enum Next {
    Usual,
    Told(u64),
    Differently,
    Approval,
}

impl<'a> Replay<'a> {
    fn new(recording: &'a Recording, serves_nothing: bool) -> Self {
        let connect = recording.connects().next().expect("the node connects");
        let mut shown =
            recording.connects().filter_map(|params| params["auth"]["deviceToken"].as_str());
        let mut stage = Stage::new(connect, credentials(connect, shown.next()));
        stage.serves_nothing = serves_nothing;
        Self {
            recording,
            stage,
            shift: 0,
            at: 0,
            ids: BTreeMap::new(),
            connection: Progress::default(),
            failures: 0,
            recorded_failures: 0,
            ended_at: None,
            next: Next::Usual,
            holding: false,
            heard_at: 0,
            tick_ms: 0,
            differences: BTreeSet::new(),
            compared: 0,
            refused: BTreeMap::new(),
        }
    }

    fn run(mut self) -> Report {
        for (index, line) in self.recording.lines.iter().enumerate() {
            self.at = line.at;
            self.stage.advance_to(line.at + self.shift);
            match &line.what {
                What::Note(_) => {}
                What::Opened => self.open(index),
                What::Unreachable => {
                    assert!(matches!(self.expect(), Heard::Upgrade(_)));
                    self.stage.cut();
                    self.ended();
                }
                What::Upgrade(recorded) => self.upgrade(&headers(recorded)),
                What::UpgradeHeaders(recorded) => {
                    let recorded = recorded.as_object().expect("headers are an object");
                    self.upgrade(&recorded.keys().cloned().collect());
                    self.accept("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x");
                }
                What::UpgradeAnswer(head) => self.accept(head),
                What::FromGateway(text) if !self.holding => {
                    self.heard_at = self.stage.now_ms();
                    self.gateway_says(text);
                }
                What::FromNode(message) => self.node_says(message),
                What::Ping if !self.holding => self.stage.receive_ping(),
                What::FromGateway(_) | What::Ping => {}
                What::Pong => assert_eq!(self.expect(), Heard::Pong),
                What::GatewayClosed(code, reason) => {
                    self.connection.gateway_closed = true;
                    self.stage.receive_close(*code, reason);
                }
                What::NodeClosed(code, reason) => self.node_closes(*code, reason),
                What::GatewayEnded => {
                    if !self.holding {
                        self.stage.receive_end();
                    }
                    self.ended();
                }
                What::Gone => {
                    self.stage.cut();
                    self.ended();
                }
                What::Ended(code, reason) => self.end(*code, reason),
                What::Held => self.holding = true,
                What::Released => self.holding = false,
            }
            if self.stage.serves_nothing {
                self.collect_refused();
            }
        }
        self.finish()
    }

    fn finish(mut self) -> Report {
        if self.stage.serves_nothing {
            let started: BTreeSet<&String> = self.stage.started.iter().collect();
            let refused: BTreeSet<&String> = self.refused.keys().collect();
            assert_eq!(started, refused, "every command has its answer");
        }
        assert_eq!(self.stage.heard, [], "and nothing more is said");
        if let Next::Approval = self.next {
            self.differs(Difference::AsksForApproval);
        }
        let left = match (&self.stage.stopped, self.stage.is_connected()) {
            (Some(_), _) => Left::Stopped,
            (None, true) => Left::Connected,
            (None, false) => Left::Waiting,
        };
        let expected = self.delay();
        if let Some(delay) = self.stage.retry_in_ms().filter(|_| left == Left::Waiting) {
            assert!(expected.contains(&delay), "{delay} ms, not one of {expected:?}");
        }
        Report {
            differences: self.differences,
            left,
            compared: self.compared,
            forgot_device_token: self.stage.forgot_device_token,
            started: self.stage.started,
            cancelled: self.stage.cancelled,
        }
    }

    // Connections.

    fn open(&mut self, index: usize) {
        let recorded_delay = self.ended_at.map(|ended| self.at - ended);
        // Where the recording does not show the end of a connection, it is there by now.
        self.stage.receive_end();
        self.stage.cut();
        self.ended();
        assert_eq!(self.stage.heard, [], "nothing more is said on a connection");
        if index > 0 {
            self.check_delay(recorded_delay);
        }
        while !self.stage.wants_stream {
            assert!(self.stage.step(u64::MAX), "the node tries again");
        }
        self.shift = self.stage.now_ms().saturating_sub(self.at).max(self.shift);
        self.connection = Progress::default();
        self.next = Next::Usual;
        self.ended_at = None;
        // What a node publishes, it has before it connects.
        let mut of_it = self.recording.lines[index + 1..]
            .iter()
            .take_while(|line| !matches!(line.what, What::Opened));
        let first_stats = of_it.find_map(|line| match &line.what {
            What::FromNode(message) => host_stats(message),
            _ => None,
        });
        if let Some(stats) = first_stats {
            self.stage.give(Input::Publish(Publication::HostStats(stats)));
        }
        self.stage.connect();
    }

    fn ended(&mut self) {
        self.ended_at.get_or_insert(self.at);
    }

    /// How the next attempt waits: this node by its own rules, the recorded one by those of page 9.
    fn check_delay(&mut self, recorded: Option<u64>) {
        let expected = self.delay();
        let delay = self.stage.retry_in_ms().expect("the node tries again");
        assert!(expected.contains(&delay), "{delay} ms, not one of {expected:?}");
        let recorded_full = match self.next {
            Next::Differently => delays::DIFFERENTLY,
            _ => delays::usual_full(self.recorded_failures),
        };
        if let Some(recorded) = recorded {
            let late = recorded_full..=recorded_full + 100;
            assert!(
                late.contains(&recorded),
                "the recorded node came after {recorded} ms, not {late:?}"
            );
        }
        match self.next {
            Next::Usual => {
                self.differs(Difference::Jitter);
                self.failures += 1;
            }
            Next::Told(_) => self.differs(Difference::ComesBackWhenTold),
            Next::Differently | Next::Approval => {}
        }
        if !matches!(self.next, Next::Differently) {
            self.recorded_failures += 1;
        }
    }

    fn delay(&self) -> RangeInclusive<u64> {
        match self.next {
            Next::Usual => delays::usual(self.failures),
            Next::Told(ms) => delays::about(ms),
            Next::Differently => delays::about(delays::DIFFERENTLY),
            Next::Approval => delays::about(delays::APPROVAL),
        }
    }

    fn upgrade(&mut self, recorded: &BTreeSet<String>) {
        let Heard::Upgrade(head) = self.expect() else {
            panic!("the node asks for an upgrade first")
        };
        assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
        let mut recorded = recorded.clone();
        if recorded.remove("sec-websocket-extensions") {
            self.differs(Difference::NoCompression);
        }
        assert_eq!(headers(&head), recorded);
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        self.ids.clear();
        // The gateway's answer depends on the key.
        self.ids.insert(KEY.to_owned(), key.map(str::to_owned));
    }

    /// The recorded answer, but for the proof that this node's key was read.
    fn accept(&mut self, head: &str) {
        let key = self.ids.remove(KEY).flatten().expect("the node has a key");
        let accept = accept_value(key.as_bytes()).expect("the key is one");
        let mut answer = String::new();
        for line in head.lines() {
            match line.split_once(": ") {
                Some((name, _)) if name.eq_ignore_ascii_case("sec-websocket-accept") => {
                    answer.push_str(&format!("{name}: {accept}\r\n"));
                }
                _ => answer.push_str(&format!("{line}\r\n")),
            }
        }
        answer.push_str("\r\n");
        self.stage.receive(answer.as_bytes());
    }

    fn node_closes(&mut self, code: Option<u16>, reason: &str) {
        if self.connection.gateway_closed && !self.connection.node_closed {
            let Heard::Close(answered, words) = self.expect() else { panic!("a close frame") };
            assert_eq!(answered, code);
            if words != reason {
                assert_eq!(words, "");
                self.differs(Difference::ClosesWithTheSameCode);
            }
            return;
        }
        self.connection.node_closed = true;
        if code.is_none() {
            self.stage.give(Input::Stop(Duration::ZERO));
            self.differs(Difference::SaysThatItStops);
            assert_eq!(self.expect(), Heard::Close(Some(1001), "the node is stopping".to_owned()));
            return;
        }
        assert_eq!(self.expect(), Heard::Close(code, reason.to_owned()));
        self.after_own_close(reason);
    }

    fn after_own_close(&mut self, reason: &str) {
        match reason {
            "gateway protocol upgraded" => self.next = Next::Differently,
            // The watchdog looks once a tick whether two have passed in silence (openclaw page 10).
            "tick timeout" => {
                let silence = self.stage.closed_at_ms - self.heard_at;
                let expected = 2 * self.tick_ms..=3 * self.tick_ms;
                assert!(expected.contains(&silence), "silent for {silence} ms, not {expected:?}");
            }
            other => panic!("the node gave no such reason: {other}"),
        }
    }

    /// How it ended as the scripted gateway saw it.
    fn end(&mut self, code: u16, reason: &str) {
        const LOST: u16 = 1006;
        const SCRIPT_OVER: u16 = 1001;
        match code {
            LOST => self.stage.cut(),
            SCRIPT_OVER => {
                self.stage.receive_close(Some(code), reason);
                assert_eq!(self.expect(), Heard::Close(Some(code), reason.to_owned()));
                self.stage.receive_end();
            }
            _ => {
                assert_eq!(self.expect(), Heard::Close(Some(code), reason.to_owned()));
                self.after_own_close(reason);
                self.stage.receive_close(Some(code), reason);
                self.stage.receive_end();
            }
        }
        self.ended();
    }

    // Messages.

    fn gateway_says(&mut self, text: &str) {
        let Ok(mut message) = serde_json::from_str::<Value>(text) else {
            return self.stage.receive_message(text);
        };
        let back_in = &message["payload"]["restartExpectedMs"];
        if let Some(ms) = back_in.as_u64().filter(|_| message["event"] == "shutdown") {
            self.next = Next::Told(ms);
        }
        let recorded = message["id"].as_str().filter(|_| message["type"] == "res");
        let Some(id) = recorded.map(|id| self.ids.get(id).cloned()) else {
            return self.stage.receive_message(text);
        };
        match id {
            // A reply to something that was never asked.
            None => self.stage.receive_message(text),
            // A reply to what this node does not say.
            Some(None) => {}
            Some(Some(id)) => {
                if id == "connect" {
                    self.heed(&message);
                }
                message["id"] = id.into();
                self.stage.receive_message(&message.to_string());
            }
        }
    }

    /// What the reply to a `connect` means for the time to come.
    fn heed(&mut self, reply: &Value) {
        if reply["ok"] == true {
            self.tick_ms = reply["payload"]["policy"]["tickIntervalMs"].as_u64().expect("a tick");
            self.failures = 0;
            self.recorded_failures = 0;
            return;
        }
        self.next = match reply["error"]["details"]["code"].as_str() {
            Some("PAIRING_REQUIRED") => Next::Approval,
            Some("PROTOCOL_MISMATCH" | "AUTH_TOKEN_MISMATCH") => Next::Differently,
            _ => Next::Usual,
        };
    }

    fn node_says(&mut self, recorded: &Value) {
        let method = recorded["method"].as_str().expect("a request has a method");
        let params = &recorded["params"];
        let said = match method {
            "connect" => self.connects(params),
            "node.invoke.result" => self.answers(params),
            "node.event" if params["event"] == "node.host.stats" => self.tells_stats(recorded),
            "node.event"
                if matches!(params["event"].as_str(), Some("exec.finished" | "exec.denied")) =>
            {
                self.differs(Difference::NoExecEvents);
                None
            }
            "node.invoke.progress" => {
                self.differs(Difference::NoStreams);
                None
            }
            "node.runnerInventory.update"
                if std::mem::replace(&mut self.connection.inventory_published, true) =>
            {
                self.says_stats_again()
            }
            "node.runnerInventory.update" | "node.skills.update" | "node.pluginTools.update" => {
                self.differs(Difference::NothingElsePublished);
                None
            }
            other => panic!("nobody knows what to make of {other}"),
        };
        self.compared += usize::from(said.is_some());
        self.ids.insert(recorded["id"].as_str().expect("it has an id").to_owned(), said);
    }

    fn connects(&mut self, recorded: &Value) -> Option<String> {
        let Heard::Message(mut said) = self.expect() else { panic!("the node connects") };
        let mut recorded = recorded.clone();
        let signature = |params: &mut Value| {
            params["device"].as_object_mut().unwrap().remove("signature").unwrap()
        };
        let recorded_signature = signature(&mut recorded);
        signature(&mut said["params"]);
        assert_eq!(said["params"], recorded);
        // The recorded signature is good for the very text that this node signs, once that names the recorded device.
        let [id, public_key] = &self.recording.device;
        let text = self.stage.signed.replace(Stage::identity().device_id(), id);
        assert!(verify(public_key, &text, recorded_signature.as_str().unwrap()), "{text}");
        Some(id_of(&said))
    }

    fn answers(&mut self, recorded: &Value) -> Option<String> {
        let request_id = recorded["id"].as_str().expect("a result has an id");
        if self.stage.serves_nothing {
            self.collect_refused();
            let said = self.refused.get(request_id).expect("it was refused at once");
            let error =
                serde_json::json!({ "code": "UNAVAILABLE", "message": "command not supported" });
            assert_eq!((&said["params"]["ok"], &said["params"]["error"]), (&false.into(), &error));
            return Some(id_of(said));
        }
        self.stage.answer(request_id, outcome(recorded));
        let Heard::Message(mut said) = self.expect() else { panic!("the node answers") };
        let mut recorded = recorded.clone();
        if said["params"]["nodeId"] != recorded["nodeId"] {
            self.differs(Difference::OwnNodeId);
            recorded["nodeId"] = Stage::identity().device_id().into();
        }
        if let Some(payload) = recorded.as_object_mut().unwrap().remove("payload") {
            self.differs(Difference::ResultAsText);
            let text = said["params"].as_object_mut().unwrap().remove("payloadJSON").unwrap();
            assert_eq!(serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap(), payload);
        }
        assert_eq!(said["method"], "node.invoke.result");
        assert_eq!(said["params"], recorded);
        Some(id_of(&said))
    }

    fn tells_stats(&mut self, recorded: &Value) -> Option<String> {
        let stats = host_stats(recorded).expect("they are host stats");
        if !matches!(self.stage.heard.front(), Some(Heard::Message(message)) if message["method"] == "node.event")
        {
            self.stage.give(Input::Publish(Publication::HostStats(stats)));
        }
        let Heard::Message(said) = self.expect() else { panic!("the node tells how it is") };
        self.differs(Difference::StatsAsJson);
        let text = recorded["params"]["payloadJSON"].as_str().unwrap();
        assert_eq!(said["params"]["event"], "node.host.stats");
        let numbers = |value: &Value| serde_json::from_value::<Stats>(value.clone()).unwrap();
        assert_eq!(numbers(&said["params"]["payload"]), serde_json::from_str(text).unwrap());
        Some(id_of(&said))
    }

    fn says_stats_again(&mut self) -> Option<String> {
        match self.stage.heard.front() {
            Some(Heard::Message(said)) if said["params"]["event"] == "node.host.stats" => {
                let id = id_of(said);
                self.stage.heard.pop_front();
                self.differs(Difference::StatsSaidAgain);
                Some(id)
            }
            _ => {
                self.differs(Difference::NothingElsePublished);
                None
            }
        }
    }

    fn collect_refused(&mut self) {
        let is_result = |heard: &Heard| matches!(heard, Heard::Message(said) if said["method"] == "node.invoke.result");
        while let Some(index) = self.stage.heard.iter().position(is_result) {
            let Some(Heard::Message(said)) = self.stage.heard.remove(index) else { continue };
            let request_id = said["params"]["id"].as_str().expect("a result has an id");
            self.refused.insert(request_id.to_owned(), said);
        }
    }

    /// What the node says next. It may come a little later than it did in the recording: a watchdog runs since its own beginning.
    fn expect(&mut self) -> Heard {
        const LATEST_MS: u64 = 31_000;
        let latest = self.at + self.shift + LATEST_MS;
        while self.stage.heard.is_empty() && self.stage.step(latest) {}
        self.shift = self.stage.now_ms().saturating_sub(self.at).max(self.shift);
        self.stage
            .heard
            .pop_front()
            .unwrap_or_else(|| panic!("the node says nothing at {} ms", self.at))
    }

    fn differs(&mut self, difference: Difference) {
        self.differences.insert(difference);
    }
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stats {
    cpu_count: u32,
    load_average: [f64; 3],
    memory_total_bytes: u64,
    memory_free_bytes: u64,
    disk_total_bytes: u64,
    disk_available_bytes: u64,
}

fn host_stats(message: &Value) -> Option<HostStats> {
    let params = &message["params"];
    let text = params["payloadJSON"].as_str().filter(|_| params["event"] == "node.host.stats")?;
    let stats: Stats = serde_json::from_str(text).expect("they are host stats");
    Some(HostStats {
        cpu_count: stats.cpu_count,
        load_average: stats.load_average,
        memory_total_bytes: stats.memory_total_bytes,
        memory_free_bytes: stats.memory_free_bytes,
        disk_total_bytes: stats.disk_total_bytes,
        disk_available_bytes: stats.disk_available_bytes,
    })
}

/// What the recorded node's application made of a request.
fn outcome(result: &Value) -> Outcome {
    if result["ok"] == true {
        return Outcome::Completed(match result["payloadJSON"].as_str() {
            Some(text) => json(text),
            None => json(&result["payload"].to_string()),
        });
    }
    let text = |name: &str| result["error"][name].as_str().unwrap_or_default().to_owned();
    Outcome::Failed(Failure::new(text("message")).with_code(text("code")))
}

/// The names of the headers in lower case.
fn headers(head: &str) -> BTreeSet<String> {
    head.lines()
        .skip(1)
        .filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase()))
        .collect()
}

fn id_of(message: &Value) -> String {
    message["id"].as_str().expect("a request has an id").to_owned()
}

/// Where the key of the upgrade is kept until its answer: no request has this id.
const KEY: &str = "";
