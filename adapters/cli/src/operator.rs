//! `clawnode openclaw`: what an operator asks of an OpenClaw gateway.

use std::io::{self, Write as _};
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::{Refusal, RefusalCode};
use clawnode_tokio::openclaw::Openclaw;
use clawnode_tokio::{
    CallError, CallFailed, Event, Events, Handle, Limits, LostReason, Node, NodeEvent, StopReason,
};
use serde_json::{Value, json};

use crate::connect::{fingerprint, password, with_token};
use crate::device::DataDir;
use crate::environment::Environment;
use crate::error::{FAILED, Failure, REFUSED, UNAVAILABLE, chain};
use crate::options::{self, Ask};

/// Connects as an operator, asks, shows the answer, and is gone.
pub(crate) async fn ask(options: options::Openclaw) -> Result<(), Failure> {
    let node = describe(&options)?;
    connected(node, async |handle| Operator { handle, json: options.json }.run(&options.ask).await)
        .await
}

/// Does something with a connection, which ends afterwards.
pub(crate) async fn connected<T>(
    node: Node,
    work: impl AsyncFnOnce(&Handle) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let handle = node.handle();
    let mut events = handle.events();
    let running = tokio::spawn(node.run());
    let answer = match ready(&mut events).await {
        Ok(()) => work(&handle).await,
        Err(failure) => Err(failure),
    };
    handle.stop(Duration::ZERO);
    let _ = running.await;
    answer
}

async fn ready(events: &mut Events) -> Result<(), Failure> {
    loop {
        match events.next().await {
            Some(Event::Node(NodeEvent::Ready)) => return Ok(()),
            Some(Event::Node(NodeEvent::Lost { reason: LostReason::Denied(refusal), .. }))
            | Some(Event::Stopped(StopReason::Denied(refusal))) => return Err(denied(&refusal)),
            Some(Event::Node(NodeEvent::Lost { reason, .. })) => {
                return Err(Failure::new(
                    UNAVAILABLE,
                    format!("{reason}\n`clawnode doctor` finds out why"),
                ));
            }
            Some(Event::Stopped(reason)) => return Err(refused(&reason)),
            Some(_) => {}
            None => return Err(Failure::new(UNAVAILABLE, "the connection ended")),
        }
    }
}

fn denied(refusal: &Refusal) -> Failure {
    match refusal.code() {
        // Whoever shows a credential on the gateway's own machine need not be a device.
        RefusalCode::DeviceIdentityRequired => Failure::new(
            REFUSED,
            format!(
                "the gateway refuses this operator: {} ({}); give the gateway's token with --auth-token-file or OPENCLAW_GATEWAY_TOKEN, or its password",
                refusal.message(),
                refusal.code().as_str()
            ),
        ),
        _ => refused(refusal),
    }
}

fn refused(why: &dyn std::error::Error) -> Failure {
    Failure::new(REFUSED, format!("the gateway refuses this operator: {why}"))
}

fn describe(options: &options::Openclaw) -> Result<Node, Failure> {
    let environment = Environment::read()?;
    let usage = |error: &dyn std::error::Error| Failure::usage(chain(error));
    let builder =
        Node::builder(&options.url).map_err(|error| Failure::usage(format!("--url: {error}")))?;
    let version = env!("CARGO_PKG_VERSION");
    // On its own machine a gateway takes an operator's word; elsewhere it wants to know the device.
    let identity = if builder.is_loopback() {
        None
    } else {
        DataDir::open(options.data_dir.as_deref())?.identity(true)?
    };
    let mut openclaw = Openclaw::operator(identity, version, SCOPES.map(str::to_owned));
    if let Some(password) = password(options.password.as_ref(), &environment) {
        openclaw = openclaw.password(password);
    }
    let mut limits = Limits::default();
    // A gateway gives an operator each answer of a node twice, as text and as it is.
    limits.websocket.max_message *= 4;
    let builder = environment.apply(builder.openclaw(openclaw).limits(limits));
    let mut builder = with_token(builder, &options.token, &environment)?;
    if let Some(file) = &options.tls_ca {
        builder = builder.tls_ca(file);
    }
    if let Some(fingerprint) = fingerprint(options.tls_fingerprint.as_deref())? {
        builder = builder.tls_fingerprint(fingerprint);
    }
    builder.build().map_err(|error| usage(&error))
}

struct Operator<'a> {
    handle: &'a Handle,
    json: bool,
}

impl Operator<'_> {
    async fn run(&self, ask: &Ask) -> Result<(), Failure> {
        match ask {
            Ask::Nodes => {
                let list = self.call("node.list", json!({})).await?;
                self.show(&list, |out, list| nodes(out, &list["nodes"]))
            }
            Ask::Devices => {
                let list = self.call("device.pair.list", json!({})).await?;
                self.show(&list, devices)
            }
            Ask::Approve { request_id, all } => self.approve(request_id.as_deref(), *all).await,
            Ask::Invoke { node, command, params, timeout } => {
                let node = self.node_id(node).await?;
                let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                let asked = json!({
                    "nodeId": node,
                    "command": command,
                    "params": parsed(params.as_deref())?,
                    "timeoutMs": timeout_ms,
                    "idempotencyKey": random_key()?,
                });
                let grace = Duration::from_secs(10);
                let answer: Value = self
                    .handle
                    .call_within("node.invoke", &asked, *timeout + grace)
                    .await
                    .map_err(failed)?;
                self.show(&answer, |out, answer| writeln!(out, "{:#}", answer["payload"]))
            }
            Ask::Call { method, params } => {
                let answer = self.call(method, parsed(params.as_deref())?).await?;
                writeln!(io::stdout(), "{answer:#}")?;
                Ok(())
            }
            Ask::SetupCode { public_url, limited } => {
                let profile = if *limited { "limited" } else { "node" };
                let mut asked = json!({ "bootstrapProfile": profile });
                if let Some(url) = public_url {
                    asked["publicUrl"] = json!(url);
                }
                let answer = self.call("device.pair.setupCode", asked).await?;
                self.show(&answer, |out, answer| {
                    let code = answer["setupCode"].as_str().unwrap_or_default();
                    writeln!(out, "oc-pair://{code}")
                })
            }
        }
    }

    /// Approves devices and what nodes may do, whichever a request is about.
    async fn approve(&self, request_id: Option<&str>, all: bool) -> Result<(), Failure> {
        let mut approved = Vec::new();
        for (list, approve) in
            [("device.pair.list", "device.pair.approve"), ("node.pair.list", "node.pair.approve")]
        {
            let pending = self.call(list, json!({})).await?;
            for request in pending["pending"].as_array().into_iter().flatten() {
                let Some(id) = request["requestId"].as_str() else { continue };
                if all || request_id == Some(id) {
                    self.call(approve, json!({ "requestId": id })).await?;
                    approved.push(request.clone());
                }
            }
        }
        if approved.is_empty() {
            return Err(Failure::new(
                FAILED,
                "no such request waits for approval; `clawnode openclaw devices` and `... nodes` show those that do",
            ));
        }
        self.show(&Value::Array(approved), |out, approved| {
            for request in approved.as_array().into_iter().flatten() {
                writeln!(out, "approved {} {}", text(&request["requestId"]), name(request))?;
            }
            Ok(())
        })
    }

    /// The id of a node that people call by its name.
    async fn node_id(&self, node: &str) -> Result<String, Failure> {
        let list = self.call("node.list", json!({})).await?;
        let nodes = list["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found: Vec<&str> = nodes
            .iter()
            .filter(|known| known["nodeId"] == node || known["displayName"] == node)
            .filter_map(|known| known["nodeId"].as_str())
            .collect();
        match found[..] {
            [id] => Ok(id.to_owned()),
            [] => Err(Failure::new(
                FAILED,
                format!("the gateway knows no node `{node}`; `clawnode openclaw nodes` lists them"),
            )),
            _ => Err(Failure::new(
                FAILED,
                format!(
                    "{} nodes are called `{node}`; give the id: {}",
                    found.len(),
                    found.join(", ")
                ),
            )),
        }
    }

    async fn call(&self, method: &str, params: Value) -> Result<Value, Failure> {
        self.handle.call(method, &params).await.map_err(failed)
    }

    fn show(
        &self,
        answer: &Value,
        people: impl FnOnce(&mut io::StdoutLock<'_>, &Value) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{answer:#}")?;
        } else {
            people(&mut out, answer)?;
        }
        Ok(())
    }
}

fn nodes(out: &mut impl io::Write, nodes: &Value) -> io::Result<()> {
    writeln!(out, "{:64}  {:20}  {:9}  COMMANDS (PENDING)", "NODE ID", "NAME", "STATUS")?;
    for node in nodes.as_array().into_iter().flatten() {
        let status = if node["connected"] == true { "connected" } else { "away" };
        let pending = words(&node["pendingDeclaredCommands"]);
        let pending = if pending.is_empty() { pending } else { format!(" ({pending})") };
        let (id, name) = (text(&node["nodeId"]), text(&node["displayName"]));
        writeln!(out, "{id:64}  {name:20}  {status:9}  {}{pending}", words(&node["commands"]))?;
        if let Some(request) = node["pendingRequestId"].as_str() {
            writeln!(out, "    waits for: clawnode openclaw approve {request}")?;
        }
    }
    Ok(())
}

fn devices(out: &mut io::StdoutLock<'_>, list: &Value) -> io::Result<()> {
    writeln!(out, "{:64}  {:20}  {:8}  STATUS", "DEVICE ID", "NAME", "ROLE")?;
    for device in list["pending"].as_array().into_iter().flatten() {
        let request = text(&device["requestId"]);
        let (id, role) = (text(&device["deviceId"]), text(&device["role"]));
        writeln!(
            out,
            "{id:64}  {:20}  {role:8}  waits for: clawnode openclaw approve {request}",
            name(device)
        )?;
    }
    for device in list["paired"].as_array().into_iter().flatten() {
        let (id, role) = (text(&device["deviceId"]), words(&device["roles"]));
        writeln!(out, "{id:64}  {:20}  {role:8}  paired", name(device))?;
    }
    Ok(())
}

fn name(value: &Value) -> String {
    text(&value["displayName"])
}

/// Text of others, without what a terminal would obey.
fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn words(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ")
}

fn parsed(params: Option<&str>) -> Result<Value, Failure> {
    serde_json::from_str(params.unwrap_or("{}"))
        .map_err(|error| Failure::usage(format!("the parameters must be JSON: {error}")))
}

fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(FAILED, error.to_string()))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

pub(crate) fn failed(error: CallFailed) -> Failure {
    let (code, advice) = match &error {
        CallFailed::Gateway(CallError::Refused { message, .. }) => {
            let advice = if message.contains("pairing changed") {
                "\nwhat the node may do is not approved yet; `clawnode openclaw nodes` shows what waits, `clawnode openclaw approve` approves it"
            } else if message.contains("only bound to loopback") {
                "\nsay where the device will reach the gateway with --public-url; on this machine alone that is ws://127.0.0.1:18789"
            } else {
                ""
            };
            (FAILED, advice)
        }
        _ => (UNAVAILABLE, ""),
    };
    Failure::new(code, format!("{}{advice}", chain(&error)))
}

/// Everything that the commands here ask for.
const SCOPES: [&str; 5] =
    ["operator.read", "operator.write", "operator.admin", "operator.pairing", "operator.approvals"];
