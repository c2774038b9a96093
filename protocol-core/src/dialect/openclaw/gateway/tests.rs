//! A peer of this dialect against a bare WebSocket client that says what the test tells it to.

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::{
    DevicePayload, DeviceToken, Identity, MOST_CONNECT_BYTES, Refusal, RefusalCode,
};
use super::*;
use crate::peer::{
    Action, Applicant as Asking, Config, Deadline, Decision, Dialect, Input, LostReason, Misuse,
};
use crate::websocket::{self, Closed, Event, Side};
use crate::work::Outcome;
use crate::{Now, Peer};

/// A peer, and the other end of its connection.
struct Desk {
    peer: Peer,
    node: Connection,
    millis: u64,
    nonce: String,
    /// What came out of the peer, and what the node read, oldest first.
    told: Vec<Action>,
    heard: Vec<Value>,
    pings: usize,
    closed: Option<(u16, String)>,
}

const START_MS: u64 = 1_795_347_600_000;

impl Desk {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(Dialect::Openclaw(GatewayConfig::default()));
        change(&mut config);
        let peer = Peer::upgraded(config, now(0), [7; 32]);
        let node =
            Connection::upgraded(websocket::Role::Client, websocket::Limits::default(), [1; 32]);
        let mut desk = Self {
            peer,
            node,
            millis: 0,
            nonce: String::new(),
            told: Vec::new(),
            heard: Vec::new(),
            pings: 0,
            closed: None,
        };
        desk.play();
        desk.nonce = desk.heard[0]["payload"]["nonce"].as_str().unwrap().to_owned();
        desk
    }

    /// One that has let the node in.
    fn joined() -> Self {
        Self::joined_with(|_| {})
    }

    fn joined_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut desk = Self::new(change);
        let connect = desk.connect();
        desk.say(&connect);
        desk.input(Input::Authorize(Decision::Welcome(&Hello::new("token")))).unwrap();
        assert!(desk.peer.is_ready());
        desk.told.clear();
        desk.heard.clear();
        desk
    }

    /// A `connect` as it should be.
    fn connect(&self) -> Value {
        self.signed(|_| {})
    }

    /// A `connect` that is changed before it is signed.
    fn signed(&self, change: impl FnOnce(&mut Value)) -> Value {
        let identity = identity();
        let mut connect = json!({
            "type": "req", "id": "c1", "method": "connect", "params": {
                "minProtocol": 4, "maxProtocol": 4,
                "client": {
                    "id": "node-host", "version": "1", "platform": "linux", "deviceFamily": "Linux", "mode": "node",
                },
                "role": "node", "scopes": [], "caps": ["system"], "commands": ["system.which"],
                "auth": { "token": "s3cret" },
                "device": {
                    "id": identity.device_id(), "publicKey": identity.public_key(), "signedAt": START_MS,
                    "nonce": self.nonce, "signature": "",
                },
            },
        });
        change(&mut connect);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let params = &connect["params"];
        let (auth, client, device) = (&params["auth"], &params["client"], &params["device"]);
        let token = ["token", "deviceToken", "bootstrapToken"].map(|name| &auth[name]);
        let token = token.into_iter().find(|token| token.is_string()).unwrap_or(&Value::Null);
        let payload = DevicePayload {
            device_id: &text(&device["id"]),
            client_id: &text(&client["id"]),
            client_mode: &text(&client["mode"]),
            role: &text(&params["role"]),
            scopes: &[],
            signed_at_ms: device["signedAt"].as_u64().unwrap_or_default(),
            token: &text(token),
            nonce: &text(&device["nonce"]),
            platform: &text(&client["platform"]),
            device_family: &text(&client["deviceFamily"]),
        };
        let signature = identity.sign(&payload.v3());
        connect["params"]["device"]["signature"] = json!(signature);
        connect
    }

    fn say(&mut self, frame: &Value) {
        self.say_text(&frame.to_string());
    }

    fn say_text(&mut self, text: &str) {
        self.node.send_text(text).unwrap();
        self.play();
    }

    /// A call of the node, and the reply to it.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.say(&json!({ "type": "req", "id": "q", "method": method, "params": params }));
        self.heard.last().expect("a reply").clone()
    }

    fn result(&mut self, params: Value) -> Value {
        let mut all = json!({ "id": "r1", "nodeId": identity().device_id() });
        all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        self.call("node.invoke.result", all)
    }

    fn progress(&mut self, seq: i64, chunk: &str) -> Value {
        let node_id = identity().device_id().to_owned();
        self.call(
            "node.invoke.progress",
            json!({ "invokeId": "r1", "nodeId": node_id, "seq": seq, "chunk": chunk }),
        )
    }

    fn input(&mut self, input: Input<'_>) -> Result<(), Misuse> {
        let result = self.peer.handle(now(self.millis), input);
        self.play();
        result
    }

    fn ask(&mut self, id: &str) -> Result<(), Misuse> {
        let request = command(id, "{}");
        self.input(Input::Request(&request))
    }

    fn wait(&mut self, millis: u64) {
        let end = self.millis + millis;
        while let Some((due, _)) = self.peer.deadline() {
            let due = u64::try_from(due.as_millis()).unwrap();
            if due > end {
                break;
            }
            self.millis = due;
            self.input(Input::Timeout).unwrap();
        }
        self.millis = end;
    }

    fn play(&mut self) {
        loop {
            while let Some(action) = self.peer.poll_action() {
                assert!(!format!("{action:?} {:?}", self.peer).contains("s3cret"), "{action:?}");
                self.told.push(action);
            }
            let out = self.node.transmit().to_vec();
            self.node.sent(out.len()).unwrap();
            let heard = !out.is_empty()
                && self.peer.handle(now(self.millis), Input::Received(&out)).is_ok();
            let back = self.peer.transmit().to_vec();
            if !back.is_empty() {
                self.node.receive(&back);
                self.peer.handle(now(self.millis), Input::Sent(back.len())).unwrap();
            }
            while let Some(event) = self.node.poll() {
                match event {
                    Event::Text(text) => self.heard.push(serde_json::from_str(text).unwrap()),
                    Event::Ping(_) => self.pings += 1,
                    Event::Closed(Closed::Clean { code, reason, initiated_by: Side::Peer }) => {
                        self.closed = Some((code.map_or(0, CloseCode::get), reason));
                    }
                    _ => {}
                }
            }
            if !heard && back.is_empty() {
                return;
            }
        }
    }

    /// How the connection ended.
    fn end(&self) -> (u16, &str, &LostReason) {
        let (code, why) = self.closed.as_ref().expect("a close frame");
        let Some(Action::Closed(reason)) = self.told.last() else { panic!("{:?}", self.told) };
        (*code, why, reason)
    }

    fn messages(&self) -> Vec<&FromNode> {
        let messages = self.told.iter().filter_map(|action| match action {
            Action::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    fn last(&self) -> &FromNode {
        self.messages().last().expect("the node said something")
    }
}

fn identity() -> Identity {
    Identity::from_seed([1; 32])
}

fn now(millis: u64) -> Now {
    let utc = i64::try_from((START_MS + millis) * 1000).unwrap();
    Now::new(Duration::from_millis(millis), Timestamp::from_micros(utc))
}

fn command(id: &str, args: &str) -> Request {
    let args = RawValue::from_string(args.to_owned()).unwrap();
    Request::new(id, Task::Command { name: "system.which".to_owned(), args })
}

fn ok(payload: Value) -> Value {
    json!({ "type": "res", "id": "q", "ok": true, "payload": payload })
}

fn invalid(message: &str) -> Value {
    let error = json!({ "code": "INVALID_REQUEST", "message": message });
    json!({ "type": "res", "id": "q", "ok": false, "error": error })
}

// The handshake.

#[test]
fn the_gateway_speaks_first_and_asks_each_connection_something_else() {
    let desk = Desk::new(|_| {});
    let challenge = json!({ "nonce": desk.nonce, "ts": START_MS, "capabilities": [] });
    assert_eq!(
        desk.heard,
        [json!({ "type": "event", "event": "connect.challenge", "payload": challenge })]
    );
    let config = Config::new(Dialect::Openclaw(GatewayConfig::default()));
    let mut other = Peer::upgraded(config, now(0), [8; 32]);
    while other.poll_action().is_some() {}
    assert!(!String::from_utf8_lossy(other.transmit()).contains(&desk.nonce));
}

#[test]
fn whoever_connects_is_judged_then_greeted_then_registered() {
    let mut desk = Desk::new(|_| {});
    let connect = desk.connect();
    desk.say(&connect);
    let [Action::Authorize(Asking::Connect(request))] = &*desk.told else {
        panic!("{:?}", desk.told)
    };
    assert_eq!(request.device_id.as_deref(), Some(identity().device_id()));
    assert_eq!((request.min_protocol, request.max_protocol), (4, 4));
    assert_eq!(request.role, Role::Node);
    assert_eq!(request.commands, ["system.which"]);
    assert_eq!(request.credentials.token.as_ref().unwrap().expose(), "s3cret");
    let mut token = DeviceToken::new("kept-s3cret", "node");
    token.scopes = vec!["a".to_owned()];
    let hello = Hello { device_token: Some(token), ..Hello::new("token") };
    desk.input(Input::Authorize(Decision::Welcome(&hello))).unwrap();
    let reply = &desk.heard[1];
    assert_eq!((&reply["id"], &reply["ok"]), (&json!("c1"), &json!(true)));
    let payload = &reply["payload"];
    assert_eq!((&payload["type"], &payload["protocol"]), (&json!("hello-ok"), &json!(4)));
    let auth = json!({
        "method": "token", "role": "node", "scopes": ["a"], "deviceToken": "kept-s3cret", "issuedAtMs": START_MS,
    });
    assert_eq!(payload["auth"], auth);
    let policy = json!({ "maxPayload": 26_214_400, "maxBufferedBytes": 67_108_864, "tickIntervalMs": 30_000 });
    assert_eq!(payload["policy"], policy);
    let FromNode::Registered(registration) = desk.last() else { panic!("{:?}", desk.told) };
    assert_eq!(registration.node_id, identity().device_id());
    assert_eq!(registration.commands, ["system.which"]);
    assert!(registration.metadata.get().contains("node-host"));
    assert!(desk.peer.is_ready());
}

#[test]
fn a_signature_of_the_older_form_is_as_good() {
    let mut desk = Desk::new(|_| {});
    let mut connect = desk.connect();
    let identity = identity();
    let payload = format!(
        "v2|{}|node-host|node|node||{START_MS}|s3cret|{}",
        identity.device_id(),
        desk.nonce
    );
    connect["params"]["device"]["signature"] = json!(identity.sign(&payload));
    desk.say(&connect);
    assert!(matches!(&*desk.told, [Action::Authorize(Asking::Connect(_))]));
}

#[test]
fn a_first_message_that_is_no_connect_ends_the_connection() {
    for (text, reply, code, why) in [
        ("?", None, 1000, ""),
        ("[1]", None, 1008, "invalid request frame"),
        (r#"{"type":"event","event":"x"}"#, None, 1008, "invalid request frame"),
        (r#"{"type":"req","method":"connect"}"#, None, 1008, "invalid request frame"),
        (
            r#"{"type":"req","id":"q","method":"health"}"#,
            Some("invalid handshake: first request must be connect"),
            1008,
            "invalid handshake: first request must be connect",
        ),
    ] {
        let mut desk = Desk::new(|_| {});
        desk.say_text(text);
        assert_eq!(desk.heard.get(1), reply.map(invalid).as_ref(), "{text}");
        let (closed, reason, lost) = desk.end();
        assert_eq!((closed, reason), (code, why), "{text}");
        assert!(matches!(lost, LostReason::Refused { .. }), "{lost:?}");
    }
}

#[test]
fn params_that_are_not_as_they_should_be_are_named() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 8] = [
        ("invalid connect params: at root: unexpected property 'foo'", |params| {
            params["foo"] = json!(1);
        }),
        ("invalid connect params: at /client: unexpected property 'foo'", |params| {
            params["client"]["foo"] = json!(1);
        }),
        ("invalid connect params: at /client: must have required property 'version'", |params| {
            params["client"].as_object_mut().unwrap().remove("version");
        }),
        (
            "invalid connect params: at /device/nonce: must not have fewer than 1 characters",
            |params| {
                params["device"]["nonce"] = json!("");
            },
        ),
        (
            "invalid connect params: at /client/id: must be equal to one of the allowed values",
            |params| {
                params["client"]["id"] = json!("toaster");
            },
        ),
        ("invalid connect params: at /pathEnv: must be string", |params| {
            params["pathEnv"] = Value::Null;
        }),
        ("invalid connect params: at /auth: unexpected property 'tokn'", |params| {
            params["auth"] = json!({ "tokn": "s3cret" });
        }),
        ("invalid role", |params| params["role"] = json!("bogus")),
    ];
    for (problem, change) in cases {
        let mut desk = Desk::new(|_| {});
        let mut connect = desk.signed(|connect| change(&mut connect["params"]));
        connect["id"] = json!("q");
        desk.say(&connect);
        assert_eq!(desk.heard[1], invalid(problem));
        let (code, why, _) = desk.end();
        assert_eq!((code, why), (1008, problem));
    }
}

/// What a connect is refused with: the error, and the close frame.
fn refused(change: impl FnOnce(&mut Value)) -> (Value, u16, String) {
    let mut desk = Desk::new(|_| {});
    let connect = desk.signed(|connect| change(&mut connect["params"]));
    refused_as(&mut desk, &connect)
}

fn refused_as(desk: &mut Desk, connect: &Value) -> (Value, u16, String) {
    desk.say(connect);
    let (code, why, _) = desk.end();
    let why = why.to_owned();
    (desk.heard[1]["error"].clone(), code, why)
}

fn device_error(code: &str, reason: &str, message: &str) -> (Value, u16, String) {
    let details = json!({ "code": code, "reason": reason });
    let error = json!({ "code": "INVALID_REQUEST", "message": message, "details": details });
    (error, 1008, message.to_owned())
}

#[test]
fn a_device_must_prove_who_it_is_now() {
    type Change = fn(&mut Value);
    let stranger = Identity::from_seed([2; 32]);
    let cases: [(&str, &str, &str, Change); 6] = [
        ("DEVICE_ID_MISMATCH", "device-id-mismatch", "device identity mismatch", |params| {
            params["device"]["id"] = json!("0".repeat(64));
        }),
        ("DEVICE_ID_MISMATCH", "device-id-mismatch", "device identity mismatch", |params| {
            params["device"]["publicKey"] = json!("no key");
        }),
        ("SIGNATURE_EXPIRED", "device-signature-stale", "device signature expired", |params| {
            params["device"]["signedAt"] = json!(START_MS - 120_001);
        }),
        ("SIGNATURE_EXPIRED", "device-signature-stale", "device signature expired", |params| {
            params["device"]["signedAt"] = json!(START_MS + 120_001);
        }),
        ("NONCE_REQUIRED", "device-nonce-missing", "device nonce required", |params| {
            params["device"]["nonce"] = json!(" ");
        }),
        ("NONCE_MISMATCH", "device-nonce-mismatch", "device nonce mismatch", |params| {
            params["device"]["nonce"] = json!("another");
        }),
    ];
    for (code, reason, message, change) in cases {
        let code = format!("DEVICE_AUTH_{code}");
        assert_eq!(refused(change), device_error(&code, reason, message));
    }
    let mut desk = Desk::new(|_| {});
    let mut connect = desk.connect();
    connect["params"]["device"]["signature"] = json!(stranger.sign("something"));
    let code = "DEVICE_AUTH_SIGNATURE_INVALID";
    assert_eq!(
        refused_as(&mut desk, &connect),
        device_error(code, "device-signature", "device signature invalid")
    );
}

#[test]
fn a_signature_of_two_minutes_ago_is_still_good() {
    for at in [START_MS - 120_000, START_MS + 120_000] {
        let mut desk = Desk::new(|_| {});
        let connect = desk.signed(|connect| connect["params"]["device"]["signedAt"] = json!(at));
        desk.say(&connect);
        assert!(matches!(&*desk.told, [Action::Authorize(Asking::Connect(_))]), "{:?}", desk.told);
    }
}

#[test]
fn a_node_must_be_a_device_and_an_operator_need_not() {
    let connect = |desk: &Desk, role: &str| {
        let mut connect = desk.connect();
        connect["params"].as_object_mut().unwrap().remove("device");
        connect["params"]["role"] = json!(role);
        connect
    };
    let mut desk = Desk::new(|_| {});
    let node = connect(&desk, "node");
    let message = "device identity required";
    let details = json!({ "code": "DEVICE_IDENTITY_REQUIRED" });
    let error = json!({ "code": "NOT_PAIRED", "message": message, "details": details });
    assert_eq!(refused_as(&mut desk, &node), (error, 1008, message.to_owned()));
    let mut desk = Desk::new(|_| {});
    let operator = connect(&desk, "operator");
    desk.say(&operator);
    let [Action::Authorize(Asking::Connect(request))] = &*desk.told else {
        panic!("{:?}", desk.told)
    };
    assert_eq!(request.role, Role::Operator { scopes: Vec::new() });
    assert_eq!(request.device_id, None);
}

#[test]
fn versions_of_the_protocol_are_compared() {
    let range = |min: u32, max: u32, mode: &str, protocol: u32| {
        let mut desk =
            Desk::new(|config| config.dialect = Dialect::Openclaw(GatewayConfig { protocol }));
        let connect = desk.signed(|connect| {
            connect["params"]["minProtocol"] = json!(min);
            connect["params"]["maxProtocol"] = json!(max);
            connect["params"]["client"]["mode"] = json!(mode);
        });
        desk.say(&connect);
        let asked = matches!(&*desk.told, [Action::Authorize(Asking::Connect(_))]);
        asked.then_some(()).ok_or_else(|| (desk.heard[1]["error"].clone(), desk.closed))
    };
    for (min, max) in [(4, 4), (3, 3), (1, 3), (3, 4), (4, 9)] {
        assert_eq!(range(min, max, "node", 4), Ok(()), "{min} to {max}");
    }
    let mismatch = |min, max, expected| {
        let details = json!({
            "code": "PROTOCOL_MISMATCH", "clientMinProtocol": min, "clientMaxProtocol": max,
            "expectedProtocol": expected, "minimumProbeProtocol": 3,
        });
        let message = "protocol mismatch";
        let error = json!({ "code": "INVALID_REQUEST", "message": message, "details": details });
        Err((error, Some((1002, message.to_owned()))))
    };
    assert_eq!(range(2, 2, "node", 4), mismatch(2, 2, 4));
    assert_eq!(range(5, 6, "node", 4), mismatch(5, 6, 4));
    assert_eq!(range(3, 3, "cli", 4), mismatch(3, 3, 4));
    assert_eq!(range(4, 4, "node", 3), mismatch(4, 4, 3));
    assert_eq!(range(3, 3, "node", 3), Ok(()));
}

#[test]
fn a_connect_of_65_536_bytes_is_read_and_a_larger_one_is_not() {
    for (length, code) in [(MOST_CONNECT_BYTES, 1008), (MOST_CONNECT_BYTES + 1, 1009)] {
        let mut desk = Desk::new(|_| {});
        let around = r#"{"type":"req","id":"q","method":"connect","params":{"pad":""}}"#.len();
        let pad = "x".repeat(length - around);
        let connect =
            json!({ "type": "req", "id": "q", "method": "connect", "params": { "pad": pad } });
        assert_eq!(connect.to_string().len(), length);
        desk.say(&connect);
        assert_eq!(desk.closed.as_ref().map(|(code, _)| *code), Some(code));
    }
    // Once it is let in, a node may say more.
    let mut desk = Desk::joined();
    let reply = desk.call("health", json!({ "pad": "x".repeat(100_000) }));
    assert_eq!(reply, ok(json!({ "ok": true })));
}

#[test]
fn fifteen_frames_may_wait_for_the_decision_and_not_one_more() {
    for (frames, closed) in [(15, None), (16, Some((1008, "too many pending handshake frames")))] {
        let mut desk = Desk::new(|_| {});
        let connect = desk.connect();
        desk.say(&connect);
        for _ in 0..frames {
            desk.say(&json!({ "type": "req", "id": "q", "method": "health" }));
        }
        assert_eq!(desk.closed.as_ref().map(|(code, why)| (*code, why.as_str())), closed);
        if closed.is_none() {
            desk.heard.clear();
            desk.input(Input::Authorize(Decision::Welcome(&Hello::new("token")))).unwrap();
            assert!(matches!(desk.messages()[0], FromNode::Registered(_)));
            assert_eq!(desk.heard.len(), 1 + frames);
            assert_eq!(desk.heard[1..].iter().filter(|reply| reply["ok"] == true).count(), frames);
        }
    }
}

#[test]
fn a_handshake_has_fifteen_seconds_the_decision_included() {
    for connects in [false, true] {
        let mut desk = Desk::new(|_| {});
        if connects {
            let connect = desk.connect();
            desk.say(&connect);
        }
        desk.wait(15_000);
        assert_eq!(desk.end(), (1000, "", &LostReason::TimedOut(Deadline::Register)));
    }
}

#[test]
fn a_refusal_is_told_as_a_node_reads_it() {
    let ms = Duration::from_millis;
    for (refusal, code, why) in [
        (
            Refusal::new(
                RefusalCode::PairingRequired,
                "pairing required: device is not approved yet",
            )
            .with_reason("not-paired")
            .with_request_id("req-1"),
            1008,
            "pairing required: device is not approved yet (requestId: req-1)",
        ),
        (
            Refusal::new(RefusalCode::AuthTokenMismatch, "unauthorized")
                .retriable_with_device_token(),
            1008,
            "unauthorized",
        ),
        (
            Refusal::new(RefusalCode::Starting, "gateway starting")
                .with_reason("startup-sidecars")
                .with_retry_after(ms(500)),
            1013,
            "gateway starting",
        ),
        (
            Refusal::new(RefusalCode::Draining, "draining")
                .with_reason("restart")
                .with_retry_after(ms(1000)),
            1013,
            "draining",
        ),
        (Refusal::new(RefusalCode::Other("NEW_WORD".to_owned()), "no"), 1008, "no"),
    ] {
        let mut desk = Desk::new(|_| {});
        let connect = desk.connect();
        desk.say(&connect);
        desk.input(Input::Authorize(Decision::Refuse(&refusal))).unwrap();
        let error = desk.heard[1]["error"].to_string();
        assert_eq!(Refusal::parse(&error), refusal, "{error}");
        let lost = LostReason::Refused { code: CloseCode::new(code).unwrap(), why: why.to_owned() };
        assert_eq!(desk.end(), (code, why, &lost));
    }
}

#[test]
fn a_missing_approval_names_device_and_role() {
    let mut desk = Desk::new(|_| {});
    let connect = desk.connect();
    desk.say(&connect);
    let refusal = Refusal::new(RefusalCode::PairingRequired, "no").with_request_id("r");
    desk.input(Input::Authorize(Decision::Refuse(&refusal))).unwrap();
    let error = &desk.heard[1]["error"];
    assert_eq!(error["code"], "NOT_PAIRED");
    assert_eq!(error["details"]["deviceId"], identity().device_id());
    assert_eq!(error["details"]["requestedRole"], "node");
}

#[test]
fn a_decision_must_fit_the_question() {
    let mut desk = Desk::new(|_| {});
    let hello = Hello::new("token");
    let welcome = || Input::Authorize(Decision::Welcome(&hello));
    assert_eq!(desk.input(welcome()), Err(Misuse::WrongState));
    let connect = desk.connect();
    desk.say(&connect);
    assert_eq!(desk.input(Input::Authorize(Decision::Accept)), Err(Misuse::WrongState));
    assert_eq!(desk.ask("r1"), Err(Misuse::NotReady));
    desk.input(welcome()).unwrap();
    assert_eq!(desk.input(welcome()), Err(Misuse::WrongState));
}

// Work.

#[test]
fn a_request_goes_out_and_its_answer_comes_back_once() {
    let mut desk = Desk::joined();
    let mut request = command("r1", r#"{"bins":["ls"]}"#);
    request.time = Some(Duration::from_micros(1_000_001));
    request.idempotency_key = Some("key".to_owned());
    desk.input(Input::Request(&request)).unwrap();
    let node_id = identity().device_id().to_owned();
    let payload = json!({
        "id": "r1", "nodeId": node_id, "command": "system.which", "paramsJSON": r#"{"bins":["ls"]}"#,
        "timeoutMs": 1001, "idempotencyKey": "key",
    });
    assert_eq!(
        desk.heard,
        [json!({ "type": "event", "event": "node.invoke.request", "payload": payload })]
    );
    assert_eq!(
        desk.result(json!({ "ok": true, "payloadJSON": "{\"a\":1}" })),
        ok(json!({ "ok": true }))
    );
    let FromNode::Answered { request_id, outcome: Outcome::Completed(result), .. } = desk.last()
    else {
        panic!("{:?}", desk.told)
    };
    assert_eq!((request_id.as_str(), result.get()), ("r1", r#"{"a":1}"#));
    let again = desk.result(json!({ "ok": true }));
    assert_eq!(again, ok(json!({ "ok": true, "ignored": true })));
    assert!(matches!(desk.last(), FromNode::Ignored { request_id } if request_id == "r1"));
}

#[test]
fn a_request_without_arguments_says_null() {
    let mut desk = Desk::joined();
    desk.input(Input::Request(&command("r1", "null"))).unwrap();
    let node_id = identity().device_id().to_owned();
    let payload =
        json!({ "id": "r1", "nodeId": node_id, "command": "system.which", "paramsJSON": null });
    assert_eq!(desk.heard[0]["payload"], payload);
}

#[test]
fn results_are_taken_in_all_their_forms() {
    let completed = |json: &str| format!("completed {json}");
    for (params, expected) in [
        (json!({ "ok": true }), completed("null")),
        (json!({ "ok": true, "payload": [1] }), completed("[1]")),
        (json!({ "ok": true, "payloadJSON": "7" }), completed("7")),
        (json!({ "ok": true, "payloadJSON": "{bad" }), completed(r#"{"payloadJSON":"{bad"}"#)),
        (json!({ "ok": true, "payloadJSON": { "a": 1 } }), completed(r#"{"a":1}"#)),
        (json!({ "ok": true, "payloadJSON": null, "error": null }), completed("null")),
        (json!({ "ok": false }), "failed None node invoke failed".to_owned()),
        (
            json!({ "ok": false, "error": { "code": "NODE_NOT_READY", "message": "later" } }),
            "failed Some(\"NODE_NOT_READY\") later".to_owned(),
        ),
    ] {
        let mut desk = Desk::joined();
        desk.ask("r1").unwrap();
        assert_eq!(desk.result(params.clone()), ok(json!({ "ok": true })), "{params}");
        let told = match desk.last() {
            FromNode::Answered { outcome: Outcome::Completed(result), .. } => {
                completed(result.get())
            }
            FromNode::Answered { outcome: Outcome::Failed(failure), .. } => {
                format!("failed {:?} {}", failure.code, failure.message)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(told, expected);
    }
}

#[test]
fn a_result_that_is_not_as_it_should_be_is_refused_and_the_request_stays_open() {
    let mut desk = Desk::joined();
    desk.ask("r1").unwrap();
    for (params, problem) in [
        (
            json!({ "ok": true, "foo": 1 }),
            "invalid node.invoke.result params: at root: unexpected property 'foo'",
        ),
        (
            json!({ "ok": false, "error": { "code": "X", "details": 1 } }),
            "invalid node.invoke.result params: at /error: unexpected property 'details'",
        ),
        (
            json!({ "ok": false, "error": { "message": "" } }),
            "invalid node.invoke.result params: at /error/message: must not have fewer than 1 characters",
        ),
        (json!({}), "invalid node.invoke.result params: must have required property 'ok'"),
        (json!({ "ok": true, "nodeId": "another" }), "nodeId mismatch"),
    ] {
        assert_eq!(desk.result(params), invalid(problem));
        assert!(matches!(desk.last(), FromNode::Faulty { .. }));
    }
    assert_eq!(desk.result(json!({ "ok": true })), ok(json!({ "ok": true })));
}

#[test]
fn news_comes_in_order_and_in_pieces_of_16384_units() {
    let mut desk = Desk::joined();
    assert_eq!(desk.progress(0, "x"), ok(json!({ "ok": true, "ignored": true })));
    desk.ask("r1").unwrap();
    assert_eq!(
        desk.progress(1, "x"),
        invalid("invalid node.invoke.progress params: at /seq: must be 0")
    );
    assert_eq!(
        desk.progress(-1, "x"),
        invalid("invalid node.invoke.progress params: at /seq: must be >= 0")
    );
    assert_eq!(desk.progress(0, &"x".repeat(16_384)), ok(json!({ "ok": true })));
    assert!(
        matches!(desk.last(), FromNode::Progress { request_id, data, .. } if request_id == "r1" && data.get().len() == 16_386)
    );
    assert_eq!(
        desk.progress(1, &"x".repeat(16_385)),
        invalid(
            "invalid node.invoke.progress params: at /chunk: must not have more than 16384 characters"
        )
    );
    assert_eq!(desk.progress(1, ""), ok(json!({ "ok": true })));
    assert_eq!(
        desk.progress(1, ""),
        invalid("invalid node.invoke.progress params: at /seq: must be 2")
    );
}

#[test]
fn what_is_cancelled_is_open_no_more() {
    let mut desk = Desk::joined();
    assert_eq!(desk.input(Input::Cancel("r1")), Err(Misuse::NotOpen));
    desk.ask("r1").unwrap();
    desk.input(Input::Cancel("r1")).unwrap();
    let cancel = json!({ "invokeId": "r1", "nodeId": identity().device_id() });
    assert_eq!(desk.heard[1]["event"], "node.invoke.cancel");
    assert_eq!(desk.heard[1]["payload"], cancel);
    assert_eq!(desk.result(json!({ "ok": true })), ok(json!({ "ok": true, "ignored": true })));
}

#[test]
fn as_many_requests_as_the_bound_are_open_and_one_more_is_refused() {
    let mut desk = Desk::joined_with(|config| config.limits.open_requests = 2);
    desk.ask("r1").unwrap();
    desk.ask("r2").unwrap();
    assert_eq!(desk.ask("r3"), Err(Misuse::Full));
    desk.ask("r1").unwrap();
    desk.result(json!({ "ok": true }));
    desk.ask("r3").unwrap();
}

#[test]
fn the_name_of_a_request_has_1024_bytes_at_most() {
    let mut desk = Desk::joined();
    desk.ask(&"r".repeat(1024)).unwrap();
    assert_eq!(desk.ask(&"r".repeat(1025)), Err(Misuse::TooLarge));
    assert_eq!(desk.input(Input::Cancel(&"r".repeat(1025))), Err(Misuse::TooLarge));
}

#[test]
fn what_the_dialect_has_no_words_for_is_not_said() {
    let mut desk = Desk::joined();
    let params = RawValue::from_string("{}".to_owned()).unwrap();
    let source = crate::WorkflowSource::Id("w".to_owned());
    let workflow = Request::new("r", Task::Workflow { source, params });
    assert_eq!(desk.input(Input::Request(&workflow)), Err(Misuse::Unsayable));
    assert_eq!(desk.input(Input::Acknowledge("r")), Err(Misuse::Unsayable));
    for text in ["?", "{}", r#"{"type":"event","event":"tick"}"#, r#"{"type":"req","event":"x"}"#] {
        assert_eq!(desk.input(Input::Custom(text)), Err(Misuse::NotACustomMessage), "{text}");
    }
    assert!(desk.heard.is_empty());
    let voice = r#"{"type":"event","event":"voicewake.changed","payload":{}}"#;
    desk.input(Input::Custom(voice)).unwrap();
    assert_eq!(
        desk.heard[0].to_string(),
        serde_json::from_str::<Value>(voice).unwrap().to_string()
    );
}

#[test]
fn a_request_that_no_node_could_read_is_not_sent() {
    let mut desk = Desk::joined_with(|config| config.limits.websocket.max_message = 1000);
    let mut send = |length: usize| {
        let args = format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
        desk.input(Input::Request(&command("r", &args)))
    };
    // Beside its arguments: four bytes for their quotes as text, twelve of the command's name, one of its id, and 256 around them.
    assert_eq!(send(1000 - 273), Ok(()));
    assert_eq!(send(1000 - 272), Err(Misuse::TooLarge));
}

// Everything else a node says.

#[test]
fn events_are_answered_and_told() {
    let mut desk = Desk::joined();
    for (params, handled, reason) in [
        (json!({ "event": "node.host.stats", "payloadJSON": "{}" }), true, "updated"),
        (json!({ "event": "node.host.stats", "payload": {} }), true, "updated"),
        (json!({ "event": "node.host.stats", "payloadJSON": "{bad" }), false, "invalid_payload"),
        (json!({ "event": "exec.finished", "payloadJSON": "{}" }), false, "unmatched_exec_event"),
        (json!({ "event": "totally.unknown" }), false, "unsupported_event"),
    ] {
        let event = params["event"].clone();
        let taken = json!({ "ok": true, "event": event, "handled": handled, "reason": reason });
        assert_eq!(desk.call("node.event", params), ok(taken));
        assert!(matches!(desk.last(), FromNode::Called { method, .. } if method == "node.event"));
    }
    let reply = desk.call("node.event", json!({ "event": "x", "payloadJSON": null }));
    assert_eq!(reply, invalid("invalid node.event params: at /payloadJSON: must be string"));
}

#[test]
fn until_its_surface_is_approved_a_node_is_told_to_wait() {
    let mut desk = Desk::new(|_| {});
    let connect = desk.connect();
    desk.say(&connect);
    let hello = Hello { approved: false, ..Hello::new("token") };
    desk.input(Input::Authorize(Decision::Welcome(&hello))).unwrap();
    let stats = json!({ "event": "node.host.stats", "payloadJSON": "{}" });
    let refused = |reply: Value| {
        assert_eq!(reply["error"]["code"], "UNAVAILABLE");
        assert_eq!(reply["error"]["details"], json!({ "code": "PAIRING_CHANGED" }));
        assert_eq!(reply["error"]["retryable"], true);
    };
    refused(desk.call("node.event", stats.clone()));
    assert!(matches!(desk.last(), FromNode::Unapproved { method } if method == "node.event"));
    assert_eq!(desk.call("node.runnerInventory.update", json!({}))["ok"], false);
    let tools = desk.call("node.pluginTools.update", json!({ "tools": [] }));
    assert_eq!(tools, ok(json!({ "nodeId": identity().device_id(), "tools": [] })));
    desk.input(Input::Surface(Surface::Approved { request_id: Some("req-1") })).unwrap();
    let resolved = desk.heard.last().unwrap();
    assert_eq!(resolved["event"], "node.pair.resolved");
    assert_eq!(
        resolved["payload"],
        json!({ "requestId": "req-1", "nodeId": identity().device_id(), "decision": "approved", "ts": START_MS })
    );
    assert_eq!(desk.call("node.event", stats.clone())["ok"], true);
    desk.input(Input::Surface(Surface::Unapproved)).unwrap();
    refused(desk.call("node.event", stats));
    let heard = desk.heard.len();
    desk.input(Input::Surface(Surface::Approved { request_id: None })).unwrap();
    assert_eq!(desk.heard.len(), heard, "it is not told");
}

#[test]
fn bad_frames_are_answered_or_ignored_and_the_connection_stays() {
    let mut desk = Desk::joined();
    desk.say_text("not json");
    desk.node.send_binary(b"{}").unwrap();
    desk.play();
    assert!(desk.heard.is_empty());
    desk.say(&json!({ "type": "req", "method": "x" }));
    let error = |id: &str, problem: &str| {
        let error = json!({ "code": "INVALID_REQUEST", "message": problem });
        json!({ "type": "res", "id": id, "ok": false, "error": error })
    };
    assert_eq!(
        desk.heard[0],
        error("invalid", "invalid request frame: must have required property 'id'")
    );
    desk.say(&json!({ "type": "res", "id": "z", "method": "x" }));
    assert_eq!(
        desk.heard[1],
        error("z", "invalid request frame: at /type: must be equal to constant")
    );
    desk.say(&json!({ "type": "req", "id": "i".repeat(1025), "method": "health" }));
    assert_eq!(desk.heard[2]["id"], "invalid");
    desk.say(&json!({ "type": "req", "id": "i".repeat(1024), "method": "health" }));
    assert_eq!(desk.heard[3]["ok"], true);
    assert_eq!(desk.messages().len(), 6);
}

#[test]
fn ten_calls_in_a_row_without_a_right_to_them_are_answered_and_not_one_more() {
    let mut desk = Desk::joined();
    for _ in 0..9 {
        assert_eq!(desk.call("node.list", json!({})), invalid("unauthorized role: node"));
    }
    desk.call("health", json!({}));
    for method in ["node.list", "connect", "no.such.method"].iter().cycle().take(10) {
        assert_eq!(desk.call(method, json!({})), invalid("unauthorized role: node"));
    }
    let answered = desk.heard.len();
    desk.call("node.list", json!({}));
    assert_eq!(desk.heard.len(), answered);
    let (code, why, _) = desk.end();
    assert_eq!((code, why), (1008, "repeated unauthorized calls"));
}

#[test]
fn a_node_that_says_more_than_it_reads_is_thrown_out() {
    let mut desk = Desk::joined_with(|config| config.limits.transmit_bytes = 1000);
    let health = json!({ "type": "req", "id": "q", "method": "health" }).to_string();
    for _ in 0..100 {
        desk.node.send_text(&health).unwrap();
    }
    let bytes = desk.node.transmit().to_vec();
    desk.peer.handle(now(0), Input::Received(&bytes)).unwrap();
    while desk.peer.poll_action().is_some() {}
    let waits = desk.peer.transmit().len();
    assert!((1000..1200).contains(&waits), "{waits}");
    assert!(String::from_utf8_lossy(desk.peer.transmit()).ends_with("slow consumer"));
}

// Time, and the end.

#[test]
fn ticks_are_numbered_and_come_as_often_as_was_said() {
    let mut desk = Desk::joined_with(|config| config.timing.tick = Duration::from_secs(2));
    desk.wait(4000);
    let tick = |seq: u64, at: u64| {
        let payload = json!({ "ts": START_MS + at });
        json!({ "type": "event", "event": "tick", "payload": payload, "seq": seq })
    };
    assert_eq!(desk.heard, [tick(1, 2000), tick(2, 4000)]);
}

#[test]
fn a_node_is_pinged_every_25_s_and_lost_without_a_pong() {
    let mut desk = Desk::joined();
    desk.wait(200_000);
    assert_eq!((desk.pings, desk.closed.is_some()), (8, false));
    // From now on nothing that the node says arrives as a pong.
    desk.node =
        Connection::upgraded(websocket::Role::Client, websocket::Limits::default(), [2; 32]);
    desk.node.receive_eof();
    while desk.node.poll().is_some() {}
    desk.wait(49_999);
    assert!(desk.peer.is_ready());
    desk.wait(1);
    let lost = LostReason::TimedOut(Deadline::Liveness);
    assert!(matches!(desk.told.last(), Some(Action::Closed(reason)) if *reason == lost));
}

#[test]
fn a_gateway_says_when_it_will_be_back_and_closes() {
    let mut desk = Desk::joined();
    let back_in = Some(Duration::from_millis(1500));
    desk.input(Input::GoingAway { reason: "gateway restarting", back_in }).unwrap();
    let payload = json!({ "reason": "gateway restarting", "restartExpectedMs": 1500 });
    assert_eq!(
        desk.heard[0],
        json!({ "type": "event", "event": "shutdown", "payload": payload, "seq": 1 })
    );
    desk.input(Input::Close(CloseCode::SERVICE_RESTART, "service restart")).unwrap();
    let closed = desk.closed.clone();
    assert_eq!(closed, Some((1012, "service restart".to_owned())));
    let going = |length: usize| {
        let mut desk = Desk::joined();
        let reason = "x".repeat(length);
        desk.input(Input::GoingAway { reason: &reason, back_in: None })
    };
    assert_eq!((going(1024), going(1025)), (Ok(()), Err(Misuse::TooLarge)));
}
