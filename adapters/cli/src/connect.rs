use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use clawnode_commands::catalog;
use clawnode_protocol::dialect;
use clawnode_protocol::websocket::Refusal;
use clawnode_store::{Store, StoreError};
use clawnode_tokio::openclaw::{Device, Fingerprint, Identity, Openclaw, Signer};
use clawnode_tokio::{
    Connection, Event, Events, GatewayUrl, Handle, InvalidProxy, Node, NodeBuilder, Proxy,
    Publication, Secret, StopReason, TokenIn,
};
use tokio::task::spawn_blocking;

use crate::client::read_token;
use crate::device::{DataDir, IdentityLock};
use crate::environment::Environment;
use crate::error::{Failure, REFUSED, chain};
use crate::options::{self, Protocol, Token};
use crate::pairing::{self, Pairing};
use crate::workflows::Service;
use crate::{kept, signals, system, workflows};

/// Is a node until a signal, or until the gateway will not have it.
pub(crate) async fn connect(options: Box<options::Connect>) -> Result<(), Failure> {
    let environment = Environment::read()?;
    let data = DataDir::open(options.node.data_dir.as_deref())?;
    let pairing = match &options.pair {
        Some(text) => Some(pairing::read(text, options.node.proxy.as_deref(), &data).await?),
        None => None,
    };
    let gateway =
        Gateway::choose(&options.node, options.url.as_deref(), pairing, &environment).await?;
    let protocol = gateway.protocol(&options.node, &data);
    let device = match protocol {
        Protocol::Nodetool => None,
        Protocol::Openclaw => {
            Some(device(&options.node, &gateway, &data, &environment, data.identity(true)?)?)
        }
        Protocol::Auto => match data.identity(true) {
            Ok(identity) => Some(device(&options.node, &gateway, &data, &environment, identity)?),
            Err(failure) => {
                tracing::warn!(
                    why = failure.message(),
                    "without an identity this node speaks nodetool only"
                );
                None
            }
        },
    };
    let device = device.map(|device| device.tokens(data.tokens(&gateway.url, "node")));
    // Only where it is not the node's id already.
    let device_id = match (&device, protocol, data.identity(false)) {
        (Some(_), Protocol::Auto, Ok(Some(identity))) => Some(identity.device_id().to_owned()),
        _ => None,
    };
    let remembered = data.remembered_dialect(&gateway.url);
    let service = Service::new(&options.node, store(&options, &data)?)?;
    let mut builder =
        describe(&options.node, &gateway, &environment, &service, |builder| {
            match (protocol, device) {
                (Protocol::Openclaw, Some(device)) => builder.openclaw(device),
                (Protocol::Auto, Some(device)) => builder.openclaw_or_nodetool(device, remembered),
                _ => builder,
            }
        })?;
    builder = builder.heartbeat_interval(options.heartbeat_interval);
    if let Some(delay) = options.reconnect_delay {
        builder = builder.reconnect_delay(delay);
    }
    if let Some(delay) = options.max_reconnect_delay {
        builder = builder.max_reconnect_delay(delay);
    }
    if !matches!(options.node.token_in, options::TokenIn::Header) {
        tracing::warn!(
            "the token goes into the URL, which proxies and servers tend to log; prefer --token-in header"
        );
    }
    if let Some(path) = &options.record {
        let files = crate::record::files(path.clone())?;
        builder = builder.record_in_parts(files, u64::from(options.record_limit) << 20);
        tracing::info!(file = %path.display(), "recording; it will hold what the gateway and the work say");
    }
    let node = builder.build().map_err(|error| Failure::usage(chain(&error)))?;
    let handle = node.handle();
    tracing::info!(node_id = handle.node_id(), device_id, url = gateway.shown(), "this node");
    if protocol != Protocol::Nodetool {
        tokio::spawn(publish(handle.clone(), data.path().to_owned()));
    }
    if protocol == Protocol::Auto {
        let events = handle.events();
        tokio::spawn(remember(handle.clone(), events, data, gateway.url.clone()));
    }
    let signal = signals::first()?;
    let grace = options.stop_grace;
    let jobs = service.jobs.clone();
    let drained = tokio::spawn(async move {
        signal.await;
        let background_jobs = jobs.running_in_background();
        let grace_seconds = grace.as_secs_f64();
        tracing::info!(
            grace = grace_seconds,
            background_jobs,
            "stopping; once more to stop at once"
        );
        handle.stop(grace);
        // What has not ended by then is cancelled.
        let _ = tokio::time::timeout(grace, jobs.drain()).await;
    });
    let watch = tokio::spawn(Service::heed_cancel_requests(service.jobs.clone()));
    let reason = node.run().await;
    if matches!(reason, StopReason::Requested) {
        // Background jobs are no work of the connection, and may take longer.
        let count = service.jobs.running_in_background();
        if count > 0 {
            tracing::info!(
                count,
                at_most_seconds = grace.as_secs_f64(),
                "waiting for background jobs, which are cancelled then; once more to stop at once"
            );
        }
        let _ = drained.await;
    }
    watch.abort();
    if tokio::time::timeout(PATIENCE, service.jobs.stop()).await.is_err() {
        tracing::warn!(
            count = service.jobs.unfinished(),
            "jobs do not end; the next start will call them failed"
        );
    }
    let stopped = service.jobs.stopped();
    if !stopped.is_empty() {
        let job_ids = &stopped[..stopped.len().min(NAMED)];
        let more = stopped.len() - job_ids.len();
        tracing::warn!(count = stopped.len(), ?job_ids, more, "background jobs were cancelled");
    }
    match reason {
        StopReason::Requested => Ok(()),
        reason @ StopReason::UnusableCredential(_) => Err(Failure::usage(cure(&reason))),
        reason => Err(Failure::new(REFUSED, cure(&reason))),
    }
}

/// What the node keeps, for this process only.
fn store(options: &options::Connect, data: &DataDir) -> Result<Store, Failure> {
    if options.in_memory {
        return Ok(Store::in_memory()?);
    }
    let store = kept::open(data.path()).map_err(|error| match error {
        StoreError::Held { .. } => {
            Failure::usage(format!("{error} with --data-dir; or give --in-memory, to keep nothing"))
        }
        error => Failure::usage(chain(&error)),
    })?;
    for job_id in store.interrupted_jobs() {
        tracing::warn!(job_id, "this job was under way when the node ended; it is failed now");
    }
    Ok(store)
}

/// The node that the options describe, with everything it declares to the gateway. `speaking` chooses the dialect, which the rest
/// builds on.
pub(crate) fn describe(
    options: &options::Node,
    gateway: &Gateway,
    environment: &Environment,
    service: &Service,
    speaking: impl FnOnce(NodeBuilder) -> NodeBuilder,
) -> Result<NodeBuilder, Failure> {
    let builder = Node::builder(&gateway.url)
        .map_err(|error| Failure::usage(format!("--url: {}", chain(&error))))?;
    let builder = with_proxy(builder, options.proxy.as_deref())?;
    let mut builder =
        environment.apply(speaking(builder)).user_id(&options.user_id).token_in(token_in(options));
    builder = with_token(builder, &options.token, environment)?;
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
    builder = system::serve(workflows::serve(builder, service));
    let chosen = || options.commands.iter().map(|name| name.trim());
    if !options.commands.is_empty() {
        builder = builder.only_commands(chosen());
    }
    let described: BTreeMap<_, _> = catalog::commands()
        .into_iter()
        .filter(|command| options.commands.is_empty() || chosen().any(|name| name == command.name))
        .map(|command| (command.name, command))
        .collect();
    Ok(builder.metadata("commands", &described))
}

pub(crate) fn token_in(options: &options::Node) -> TokenIn {
    match options.token_in {
        options::TokenIn::Header => TokenIn::Header,
        options::TokenIn::Query => TokenIn::Query,
        options::TokenIn::Both => TokenIn::Both,
    }
}

/// Where to connect to, and what to show there beside what the options say.
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) bootstrap_token: Option<Secret>,
}

impl Gateway {
    /// The gateway of the URL; without one, the first of the setup code's places where a gateway speaks.
    pub(crate) async fn choose(
        options: &options::Node,
        url: Option<&str>,
        pairing: Option<Pairing>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let pinned = fingerprint(options.tls_fingerprint.as_deref())?;
        let Some(pairing) = pairing else {
            let url = url.unwrap_or_default().to_owned();
            return Ok(Self { url, fingerprint: pinned, bootstrap_token: None });
        };
        if options.token.is_given() || environment.token.is_some() {
            tracing::warn!(
                "the gateway's token is given as well, and goes before the setup code; leave it out to pair with the code"
            );
        }
        let candidate = match url {
            Some(url) => pairing.candidate(url),
            None => pairing.reachable(options, pinned, environment).await?,
        };
        let fingerprint = pinned.or(candidate.fingerprint);
        Ok(Self { url: candidate.url, fingerprint, bootstrap_token: pairing.bootstrap_token })
    }

    pub(crate) fn protocol(&self, options: &options::Node, data: &DataDir) -> Protocol {
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
    pub(crate) fn shown(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

/// The certificate's fingerprint that `--tls-fingerprint` gives.
pub(crate) fn fingerprint(text: Option<&str>) -> Result<Option<Fingerprint>, Failure> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|error| Failure::usage(format!("--tls-fingerprint: {error}")))
}

/// This machine as a device of an OpenClaw gateway. The token that the gateway gives is kept in memory only.
pub(crate) fn device(
    options: &options::Node,
    gateway: &Gateway,
    data: &DataDir,
    environment: &Environment,
    identity: Option<Identity>,
) -> Result<Openclaw, Failure> {
    let identity = identity.ok_or_else(|| {
        Failure::usage("there is no identity; make one with `clawnode identity new`")
    })?;
    let name = options.display_name.clone().or_else(sysinfo::System::host_name);
    let device = Device::from(&identity);
    let signer = LockedSigner { identity, data: data.clone(), lock: Mutex::new(None) };
    let mut openclaw = Openclaw::signed_by(device, signer, env!("CARGO_PKG_VERSION"))
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
    if let Some(password) = password(options.password.as_ref(), environment) {
        openclaw = openclaw.password(password);
    }
    Ok(openclaw)
}

pub(crate) fn password(given: Option<&String>, environment: &Environment) -> Option<Secret> {
    let given = given.filter(|password| !password.is_empty()).map(Secret::new);
    given.or_else(|| environment.password.clone())
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
        if !matches!(event, Event::Connection(Connection::Ready)) {
            continue;
        }
        // An openclaw gateway, which says who it is, is certain; a nodetool gateway is when it has not complained for a while.
        if handle.status().dialect == Some(dialect::Name::Nodetool) {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let status = handle.status();
        let registered = status.connection.is_registered();
        let Some(name) = status.dialect.filter(|_| registered) else { continue };
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

/// The token of the options, or else of the environment.
pub(crate) fn with_token(
    builder: NodeBuilder,
    token: &Token,
    environment: &Environment,
) -> Result<NodeBuilder, Failure> {
    let given = read_token(token)?.or_else(|| environment.token.clone());
    if given.as_ref().is_some_and(Secret::is_ordinary) {
        tracing::warn!(
            "the token is an ordinary word or number: easily guessed, and where the gateway says that word the log has [hidden]; take a random one, such as `openssl rand -hex 32` prints"
        );
    }
    Ok(match (&token.auth_token_file, given) {
        // Read once here for an early error, and from then on at each attempt.
        (Some(file), _) => builder.token_file(file),
        (None, Some(token)) => builder.token(token.expose()),
        (None, None) => builder,
    })
}

/// Through the proxy of the options, or else that of the environment.
pub(crate) fn with_proxy(
    builder: NodeBuilder,
    proxy: Option<&str>,
) -> Result<NodeBuilder, Failure> {
    match proxy {
        Some(proxy) => builder.proxy(proxy),
        None => builder.proxy_from_environment(),
    }
    .map_err(|error| invalid_proxy(proxy, error))
}

/// The proxy on the way to a gateway: that of the options, or else that of the environment.
pub(crate) fn proxy(proxy: Option<&str>, gateway: &GatewayUrl) -> Result<Option<Proxy>, Failure> {
    match proxy {
        Some(proxy) => Proxy::parse(proxy).map(Some),
        None => Proxy::from_environment(gateway),
    }
    .map_err(|error| invalid_proxy(proxy, error))
}

fn invalid_proxy(given: Option<&str>, error: InvalidProxy) -> Failure {
    let from = given.map_or("the proxy of the environment", |_| "--proxy");
    Failure::usage(format!("{from}: {error}"))
}

/// What to do about a proxy that refuses.
pub(crate) fn cure_of_proxy(status: u16) -> &'static str {
    match status {
        407 => "give its login: --proxy http://user:password@host:port",
        _ => {
            "ask whoever runs the proxy to let this machine reach the gateway, or except it with NO_PROXY"
        }
    }
}

/// What to do about an HTTP answer that is no upgrade.
pub(crate) fn cure_of_refusal(refusal: &Refusal) -> &'static str {
    let said = String::from_utf8_lossy(refusal.body());
    let sent_to = refusal.header("location").unwrap_or_default();
    match refusal.status() {
        401 => {
            "give the gateway's token with --auth-token-file or --auth-token; a gateway that reads it from the URL wants --token-in query"
        }
        403 if said.contains("proxy_attribution_required") => {
            "the gateway does not trust the proxy in front of it: name the proxy's address in gateway.trustedProxies on the gateway, or connect past the proxy"
        }
        300..=399 if sent_to.contains("cloudflareaccess.com") => {
            "Cloudflare Access wants to know who this is: set CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET to a service token's"
        }
        403 => "the gateway knows who this is and says no; ask its operator",
        404 => "there is no gateway at this path; check the path in --url",
        500..=599 => "what answers there cannot do so now; look whether the gateway runs behind it",
        _ => "check --url: what answers there is no gateway, or not one for this node",
    }
}

/// What happened, and what to do about it.
fn cure(reason: &StopReason) -> String {
    let advice = match reason {
        StopReason::Refused(refusal) => cure_of_refusal(refusal),
        StopReason::ProxyRefused { status, .. } => {
            return format!("{reason}\n{}", cure_of_proxy(*status));
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

/// How many cancelled jobs are named.
const NAMED: usize = 5;
/// How long jobs have to end once they were told to.
const PATIENCE: Duration = Duration::from_secs(5);
