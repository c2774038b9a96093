//! Whatever a node floods a gateway with, its connection uses no more memory than its limits say it may.

#![expect(clippy::print_stdout, reason = "the share is for people")]

use std::time::Duration;

use allocation_counter::measure;
use clawnode_protocol::dialect::openclaw::{DevicePayload, GatewayConfig, Hello, Identity};
use clawnode_protocol::peer::{Config, Decision, Dialect, Input, Limits, Misuse, Request};
use clawnode_protocol::websocket::{self, Connection, Role};
use clawnode_protocol::{Now, Peer, Task, Timestamp};
use serde_json::value::RawValue;

/// A peer whose memory is counted, and the node at its other end, which never reads.
struct Flood {
    peer: Peer,
    node: Connection,
    bound: usize,
    live: i64,
    peak: i64,
    seconds: u64,
}

impl Flood {
    fn new(limits: Limits) -> Self {
        let mut flood = Self::on(Dialect::Nodetool, limits);
        flood.says(r#"{"type":"node_registration","node_id":"n"}"#);
        assert!(flood.peer.is_ready());
        flood
    }

    /// A node that says as much of itself as a `connect` may hold.
    fn openclaw(limits: Limits) -> Self {
        let mut flood = Self::on(Dialect::Openclaw(GatewayConfig::default()), limits);
        flood.input(Input::Timeout).unwrap();
        let challenge = String::from_utf8_lossy(flood.peer.transmit()).into_owned();
        let (_, nonce) = challenge.split_once(r#""nonce":""#).expect("a challenge");
        let nonce = &nonce[..36];
        let identity = Identity::from_seed([1; 32]);
        let payload = DevicePayload {
            device_id: identity.device_id(),
            client_id: "node-host",
            client_mode: "node",
            role: "node",
            scopes: &[],
            signed_at_ms: 0,
            token: "",
            nonce,
            platform: "linux",
            device_family: "",
        };
        let (id, key) = (identity.device_id(), identity.public_key());
        let signature = identity.sign(&payload.v3());
        let start = format!(
            r#"{{"type":"req","id":"c","method":"connect","params":{{"minProtocol":4,"maxProtocol":4,"client":{{"id":"node-host","mode":"node","version":"1","platform":"linux"}},"role":"node","device":{{"id":"{id}","publicKey":"{key}","signature":"{signature}","signedAt":0,"nonce":"{nonce}"}},"commands":["x""#
        );
        flood.says(&filled(65_536, &start, r#","x""#, "]}}"));
        for _ in 0..15 {
            flood.says(&filled(65_536, "", "x", ""));
        }
        let hello = Hello::new("token");
        flood.input(Input::Authorize(Decision::Welcome(&hello))).unwrap();
        assert!(flood.peer.is_ready());
        flood
    }

    fn on(dialect: Dialect, limits: Limits) -> Self {
        let mut peer = None;
        let made = measure(|| {
            let mut config = Config::new(dialect);
            config.limits = limits;
            peer = Some(Peer::upgraded(
                config,
                Now::new(Duration::ZERO, Timestamp::default()),
                [0; 32],
            ));
        });
        let mut node = Connection::upgraded(Role::Client, websocket::Limits::default(), [1; 32]);
        while node.poll().is_some() {}
        let live = made.bytes_current + size_of::<Peer>() as i64;
        let peer = peer.expect("it was made");
        Self { peer, node, bound: limits.memory_bound(), live, peak: 0, seconds: 0 }
    }

    fn input(&mut self, input: Input<'_>) -> Result<(), Misuse> {
        let now = Now::new(Duration::from_secs(self.seconds), Timestamp::default());
        let mut result = Ok(());
        let counted = measure(|| {
            result = self.peer.handle(now, input);
            while self.peer.poll_action().is_some() {}
        });
        self.peak = self.peak.max(self.live + i64::try_from(counted.bytes_max).unwrap());
        self.live += counted.bytes_current;
        assert!(
            self.peak <= self.bound as i64,
            "{} bytes, and the bound is {}",
            self.peak,
            self.bound
        );
        result
    }

    fn says(&mut self, text: &str) {
        self.node.send_text(text).unwrap();
        self.carry();
    }

    fn carry(&mut self) {
        let bytes = self.node.transmit().to_vec();
        self.node.sent(bytes.len()).unwrap();
        for piece in bytes.chunks(16 << 10) {
            self.input(Input::Received(piece)).unwrap();
        }
    }
}

/// A message of `most` bytes: `start`, as many `parts` as fit, `end`.
fn filled(most: usize, start: &str, part: &str, end: &str) -> String {
    let parts = (most - start.len() - end.len()) / part.len();
    [start, &part.repeat(parts), end].concat()
}

#[test]
fn no_flood_makes_a_peer_hold_more_than_its_bound() {
    let mut limits = Limits::default();
    limits.websocket.max_message = 2 << 20;
    limits.transmit_bytes = 4 << 20;
    let most = limits.websocket.max_message;
    let mut flood = Flood::new(limits);

    // Requests until it takes no more, the last one as large as they get.
    let request = |bytes: usize| {
        let args = RawValue::from_string(filled(bytes, "{\"a\":\"", "x", "\"}")).unwrap();
        let task = Task::Command { name: "x".to_owned(), args };
        Request::new("r".to_owned(), task)
    };
    while flood.peer.transmit().len() + 100_000 < limits.transmit_bytes {
        flood.input(Input::Request(&request(50_000))).unwrap();
    }
    // What was taken leaves its place only once it is more than what waits.
    flood.input(Input::Sent(limits.transmit_bytes / 2 - 100_000)).unwrap();
    while flood.peer.transmit().len() + 60_000 < limits.transmit_bytes {
        flood.input(Input::Request(&request(50_000))).unwrap();
    }
    flood.input(Input::Request(&request(most - 300))).unwrap();
    while flood.peer.transmit().len() < limits.transmit_bytes {
        flood.input(Input::Request(&request(100))).unwrap();
    }
    assert_eq!(flood.input(Input::Request(&request(100))), Err(Misuse::Full));
    // Faults, one a second, and pings, none of whose answers is ever read.
    for _ in 0..10_000 {
        flood.seconds += 1;
        flood.says("?");
        flood.node.ping(&[b'p'; 125]).unwrap();
        flood.carry();
    }
    // The largest of all kinds, and lists that take more room than their text.
    let names = filled(250_000, r#"{"commands":[""#, r#"","#, r#""]}"#);
    flood.says(&format!(r#"{{"type":"node_registration","node_id":"n","capabilities":{names}}}"#));
    for (start, part, end) in [
        (r#"{"type":""#, "\\n", r#""}"#),
        (r#"{"type":"weather","a":""#, "x", r#""}"#),
        (r#"{"type":"weather","a":"#, "[", ""),
        (r#"{"type":"error","error":""#, "\\n", r#""}"#),
        (r#"{"type":"node_registration","node_id":""#, "\\n", r#""}"#),
        (
            r#"{"type":"node_registration","node_id":"n","capabilities":{"commands":[""#,
            r#"",""#,
            r#""]}}"#,
        ),
        (
            r#"{"type":"command_response","status":"error","request_id":"r","error":""#,
            "\\n",
            r#""}"#,
        ),
        (r#"{"type":"workflow_update","request_id":"r","update_type":""#, "\\n", r#""}"#),
    ] {
        flood.says(&filled(most, start, part, end));
    }
    let share = flood.peak as f64 / flood.bound as f64;
    println!("{} of {} bytes: {share:.3}", flood.peak, flood.bound);
    assert!(share > 0.3, "the bound is loose: {share}");
}

#[test]
fn no_flood_makes_a_peer_of_openclaw_hold_more_than_its_bound() {
    let mut limits = Limits::default();
    limits.websocket.max_message = 2 << 20;
    limits.transmit_bytes = 4 << 20;
    let most = limits.websocket.max_message;
    let mut flood = Flood::openclaw(limits);
    let id = Identity::from_seed([1; 32]).device_id().to_owned();

    // As many requests as may be open, of the longest names.
    for number in 0..limits.open_requests {
        let args = RawValue::from_string(filled(1500, "{\"a\":\"", "x", "\"}")).unwrap();
        let task = Task::Command { name: "x".to_owned(), args };
        let name = format!("{number:->1024}");
        flood.input(Input::Request(&Request::new(name, task))).unwrap();
    }
    let call = |method: &str| format!(r#"{{"type":"req","id":"q","method":"{method}","params":"#);
    let result = call("node.invoke.result");
    let last = format!("{:->1024}", limits.open_requests - 1);
    for (start, part, end) in [
        ("".to_owned(), "[", ""),
        (r#"{"type":""#.to_owned(), "\\n", r#""}"#),
        (call("node.event") + r#"{"event":""#, "\\n", r#""}}"#),
        (call("health") + r#"{"a":""#, "\\n", r#""}}"#),
        (call("node.invoke.progress") + r#"{"invokeId":""#, "\\n", r#""}}"#),
        (
            format!(r#"{result}{{"id":"r","nodeId":"{id}","ok":false,"error":{{"message":""#),
            "\\n",
            r#""}}}"#,
        ),
        (
            format!(r#"{result}{{"id":"{last}","nodeId":"{id}","ok":true,"payloadJSON":""#),
            "\\n",
            r#""}}"#,
        ),
        // What it says comes back to it, and is not read.
        (call("node.skills.update") + r#"{"skills":["#, r#""","#, r#"""]}}"#),
        (call("node.skills.update") + r#"{"skills":["#, r#""","#, r#"""]}}"#),
        (call("node.skills.update") + r#"{"skills":["#, r#""","#, r#"""]}}"#),
    ] {
        flood.says(&filled(most, &start, part, end));
    }
    let share = flood.peak as f64 / flood.bound as f64;
    println!("{} of {} bytes: {share:.3}", flood.peak, flood.bound);
    assert!(share > 0.3, "the bound is loose: {share}");
}
