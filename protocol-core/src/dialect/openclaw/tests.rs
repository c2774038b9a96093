//! Tests: a node against a gateway that says exactly what it is told to.

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Config, Device, DeviceToken, Identity, MOST_CONNECT_BYTES};
use crate::node::{
    self, Action, Deadline, Endpoint, Event, HostStats, Input, LostReason, Misuse, Phase,
    Publication, StopReason,
};
use crate::secret::{Credentials, Secret};
use crate::websocket::{self, CloseCode, Closed, Connection};
use crate::work::{Failure, Outcome, Update, WorkId};
use crate::{Call, CallError, CallId, Node, Now, Timestamp};

/// A node, and the other end of its connection.
struct Stage {
    node: Node,
    credentials: Credentials,
    gateway: Connection,
    closed: Option<Closed>,
    millis: u64,
    /// What the gateway heard, oldest first.
    heard: Vec<Value>,
    events: Vec<Event>,
    kept: Vec<DeviceToken>,
    forgotten: usize,
    started: Vec<WorkId>,
    cancelled: Vec<WorkId>,
    settled: Vec<WorkId>,
    replies: Vec<(CallId, Result<String, CallError>)>,
    stopped: Option<StopReason>,
}

impl Stage {
    fn new(credentials: Credentials, change: impl FnOnce(&mut node::Config)) -> Self {
        let device = Device::from(&Identity::from_seed([1; 32]));
        let mut config =
            node::Config::new(Endpoint::new("gateway.test", "/"), Config::node(device, "1.0"));
        config.commands = vec!["system.which".to_owned()];
        change(&mut config);
        let mut stage = Self {
            node: Node::new(config, [3; 32]),
            credentials,
            gateway: Connection::server(websocket::Limits::default()),
            closed: None,
            millis: 0,
            heard: Vec::new(),
            events: Vec::new(),
            kept: Vec::new(),
            forgotten: 0,
            started: Vec::new(),
            cancelled: Vec::new(),
            settled: Vec::new(),
            replies: Vec::new(),
            stopped: None,
        };
        stage.give(Input::Start);
        stage
    }

    /// One that the gateway has let in.
    fn ready() -> Self {
        Self::ready_with(|_| {})
    }

    fn ready_with(change: impl FnOnce(&mut node::Config)) -> Self {
        let mut stage = Self::new(Credentials::token(Secret::new("shared")), change);
        stage.hello(json!({}));
        assert_eq!(stage.node.phase(), Phase::Ready);
        stage.heard.clear();
        stage
    }

    fn now(&self) -> Now {
        let utc = Timestamp::from_micros(1_795_347_600_000_000);
        Now::new(Duration::from_millis(self.millis), utc)
    }

    fn give(&mut self, input: Input<'_>) {
        self.node.handle(self.now(), input).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            while let Some(action) = self.node.poll_action() {
                self.act(action);
            }
            if !self.carry() {
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        let credentials = self.credentials.clone();
        let reply = match action {
            Action::Authenticate => Input::Credentials(credentials),
            Action::Connect => {
                self.gateway = Connection::server(websocket::Limits::default());
                self.closed = None;
                Input::Connected
            }
            Action::Sign(text) => {
                assert!(!format!("{text:?}").contains('|'), "the text holds a credential");
                Input::Signature("signature")
            }
            Action::KeepDeviceToken(token) => {
                self.kept.push(token);
                Input::DeviceTokenKept
            }
            Action::ForgetDeviceToken => {
                self.forgotten += 1;
                return;
            }
            Action::Admit(work) => Input::Admitted(work.id),
            Action::Record(answer) => Input::Recorded(answer.work),
            Action::Start(work) => return self.started.push(work.id),
            Action::Cancel(work) => return self.cancelled.push(work),
            Action::Settled(work) => return self.settled.push(work),
            Action::Reply { id, result } => {
                let result = result.map(|result| result.get().to_owned());
                return self.replies.push((id, result));
            }
            Action::Notify(event) => {
                let shown = format!("{event:?}");
                let secrets = self.credentials.iter();
                let mut told = secrets.filter(|secret| shown.contains(secret.expose()));
                assert_eq!(told.next(), None, "{shown}");
                return self.events.push(event);
            }
            Action::Stopped(reason) => {
                self.stopped = Some(reason);
                return;
            }
            Action::Disconnect => return,
        };
        self.node.handle(self.now(), reply).unwrap();
    }

    /// Carries bytes both ways; false when there were none.
    fn carry(&mut self) -> bool {
        let out = self.node.transmit().to_vec();
        if !out.is_empty() {
            self.gateway.receive(&out);
            self.node.handle(self.now(), Input::Sent(out.len())).unwrap();
        }
        let mut asked = false;
        while let Some(event) = self.gateway.poll() {
            match event {
                websocket::Event::Request(_) => asked = true,
                websocket::Event::Text(text) => {
                    self.heard.push(serde_json::from_str(text).unwrap());
                }
                websocket::Event::Closed(closed) => self.closed = Some(closed),
                _ => {}
            }
        }
        if asked {
            self.gateway.accept().unwrap();
        }
        let back = self.gateway.transmit().to_vec();
        if !back.is_empty() {
            self.gateway.sent(back.len()).unwrap();
            // A node that is done with a connection does not listen any more.
            let _ = self.node.handle(self.now(), Input::Received(&back));
        }
        !out.is_empty() || !back.is_empty()
    }

    fn say(&mut self, frame: Value) {
        self.gateway.send_text(&frame.to_string()).unwrap();
        self.carry();
        self.drain();
    }

    fn event(&mut self, event: &str, payload: Value) {
        self.say(json!({ "type": "event", "event": event, "payload": payload }));
    }

    fn challenge(&mut self) {
        self.event("connect.challenge", json!({ "nonce": "n", "ts": 1_795_347_600_000_u64 }));
    }

    /// Lets the node in.
    fn hello(&mut self, more: Value) {
        self.challenge();
        let mut payload =
            json!({ "type": "hello-ok", "protocol": 4, "policy": { "tickIntervalMs": 2000 } });
        for (name, value) in more.as_object().unwrap() {
            payload[name] = value.clone();
        }
        self.say(json!({ "type": "res", "id": "connect", "ok": true, "payload": payload }));
    }

    fn deny(&mut self, code: &str, mut details: Value) {
        self.challenge();
        details["code"] = json!(code);
        let error =
            json!({ "code": "INVALID_REQUEST", "message": "no, shared", "details": details });
        self.say(json!({ "type": "res", "id": "connect", "ok": false, "error": error }));
        self.close(1008, "no");
    }

    fn close(&mut self, code: u16, why: &str) {
        self.gateway.close(CloseCode::new(code).unwrap(), why).unwrap();
        self.carry();
        self.drain();
    }

    fn invoke(&mut self, id: &str, params: Value, timeout_ms: u64) {
        let payload = json!({
            "id": id, "nodeId": "x", "command": "system.which", "paramsJSON": params, "timeoutMs": timeout_ms,
            "idempotencyKey": "same", "sessionKey": null,
        });
        self.event("node.invoke.request", payload);
    }

    fn answer(&mut self, work: WorkId, outcome: Outcome) {
        self.give(Input::Answer(work, outcome));
    }

    /// The result that the gateway heard last.
    fn result(&self) -> &Value {
        let last = self.heard.last().expect("it heard something");
        assert_eq!(last["method"], "node.invoke.result", "{last}");
        &last["params"]
    }

    fn results(&self) -> usize {
        self.heard.iter().filter(|frame| frame["method"] == "node.invoke.result").count()
    }

    /// Time goes on.
    fn pass(&mut self, millis: u64) {
        self.millis += millis;
        self.give(Input::Timeout);
    }

    /// Time goes on to the next deadline.
    fn wait(&mut self) -> Deadline {
        let (at, deadline) = self.node.deadline().unwrap();
        self.millis = u64::try_from(at.as_micros().div_ceil(1000)).unwrap();
        self.give(Input::Timeout);
        deadline
    }

    /// How long after the last loss the node tries again, in milliseconds.
    fn retry_in(&self) -> u128 {
        match self.events.last() {
            Some(Event::Lost { retry_in: Some(delay), .. }) => delay.as_millis(),
            other => panic!("{other:?} {:?}", self.stopped),
        }
    }
}

fn completed(json: &str) -> Outcome {
    Outcome::Completed(RawValue::from_string(json.to_owned()).unwrap())
}

fn kept() -> Credentials {
    Credentials { device_token: Some(Secret::new("kept-token")), ..Credentials::none() }
}

// The handshake.

#[test]
fn a_node_says_who_it_is_once_it_is_asked() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |_| {});
    assert_eq!((stage.node.phase(), stage.heard.len()), (Phase::Registering, 0));
    stage.challenge();
    let device = Device::from(&Identity::from_seed([1; 32]));
    assert_eq!(
        stage.heard,
        [json!({
            "type": "req", "id": "connect", "method": "connect",
            "params": {
                "minProtocol": 4, "maxProtocol": 4,
                "client": {
                    "id": "node-host", "version": "1.0", "platform": "linux", "deviceFamily": "Linux", "mode": "node",
                },
                "caps": [], "commands": ["system.which"],
                "auth": { "token": "shared" },
                "role": "node", "scopes": [],
                "device": {
                    "id": device.id(), "publicKey": device.public_key(), "signature": "signature",
                    "signedAt": 1_795_347_600_000_u64, "nonce": "n",
                },
            },
        })]
    );
    assert_eq!(stage.node.phase(), Phase::Registering);
}

#[test]
fn what_the_gateway_gives_is_kept_before_the_node_is_ready() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |_| {});
    stage
        .hello(json!({ "auth": { "deviceToken": "kept-token", "role": "node", "scopes": ["a"] } }));
    assert_eq!(stage.kept[0].token, Secret::new("kept-token"));
    assert_eq!(
        (stage.kept[0].role.as_str(), &*stage.kept[0].scopes),
        ("node", &["a".to_owned()][..])
    );
    assert!(!format!("{:?}", stage.kept).contains("kept-token"));
    assert!(matches!(stage.events.last(), Some(Event::Ready)));
}

#[test]
fn a_token_that_is_kept_already_is_not_kept_again() {
    let mut stage = Stage::new(kept(), |_| {});
    stage.hello(json!({ "auth": { "deviceToken": "kept-token" } }));
    assert_eq!(stage.heard[0]["params"]["auth"], json!({ "deviceToken": "kept-token" }));
    assert_eq!((stage.kept.len(), stage.node.phase()), (0, Phase::Ready));
}

#[test]
fn a_password_goes_with_every_other_credential_and_a_setup_code_before_a_kept_token() {
    let mut credentials = kept();
    credentials.password = Some(Secret::new("word"));
    credentials.bootstrap_token = Some(Secret::new("once"));
    let mut stage = Stage::new(credentials, |_| {});
    stage.challenge();
    let auth = json!({ "bootstrapToken": "once", "password": "word" });
    assert_eq!(stage.heard[0]["params"]["auth"], auth);
}

#[test]
fn a_gateway_that_asks_nothing_or_answers_nothing_is_given_up_with_a_word() {
    let mut stage = Stage::new(Credentials::none(), |_| {});
    assert_eq!(stage.wait(), Deadline::Register);
    assert_eq!(stage.millis, 15_000);
    assert!(
        format!("{:?}", stage.closed).contains("connect challenge timeout"),
        "{:?}",
        stage.closed
    );

    let mut stage = Stage::new(Credentials::none(), |_| {});
    stage.challenge();
    assert_eq!(stage.wait(), Deadline::Register);
    let closed = format!("{:?}", stage.closed);
    assert!(closed.contains("4000") && closed.contains("connect timeout"), "{closed}");
}

#[test]
fn nothing_is_done_for_a_gateway_that_has_not_let_the_node_in() {
    let mut stage = Stage::new(Credentials::none(), |_| {});
    stage.invoke("i1", Value::Null, 0);
    stage.challenge();
    stage.invoke("i2", Value::Null, 0);
    assert_eq!(stage.started, []);
}

#[test]
fn the_path_gives_way_to_the_commands_and_then_there_is_no_more_room() {
    let size = |commands: usize, path: usize| {
        let mut stage = Stage::new(Credentials::none(), |config| {
            config.commands = vec!["x".repeat(commands)];
            if let crate::dialect::Dialect::Openclaw(openclaw) = &mut config.dialect {
                openclaw.path_env = Some("p".repeat(path));
            }
        });
        stage.challenge();
        let path = stage.heard.first().map(|frame| frame["params"]["pathEnv"].is_string());
        (path, stage.heard.first().map_or(0, |frame| frame.to_string().len()), stage.stopped)
    };
    let (_, small, _) = size(1, 1);
    let room = MOST_CONNECT_BYTES - small;
    assert!(matches!(size(1, room + 1), (Some(true), MOST_CONNECT_BYTES, None)));
    assert!(matches!(size(1, room + 2), (Some(false), _, None)));
    let without = r#""pathEnv":"","#.len();
    assert!(matches!(size(room + 2 + without, 1), (Some(false), MOST_CONNECT_BYTES, None)));
    let (sent, _, stopped) = size(room + 3 + without, 1);
    assert_eq!(sent, None);
    assert!(matches!(stopped, Some(StopReason::TooLargeToRegister(_))), "{stopped:?}");
}

// Refusals.

#[test]
fn each_refusal_has_its_reaction() {
    for (code, details, expected) in [
        ("PAIRING_REQUIRED", json!({ "requestId": "r1" }), Some(7000..=7875)),
        ("DEVICE_IDENTITY_REQUIRED", json!({}), None),
        ("AUTH_TOKEN_MISSING", json!({}), None),
        ("AUTH_TOKEN_MISMATCH", json!({}), None),
        ("AUTH_REQUIRED", json!({}), Some(500..=1000)),
        ("AUTH_PASSWORD_MISSING", json!({}), None),
        ("AUTH_BOOTSTRAP_TOKEN_INVALID", json!({}), None),
        ("AUTH_SCOPE_MISMATCH", json!({}), None),
        ("AUTH_RATE_LIMITED", json!({ "retryAfterMs": 20_000 }), Some(20_000..=20_000)),
        ("AUTH_RATE_LIMITED", json!({}), Some(300_000..=300_000)),
        ("DEVICE_AUTH_SIGNATURE_EXPIRED", json!({}), Some(500..=1000)),
        ("PROTOCOL_MISMATCH", json!({ "expectedProtocol": 3 }), Some(250..=282)),
        ("PROTOCOL_MISMATCH", json!({ "expectedProtocol": 9 }), None),
        ("CLIENT_VERSION_MISMATCH", json!({}), None),
        ("SOMETHING_NEW", json!({}), Some(500..=1000)),
    ] {
        let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |_| {});
        stage.deny(code, details);
        match expected {
            Some(delays) => {
                assert!(delays.contains(&stage.retry_in()), "{code}: {}", stage.retry_in());
                let Some(Event::Lost { reason: LostReason::Denied(denial), .. }) =
                    stage.events.last()
                else {
                    panic!("{code}: {:?}", stage.events)
                };
                assert_eq!(denial.code().as_str(), code);
                assert_eq!(denial.message(), "no, [hidden]", "{code}");
            }
            None => match &stage.stopped {
                Some(StopReason::Denied(denial)) => assert_eq!(denial.code().as_str(), code),
                other => panic!("{code}: {other:?} {:?}", stage.events),
            },
        }
    }
}

#[test]
fn a_node_that_waits_for_approval_asks_less_and_less_often() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |_| {});
    let mut delays = Vec::new();
    for _ in 0..4 {
        stage.deny("PAIRING_REQUIRED", json!({ "requestId": "r1" }));
        delays.push(stage.retry_in() / 1000);
        assert_eq!(stage.wait(), Deadline::Reconnect);
    }
    assert!(delays[0] == 7 && (14..=15).contains(&delays[1]), "{delays:?}");
    assert!((28..=30).contains(&delays[2]) && delays[3] == 30, "{delays:?}");
    stage.hello(json!({}));
    assert_eq!(stage.node.phase(), Phase::Ready);
}

#[test]
fn a_kept_token_is_shown_once_beside_a_wrong_shared_one_where_the_gateway_can_be_trusted() {
    for trusted in [true, false] {
        let credentials = Credentials { token: Some(Secret::new("shared")), ..kept() };
        let mut stage = Stage::new(credentials, |config| {
            if let crate::dialect::Dialect::Openclaw(openclaw) = &mut config.dialect {
                openclaw.trusted_endpoint = trusted;
            }
        });
        let mismatch = json!({ "canRetryWithDeviceToken": true });
        stage.deny("AUTH_TOKEN_MISMATCH", mismatch.clone());
        assert_eq!(stage.heard[0]["params"]["auth"], json!({ "token": "shared" }));
        if !trusted {
            assert!(matches!(stage.stopped, Some(StopReason::Denied(_))));
            continue;
        }
        assert!(stage.retry_in() <= 282);
        stage.wait();
        stage.deny("AUTH_TOKEN_MISMATCH", mismatch);
        let both = json!({ "token": "shared", "deviceToken": "kept-token" });
        assert_eq!(stage.heard[1]["params"]["auth"], both);
        assert!(matches!(stage.stopped, Some(StopReason::Denied(_))), "once is enough");
    }
}

#[test]
fn a_kept_token_that_is_not_good_any_more_is_forgotten() {
    let mut stage = Stage::new(kept(), |_| {});
    stage.deny("AUTH_DEVICE_TOKEN_MISMATCH", json!({}));
    assert_eq!(stage.forgotten, 1);
    assert!(matches!(stage.stopped, Some(StopReason::Denied(_))), "there is nothing else to show");

    let mut stage =
        Stage::new(Credentials { bootstrap_token: Some(Secret::new("once")), ..kept() }, |_| {});
    stage.deny("AUTH_DEVICE_TOKEN_MISMATCH", json!({}));
    assert_eq!((stage.forgotten, stage.stopped.is_some()), (1, false));
}

#[test]
fn a_used_up_setup_code_is_no_obstacle_to_a_device_that_was_paired_with_it() {
    let mut stage =
        Stage::new(Credentials { bootstrap_token: Some(Secret::new("once")), ..kept() }, |_| {});
    stage.deny("AUTH_BOOTSTRAP_TOKEN_INVALID", json!({}));
    assert!(stage.retry_in() <= 282);
    stage.wait();
    stage.hello(json!({}));
    assert_eq!(stage.heard[1]["params"]["auth"], json!({ "deviceToken": "kept-token" }));
    assert_eq!(stage.node.phase(), Phase::Ready);
}

#[test]
fn a_node_that_was_let_in_before_is_patient_with_a_refusal() {
    let mut stage = Stage::ready();
    stage.close(4001, "gateway auth changed");
    stage.wait();
    stage.deny("AUTH_TOKEN_MISMATCH", json!({}));
    assert!((15_000..=30_000).contains(&stage.retry_in()), "{}", stage.retry_in());
}

#[test]
fn an_older_gateway_is_spoken_to_in_its_version_and_a_newer_one_again_in_its() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |config| {
        if let crate::dialect::Dialect::Openclaw(openclaw) = &mut config.dialect {
            openclaw.client.platform = "macos".to_owned();
        }
    });
    stage.deny("PROTOCOL_MISMATCH", json!({ "expectedProtocol": 3 }));
    stage.wait();
    stage.hello(json!({ "protocol": 3 }));
    let params = &stage.heard[1]["params"];
    assert_eq!((&params["minProtocol"], &params["maxProtocol"]), (&json!(3), &json!(3)));
    assert_eq!(params["client"]["platform"], "darwin");
    assert_eq!(params["client"]["deviceFamily"], Value::Null);
    assert_eq!(stage.node.phase(), Phase::Ready);
    // It stays with that version, until the gateway is newer.
    stage.close(1012, "service restart");
    stage.wait();
    stage.hello(json!({ "protocol": 4 }));
    assert!(
        format!("{:?}", stage.closed).contains("gateway protocol upgraded"),
        "{:?}",
        stage.closed
    );
    stage.wait();
    stage.hello(json!({ "protocol": 4 }));
    assert_eq!(stage.heard.last().unwrap()["params"]["maxProtocol"], 4);
    assert_eq!(stage.node.phase(), Phase::Ready);
}

// Being alive.

#[test]
fn a_gateway_that_is_silent_for_two_ticks_is_given_up() {
    let mut stage = Stage::ready();
    stage.pass(3000);
    stage.event("tick", json!({ "ts": 1 }));
    stage.pass(4000);
    assert_eq!(stage.node.phase(), Phase::Ready, "two ticks are just enough");
    while stage.closed.is_none() {
        assert_eq!(stage.wait(), Deadline::Heartbeat);
    }
    let closed = format!("{:?}", stage.closed);
    assert!(closed.contains("4000") && closed.contains("tick timeout"), "{closed}");
    assert!(stage.millis <= 3000 + 3 * 2000 + 2000, "{}", stage.millis);
}

#[test]
fn a_gateway_that_says_when_it_is_back_is_tried_then() {
    let mut stage = Stage::ready();
    stage.event("shutdown", json!({ "reason": "gateway restarting", "restartExpectedMs": 1500 }));
    assert!(matches!(
        stage.events.last(),
        Some(Event::GoingAway { back_in: Some(time), .. }) if time.as_millis() == 1500
    ));
    stage.close(1012, "service restart");
    assert!((1500..=1688).contains(&stage.retry_in()), "{}", stage.retry_in());
}

#[test]
fn every_close_after_hello_is_followed_by_another_attempt_soon() {
    for (code, why) in [
        (1000, ""),
        (1008, "slow consumer"),
        (1009, ""),
        (1012, "service restart"),
        (1013, "gateway starting"),
        (4001, "device removed"),
    ] {
        let mut stage = Stage::ready();
        stage.close(code, why);
        assert!((500..=1000).contains(&stage.retry_in()), "{code}: {}", stage.retry_in());
    }
}

// Invokes.

#[test]
fn a_command_is_answered_with_its_result_as_text() {
    let mut stage = Stage::ready();
    stage.invoke("i1", json!(r#"{"bins":["ls"]}"#), 0);
    stage.answer(stage.started[0], completed(r#"{"bins":{"ls":"/bin/ls"}}"#));
    let device = Device::from(&Identity::from_seed([1; 32]));
    let expected = json!({
        "id": "i1", "nodeId": device.id(), "ok": true, "payloadJSON": r#"{"bins":{"ls":"/bin/ls"}}"#,
    });
    assert_eq!(stage.result(), &expected);
    assert_eq!(stage.settled, stage.started, "nothing more is owed");
    assert_eq!(stage.node.tally(), node::Tally::default());
}

#[test]
fn a_failure_has_a_code_and_a_message_and_nothing_else() {
    let mut stage = Stage::ready();
    let partial = RawValue::from_string("{}".to_owned()).unwrap();
    let mut failure = Failure::new("no").with_code("LAB");
    failure.partial = Some(partial);
    for (failure, code) in [(failure, "LAB"), (Failure::new("no"), "UNAVAILABLE")] {
        stage.invoke("i1", Value::Null, 0);
        stage.answer(*stage.started.last().unwrap(), Outcome::Failed(failure));
        assert_eq!(stage.result()["error"], json!({ "code": code, "message": "no" }));
        assert_eq!(stage.result()["ok"], false);
        assert_eq!(stage.result()["payloadJSON"], Value::Null);
    }
}

#[test]
fn a_failure_without_words_sends_no_empty_ones() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    stage.answer(stage.started[0], Outcome::Failed(Failure::new("").with_code("")));
    assert_eq!(stage.result()["error"], json!({ "code": "UNAVAILABLE" }));
}

#[test]
fn parameters_are_an_object_in_a_string_or_nothing() {
    let mut stage = Stage::ready();
    for params in [Value::Null, json!(""), json!("null"), json!("{}"), json!(" {} ")] {
        stage.invoke("good", params.clone(), 0);
        assert_eq!(stage.results(), 0, "{params}");
    }
    assert_eq!(stage.started.len(), 5);
    for params in [json!("{"), json!("[]"), json!("7"), json!(7), json!({}), json!("{} {}")] {
        stage.invoke("bad", params.clone(), 0);
        assert_eq!(stage.result()["error"]["code"], "INVALID_REQUEST", "{params}");
    }
    assert_eq!(stage.started.len(), 5);
}

#[test]
fn what_is_cancelled_is_stopped_and_never_heard_of_again() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    let work = stage.started[0];
    stage.event("node.invoke.cancel", json!({ "invokeId": "i1", "nodeId": "x" }));
    assert_eq!(stage.cancelled, [work]);
    let data = RawValue::from_string("{}".to_owned()).unwrap();
    stage.give(Input::Progress(work, Update::new("x", data)));
    stage.answer(work, completed("{}"));
    assert_eq!(stage.heard, [Value::Null; 0]);
    stage.event("node.invoke.cancel", json!({ "invokeId": "unknown" }));
    assert_eq!(stage.node.tally(), node::Tally::default());
}

#[test]
fn the_same_id_again_is_new_work_in_the_place_of_the_old() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    stage.invoke("i1", Value::Null, 0);
    assert_eq!(stage.cancelled, [stage.started[0]]);
    stage.answer(stage.started[0], completed(r#"{"old":1}"#));
    stage.answer(stage.started[1], completed(r#"{"new":1}"#));
    assert_eq!(stage.results(), 1);
    assert_eq!(stage.result()["payloadJSON"], r#"{"new":1}"#);
    // And so it is when the first has its answer: an idempotency key is no reason to give that again.
    stage.invoke("i1", Value::Null, 0);
    assert_eq!(stage.started.len(), 3);
}

#[test]
fn work_is_stopped_when_nobody_waits_for_it_any_more() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 1500);
    stage.invoke("i2", Value::Null, 0);
    assert_eq!(stage.wait(), Deadline::Answer);
    assert_eq!((stage.millis, &*stage.cancelled), (1500, &stage.started[..1]));
    stage.answer(stage.started[0], completed("{}"));
    assert_eq!(stage.results(), 0);
    stage.invoke("i3", Value::Null, 1500);
    stage.answer(stage.started[2], completed("{}"));
    assert_eq!(stage.results(), 1);
    assert!(!matches!(stage.node.deadline(), Some((_, Deadline::Answer))), "it is answered");
}

#[test]
fn a_disconnect_stops_everything_and_no_answer_survives_it() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 9000);
    stage.invoke("i2", Value::Null, 0);
    stage.give(Input::Disconnected("cut"));
    assert_eq!(stage.cancelled, stage.started);
    stage.answer(stage.started[0], completed("{}"));
    stage.wait();
    stage.hello(json!({}));
    assert_eq!((stage.results(), stage.node.tally()), (0, node::Tally::default()));
}

#[test]
fn a_node_that_is_stopping_or_full_says_that_another_time_is_better() {
    let mut stage = Stage::ready_with(|config| config.limits.owed = 1);
    stage.invoke("i1", Value::Null, 0);
    stage.invoke("i2", Value::Null, 0);
    assert_eq!(stage.result()["error"]["code"], "NODE_NOT_READY");
    stage.give(Input::Stop(Duration::from_secs(9)));
    stage.invoke("i3", Value::Null, 0);
    assert_eq!(stage.result()["error"]["code"], "NODE_NOT_READY");
    stage.answer(stage.started[0], completed("{}"));
    assert_eq!(stage.stopped, Some(StopReason::Requested), "it did what it had to do first");
    assert_eq!(stage.result()["id"], "i1");
}

#[test]
fn a_result_goes_as_text_as_it_is_or_not_at_all_as_the_gateway_has_room() {
    let most = 70_000;
    let mut stage = Stage::new(Credentials::none(), |_| {});
    stage.hello(json!({ "policy": { "maxPayload": most } }));
    let room = most - 512 - "i1".len();
    let mut sent = |json: String| {
        stage.invoke("i1", Value::Null, 0);
        stage.answer(*stage.started.last().unwrap(), completed(&json));
        assert!(stage.heard.last().unwrap().to_string().len() <= most);
        let result = stage.result();
        ["payloadJSON", "payload", "error"].map(|name| !result[name].is_null())
    };
    let sized = |len: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(len - 8));
    // Six quotes grow by one byte each, and the string has two more.
    let as_text = room - 4 - 2;
    assert_eq!(sent(sized(as_text)), [true, false, false]);
    assert_eq!(sent(sized(as_text + 1)), [false, true, false]);
    assert_eq!(sent(sized(room)), [false, true, false]);
    assert_eq!(sent(sized(room + 1)), [false, false, true]);
}

#[test]
fn progress_goes_in_numbered_pieces_of_16384_units() {
    let mut stage = Stage::ready();
    stage.invoke("i1", Value::Null, 0);
    let mut sent = |text: &str| {
        stage.heard.clear();
        let data = RawValue::from_string(format!("\"{text}\"")).unwrap();
        stage.give(Input::Progress(stage.started[0], Update::new("x", data)));
        let pieces = stage.heard.iter().map(|frame| {
            let params = &frame["params"];
            let chunk = params["chunk"].as_str().unwrap();
            (params["seq"].as_u64().unwrap(), chunk.encode_utf16().count())
        });
        pieces.collect::<Vec<_>>()
    };
    assert_eq!(sent(&"x".repeat(16_382)), [(0, 16_384)]);
    assert_eq!(sent(&"x".repeat(16_383)), [(1, 16_384), (2, 1)]);
    // A character of two units is never parted.
    assert_eq!(sent(&"😀".repeat(8192)), [(3, 16_383), (4, 3)]);
}

// Calls.

fn call(stage: &mut Stage, id: u64, millis: u64) -> Result<(), Misuse> {
    let params = RawValue::from_string("{}".to_owned()).unwrap();
    let timeout = Duration::from_millis(millis);
    let call = Call { id: CallId(id), method: "skills.bins", params: &params, timeout };
    let result = stage.node.handle(stage.now(), Input::Call(call));
    stage.drain();
    result
}

#[test]
fn a_call_has_one_reply() {
    let mut stage = Stage::ready();
    call(&mut stage, 7, 1000).unwrap();
    assert_eq!(
        stage.heard,
        [json!({ "type": "req", "id": "c7", "method": "skills.bins", "params": {} })]
    );
    assert_eq!(call(&mut stage, 7, 1000), Err(Misuse::RepeatedCall));
    let reply = json!({ "type": "res", "id": "c7", "ok": true, "payload": { "bins": [] } });
    stage.say(reply.clone());
    stage.say(reply);
    assert_eq!(stage.replies.len(), 1);
    assert!(matches!(&stage.replies[0], (CallId(7), Ok(json)) if json == r#"{"bins":[]}"#));
}

#[test]
fn a_call_may_be_refused_come_to_nothing_or_be_cut_off() {
    let mut stage = Stage::ready();
    for id in 0..3 {
        call(&mut stage, id, 1000 + id).unwrap();
    }
    let error =
        json!({ "code": "FORBIDDEN", "message": "no", "retryAfterMs": 5, "details": { "a": 1 } });
    stage.say(json!({ "type": "res", "id": "c0", "ok": false, "error": error }));
    assert_eq!(stage.wait(), Deadline::Answer);
    stage.give(Input::Disconnected("cut"));
    match &*stage.replies {
        [
            (CallId(0), Err(CallError::Refused { code, message, details, retry_after })),
            (CallId(1), Err(CallError::TimedOut)),
            (CallId(2), Err(CallError::Disconnected)),
        ] => {
            assert_eq!((code.as_str(), message.as_str()), ("FORBIDDEN", "no"));
            assert_eq!(details.as_ref().unwrap().get(), r#"{"a":1}"#);
            assert_eq!(*retry_after, Some(Duration::from_millis(5)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(call(&mut stage, 3, 1000), Err(Misuse::NotSendable), "there is no connection");
}

#[test]
fn calls_without_a_reply_are_bounded() {
    let mut stage = Stage::ready_with(|config| config.limits.calls = 2);
    call(&mut stage, 0, 1000).unwrap();
    call(&mut stage, 1, 1000).unwrap();
    assert_eq!(call(&mut stage, 2, 1000), Err(Misuse::NotSendable));
    stage.say(json!({ "type": "res", "id": "c0", "ok": true }));
    call(&mut stage, 2, 1000).unwrap();
}

#[test]
fn a_call_is_no_larger_than_a_result() {
    let mut stage = Stage::ready_with(|config| config.limits.result_bytes = 13);
    assert_eq!(call(&mut stage, 0, 1000), Ok(()));
    let mut stage = Stage::ready_with(|config| config.limits.result_bytes = 12);
    assert_eq!(call(&mut stage, 0, 1000), Err(Misuse::TooLarge));
}

// Publications.

const STATS: HostStats = HostStats {
    cpu_count: 2,
    load_average: [0.5, 0.25, 0.125],
    memory_total_bytes: 8,
    memory_free_bytes: 4,
    disk_total_bytes: 2,
    disk_available_bytes: 1,
};

#[test]
fn host_stats_are_published_on_each_connection() {
    let mut stage = Stage::ready();
    stage.give(Input::Publish(Publication::HostStats(STATS)));
    assert_eq!(
        stage.heard,
        [json!({
            "type": "req", "id": "p0", "method": "node.event",
            "params": { "event": "node.host.stats", "payload": {
                "cpuCount": 2, "loadAverage": [0.5, 0.25, 0.125], "memoryTotalBytes": 8, "memoryFreeBytes": 4,
                "diskTotalBytes": 2, "diskAvailableBytes": 1,
            } },
        })]
    );
    stage.say(json!({ "type": "res", "id": "p0", "ok": true }));
    assert!(matches!(stage.events.last(), Some(Event::Approved)));
    stage.close(1012, "service restart");
    stage.wait();
    stage.heard.clear();
    stage.hello(json!({}));
    assert_eq!(stage.heard.last().unwrap()["id"], "p0");
}

#[test]
fn what_is_said_too_early_is_said_again_and_a_missing_approval_is_told() {
    let mut stage = Stage::ready();
    stage.give(Input::Publish(Publication::HostStats(STATS)));
    let too_early = json!({ "type": "res", "id": "p0", "ok": false, "error": { "code": "UNAVAILABLE", "message": "changed" } });
    let mut delays = Vec::new();
    for refusals in 1..=7 {
        stage.say(too_early.clone());
        let told = stage.events.iter().filter(|event| matches!(event, Event::AwaitingApproval));
        assert_eq!(told.count(), usize::from(refusals >= 4));
        let before = stage.millis;
        while stage.heard.len() <= refusals {
            stage.event("tick", json!({}));
            stage.wait();
        }
        delays.push(stage.millis - before);
    }
    assert_eq!(delays, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    // Approval makes it be said at once.
    stage.say(too_early);
    let heard = stage.heard.len();
    let device = Device::from(&Identity::from_seed([1; 32]));
    let resolved =
        |id: &str| json!({ "requestId": "r", "nodeId": id, "decision": "approved", "ts": 1 });
    stage.event("node.pair.resolved", resolved("another"));
    assert_eq!(stage.heard.len(), heard);
    stage.event("node.pair.resolved", resolved(device.id()));
    assert_eq!(stage.heard.len(), heard + 1);
    assert!(stage.events.iter().any(|event| matches!(event, Event::Approved)));
}

#[test]
fn what_the_gateway_does_not_understand_is_not_said_again() {
    let mut stage = Stage::ready();
    stage.give(Input::Publish(Publication::HostStats(STATS)));
    let error = json!({ "code": "INVALID_REQUEST", "message": "what?" });
    stage.say(json!({ "type": "res", "id": "p0", "ok": false, "error": error }));
    assert!(
        matches!(stage.events.last(), Some(Event::GatewayError { error, .. }) if error.contains("what?"))
    );
    stage.event("tick", json!({}));
    stage.pass(1900);
    assert_eq!(stage.heard.len(), 1);
}

// Everything else.

#[test]
fn other_events_reach_the_application_and_nonsense_changes_nothing() {
    let mut stage = Stage::ready();
    stage.event("voicewake.changed", json!({ "a": 1 }));
    assert!(
        matches!(stage.events.last(), Some(Event::Custom { kind, .. }) if kind == "voicewake.changed")
    );
    for frame in [
        json!([]),
        json!({ "type": "req", "id": "x", "method": "y" }),
        json!({ "type": "other" }),
        json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 1 } }),
        json!({ "type": "event", "event": "node.invoke.request", "payload": { "command": "x" } }),
        json!({ "type": "event", "event": "node.invoke.cancel", "payload": {} }),
        json!({ "type": "res", "id": "connect", "ok": true, "payload": {} }),
    ] {
        stage.events.clear();
        stage.say(frame.clone());
        assert!(matches!(&*stage.events, [Event::Faulty { .. }]), "{frame}: {:?}", stage.events);
    }
    assert_eq!(
        (stage.heard.len(), stage.node.phase()),
        (0, Phase::Ready),
        "and nothing is said to it"
    );
}

#[test]
fn a_nonce_and_an_id_have_at_most_1024_bytes() {
    for (bytes, taken) in [(1024, true), (1025, false)] {
        let mut stage = Stage::new(Credentials::none(), |_| {});
        stage.event("connect.challenge", json!({ "nonce": "n".repeat(bytes), "ts": 1 }));
        assert_eq!(stage.heard.len(), usize::from(taken));
        let mut stage = Stage::ready();
        stage.invoke(&"i".repeat(bytes), Value::Null, 0);
        assert_eq!(stage.started.len(), usize::from(taken));
    }
}

#[test]
fn an_operator_needs_no_device_and_serves_nothing() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |config| {
        config.dialect = Config::operator(None, "1.0", vec!["operator.read".to_owned()]).into();
    });
    stage.hello(json!({}));
    let params = &stage.heard[0]["params"];
    assert_eq!(
        (&params["role"], &params["scopes"]),
        (&json!("operator"), &json!(["operator.read"]))
    );
    assert_eq!((&params["device"], &params["commands"]), (&Value::Null, &Value::Null));
    assert_eq!(stage.node.phase(), Phase::Ready);
}
