//! Whether the gateway lets this node in, and what it lets it do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clawnode_protocol::dialect::openclaw::{OLDER_PROTOCOL, PROTOCOL, Refusal, RefusalCode};
use clawnode_tokio::openclaw::operator::NodeInfo;
use clawnode_tokio::openclaw::{DeviceToken, DeviceTokens, Identity, Openclaw};
use clawnode_tokio::{
    Approval, Connection, Event, Events, Handle, LostReason, Node, Publication, Secret, StopReason,
};
use tokio::time::timeout;

use super::identity::{Owner, Shown};
use super::report::Report;
use crate::connect::{self, Gateway, cure_of_refusal};
use crate::device::{DataDir, FileTokens};
use crate::environment::Environment;
use crate::error::{Failure, chain};
use crate::operator;
use crate::options;
use crate::probe::{Target, Verdict};
use crate::system;
use crate::workflows::Service;

/// What all the checks here need.
pub(super) struct Patient<'a> {
    pub(super) options: &'a options::Node,
    pub(super) gateway: &'a Gateway,
    pub(super) environment: &'a Environment,
    pub(super) data: &'a DataDir,
}

/// A nodetool gateway decides at the HTTP upgrade. Nothing is registered, so no node of this name loses its connection.
pub(super) async fn nodetool(
    report: &mut Report,
    target: &Target,
    address: Option<SocketAddr>,
    shown: &Shown,
    patient: &Patient<'_>,
) {
    let token_in = connect::token_in(patient.options);
    let request = token_in
        .upgrade_request(target.url.endpoint(), shown.token.as_ref())
        .and_then(|request| target.with_headers(request));
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            let cure = "a token in a header may have visible ASCII characters only; check the token, or give it with --token-in query";
            return report.failed(CONNECT, format!("the token cannot be sent: {error}"), cure);
        }
    };
    let stream = match target.reconnect(address).await {
        Ok(stream) => stream,
        Err(error) => return report.failed(CONNECT, error.to_string(), "ask again"),
    };
    match target.upgrade(stream, request).await.verdict {
        Verdict::Open(conversation) => {
            conversation.close().await;
            let with = if shown.token.is_some() { "with the token" } else { "without a token" };
            report.ok(CONNECT, format!("HTTP 101 {with}"));
        }
        Verdict::Refused(refusal) => {
            let status = refusal.status();
            report.failed(CONNECT, format!("HTTP {status}"), cure_of_refusal(&refusal));
        }
        Verdict::NoHttp(why) => report.failed(CONNECT, why, "check --url"),
    }
    report.skipped(DEVICE, "a nodetool gateway approves no devices");
    report.skipped(COMMANDS, "a nodetool gateway takes every command that is declared");
}

/// Connects as the node would, and asks as an operator what it may do.
pub(super) async fn openclaw(
    report: &mut Report,
    owner: Owner,
    shown: &Shown,
    patient: &Patient<'_>,
) {
    let device_id = owner.identity.as_ref().map(|identity| identity.device_id().to_owned());
    let mut attempt = match owner.identity.map(|identity| patient.node(identity)) {
        None => Attempt::skipped(report, "there is no identity to connect with", Vec::new()),
        Some(Err(failure)) => {
            report.failed(CONNECT, failure.message(), "correct the options");
            Attempt { outcome: Outcome::Failed, ..Attempt::none(Vec::new()) }
        }
        Some(Ok(node)) => {
            let declared = node.commands().to_vec();
            match owner.holder {
                _ if !shown.is_something() => Attempt::skipped(
                    report,
                    "there is nothing to show; a setup code is shown by `clawnode connect --pair` alone",
                    declared,
                ),
                Some(holder) => {
                    let why = format!(
                        "{holder} is connected as this device, or tries to be, and is left alone"
                    );
                    Attempt::skipped(report, &why, declared)
                }
                None => Attempt::make(report, node, patient.data, declared).await,
            }
        }
    };
    let listed = match device_id {
        Some(device_id) => match attempt.why_not_ask(shown) {
            None => {
                patient.listed(&device_id).await.map_err(|failure| failure.message().to_owned())
            }
            Some(why) => Err(why.to_owned()),
        },
        // A wrong token shows without a device as well, where an operator need not be one.
        None => match attempt.why_not_ask(shown) {
            None => patient.listed("").await.map_err(|failure| failure.message().to_owned()),
            Some(why) => Err(why.to_owned()),
        },
    };
    let (listed, asks) = match listed {
        Ok((node, asks)) => (Ok(node), asks),
        Err(why) => (Err(why), None),
    };
    if let (Outcome::NotMade, Err(why)) = (&attempt.outcome, &listed)
        && why.contains("refuses this operator")
    {
        let cure = "correct the token or password; what is wrong with it stands above";
        report.failed(OPERATOR, why.clone(), cure);
    }
    attempt.approval(report, listed.as_ref().ok().and_then(Option::as_ref), asks.as_deref()).await;
    commands(report, &attempt, &listed, patient.options);
    attempt.end().await;
}

impl Shown {
    fn is_something(&self) -> bool {
        self.token.is_some() || self.password || self.device_token
    }
}

impl Patient<'_> {
    /// The node that `clawnode connect` would be with these options, but for what it would change on the disk.
    fn node(&self, identity: Identity) -> Result<Node, Failure> {
        let Self { options, gateway, environment, data } = self;
        let tokens = LookOnly(data.tokens(&gateway.url, "node"));
        let device = connect::device(options, gateway, data, environment, Some(identity))?;
        let device = device.tokens(tokens);
        let service = Service::in_memory()?;
        let builder = connect::describe(options, gateway, environment, &service, |builder| {
            builder.openclaw(device)
        })?;
        builder.build().map_err(|error| Failure::usage(chain(&error)))
    }

    /// What the gateway says of this node to an operator, if it knows the node; if not, the request of a device that waits for approval.
    /// The operator shows no device, so that none waits for approval afterwards.
    async fn listed(&self, device_id: &str) -> Result<(Option<NodeInfo>, Option<String>), Failure> {
        let Self { options, gateway, environment, .. } = self;
        let mut operator =
            Openclaw::operator(None, env!("CARGO_PKG_VERSION"), SCOPES.map(str::to_owned));
        if let Some(password) = connect::password(options.password.as_ref(), environment) {
            operator = operator.password(password);
        }
        let builder = Node::builder(&gateway.url).map_err(|error| Failure::usage(chain(&error)))?;
        let builder = connect::with_proxy(builder, options.proxy.as_deref())?;
        let mut builder = environment.apply(builder.openclaw(operator));
        builder = connect::with_token(builder, &options.token, environment)?;
        if let Some(file) = &options.tls_ca {
            builder = builder.tls_ca(file);
        }
        if let Some(fingerprint) = gateway.fingerprint {
            builder = builder.tls_fingerprint(fingerprint);
        }
        let node = builder.build().map_err(|error| Failure::usage(chain(&error)))?;
        operator::connected(node, async |operator| {
            let nodes = operator.nodes().await.map_err(operator::failed)?;
            let node = nodes.into_iter().find(|node| node.node_id == device_id);
            let devices = match node {
                None => operator.devices().await.ok(),
                Some(_) => None,
            };
            let mut waiting = devices.into_iter().flat_map(|devices| devices.pending);
            let asks = waiting.find(|request| request.device_id == device_id);
            Ok((node, asks.map(|request| request.request_id).filter(|id| is_id(id))))
        })
        .await
    }
}

/// Shows what is kept, and keeps and forgets nothing.
struct LookOnly(FileTokens);

impl DeviceTokens for LookOnly {
    fn load(&self) -> Result<Option<Secret>, String> {
        self.0.load()
    }

    fn keep(&self, _: &DeviceToken) -> Result<(), String> {
        Ok(())
    }

    fn forget(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The attempt to connect, which goes on while there is something to find out.
struct Attempt {
    node: Option<Running>,
    declared: Vec<String>,
    outcome: Outcome,
}

struct Running {
    handle: Handle,
    events: Events,
    run: tokio::task::JoinHandle<StopReason>,
}

enum Outcome {
    NotMade,
    LetIn,
    Denied(Box<Refusal>),
    Failed,
}

impl Attempt {
    fn none(declared: Vec<String>) -> Self {
        Self { node: None, declared, outcome: Outcome::NotMade }
    }

    fn skipped(report: &mut Report, why: &str, declared: Vec<String>) -> Self {
        report.skipped(CONNECT, why);
        Self::none(declared)
    }

    async fn make(report: &mut Report, node: Node, data: &DataDir, declared: Vec<String>) -> Self {
        let handle = node.handle();
        let mut events = handle.events();
        let run = tokio::spawn(node.run());
        let mut protocol = PROTOCOL;
        let outcome = match timeout(PATIENCE, outcome(&mut events, &mut protocol)).await {
            Ok(outcome) => outcome,
            Err(_) => Err("the gateway did not decide in time".to_owned()),
        };
        let outcome = match outcome {
            Ok(None) => {
                report.ok(CONNECT, format!("the gateway lets this node in, protocol {protocol}"));
                // As `connect` does; the gateway's answer tells whether the node may be used.
                let stats = system::host_stats(data.path());
                let _ = handle.publish(Publication::HostStats(stats)).await;
                Outcome::LetIn
            }
            Ok(Some(refusal)) => {
                let code = refusal.code();
                let what = format!("{} ({})", refusal.message(), code.as_str());
                if code == &RefusalCode::PairingRequired {
                    report.ok(CONNECT, "the gateway takes the credentials");
                } else {
                    report.failed(CONNECT, what, refusal.cure());
                }
                Outcome::Denied(refusal)
            }
            Err(why) => {
                report.failed(CONNECT, why, "look at the gateway's log: openclaw logs");
                Outcome::Failed
            }
        };
        Self { node: Some(Running { handle, events, run }), declared, outcome }
    }

    /// Why an operator is not to ask: where the node's own attempt showed that the token is wrong, another would only be one more
    /// failure.
    fn why_not_ask(&self, shown: &Shown) -> Option<&'static str> {
        let welcome = match &self.outcome {
            Outcome::LetIn | Outcome::NotMade => true,
            Outcome::Denied(refusal) => refusal.code() == &RefusalCode::PairingRequired,
            Outcome::Failed => false,
        };
        match welcome {
            false => Some("the gateway did not let this node in"),
            true if shown.token.is_none() && !shown.password => {
                Some("the gateway's token or password is not at hand")
            }
            true => None,
        }
    }

    /// Both approvals: the device's, and that of what the node may do.
    async fn approval(
        &mut self,
        report: &mut Report,
        listed: Option<&NodeInfo>,
        asks: Option<&str>,
    ) {
        let pending = listed.and_then(|node| node.pending_request_id.as_deref());
        let approve = |id: Option<&str>| {
            match id.filter(|id| is_id(id)) {
            Some(id) => format!(
                "on the gateway: openclaw nodes approve {id} (or: clawnode openclaw approve {id})"
            ),
            None => "on the gateway: openclaw nodes pending, then openclaw nodes approve REQUEST_ID (or: clawnode openclaw nodes)".to_owned(),
        }
        };
        match &self.outcome {
            Outcome::LetIn => report.ok(DEVICE, "the gateway's operator has approved this device"),
            Outcome::Denied(refusal) if refusal.code() == &RefusalCode::PairingRequired => {
                let reason = refusal.reason().unwrap_or("not-paired");
                let (request, command) = match refusal.request_id() {
                    Some(id) => (
                        format!(", request {id}"),
                        format!("{} (or: clawnode openclaw approve {id})", refusal.cure()),
                    ),
                    None => (String::new(), refusal.cure()),
                };
                report.failed(
                    DEVICE,
                    format!("this device waits for the approval of the gateway's operator ({reason}{request})"),
                    command,
                );
            }
            _ if listed.is_some_and(|node| node.paired) => {
                report.ok(DEVICE, "the gateway's operator has approved this device");
            }
            _ if asks.is_some() => {
                let id = asks.unwrap_or_default();
                report.failed(
                    DEVICE,
                    format!("this device waits for the approval of the gateway's operator (request {id})"),
                    format!("approve it on the gateway: openclaw devices approve {id} (or: clawnode openclaw approve {id})"),
                );
            }
            _ => report.skipped(DEVICE, "only a connection of this device tells"),
        }
        if let Some(node) = listed.filter(|_| pending.is_some()) {
            let what = match node.pending_declared_commands.join(" ").as_str() {
                "" => "what this node may do".to_owned(),
                commands => format!("these commands: {commands}"),
            };
            let id = pending.unwrap_or_default();
            report.failed(
                SURFACE,
                format!("the gateway's operator has yet to approve {what} (request {id}); it gets no such work before"),
                approve(pending),
            );
            return;
        }
        if !matches!(self.outcome, Outcome::LetIn) {
            match listed {
                Some(node) if node.approval_state.as_deref() == Some("approved") => {
                    report.ok(SURFACE, "the gateway's operator has approved what this node may do");
                }
                _ => report.skipped(SURFACE, "it comes after the connection"),
            }
            return;
        }
        let told = match &mut self.node {
            Some(node) => timeout(SURFACE_PATIENCE, usable(&mut node.events)).await,
            None => Ok(None),
        };
        match told {
            Ok(Some(true)) => {
                report.ok(SURFACE, "the gateway's operator has approved what this node may do");
            }
            Ok(Some(false)) => report.failed(
                SURFACE,
                "the gateway's operator has yet to approve what this node may do; it gets no work before",
                approve(None),
            ),
            Ok(None) | Err(_) => report.warning(
                SURFACE,
                "the gateway does not say whether this node may be used",
                "look on the gateway: openclaw nodes status",
            ),
        }
    }

    async fn end(self) {
        if let Some(Running { handle, run, .. }) = self.node {
            handle.stop(Duration::ZERO);
            let _ = timeout(PATIENCE, run).await;
        }
    }
}

/// Declared against effective commands.
fn commands(
    report: &mut Report,
    attempt: &Attempt,
    listed: &Result<Option<NodeInfo>, String>,
    options: &options::Node,
) {
    let node = match listed {
        Ok(Some(node)) => node,
        Ok(None) => {
            return report.skipped(COMMANDS, "the gateway does not know this node yet");
        }
        Err(why) => {
            return report.skipped(
                COMMANDS,
                format!("only an operator can see which the gateway lets through, and {why}; give its token with OPENCLAW_GATEWAY_TOKEN, or look on the gateway's machine: clawnode openclaw nodes"),
            );
        }
    };
    let (effective, waiting) = (&node.commands, &node.pending_declared_commands);
    let dropped = attempt
        .declared
        .iter()
        .filter(|name| !effective.contains(name) && !waiting.contains(name))
        .map(String::as_str);
    // A node without workflows declares them all the same, and nobody misses them.
    let known = clawnode_commands::catalog::commands();
    let has_workflows = options.workflows.is_some() || !options.commands.is_empty();
    let (unneeded, dropped): (Vec<&str>, Vec<&str>) =
        dropped.partition(|name| !has_workflows && known.iter().any(|known| known.name == *name));
    let shown = if effective.is_empty() { "none".to_owned() } else { effective.join(" ") };
    let mut detail = format!("effective: {shown}");
    if !waiting.is_empty() {
        detail.push_str(&format!("; waiting for approval: {}", waiting.join(" ")));
    }
    if !unneeded.is_empty() {
        detail.push_str(&format!(
            "; not let through, and missed only by who uses this node's workflows: {}",
            unneeded.join(" ")
        ));
    }
    if dropped.is_empty() {
        return report.ok(COMMANDS, detail);
    }
    let names = dropped.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(",");
    report.warning(
        COMMANDS,
        format!("{detail}; declared and not let through: {}", dropped.join(" ")),
        format!("a gateway lets commands that it does not know through by name only: openclaw config set gateway.nodes.commands.allow '[{names}]' on the gateway, or serve fewer with --commands"),
    );
}

/// What the gateway makes of a `connect`: `None` if it lets the node in.
async fn outcome(events: &mut Events, protocol: &mut u32) -> Result<Option<Box<Refusal>>, String> {
    loop {
        let connection = match events.next().await {
            Some(Event::Connection(connection)) => connection,
            Some(_) => continue,
            None => return Err("the node ended".to_owned()),
        };
        let (refusal, next_attempt) = match connection {
            connection if connection.is_registered() => return Ok(None),
            Connection::Lost { reason: LostReason::ProtocolChanged, .. } => continue,
            Connection::Lost { reason: LostReason::Denied(refusal), next_attempt } => {
                (refusal, next_attempt)
            }
            Connection::WaitingForApproval(Approval::Device { refusal, .. })
            | Connection::Refused(StopReason::Denied(refusal)) => return Ok(Some(refusal)),
            Connection::Lost { reason, .. } => return Err(reason.to_string()),
            Connection::Refused(reason) => return Err(reason.to_string()),
            _ => continue,
        };
        // The node tries again at once where it has something else to show, or another version to speak.
        let again = match refusal.code() {
            RefusalCode::ProtocolMismatch => {
                *protocol = OLDER_PROTOCOL;
                true
            }
            RefusalCode::Starting | RefusalCode::AuthTokenMismatch => true,
            _ => false,
        };
        if !again || next_attempt.saturating_duration_since(Instant::now()) > AT_ONCE {
            return Ok(Some(refusal));
        }
    }
}

/// Whether the gateway takes what the node publishes.
async fn usable(events: &mut Events) -> Option<bool> {
    loop {
        match events.next().await? {
            Event::Approved => return Some(true),
            Event::Connection(Connection::WaitingForApproval(Approval::Surface)) => {
                return Some(false);
            }
            Event::Connection(_) => return None,
            _ => {}
        }
    }
}

/// An id that can be put on a command line as it is.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

const CONNECT: &str = "connect";
const DEVICE: &str = "device approval";
const SURFACE: &str = "surface approval";
const COMMANDS: &str = "commands";
const OPERATOR: &str = "operator";

/// Without the second the gateway does not say what waits for approval.
const SCOPES: [&str; 2] = ["operator.read", "operator.pairing"];

/// How long the gateway has for its verdict; a gateway that starts takes ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The node's own questions after 250 ms, 500 ms and 1 s, and the way there and back.
const SURFACE_PATIENCE: Duration = Duration::from_secs(10);

/// What comes sooner is no backoff.
const AT_ONCE: Duration = Duration::from_secs(3);
