//! The doctor beside small servers, each of which does one thing wrong.
#![allow(dead_code, reason = "not every test program uses all that they share")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use clawnode_protocol::dialect::openclaw::{Fingerprint, verify};
use common::{Process, TOKEN, clawnode, stderr, temporary_file};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tungstenite::Message;

/// What the doctor said.
struct Diagnosis {
    json: Value,
    code: Option<i32>,
    said: String,
}

impl Diagnosis {
    /// The status of a check, and everything said about it.
    fn of(&self, check: &str) -> (&str, String) {
        let checks = self.json["checks"].as_array().expect("there are checks");
        let found = checks.iter().rev().find(|one| one["check"] == check);
        let found = found.unwrap_or_else(|| panic!("no check {check}: {}", self.said));
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        let said = format!("{} -> {}", text("detail"), text("cure"));
        (found["status"].as_str().expect("a check has a status"), said)
    }

    /// The check failed, and its line and its cure hold these words.
    fn failed(&self, check: &str, words: &[&str]) -> &Self {
        let (status, said) = self.of(check);
        assert_eq!((status, self.code), ("failed", Some(1)), "{check}: {}", self.said);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        self
    }

    fn is(&self, check: &str, expected: &str, word: &str) -> &Self {
        let (status, said) = self.of(check);
        assert_eq!(status, expected, "{check}: {}", self.said);
        assert!(said.contains(word), "{said}");
        self
    }
}

/// A data folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = common::data_dir().join(format!("doctor-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        let made = Self(folder);
        assert!(made.run(&["identity", "new"], &[]).status.success());
        made
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = clawnode(arguments);
        for name in ["OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD"] {
            command.env_remove(name);
        }
        command.env("CLAWNODE_DATA_DIR", &self.0).envs(environment.iter().copied());
        command.output().expect("the program runs")
    }

    fn doctor(&self, url: &str, more: &[&str]) -> Diagnosis {
        let mut arguments = vec!["doctor", "--json", "--log", "trace"];
        if !url.is_empty() {
            arguments.extend(["--url", url]);
        }
        arguments.extend(more);
        let output = self.run(&arguments, &[("OPENCLAW_GATEWAY_TOKEN", SECRET)]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.contains(SECRET) && !stderr(&output).contains(SECRET), "a secret was said");
        let json = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said} {}", stderr(&output)));
        Diagnosis { json, code: output.status.code(), said }
    }
}

fn no_identity(name: &str) -> Folder {
    let folder = common::data_dir().join(format!("doctor-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    Folder(folder)
}

// The network.

#[test]
fn a_name_without_an_address_is_named() {
    let diagnosis = no_identity("name").doctor("ws://no-such-host.invalid", &[]);
    diagnosis
        .failed("name resolution", &["no-such-host.invalid", "check the name"])
        .is("identity", "warning", "clawnode identity new")
        .is("connect", "skipped", "no gateway was reached");
}

#[test]
fn a_closed_port_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    drop(listener);
    no_identity("port").doctor(&url, &[]).failed("tcp", &["refused", "start the gateway"]);
}

#[test]
fn an_openclaw_gateway_in_public_wants_tls() {
    let folder = no_identity("public");
    let public = ["--protocol", "openclaw"];
    folder.doctor("ws://192.0.2.1", &public).failed("encryption", &["wss://"]);
    let pin = Fingerprint::of(b"x").to_string();
    folder
        .doctor("ws://127.0.0.1:1", &["--tls-fingerprint", &pin])
        .failed("encryption", &["pinned", "wss://"]);
}

// TLS.

struct Certificate {
    authority: PathBuf,
    fingerprint: String,
    config: Arc<rustls::ServerConfig>,
}

fn certificate(name: &str, file: &str, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = temporary_file(file, &params.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    let signed = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.der().clone()], private)
        .unwrap();
    let fingerprint = Fingerprint::of(signed.der()).to_string();
    Certificate { authority, fingerprint, config: Arc::new(config) }
}

/// A server that does this with each connection.
fn serve(mut work: impl FnMut(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            work(stream);
        }
    });
    address
}

/// The gateway's half of a nodetool gateway behind TLS.
fn serve_tls(config: Arc<rustls::ServerConfig>) -> String {
    let address = serve(move |stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        if let Ok(mut websocket) = tungstenite::accept(rustls::StreamOwned::new(session, stream)) {
            while websocket.read().is_ok() {}
        }
    });
    format!("wss://{address}")
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_with_its_fingerprint() {
    let good = certificate("127.0.0.1", "doctor-good.pem", |_| {});
    let url = serve_tls(Arc::clone(&good.config));
    let folder = no_identity("tls");
    let trusted = ["--tls-ca", good.authority.to_str().unwrap(), "--protocol", "nodetool"];
    let diagnosis = folder.doctor(&url, &trusted);
    diagnosis.is("tls", "ok", "days left").is("connect", "ok", "101");
    assert!(diagnosis.of("tls").1.contains(&good.fingerprint));
    assert_eq!(diagnosis.code, Some(0));

    folder.doctor(&url, &[]).failed("tls", &["nobody", "--tls-ca", &good.fingerprint]);
    let pin = ["--tls-fingerprint", good.fingerprint.as_str()];
    folder.doctor(&url, &pin).is("tls", "ok", "pinned");
    let other = Fingerprint::of(b"another").to_string();
    folder
        .doctor(&url, &["--tls-fingerprint", &other])
        .failed("tls", &[&other, &good.fingerprint, "in between"]);

    let misnamed = certificate("gate.example", "doctor-name.pem", |_| {});
    let trusted = ["--tls-ca", misnamed.authority.to_str().unwrap()];
    folder
        .doctor(&serve_tls(misnamed.config), &trusted)
        .failed("tls", &["not for 127.0.0.1", "gate.example", &misnamed.fingerprint]);

    let old = certificate("127.0.0.1", "doctor-old.pem", |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let url = serve_tls(old.config);
    folder
        .doctor(&url, &["--tls-ca", old.authority.to_str().unwrap()])
        .failed("tls", &["expired on 2020-01-01", "renew"]);
    folder.doctor(&url, &["--tls-fingerprint", &old.fingerprint]).is("tls", "warning", "renew");
}

#[test]
fn tls_where_there_is_none_is_named() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    no_identity("no-tls").doctor(&format!("wss://{address}"), &[]).failed("tls", &["ws://"]);
}

// HTTP, and gateways that speak nodetool.

/// The head of an HTTP request.
fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn answering(answer: &'static str) -> String {
    let address = serve(move |mut stream| {
        head(&mut stream);
        let _ = stream.write_all(answer.as_bytes());
    });
    format!("ws://{address}")
}

#[test]
fn http_without_a_gateway_is_named() {
    let folder = no_identity("http");
    folder
        .doctor(&answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), &[])
        .failed("http upgrade", &["200", "no gateway"]);
    folder
        .doctor(
            &answering(
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 54\r\n\r\n{\"error\":{\"type\":\"proxy_attribution_required\",\"a\":\"b\"}}",
            ),
            &[],
        )
        .failed("http upgrade", &["proxy_attribution_required", "gateway.trustedProxies"]);
    folder
        .doctor(
            &answering(
                "HTTP/1.1 302 Found\r\nLocation: https://team.cloudflareaccess.com/x\r\nContent-Length: 0\r\n\r\n",
            ),
            &[],
        )
        .failed("http upgrade", &["302", "CF_ACCESS_CLIENT_ID"]);
    folder
        .doctor(&answering("220 mail.example ESMTP\r\n"), &[])
        .failed("http upgrade", &["no gateway"]);
    folder
        .doctor(
            &answering("HTTP/1.1 401 Unauthorized\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"),
            &[],
        )
        .failed("connect", &["401", "--auth-token"])
        .failed("clock", &["120 s", "timedatectl"])
        .is("dialect", "ok", "nodetool");
}

#[test]
fn a_nodetool_gateway_takes_the_token_and_no_node_is_registered() {
    let (_gateway, address) = Process::gateway("127.0.0.1:0");
    let url = format!("ws://{address}");
    let folder = no_identity("nodetool");
    let output = folder.run(&["doctor", "--url", &url, "--auth-token", TOKEN], &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("ok       connect           HTTP 101 with the token"), "{said}");
    let nodes = common::output(&[
        "nodes",
        "--gateway",
        &format!("http://{address}"),
        "--auth-token",
        TOKEN,
    ]);
    assert_eq!(String::from_utf8_lossy(&nodes.stdout).lines().count(), 1, "the heading alone");
    folder
        .doctor(&url, &["--auth-token", "wrong"])
        .failed("connect", &["401", "--auth-token-file"]);
    folder.doctor(&url, &["--protocol", "openclaw"]).failed("dialect", &["nodetool"]);
    assert!(!folder.0.exists(), "the doctor makes nothing");
}

// OpenClaw gateways.

type Reply = fn(&Value) -> Value;

/// An openclaw gateway that begins with a challenge of this clock, and answers requests; `NODE` in an answer becomes the id of the
/// last node. What it was asked comes out of the receiver.
fn openclaw(clock_ahead_ms: i64, reply: Reply) -> (String, Receiver<Value>) {
    let (to_asked, asked) = channel();
    let last_node = Arc::new(Mutex::new(String::new()));
    let address = serve(move |stream| {
        let (to_asked, last_node) = (to_asked.clone(), Arc::clone(&last_node));
        thread::spawn(move || {
            let Ok(mut websocket) = tungstenite::accept(stream) else { return };
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let ts = i64::try_from(since.as_millis()).unwrap() + clock_ahead_ms;
            let challenge = json!({
                "type": "event", "event": "connect.challenge",
                "payload": { "nonce": "n-1", "ts": ts }
            });
            let _ = websocket.send(Message::text(challenge.to_string()));
            while let Ok(message) = websocket.read() {
                let Ok(text) = message.to_text() else { continue };
                let Ok(request) = serde_json::from_str::<Value>(text) else { continue };
                let mut answer = reply(&request);
                answer["type"] = json!("res");
                answer["id"] = request["id"].clone();
                let mut node = last_node.lock().unwrap();
                if let Some(id) = request["params"]["device"]["id"].as_str() {
                    *node = id.to_owned();
                }
                let answer = answer.to_string().replace("NODE", &node);
                let _ = to_asked.send(request);
                let _ = websocket.send(Message::text(answer));
            }
        });
    });
    (format!("ws://{address}"), asked)
}

fn denial(code: &str, more: Value) -> Value {
    let mut details = more;
    details["code"] = json!(code);
    json!({ "ok": false, "error": { "code": "NO", "message": "no entry", "details": details } })
}

fn hello() -> Value {
    json!({ "ok": true, "payload": {
        "type": "hello-ok", "protocol": 4, "auth": { "role": "node", "deviceToken": "given-token" },
        "policy": { "tickIntervalMs": 30_000, "maxPayload": 26_214_400 }
    } })
}

fn is_operator(request: &Value) -> bool {
    request["params"]["role"] == "operator"
}

#[test]
fn a_wrong_token_is_named_and_shown_once() {
    let (url, asked) = openclaw(0, |_| denial("AUTH_TOKEN_MISMATCH", json!({})));
    let folder = Folder::new("mismatch");
    folder
        .doctor(&url, &[])
        .failed("connect", &["AUTH_TOKEN_MISMATCH", "openclaw config get gateway.auth.token"])
        .is("credentials", "ok", "OPENCLAW_GATEWAY_TOKEN")
        .is("commands", "skipped", "did not let this node in");
    assert_eq!(asked.try_iter().count(), 1);
}

#[test]
fn a_device_that_waits_for_approval_is_told_which_command_to_run() {
    let (url, _) = openclaw(0, |request| match is_operator(request) {
        true if request["method"] == "connect" => hello(),
        true => json!({ "ok": true, "payload": { "nodes": [] } }),
        false => denial("PAIRING_REQUIRED", json!({ "requestId": "r-1", "reason": "not-paired" })),
    });
    Folder::new("pairing")
        .doctor(&url, &[])
        .is("connect", "ok", "takes the credentials")
        .failed("device approval", &["not-paired", "r-1", "openclaw devices approve r-1"]);
}

/// A gateway that lets everybody in, and tells an operator this about the node.
fn listing(request: &Value, listed: Value, usable: bool) -> Value {
    match request["method"].as_str() {
        Some("connect") => hello(),
        Some("node.list") => json!({ "ok": true, "payload": { "nodes": listed } }),
        _ if usable => json!({ "ok": true, "payload": {} }),
        _ => {
            json!({ "ok": false, "error": { "code": "UNAVAILABLE", "message": "pairing changed" } })
        }
    }
}

#[test]
fn a_surface_that_waits_for_approval_is_told_with_its_commands() {
    let (url, asked) = openclaw(0, |request| {
        let node = json!([{
            "nodeId": "NODE", "paired": true, "commands": [],
            "pendingRequestId": "s-1", "pendingDeclaredCommands": ["system.which"]
        }]);
        listing(request, node, false)
    });
    let folder = Folder::new("surface");
    folder
        .doctor(&url, &["--commands", "system.which"])
        .is("device approval", "ok", "")
        .failed("surface approval", &["system.which", "openclaw nodes approve s-1"])
        .is("commands", "ok", "waiting for approval: system.which");
    let asked: Vec<Value> = asked.try_iter().collect();
    let mut connects = asked.iter().filter(|request| request["method"] == "connect");
    let node = connects.clone().find(|connect| !is_operator(connect)).unwrap();
    assert_eq!(node["params"]["commands"], json!(["system.which"]));
    let operator = connects.find(|connect| is_operator(connect)).unwrap();
    assert_eq!(operator["params"]["device"], Value::Null);
    let kept = folder.0.join("gateways");
    assert!(!kept.exists(), "the doctor keeps no token");

    // To an operator who is told nothing the node's own news have to do.
    let (url, _) = openclaw(0, |request| listing(request, json!([]), false));
    folder
        .doctor(&url, &[])
        .failed("surface approval", &["yet to approve", "openclaw nodes pending"])
        .is("commands", "skipped", "does not know");
}

#[test]
fn commands_that_the_gateway_does_not_let_through_are_named() {
    let (url, _) = openclaw(0, |request| {
        let node = json!([{ "nodeId": "NODE", "paired": true, "commands": ["system.which"] }]);
        listing(request, node, true)
    });
    let folder = Folder::new("commands");
    let well = folder.doctor(&url, &["--commands", "system.which"]);
    well.is("surface approval", "ok", "").is("commands", "ok", "system.which");
    assert_eq!((well.code, &well.json["ok"]), (Some(0), &json!(true)));
    let more = folder.doctor(&url, &["--commands", "system.which,list_nodes"]);
    more.is("commands", "warning", "gateway.nodes.commands.allow '[\"list_nodes\"]'");
    assert_eq!(more.code, Some(0));
    // Those about workflows are declared always, and missed by nobody where there are none.
    let unmissed = "missed only by who uses this node's workflows: get_asset";
    folder.doctor(&url, &[]).is("commands", "ok", unmissed);
    let workflows = common::example("");
    let missed = folder.doctor(&url, &["--workflows", &workflows]);
    missed.is("commands", "warning", "through by name only: openclaw config set");
}

#[test]
fn a_node_says_what_it_waits_for_and_the_command_to_run() {
    let (url, _) = openclaw(0, |_| denial("PAIRING_REQUIRED", json!({ "requestId": "r-1" })));
    let node = Process::start(&["connect", "--url", &url, "--auth-token", SECRET]);
    let line = node.wait_for("waiting until the gateway's operator approves this device");
    assert!(line.contains("openclaw devices approve r-1"), "{line}");
    let (url, _) = openclaw(0, |request| listing(request, json!([]), false));
    drop(node);
    let node = Process::start(&["connect", "--url", &url, "--auth-token", SECRET]);
    let line = node.wait_for("waiting until the gateway's operator approves what this node may do");
    assert!(line.contains("openclaw nodes approve"), "{line}");
}

#[test]
fn an_operator_is_ready_when_it_is_let_in() {
    let (url, _) = openclaw(0, |request| listing(request, json!([]), true));
    let ask = ["openclaw", "--url", &url, "nodes", "--log", "info"];
    let asked = no_identity("operator").run(&ask, &[("OPENCLAW_GATEWAY_TOKEN", SECRET)]);
    assert!(stderr(&asked).contains("registered and ready"), "{}", stderr(&asked));
}

#[test]
fn what_the_doctor_declares_is_what_a_node_declares() {
    let (url, asked) = openclaw(0, |_| denial("AUTH_TOKEN_MISSING", json!({})));
    let folder = Folder::new("same");
    let options = ["--url", &url, "--display-name", "kitchen", "--auth-token", SECRET];
    for command in ["doctor", "connect"] {
        let mut arguments = vec![command];
        arguments.extend(options);
        folder.run(&arguments, &[]);
    }
    let mut connects: Vec<Value> =
        asked.try_iter().map(|request| request["params"].clone()).collect();
    assert_eq!(connects.len(), 2);
    for connect in &mut connects {
        let device = connect["device"].take();
        let text = |name: &str| device[name].as_str().unwrap().to_owned();
        let payload = format!(
            "v3|{}|node-host|node|node||{}|{SECRET}|n-1|{}|{}",
            text("id"),
            device["signedAt"],
            connect["client"]["platform"].as_str().unwrap().to_lowercase(),
            connect["client"]["deviceFamily"].as_str().unwrap_or_default().to_lowercase(),
        );
        assert!(verify(&text("publicKey"), &payload, &text("signature")), "{payload}");
    }
    assert_eq!(connects[0], connects[1]);
}

#[test]
fn clocks_that_are_too_far_apart_are_named() {
    let (url, _) = openclaw(-200_000, |_| hello());
    Folder::new("ahead").doctor(&url, &[]).failed("clock", &["ahead of", "120 s", "timedatectl"]);
    let (url, _) = openclaw(100_000, |_| hello());
    Folder::new("behind").doctor(&url, &[]).is("clock", "warning", "behind");
}

#[test]
fn a_node_that_is_connected_keeps_its_connection() {
    let (url, asked) = openclaw(0, |_| hello());
    let folder = Folder::new("live");
    let mut node = clawnode(&["connect", "--url", &url, "--auth-token", SECRET]);
    let mut node = node.env("CLAWNODE_DATA_DIR", &folder.0).spawn().unwrap();
    let first = asked.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    assert_eq!(first["method"], "connect");
    let process = format!("process {}", node.id());
    folder.doctor(&url, &[]).is("identity", "ok", &process).is("connect", "skipped", "left alone");
    let stolen =
        asked.try_iter().filter(|request| request["method"] == "connect" && !is_operator(request));
    assert_eq!(stolen.count(), 0);
    node.kill().unwrap();
    node.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn an_identity_that_others_can_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    let (url, asked) = openclaw(0, |_| hello());
    let file = folder.0.join("identity.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    folder
        .doctor(&url, &[])
        .failed("identity", &["chmod 600"])
        .is("connect", "skipped", "identity");
    let mut connects = asked.try_iter().filter(|request| request["method"] == "connect");
    assert!(connects.all(|connect| is_operator(&connect)), "no node connects");
}

#[test]
fn a_device_that_waits_is_told_by_an_operator_beside_a_node_that_runs() {
    let (url, asked) = openclaw(0, |request| match request["method"].as_str() {
        Some("connect") if !is_operator(request) => {
            denial("PAIRING_REQUIRED", json!({ "requestId": "d-1" }))
        }
        Some("node.list") => json!({ "ok": true, "payload": { "nodes": [] } }),
        Some("device.pair.list") => json!({ "ok": true, "payload": {
            "pending": [{ "requestId": "d-1", "deviceId": "NODE", "role": "node" }], "paired": []
        } }),
        _ => hello(),
    });
    let folder = Folder::new("waits");
    let mut node = clawnode(&["connect", "--url", &url, "--auth-token", SECRET]);
    let mut node = node.env("CLAWNODE_DATA_DIR", &folder.0).spawn().unwrap();
    asked.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    folder
        .doctor(&url, &[])
        .is("connect", "skipped", "left alone")
        .failed("device approval", &["request d-1", "openclaw devices approve d-1"]);
    node.kill().unwrap();
    node.wait().unwrap();
}

#[test]
fn a_wrong_token_shows_without_an_identity_too() {
    let (url, _) = openclaw(0, |_| denial("AUTH_TOKEN_MISMATCH", json!({})));
    no_identity("fresh")
        .doctor(&url, &[])
        .is("connect", "skipped", "no identity")
        .failed("operator", &["AUTH_TOKEN_MISMATCH"]);
}

// Setup codes.

fn setup_code(code: &Value) -> String {
    format!("oc-pair://{}", data_encoding::BASE64URL_NOPAD.encode(code.to_string().as_bytes()))
}

#[test]
fn a_setup_code_is_looked_at_and_not_used() {
    let (url, asked) = openclaw(0, |_| hello());
    let folder = Folder::new("code");
    let code = |expires: i64| {
        setup_code(&json!({
            "url": url, "bootstrapToken": "b00tstrap", "expiresAtMs": expires
        }))
    };
    let diagnosis = folder.doctor("", &["--pair", &code(4_000_000_000_000)]);
    diagnosis.is("setup code", "ok", &url).is("credentials", "ok", "a setup code");
    assert!(!diagnosis.said.contains("b00tstrap"));
    folder.doctor("", &["--pair", &code(1_000)]).failed("setup code", &["expired", "setup-code"]);
    let shown: Vec<Value> = asked.try_iter().collect();
    assert!(!shown.is_empty() && !format!("{shown:?}").contains("b00tstrap"));
    folder.doctor("", &["--pair", "oc-pair://%"]).failed("setup code", &["make another"]);
}

#[test]
fn a_setup_code_that_is_over_does_not_keep_a_paired_device_from_starting() {
    let (url, asked) = openclaw(0, |request| listing(request, json!([]), true));
    let folder = Folder::new("over");
    let code = |expires: i64| {
        setup_code(&json!({ "url": url, "bootstrapToken": "b00tstrap", "expiresAtMs": expires }))
    };
    let over = folder.run(&["connect", "--pair", &code(1_000)], &[]);
    assert_eq!(over.status.code(), Some(2));
    assert!(stderr(&over).contains("expired"), "{}", stderr(&over));
    let data = folder.0.to_str().unwrap();
    for (expires, shown) in [
        (4_000_000_000_000, json!({ "bootstrapToken": "b00tstrap" })),
        (1_000, json!({ "deviceToken": "given-token" })),
    ] {
        let node = Process::start(&["connect", "--data-dir", data, "--pair", &code(expires)]);
        node.wait_for("registered; it gets the work that the gateway's operator has approved");
        let connect = asked.try_iter().find(|request| request["method"] == "connect").unwrap();
        assert_eq!(connect["params"]["auth"], shown);
    }
}

#[test]
fn a_join_link_which_is_good_once_is_not_fetched() {
    let (to_heads, heads) = channel();
    let address = serve(move |mut stream| {
        let _ = to_heads.send(head(&mut stream));
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    let link = format!("http://{address}/j/abcdefghijklmnopqrst-_");
    let diagnosis = Folder::new("link").doctor("", &["--pair", &link]);
    diagnosis.is("setup code", "skipped", "once").failed("http upgrade", &["404"]);
    assert!(!diagnosis.said.contains("abcdefghijklmnopqrst"));
    let heads: Vec<String> = heads.try_iter().collect();
    assert!(heads.len() == 1 && heads[0].starts_with("GET / HTTP/1.1\r\n"), "{heads:?}");
}

#[test]
fn a_setup_code_is_used_at_its_first_place_where_a_gateway_speaks() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("ws://{}", listener.local_addr().unwrap());
    drop(listener);
    let no_gateway = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let (url, asked) = openclaw(0, |_| denial("AUTH_BOOTSTRAP_TOKEN_INVALID", json!({})));
    let code = setup_code(&json!({
        "url": url, "bootstrapToken": "b00tstrap",
        "urls": ["ws://192.0.2.1", closed, no_gateway, url]
    }));
    let folder = Folder::new("places");
    let output = folder.run(&["connect", "--pair", &code], &[]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let shown: Vec<Value> = asked.try_iter().collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["params"]["auth"], json!({ "bootstrapToken": "b00tstrap" }));
}

// The environment.

#[test]
fn the_environment_of_openclaw_is_heeded() {
    let (url, asked) = openclaw(0, |_| denial("AUTH_TOKEN_MISSING", json!({})));
    let folder = Folder::new("environment");
    let known = [("OPENCLAW_GATEWAY_TOKEN", "t0ken"), ("OPENCLAW_GATEWAY_PASSWORD", "passw0rd")];
    folder.run(&["connect", "--url", &url], &known);
    let auth = asked.try_iter().next().unwrap()["params"]["auth"].clone();
    assert_eq!(auth, json!({ "token": "t0ken", "password": "passw0rd" }));

    let plain = ["connect", "--protocol", "openclaw", "--url", "ws://gate.invalid"];
    let refused = folder.run(&plain, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("without TLS"), "{}", stderr(&refused));
    let public = ["connect", "--protocol", "openclaw", "--url", "ws://192.0.2.1"];
    let refused = folder.run(&public, &[("OPENCLAW_ALLOW_INSECURE_PRIVATE_WS", "1")]);
    assert_eq!(refused.status.code(), Some(2));
    let wrong = folder.run(&["connect", "--url", &url], &[("OPENCLAW_HANDSHAKE_TIMEOUT_MS", "x")]);
    assert!(stderr(&wrong).contains("OPENCLAW_HANDSHAKE_TIMEOUT_MS"), "{}", stderr(&wrong));
    let half = folder.run(&["connect", "--url", &url], &[("CF_ACCESS_CLIENT_SECRET", "half")]);
    assert!(stderr(&half).contains("CF_ACCESS_CLIENT_ID"), "{}", stderr(&half));
}

#[test]
fn a_service_token_goes_to_the_edge_over_tls() {
    let shown = certificate("127.0.0.1", "doctor-edge.pem", |_| {});
    let (to_heads, heads) = channel();
    let config = shown.config;
    let address = serve(move |stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, stream);
        let _ = to_heads.send(head(&mut stream));
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    let folder = Folder::new("edge");
    let url = format!("wss://{address}");
    let pin = format!("sha256:{}", shown.fingerprint);
    let token = [("CF_ACCESS_CLIENT_ID", "me.access"), ("CF_ACCESS_CLIENT_SECRET", SECRET)];
    for command in ["doctor", "connect"] {
        let arguments = [command, "--url", &url, "--tls-fingerprint", &pin, "--log", "trace"];
        let output = folder.run(&arguments, &token);
        let head = heads.try_iter().last().unwrap();
        assert!(head.contains("\r\nCF-Access-Client-Id: me.access\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nCF-Access-Client-Secret: {SECRET}\r\n")), "{head}");
        assert!(!stderr(&output).contains(SECRET));
    }
}

const SECRET: &str = "sh4red-s3cret";
