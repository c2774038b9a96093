//! `clawnode openclaw`: what an operator asks of an OpenClaw gateway.

use std::io::{self, Write as _};
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::{Refusal, RefusalCode};
use clawnode_tokio::openclaw::Openclaw;
use clawnode_tokio::openclaw::operator::{
    Access, Devices, NodeInfo, NotConnected, Operator, OperatorError, SetupCodeRequest,
};
use clawnode_tokio::{LostReason, Node, StopReason};
use serde::Serialize;
use serde_json::{Value, json};

use crate::connect::{cure_of_proxy, fingerprint, password, with_proxy, with_token};
use crate::device::DataDir;
use crate::environment::Environment;
use crate::error::{FAILED, Failure, REFUSED, UNAVAILABLE, chain};
use crate::options::{self, Ask, OPENCLAW_URL};
use crate::output::{Stdout, stdout};

/// Connects as an operator, asks, shows the answer, and is gone.
pub(crate) async fn ask(options: options::Openclaw) -> Result<(), Failure> {
    let node = describe(&options)?;
    let answer = connected(node, async |operator| {
        Asking { operator, json: options.json }.run(&options.ask).await
    });
    answer.await.map_err(|failure| saying_where(failure, &options))
}

/// Where was asked, for those who did not say where.
fn saying_where(failure: Failure, options: &options::Openclaw) -> Failure {
    if options.url.is_some() || !matches!(failure.code(), REFUSED | UNAVAILABLE) {
        return failure;
    }
    let public_url = match &options.ask {
        Ask::SetupCode { public_url: Some(_), .. } => {
            ", as --public-url only says where devices will reach it"
        }
        _ => "",
    };
    failure.with_advice(&format!(
        "this was {OPENCLAW_URL}, the default; another gateway is given with --url{public_url}"
    ))
}

/// Does something with a connection, which ends afterwards.
pub(crate) async fn connected<T>(
    node: Node,
    work: impl AsyncFnOnce(&Operator) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let operator = Operator::new(node.handle());
    let answer = async {
        let answer = match operator.connected().await {
            Ok(()) => work(&operator).await,
            Err(why) => Err(not_connected(&why)),
        };
        operator.handle().stop(Duration::ZERO);
        answer
    };
    // In this order, so that the first attempt to connect is not missed.
    let (answer, _) = tokio::join!(biased; answer, node.run());
    answer
}

fn not_connected(why: &NotConnected) -> Failure {
    match why {
        NotConnected::Lost(LostReason::Denied(refusal))
        | NotConnected::WaitingForApproval(refusal)
        | NotConnected::Refused(StopReason::Denied(refusal)) => denied(refusal),
        NotConnected::Lost(reason @ LostReason::ProxyRefused { status, .. }) => {
            Failure::new(UNAVAILABLE, format!("{reason}\n{}", cure_of_proxy(*status)))
        }
        NotConnected::Refused(reason @ StopReason::ProxyRefused { status, .. }) => {
            Failure::new(REFUSED, format!("{reason}\n{}", cure_of_proxy(*status)))
        }
        NotConnected::Refused(reason) => refused(reason),
        NotConnected::Lost(reason) => {
            Failure::new(UNAVAILABLE, format!("{reason}\n`clawnode doctor` finds out why"))
        }
        other => Failure::new(UNAVAILABLE, chain(other)),
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
    let url = options.url.as_deref().unwrap_or(OPENCLAW_URL);
    let builder = Node::builder(url).map_err(|error| Failure::usage(format!("--url: {error}")))?;
    let builder = with_proxy(builder, options.proxy.as_deref())?;
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
    let builder = environment.apply(builder.openclaw(openclaw));
    let mut builder = with_token(builder, &options.token, &environment)?;
    if let Some(file) = &options.tls_ca {
        builder = builder.tls_ca(file);
    }
    if let Some(fingerprint) = fingerprint(options.tls_fingerprint.as_deref())? {
        builder = builder.tls_fingerprint(fingerprint);
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
        if approved.is_empty() && !all {
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
        let found: Vec<&str> = nodes
            .iter()
            .filter(|known| known.node_id == node || known.display_name.as_deref() == Some(node))
            .map(|known| known.node_id.as_str())
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

    fn show(
        &self,
        answer: &impl Serialize,
        people: impl FnOnce(&mut Stdout) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = stdout();
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
pub(crate) fn text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn words(words: &[String]) -> String {
    words.iter().map(|word| text(word)).collect::<Vec<_>>().join(" ")
}

fn parsed(params: Option<&str>) -> Result<Value, Failure> {
    serde_json::from_str(params.unwrap_or("{}"))
        .map_err(|error| Failure::usage(format!("the parameters must be JSON: {error}")))
}

pub(crate) fn failed(error: OperatorError) -> Failure {
    let OperatorError::Refused(refused) = &error else {
        return Failure::new(UNAVAILABLE, chain(&error));
    };
    let advice = if refused.message.contains("pairing changed") {
        "\nwhat the node may do is not approved yet; `clawnode openclaw nodes` shows what waits, `clawnode openclaw approve` approves it"
    } else if refused.message.contains("only bound to loopback") {
        "\nsay where the device will reach the gateway with --public-url; on this machine alone that is ws://127.0.0.1:18789"
    } else {
        ""
    };
    Failure::new(FAILED, format!("{}{advice}", chain(&error)))
}

/// Everything that the commands here ask for.
const SCOPES: [&str; 5] =
    ["operator.read", "operator.write", "operator.admin", "operator.pairing", "operator.approvals"];

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::{Command, Options};

    #[test]
    fn who_does_not_say_where_to_ask_is_told_where_that_was() {
        let told = |arguments: &[&str], code: u8| {
            let arguments = [&["clawnode", "openclaw"], arguments].concat();
            let Command::Openclaw(options) = Options::parse_from(arguments).command else {
                panic!("it is another command")
            };
            saying_where(Failure::new(code, "nobody there"), &options).message().to_owned()
        };
        assert_eq!(
            told(&["nodes"], UNAVAILABLE),
            "nobody there\nthis was ws://127.0.0.1:18789, the default; another gateway is given with --url"
        );
        let code = ["setup-code", "--public-url", "wss://gate.example"];
        assert!(told(&code, REFUSED).ends_with("where devices will reach it"));
        let with_url = [&code[..], &["--url", "wss://gate.example"]].concat();
        assert_eq!(told(&with_url, UNAVAILABLE), "nobody there");
        assert_eq!(told(&["nodes"], FAILED), "nobody there", "the gateway was asked");
    }
}
