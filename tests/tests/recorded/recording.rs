//! Recorded wires as they lie in `tests/recordings/openclaw`.

use std::fs;
use std::path::Path;

use clawnode_protocol::dialect::openclaw::Identity;
use serde::Deserialize;
use serde_json::Value;

/// One line of a recording.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Milliseconds since the beginning.
    pub(crate) at: u64,
    /// Which connection of the recording.
    pub(crate) connection: u32,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    /// What the experimenter did next, in words.
    Note(String),
    /// A byte stream to the gateway, or to the proxy in front of it.
    Opened,
    /// The gateway could not be reached behind it.
    Unreachable,
    /// The HTTP upgrade, for which a scripted gateway recorded the headers only.
    Upgrade(String),
    UpgradeHeaders(Value),
    UpgradeAnswer(String),
    FromGateway(String),
    FromNode(Value),
    Ping,
    Pong,
    GatewayClosed(Option<u16>, String),
    NodeClosed(Option<u16>, String),
    GatewayEnded,
    /// The byte stream is gone.
    Gone,
    /// How the connection ended as a scripted gateway saw it, whoever ended it; 1006 without a close frame.
    Ended(u16, String),
    /// From here on nothing of what the gateway sends reaches the node.
    Held,
    Released,
}

/// A recorded wire, and whose it was.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) lines: Vec<Line>,
    /// The id and the public key of the device that was recorded. The lines name another one in its place.
    pub(crate) device: [String; 2],
}

impl Recording {
    /// Reads files that follow each other, each with the time of its beginning in milliseconds and the time of the last line
    /// that is taken. The device is replaced by that of `identity`, whose key is at hand.
    pub(crate) fn read(files: &[(&str, u64, u64)], identity: &Identity) -> Self {
        let texts = files.iter().map(|(file, ..)| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/openclaw");
            fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
        });
        let texts: Vec<String> = texts.collect();
        let connects = texts.iter().flat_map(|text| text.lines()).filter_map(connect);
        let device = connects.map(|params| params["device"].clone()).find(Value::is_object);
        let device = device.expect("a device connects");
        let device = ["id", "publicKey"].map(|name| device[name].as_str().unwrap().to_owned());
        let mut lines = Vec::new();
        for ((file, from, last), text) in files.iter().zip(texts) {
            let text = text.replace(&device[0], identity.device_id());
            let text = text.replace(&device[1], identity.public_key());
            let parsed = text.lines().flat_map(|line| parse(file, line));
            lines.extend(
                parsed
                    .filter(|line| line.at <= *last)
                    .map(|line| Line { at: line.at + from, ..line }),
            );
        }
        Self { lines, device }
    }

    /// The parameters of each `connect`.
    pub(crate) fn connects(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter_map(|line| match &line.what {
            What::FromNode(message) if message["method"] == "connect" => Some(&message["params"]),
            _ => None,
        })
    }
}

fn connect(line: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    let message: Value = serde_json::from_str(line["text"].as_str()?).ok()?;
    (message["method"] == "connect").then(|| message["params"].clone())
}

fn parse(file: &str, line: &str) -> Vec<Line> {
    #[derive(Deserialize)]
    struct Raw {
        t_ms: u64,
        conn: Option<u32>,
        ev: Option<String>,
        dir: Option<String>,
        text: Option<String>,
        code: Option<u16>,
        reason: Option<String>,
        headers: Option<Value>,
    }
    let raw: Raw =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}: {line}"));
    let Raw { t_ms, conn, ev, dir, text, code, reason, headers } = raw;
    let (text, reason) = (text.unwrap_or_default(), reason.unwrap_or_default());
    let whats = match (ev.as_deref(), dir.as_deref()) {
        (Some("note"), _) => vec![What::Note(text)],
        (Some("tcp-open"), _) => vec![What::Opened],
        (Some("upstream-connect-failed"), _) => vec![What::Unreachable],
        (Some("ws-open"), _) => {
            vec![What::Opened, What::UpgradeHeaders(headers.unwrap_or_default())]
        }
        (Some("http"), Some("node->gw")) => vec![What::Upgrade(text)],
        (Some("http"), Some("gw->node")) => vec![What::UpgradeAnswer(text)],
        (None, Some("gw->node")) => vec![What::FromGateway(text)],
        (None, Some("node->gw")) => match serde_json::from_str(&text) {
            Ok(message) => vec![What::FromNode(message)],
            // Somebody tried what a gateway makes of that.
            Err(_) => vec![],
        },
        (Some("ping"), Some("gw->node")) => vec![What::Ping],
        (Some("pong"), Some("node->gw")) => vec![What::Pong],
        (Some("ws-close-frame"), Some("gw->node")) => vec![What::GatewayClosed(code, reason)],
        (Some("ws-close-frame"), Some("node->gw")) => vec![What::NodeClosed(code, reason)],
        (Some("tcp-eof"), Some("gw->node")) => vec![What::GatewayEnded],
        (Some("tcp-closed"), _) => vec![What::Gone],
        (Some("ws-closed"), _) => vec![What::Ended(code.expect("it has a code"), reason)],
        (Some("proxy-hold"), _) => vec![What::Held],
        (Some("proxy-release"), _) => vec![What::Released],
        // The node's end of the stream follows from what is compared anyway; operators are somebody else.
        (Some("tcp-eof"), _) | (_, Some("op->gw" | "gw->op")) => vec![],
        other => panic!("{file}: nobody knows {other:?}"),
    };
    whats.into_iter().map(|what| Line { at: t_ms, connection: conn.unwrap_or(0), what }).collect()
}
