use std::sync::Mutex;
use std::time::Duration;

use clawnode_protocol::dialect;
use clawnode_tokio::openclaw::{Device, Fingerprint, Identity, Openclaw, Signer};
use clawnode_tokio::{
    Event, Events, Handle, Node, NodeBuilder, NodeEvent, Phase, Publication, Secret, StopReason,
    TokenIn,
};
use tokio::task::spawn_blocking;

use crate::client::read_token;
use crate::device::{DataDir, IdentityLock};
use crate::error::{Failure, REFUSED, chain};
use crate::options::{self, Protocol, Token};
use crate::pairing::{self, Pairing};
use crate::{signals, system, workflows};

/// Is a node until a signal, or until the gateway will not have it.
pub(crate) async fn connect(options: Box<options::Connect>) -> Result<(), Failure> {
    let commands = workflows::commands(options.workflows.as_deref())?;
    let pairing = match &options.pair {
        Some(text) => Some(pairing::read(text).await?),
        None => None,
    };
    let gateway = Gateway::choose(&options, pairing).await?;
    let data = DataDir::open(options.data_dir.as_deref())?;
    let mut protocol = gateway.protocol(&options, &data);
    if options.record.is_some() && protocol == Protocol::Auto {
        tracing::info!(
            "only the connection with a nodetool gateway can be recorded, so this node speaks nodetool"
        );
        protocol = Protocol::Nodetool;
    }

    let mut builder = Node::builder(&gateway.url)
        .map_err(|error| Failure::usage(format!("--url: {}", chain(&error))))?;
    builder = match protocol {
        Protocol::Nodetool => builder,
        Protocol::Openclaw => {
            let identity = data.identity(true)?.ok_or_else(no_identity)?;
            builder.openclaw(device(identity, &options, &gateway, &data))
        }
        Protocol::Auto => match data.identity(true) {
            Ok(Some(identity)) => {
                let remembered = data.remembered_dialect(&gateway.url);
                let openclaw = device(identity, &options, &gateway, &data);
                builder.openclaw_or_nodetool(openclaw, remembered)
            }
            Ok(None) => builder,
            Err(failure) => {
                tracing::warn!(
                    why = failure.message(),
                    "without an identity this node speaks nodetool only"
                );
                builder
            }
        },
    };
    builder = builder
        .user_id(&options.user_id)
        .token_in(match options.token_in {
            options::TokenIn::Header => TokenIn::Header,
            options::TokenIn::Query => TokenIn::Query,
            options::TokenIn::Both => TokenIn::Both,
        })
        .heartbeat_interval(options.heartbeat_interval);
    if let Some(delay) = options.reconnect_delay {
        builder = builder.reconnect_delay(delay);
    }
    if let Some(delay) = options.max_reconnect_delay {
        builder = builder.max_reconnect_delay(delay);
    }
    builder = with_token(builder, &options.token)?;
    for user in &options.allow_user {
        builder = builder.allow_user(user);
    }
    if let Some(id) = &options.node_id {
        builder = builder.node_id(id);
    }
    if let Some(file) = &options.tls_ca {
        builder = builder.tls_ca(file);
    }
    if let Some(fingerprint) = gateway.fingerprint {
        builder = builder.tls_fingerprint(fingerprint);
    }
    builder = match &options.proxy {
        Some(proxy) => builder.proxy(proxy),
        None => builder.proxy_from_environment(),
    }
    .map_err(|error| {
        let from = options.proxy.as_ref().map_or("the proxy of the environment", |_| "--proxy");
        Failure::usage(format!("{from}: {error}"))
    })?;
    if !matches!(options.token_in, options::TokenIn::Header) {
        tracing::warn!(
            "the token goes into the URL, which proxies and servers tend to log; prefer --token-in header"
        );
    }
    if let Some(path) = &options.record {
        builder =
            builder.record(crate::record::create(path)?, u64::from(options.record_limit) << 20);
        tracing::info!(file = %path.display(), "recording; it will hold what the gateway and the work say");
    }
    builder = system::serve(workflows::serve(builder, &commands));
    if !options.commands.is_empty() {
        builder = builder.only_commands(options.commands.iter().map(|name| name.trim()));
    }
    let node = builder.build().map_err(|error| Failure::usage(chain(&error)))?;
    let handle = node.handle();
    tracing::info!(node_id = handle.node_id(), url = gateway.shown(), "this node");
    if protocol != Protocol::Nodetool {
        tokio::spawn(publish(handle.clone(), data.path().to_owned()));
    }
    if protocol == Protocol::Auto {
        let events = handle.events();
        tokio::spawn(remember(handle.clone(), events, data, gateway.url.clone()));
    }
    let signal = signals::first()?;
    let grace = options.stop_grace;
    tokio::spawn(async move {
        signal.await;
        tracing::info!(grace = grace.as_secs_f64(), "stopping; once more to stop at once");
        handle.stop(grace);
    });
    match node.run().await {
        StopReason::Requested => Ok(()),
        reason @ StopReason::UnusableCredential(_) => Err(Failure::usage(cure(&reason))),
        reason => Err(Failure::new(REFUSED, cure(&reason))),
    }
}

/// Where to connect to, and what to show there beside what the options say.
struct Gateway {
    url: String,
    fingerprint: Option<Fingerprint>,
    bootstrap_token: Option<Secret>,
}

impl Gateway {
    async fn choose(options: &options::Connect, pairing: Option<Pairing>) -> Result<Self, Failure> {
        let pinned = options.tls_fingerprint.as_deref().map(str::parse::<Fingerprint>).transpose();
        let pinned =
            pinned.map_err(|error| Failure::usage(format!("--tls-fingerprint: {error}")))?;
        let Some(pairing) = pairing else {
            let url = options.url.clone().unwrap_or_default();
            return Ok(Self { url, fingerprint: pinned, bootstrap_token: None });
        };
        let (url, fingerprint) = match &options.url {
            Some(url) => (url.clone(), None),
            None => pairing.reachable().await,
        };
        let fingerprint = pinned.or(fingerprint);
        Ok(Self { url, fingerprint, bootstrap_token: Some(pairing.bootstrap_token) })
    }

    fn protocol(&self, options: &options::Connect, data: &DataDir) -> Protocol {
        match options.protocol {
            Protocol::Auto if self.bootstrap_token.is_some() => Protocol::Openclaw,
            Protocol::Auto => match data.remembered_dialect(&self.url) {
                Some(dialect::Name::Openclaw) => Protocol::Openclaw,
                _ => Protocol::Auto,
            },
            chosen => chosen,
        }
    }

    /// Without the query, which may hold a token.
    fn shown(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

/// This machine as a device of an OpenClaw gateway.
fn device(
    identity: Identity,
    options: &options::Connect,
    gateway: &Gateway,
    data: &DataDir,
) -> Openclaw {
    let tokens = data.tokens(&gateway.url, "node");
    let name = options.display_name.clone().or_else(sysinfo::System::host_name);
    let device = Device::from(&identity);
    let signer = LockedSigner { identity, data: data.clone(), lock: Mutex::new(None) };
    let mut openclaw = Openclaw::signed_by(device, signer, env!("CARGO_PKG_VERSION"))
        .tokens(tokens)
        .cap("system")
        .client(|client| match std::env::consts::OS {
            "macos" => {
                client.platform = "macos".to_owned();
                client.device_family = Some("Mac".to_owned());
            }
            "windows" => {
                client.platform = "windows".to_owned();
                client.device_family = Some("Windows".to_owned());
            }
            _ => {}
        });
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        openclaw = openclaw.display_name(name);
    }
    if let Some(path) = std::env::var_os("PATH") {
        openclaw = openclaw.path_env(path.to_string_lossy());
    }
    if let Some(token) = &gateway.bootstrap_token {
        openclaw = openclaw.bootstrap_token(token.clone());
    }
    if let Some(password) = password(options.password.as_ref()) {
        openclaw = openclaw.password(password);
    }
    openclaw
}

pub(crate) fn password(given: Option<&String>) -> Option<Secret> {
    let known = || std::env::var("OPENCLAW_GATEWAY_PASSWORD").ok();
    given.cloned().or_else(known).filter(|password| !password.is_empty()).map(Secret::new)
}

/// Signs while no other process does so with the same key: of two connections of one device, the older is dead without knowing.
struct LockedSigner {
    identity: Identity,
    data: DataDir,
    lock: Mutex<Option<IdentityLock>>,
}

impl Signer for LockedSigner {
    fn sign(&self, text: &Secret) -> Result<String, String> {
        let mut lock = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if lock.is_none() {
            *lock = Some(self.data.lock().map_err(|failure| failure.message().to_owned())?);
        }
        Ok(self.identity.sign(text.expose()))
    }
}

fn no_identity() -> Failure {
    Failure::usage("there is no identity; make one with `clawnode identity new`")
}

/// Says once a minute how the machine is doing.
async fn publish(handle: Handle, data: std::path::PathBuf) {
    loop {
        let data = data.clone();
        let Ok(stats) = spawn_blocking(move || system::host_stats(&data)).await else { return };
        if handle.publish(Publication::HostStats(stats)).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// Remembers what the gateway speaks once that is known for certain, so that the next start need not find out.
async fn remember(handle: Handle, mut events: Events, data: DataDir, url: String) {
    while let Some(event) = events.next().await {
        if !matches!(event, Event::Node(NodeEvent::Ready)) {
            continue;
        }
        // An openclaw gateway, which says who it is, is certain; a nodetool gateway is when it has not complained for a while.
        if handle.status().dialect == Some(dialect::Name::Nodetool) {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let status = handle.status();
        let Some(name) = status.dialect.filter(|_| status.phase == Phase::Ready) else { continue };
        let kept = spawn_blocking(move || {
            (data.remembered_dialect(&url) == Some(name))
                || data
                    .remember_dialect(&url, name)
                    .inspect_err(|failure| {
                        tracing::warn!(
                            why = failure.message(),
                            "what the gateway speaks is not remembered"
                        );
                    })
                    .is_ok()
        });
        let _ = kept.await;
        return;
    }
}

fn with_token(builder: NodeBuilder, token: &Token) -> Result<NodeBuilder, Failure> {
    Ok(match (&token.auth_token_file, read_token(token)?) {
        // Read once here for an early error, and from then on at each attempt.
        (Some(file), _) => builder.token_file(file),
        (None, Some(token)) => builder.token(token.expose()),
        (None, None) => match std::env::var("OPENCLAW_GATEWAY_TOKEN") {
            Ok(token) if !token.is_empty() => builder.token(token),
            _ => builder,
        },
    })
}

/// What happened, and what to do about it.
fn cure(reason: &StopReason) -> String {
    let advice = match reason {
        StopReason::Refused(refusal) => match refusal.status() {
            401 => {
                "give the gateway's token with --auth-token-file or --auth-token; a gateway that reads it from the URL wants --token-in query"
            }
            403 => "the gateway knows who this is and says no; ask its operator",
            404 => "there is no gateway at this path; check the path in --url",
            _ => "check --url: what answers there is no gateway, or not one for this node",
        },
        StopReason::ProxyRefused { status: 407, .. } => {
            return format!("{reason}\ngive its login: --proxy http://user:password@host:port");
        }
        StopReason::ProxyRefused { .. } => {
            return format!(
                "{reason}\nask whoever runs the proxy to let this machine reach the gateway, or except it with NO_PROXY"
            );
        }
        StopReason::NotAGateway(_) => {
            "check --url: what answers there does not speak WebSocket as it should"
        }
        StopReason::UnusableCredential(_) => {
            "a token in a header may have visible ASCII characters only; check the token, or give it with --token-in query"
        }
        // It says itself what to do.
        StopReason::Denied(_) | StopReason::TooLargeToRegister(_) => {
            return format!("the gateway refuses this node: {reason}");
        }
        _ => "see the log",
    };
    match reason {
        StopReason::UnusableCredential(_) => format!("{reason}\n{advice}"),
        _ => format!("the gateway refuses this node: {reason}\n{advice}"),
    }
}
