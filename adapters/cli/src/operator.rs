//! `clawnode openclaw`: what an operator asks of an OpenClaw gateway.

use std::io::{self, Write as _};
use std::time::Duration;

use clawnode_tokio::Node;
use clawnode_tokio::openclaw::Openclaw;
use clawnode_tokio::openclaw::operator::{
    Access, Devices, NodeInfo, NotConnected, Operator, OperatorError, SetupCodeRequest,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::read_token;
use crate::connect::password;
use crate::device::DataDir;
use crate::error::{FAILED, Failure, REFUSED, UNAVAILABLE, chain};
use crate::options::{self, Ask};

/// Connects as an operator, asks, shows the answer, and is gone.
pub(crate) async fn ask(options: options::Openclaw) -> Result<(), Failure> {
    let node = describe(&options)?;
    let operator = Operator::new(node.handle());
    let answer = async {
        operator.connected().await.map_err(|error| match error {
            NotConnected::Stopped(reason) => {
                Failure::new(REFUSED, format!("the gateway refuses this operator: {reason}"))
            }
            error => Failure::new(UNAVAILABLE, chain(&error)),
        })?;
        Asking { operator: &operator, json: options.json }.run(&options.ask).await
    };
    let asked = async {
        let answer = answer.await;
        operator.handle().stop(Duration::ZERO);
        answer
    };
    // In this order, so that the first attempt to connect is not missed.
    let (answer, _) = tokio::join!(biased; asked, node.run());
    answer
}

fn describe(options: &options::Openclaw) -> Result<Node, Failure> {
    let usage = |error: &dyn std::error::Error| Failure::usage(chain(error));
    let builder = Node::builder(&options.url).map_err(|error| usage(&error))?;
    let version = env!("CARGO_PKG_VERSION");
    // On its own machine a gateway takes an operator's word; elsewhere it wants to know the device.
    let identity = if builder.is_loopback() {
        None
    } else {
        DataDir::open(options.data_dir.as_deref())?.identity(true)?
    };
    let mut openclaw = Openclaw::operator(identity, version, SCOPES.map(str::to_owned));
    if let Some(password) = password(options.password.as_ref()) {
        openclaw = openclaw.password(password);
    }
    let mut builder = builder.openclaw(openclaw);
    let known = || std::env::var("OPENCLAW_GATEWAY_TOKEN").ok().filter(|token| !token.is_empty());
    if let Some(token) = read_token(&options.token)? {
        builder = builder.token(token.expose());
    } else if let Some(token) = known() {
        builder = builder.token(token);
    }
    if let Some(file) = &options.tls_ca {
        builder = builder.tls_ca(file);
    }
    if let Some(text) = &options.tls_fingerprint {
        let fingerprint = text.parse();
        builder = builder.tls_fingerprint(
            fingerprint.map_err(|error| Failure::usage(format!("--tls-fingerprint: {error}")))?,
        );
    }
    builder.build().map_err(|error| usage(&error))
}

struct Asking<'a> {
    operator: &'a Operator,
    json: bool,
}

impl Asking<'_> {
    async fn run(&self, ask: &Ask) -> Result<(), Failure> {
        let operator = self.operator;
        match ask {
            Ask::Nodes => {
                let list = operator.nodes().await.map_err(failed)?;
                self.show(&json!({ "nodes": list }), |out| nodes(out, &list))
            }
            Ask::Devices => {
                let list = operator.devices().await.map_err(failed)?;
                self.show(&list, |out| devices(out, &list))
            }
            Ask::Approve { request_id, all } => self.approve(request_id.as_deref(), *all).await,
            Ask::Invoke { node, command, params, timeout } => {
                let node = self.node_id(node).await?;
                let params = parsed(params.as_deref())?;
                let result: Value =
                    operator.invoke(&node, command, &params, *timeout).await.map_err(failed)?;
                self.show(&result, |out| writeln!(out, "{result:#}"))
            }
            Ask::Call { method, params } => {
                let params = parsed(params.as_deref())?;
                let answer: Value = operator.call(method, &params).await.map_err(failed)?;
                self.show(&answer, |out| writeln!(out, "{answer:#}"))
            }
            Ask::SetupCode { public_url, limited } => {
                let access = if *limited { Access::Limited } else { Access::Node };
                let mut request = SetupCodeRequest::new(access);
                request.public_url.clone_from(public_url);
                let made = operator.setup_code(&request).await.map_err(failed)?;
                let code = made.setup_code.expose();
                let shown = json!({
                    "setupCode": code,
                    "setupId": made.setup_id,
                    "gatewayUrl": made.gateway_url,
                    "access": made.access,
                    "expiresAtMs": made.expires_at_ms,
                });
                self.show(&shown, |out| writeln!(out, "oc-pair://{code}"))
            }
        }
    }

    /// Approves devices and what nodes may do, whichever a request is about.
    async fn approve(&self, request_id: Option<&str>, all: bool) -> Result<(), Failure> {
        let mut approved = Vec::new();
        let wanted = |id: &str| all || request_id == Some(id);
        for request in self.operator.devices().await.map_err(failed)?.pending {
            if wanted(&request.request_id) {
                self.operator.approve_device(&request.request_id).await.map_err(failed)?;
                approved.push((
                    request.request_id.clone(),
                    name(&request.display_name),
                    json!(request),
                ));
            }
        }
        for request in self.operator.node_pairings().await.map_err(failed)?.pending {
            if wanted(&request.request_id) {
                self.operator.approve_node(&request.request_id).await.map_err(failed)?;
                approved.push((
                    request.request_id.clone(),
                    name(&request.display_name),
                    json!(request),
                ));
            }
        }
        if approved.is_empty() {
            return Err(Failure::new(
                FAILED,
                "no such request waits for approval; `clawnode openclaw devices` and `... nodes` show those that do",
            ));
        }
        let requests: Vec<_> = approved.iter().map(|(.., request)| request).collect();
        self.show(&requests, |out| {
            for (id, name, _) in &approved {
                writeln!(out, "approved {} {name}", text(id))?;
            }
            Ok(())
        })
    }

    /// The id of a node that people call by its name.
    async fn node_id(&self, node: &str) -> Result<String, Failure> {
        let nodes = self.operator.nodes().await.map_err(failed)?;
        let mut found: Vec<NodeInfo> = nodes
            .into_iter()
            .filter(|known| known.node_id == node || known.display_name.as_deref() == Some(node))
            .collect();
        match found.len() {
            1 => Ok(found.remove(0).node_id),
            0 => Err(Failure::new(
                FAILED,
                format!("the gateway knows no node `{node}`; `clawnode openclaw nodes` lists them"),
            )),
            several => Err(Failure::new(
                FAILED,
                format!("{several} nodes are called `{node}`; give the id"),
            )),
        }
    }

    fn show(
        &self,
        answer: &impl Serialize,
        people: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if self.json {
            let json = serde_json::to_string_pretty(answer).map_err(io::Error::from)?;
            writeln!(out, "{json}")?;
        } else {
            people(&mut out)?;
        }
        Ok(())
    }
}

fn nodes(out: &mut impl io::Write, nodes: &[NodeInfo]) -> io::Result<()> {
    writeln!(out, "{:64}  {:20}  {:9}  COMMANDS (PENDING)", "NODE ID", "NAME", "STATUS")?;
    for node in nodes {
        let status = if node.connected { "connected" } else { "away" };
        let pending = words(&node.pending_declared_commands);
        let pending = if pending.is_empty() { pending } else { format!(" ({pending})") };
        let (id, name) = (text(&node.node_id), name(&node.display_name));
        writeln!(out, "{id:64}  {name:20}  {status:9}  {}{pending}", words(&node.commands))?;
        if let Some(request) = &node.pending_request_id {
            writeln!(out, "    waits for: clawnode openclaw approve {}", text(request))?;
        }
    }
    Ok(())
}

fn devices(out: &mut impl io::Write, devices: &Devices) -> io::Result<()> {
    writeln!(out, "{:64}  {:20}  {:8}  STATUS", "DEVICE ID", "NAME", "ROLE")?;
    for device in &devices.pending {
        let (id, request) = (text(&device.device_id), text(&device.request_id));
        let (name, role) = (name(&device.display_name), name(&device.role));
        writeln!(
            out,
            "{id:64}  {name:20}  {role:8}  waits for: clawnode openclaw approve {request}"
        )?;
    }
    for device in &devices.paired {
        let (id, role) = (text(&device.device_id), words(&device.roles));
        writeln!(out, "{id:64}  {:20}  {role:8}  paired", name(&device.display_name))?;
    }
    Ok(())
}

fn name(name: &Option<String>) -> String {
    text(name.as_deref().unwrap_or_default())
}

/// Text of others, without what a terminal would obey.
fn text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn words(words: &[String]) -> String {
    words.iter().map(|word| text(word)).collect::<Vec<_>>().join(" ")
}

fn parsed(params: Option<&str>) -> Result<Value, Failure> {
    serde_json::from_str(params.unwrap_or("{}"))
        .map_err(|error| Failure::usage(format!("the parameters must be JSON: {error}")))
}

fn failed(error: OperatorError) -> Failure {
    let code = match &error {
        OperatorError::Refused(_) => FAILED,
        _ => UNAVAILABLE,
    };
    Failure::new(code, chain(&error))
}

/// Everything that the commands here ask for.
const SCOPES: [&str; 5] =
    ["operator.read", "operator.write", "operator.admin", "operator.pairing", "operator.approvals"];
