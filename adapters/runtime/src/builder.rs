use std::collections::btree_map::Entry;
use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::Secret;
use clawnode_protocol::dialect::openclaw::{Fingerprint, Role};
use clawnode_protocol::dialect::{Dialect, Name, either, nodetool};
use clawnode_protocol::node::{Config, Limits, Timing};
use clawnode_protocol::websocket::ClientRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;
use tracing::info;

use crate::context::{Context, Workflow};
use crate::credentials::Credentials;
use crate::failed::Failed;
use crate::handler::{Handler, Served};
use crate::node::Node;
use crate::openclaw::Openclaw;
use crate::proxy::{InvalidProxy, Proxy};
use crate::recording::Record;
use crate::request::{Hooks, Request, RequestEvent, authorize_with};
use crate::runtime::Runtime;
use crate::tls::{Tls, UnusableTls};
use crate::url::{GatewayUrl, InvalidUrl};

/// Describes a [`Node`] before it runs. Begins with [`NodeBuilder::new`], or [`Node::builder`] where the runtime needs
/// no description of its own, and ends with [`build`](Self::build), which reports the first mistake.
#[must_use]
pub struct NodeBuilder<R: Runtime> {
    runtime: R,
    url: GatewayUrl,
    node_id: Option<String>,
    identity: nodetool::Config,
    openclaw: Option<Openclaw>,
    /// Whether the gateway may speak nodetool as well.
    either: bool,
    remembered: Option<Name>,
    timing: Timing,
    fingerprint: Option<Fingerprint>,
    limits: Limits,
    credentials: Credentials,
    headers: Vec<(String, Secret)>,
    any_name: bool,
    tls_ca: Option<PathBuf>,
    proxy: Option<Proxy>,
    served: Served,
    recording: Option<Record>,
    hooks: Hooks,
    mistake: Option<BuildError>,
}

/// A node cannot be built as described.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two handlers have the same name.
    #[error("two handlers serve the command `{0}`")]
    DuplicateCommand(String),
    /// There is no such command to choose.
    #[error("there is no command `{0}` to serve; there are: {1}")]
    UnknownCommand(String, String),
    /// There can be one handler for workflows.
    #[error("two handlers run workflows")]
    DuplicateWorkflows,
    /// A command needs a name.
    #[error("a command has an empty name")]
    EmptyCommand,
    /// A node needs a name.
    #[error("the node id is empty; leave it out for a random one")]
    EmptyNodeId,
    /// The node says these itself.
    #[error("the metadata `{0}` is the node's own; choose another key")]
    OwnMetadata(String),
    /// A value cannot be written as JSON.
    #[error("the metadata `{0}` cannot be written as JSON: {1}")]
    Metadata(String, String),
    /// A registration is a message of reasonable size.
    #[error("the metadata has {0} bytes, of at most {MOST_METADATA_BYTES}")]
    TooMuchMetadata(usize),
    /// More than one of `token`, `token_file` and `credentials` was given.
    #[error(
        "the token is given in two ways; give one of token, token file and credentials provider"
    )]
    TwoCredentials,
    /// A period of no length would keep the node busy with nothing else.
    #[error("the {0} must be longer than zero")]
    ZeroDuration(&'static str),
    /// A certificate authority is of no use without TLS.
    #[error(
        "a file of certificate authorities is given, but the gateway's URL is ws://, without TLS; use wss://"
    )]
    AuthoritiesWithoutTls,
    /// A fingerprint is of no use without TLS.
    #[error(
        "the fingerprint of a certificate is given, but the gateway's URL is ws://, without TLS; use wss://"
    )]
    FingerprintWithoutTls,
    /// One of the two must decide.
    #[error(
        "both a fingerprint and a file of certificate authorities are given; give one of them, as a fingerprint decides alone"
    )]
    FingerprintAndAuthorities,
    /// Without TLS everyone on the way could read the credentials and give the node orders.
    #[error(
        "without TLS (ws://) an openclaw gateway is spoken to on this machine and in private networks only; use wss://, or a tunnel to this machine"
    )]
    PublicWithoutTls,
    /// A header is for TLS only.
    #[error("the header {0} would travel unencrypted, as the gateway's URL is ws://; use wss://")]
    HeaderWithoutTls(String),
    /// A header cannot be sent, or is one that the node writes itself.
    #[error(
        "the header {0} cannot be sent: its name or value has characters that headers do not have, or the node writes it itself"
    )]
    InvalidHeader(String),
    /// TLS cannot be set up: the file of certificate authorities, or those of the system, cannot be used.
    #[error("{0}")]
    Tls(String),
}

impl<R: Runtime> NodeBuilder<R> {
    /// A node of the gateway at `url`: `ws://` (port 80 unless given) or `wss://` (TLS, port 443), host, and optionally
    /// a path and query, which are sent as they are.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`], which says what is wrong.
    pub fn new(runtime: R, url: &str) -> Result<Self, InvalidUrl> {
        Ok(Self {
            runtime,
            url: GatewayUrl::parse(url)?,
            node_id: None,
            identity: nodetool::Config::new(""),
            openclaw: None,
            either: false,
            remembered: None,
            timing: Timing::default(),
            fingerprint: None,
            limits: Limits::default(),
            credentials: Credentials::None,
            headers: Vec::new(),
            any_name: false,
            tls_ca: None,
            proxy: None,
            served: Served::default(),
            recording: None,
            hooks: Hooks::default(),
            mistake: None,
        })
    }

    /// Whether the gateway is on this machine for certain. Behind a proxy it is not: its `localhost` is another.
    pub fn is_loopback(&self) -> bool {
        self.url.is_loopback() && self.proxy.is_none()
    }

    /// Whether the gateway's URL is `wss://`.
    pub fn is_tls(&self) -> bool {
        self.url.tls
    }

    // Who the node is.

    /// Speaks the openclaw dialect, as this device. Without it the node speaks nodetool. A device has its own name, so
    /// [`node_id`](Self::node_id), [`user_id`](Self::user_id) and [`allow_user`](Self::allow_user) say nothing then. Give it before
    /// periods, delays and limits, whose defaults it sets: an operator reads messages of 100 MiB, as a gateway gives it each
    /// answer of a node twice, as text and as it is, and one alone may have 25 MiB (openclaw page 11.2).
    pub fn openclaw(mut self, openclaw: Openclaw) -> Self {
        if let Role::Operator { .. } = openclaw.config.role {
            self.limits.websocket.max_message = MOST_OPERATOR_BYTES;
        }
        let dialect = Dialect::from(openclaw.config.clone());
        self.timing = dialect.timing();
        self.openclaw = Some(openclaw);
        self
    }

    /// Speaks openclaw, as this device, if the gateway begins with a challenge, and nodetool if it does not within a second. The
    /// choice is in [`Status::dialect`](crate::Status::dialect); one that is `remembered` from another life saves that second.
    pub fn openclaw_or_nodetool(mut self, openclaw: Openclaw, remembered: Option<Name>) -> Self {
        self.remembered = remembered;
        self.openclaw = Some(openclaw);
        self.either = true;
        self
    }

    /// The node's name, unique among the gateway's nodes. Default: `node-` and a random UUID.
    pub fn node_id(mut self, node_id: impl Into<String>) -> Self {
        self.node_id = Some(node_id.into());
        self
    }

    /// On whose behalf requests run that name no user, or user `1`, which stands for "whoever the node belongs to".
    /// Default `1`.
    pub fn user_id(mut self, user_id: impl Into<String>) -> Self {
        self.identity.user_id = user_id.into();
        self
    }

    /// Takes requests of this user too. Those of users who are not allowed are refused.
    pub fn allow_user(mut self, user_id: impl Into<String>) -> Self {
        self.identity.allowed_users.push(user_id.into());
        self
    }

    /// Says more about the node in the metadata of its registration, such as the schemas of its commands' arguments. Only
    /// nodetool has such metadata. Given again for a key, the last value counts.
    ///
    /// `value` must serialise to JSON; all of the metadata together has at most 256 KiB of it.
    pub fn metadata<T: Serialize + ?Sized>(mut self, key: impl Into<String>, value: &T) -> Self {
        let key = key.into();
        match to_raw_value(value) {
            _ if ["user_id", "instance_id"].contains(&key.as_str()) => {
                self.note(BuildError::OwnMetadata(key));
            }
            Ok(json) => {
                self.identity.metadata.insert(key, json);
            }
            Err(error) => self.note(BuildError::Metadata(key, error.to_string())),
        }
        self
    }

    // How it proves it.

    /// The token, the same at each attempt. It appears in no log, error or Debug output.
    pub fn token(self, token: impl Into<String>) -> Self {
        self.with_credentials(Credentials::Token(Secret::new(token)))
    }

    /// A file that holds the token, at most 64 KiB, read again at each attempt to connect, so that it can change. Space
    /// around the token is ignored. While the file cannot be read, attempts fail and are repeated, with a word in the
    /// log.
    pub fn token_file(self, path: impl Into<PathBuf>) -> Self {
        self.with_credentials(Credentials::File(path.into()))
    }

    /// Asks for the token at each attempt to connect. An error fails the attempt, and is logged: it must not tell the
    /// token. The whole attempt has [`Timing::connect`].
    pub fn credentials<S, E, F, Fut>(self, provider: F) -> Self
    where
        S: Into<Secret>,
        E: fmt::Display,
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, E>> + Send + 'static,
    {
        self.with_credentials(Credentials::provider(provider))
    }

    /// A header of the HTTP upgrade request, for what stands in front of the gateway and wants to know who comes, such as a proxy
    /// with accounts of its own. It is for `wss://` only, and its value appears in no log, error or Debug output.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// Lets the node speak openclaw without TLS to a gateway of any name, not only in networks that are private by their names
    /// and addresses. A public address stays refused (openclaw page 1.2).
    pub fn allow_insecure_private_ws(mut self) -> Self {
        self.any_name = true;
        self
    }

    /// Where the token goes. Default: a header.
    pub fn token_in(mut self, token_in: nodetool::TokenIn) -> Self {
        self.identity.token_in = token_in;
        self
    }

    /// A PEM file of certificate authorities to trust in place of the system's, for a gateway with a certificate of its
    /// own making. The gateway's certificate is verified in any case.
    pub fn tls_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls_ca = Some(path.into());
        self
    }

    /// The fingerprint of the one certificate that the gateway may show. It alone decides then: neither the name in the
    /// certificate nor who vouches for it matters.
    pub fn tls_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    // The way there.

    /// Connects through an HTTP proxy, which opens a tunnel (CONNECT): `http://host:port`, port 80 unless given, with
    /// `user:password@` before the host if it wants a login (Basic, RFC 7617), both percent-encoded. The proxy looks the gateway's
    /// name up. TLS, if any, is spoken with the gateway through the tunnel. The login appears in no log, error or Debug output.
    ///
    /// A proxy that refuses is like a gateway that does: see [`StopReason::ProxyRefused`](crate::StopReason::ProxyRefused).
    ///
    /// # Errors
    ///
    /// [`InvalidProxy`], which says what is wrong.
    pub fn proxy(mut self, url: &str) -> Result<Self, InvalidProxy> {
        self.proxy = Some(Proxy::parse(url)?);
        Ok(self)
    }

    /// Connects through the proxy that the process's environment names, if it does, as curl has it: `https_proxy` or
    /// `HTTPS_PROXY` for `wss://`, `http_proxy` (not in capitals) for `ws://`, or else `all_proxy` or `ALL_PROXY`. `no_proxy` or
    /// `NO_PROXY` excepts hosts, with a comma between: names with all names below them, addresses, networks such as `10.0.0.0/8`,
    /// or `*` for all. A gateway on this machine is always excepted.
    ///
    /// # Errors
    ///
    /// [`InvalidProxy`], which says what is wrong with the proxy that is named.
    pub fn proxy_from_environment(mut self) -> Result<Self, InvalidProxy> {
        self.proxy = Proxy::from_environment(&self.url, |name| std::env::var(name).ok())?;
        Ok(self)
    }

    // How it behaves.

    /// The period of heartbeats. Default 30 s.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.timing.heartbeat_interval = interval;
        self
    }

    /// The delay before the first reconnect; it doubles with each failure. Default 5 s.
    pub fn reconnect_delay(mut self, delay: Duration) -> Self {
        self.timing.reconnect_delay = delay;
        self
    }

    /// The longest delay between reconnects. Default 60 s.
    pub fn max_reconnect_delay(mut self, delay: Duration) -> Self {
        self.timing.max_reconnect_delay = delay;
        self
    }

    /// How long registering may take once the WebSocket is open, the gateway's challenge and its verdict included. Default 15 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timing.register = timeout;
        self
    }

    /// All periods and deadlines at once. Give it before the single ones, which it overwrites.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// The bounds of queues, tables and buffers.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Records the node's life to `file`, in `limit` bytes at most, to be played back with
    /// [`Replay`](clawnode_protocol::recording::Replay).
    ///
    /// A thread of its own writes. It has what happened within a fraction of a second, and all of it when
    /// [`Node::run`] returns. When the file fails or is too slow, or the limit is reached, the recording ends with a
    /// word in the log, and the node goes on. **What the gateway says and what handlers answer is in the recording**;
    /// credentials are not. See [`clawnode_protocol::recording`].
    pub fn record(mut self, file: impl Write + Send + 'static, limit: u64) -> Self {
        let mut file = Some(Box::new(file) as Box<dyn Write + Send>);
        let next_file = move || file.take().ok_or_else(|| io::Error::other("there is one part"));
        self.recording = Some(Record { next_file: Box::new(next_file), limit, in_parts: false });
        self
    }

    /// As [`record`](Self::record), but a file that has reached the limit is followed by another, which begins with a checkpoint
    /// of the node: a replay goes on from there. So the newest of a long life is kept in as few files as the caller likes.
    ///
    /// `next_file` is asked for each file on the thread that writes, after the one before was closed. Half of `limit` must have
    /// room for the node's state: mostly the results that are kept, see [`Limits::kept_bytes`](Limits). If it has not, or if the
    /// node is never at rest while the last quarter of a file is written, the recording ends as that of `record` does.
    pub fn record_in_parts<F: Write + Send + 'static>(
        mut self,
        mut next_file: impl FnMut() -> io::Result<F> + Send + 'static,
        limit: u64,
    ) -> Self {
        let next_file = move || next_file().map(|file| Box::new(file) as Box<dyn Write + Send>);
        self.recording = Some(Record { next_file: Box::new(next_file), limit, in_parts: true });
        self
    }

    // What it serves.

    /// Serves a command with an async handler.
    ///
    /// The arguments are read into `A`, a type that is deserialised from a JSON object; arguments that are missing,
    /// wrong or unknown to it become a failed answer that names them. (`user_id` is never unknown: it says on whose
    /// behalf the command runs. So leave out `deny_unknown_fields`, which would refuse it.)
    ///
    /// The result must serialise to a JSON object, without NaN and infinity; another becomes a failed answer that says
    /// so. An error becomes a failed answer with its causes, see [`Failed`]; a panic one with the panic's text.
    ///
    /// The future runs as a task of its own and is dropped when the work is cancelled. It must not block: for that
    /// there is [`blocking_command`](Self::blocking_command).
    pub fn command<A, T, E, F, Fut>(self, name: impl Into<String>, handler: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        T: Serialize,
        E: Into<Failed>,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.serve(name.into(), Handler::command(handler))
    }

    /// Serves a command with a handler that blocks or computes for long. It runs on a thread of its own and should look
    /// at [`Context::is_cancelled`] from time to time, since a thread cannot be stopped from outside. The rest is as
    /// with [`command`](Self::command).
    pub fn blocking_command<A, T, E, F>(self, name: impl Into<String>, handler: F) -> Self
    where
        A: DeserializeOwned,
        T: Serialize,
        E: Into<Failed>,
        F: Fn(Context, A) -> Result<T, E> + Send + Sync + 'static,
    {
        self.serve(name.into(), Handler::blocking_command(handler))
    }

    /// Runs workflows. Without it they are answered as failed, and the gateway is told so at registration.
    ///
    /// Results, errors, panics and cancellation are as with [`command`](Self::command).
    pub fn workflows<T, E, F, Fut>(mut self, handler: F) -> Self
    where
        T: Serialize,
        E: Into<Failed>,
        F: Fn(Context, Workflow) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        if self.served.workflows.replace(Handler::workflows(handler)).is_some() {
            self.note(BuildError::DuplicateWorkflows);
        }
        self
    }

    /// Serves only the commands of these names, of those described before. The others are unknown to the gateway.
    pub fn only_commands<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        let mut all = std::mem::take(&mut self.served.commands);
        for name in names {
            match all.remove_entry(name.as_ref()) {
                Some((name, handler)) => {
                    self.served.commands.insert(name, handler);
                }
                None if self.served.commands.contains_key(name.as_ref()) => {}
                None => {
                    let known = all.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    self.note(BuildError::UnknownCommand(name.as_ref().to_owned(), known));
                }
            }
        }
        self
    }

    // Who watches over it.

    /// Asks `decide` about each request before it is taken: `Ok` lets it in, an error refuses it, and the gateway hears it as the
    /// reason of the failure. Requests that the protocol refuses by itself, such as those of users who are not allowed, never get there.
    ///
    /// Each decision is a task of its own, in the request's `tracing` span: it must not block, it keeps nobody else waiting, and what is
    /// decided first begins first. It has 10 s; a request whose decision takes longer, or panics, is refused. At most
    /// [`Limits::owed`] decisions are under way. Given again, the last one decides.
    ///
    /// ```
    /// # use clawnode_runtime::{NodeBuilder, Request, Runtime};
    /// # use std::sync::Arc;
    /// # fn example<R: Runtime>(builder: NodeBuilder<R>) -> NodeBuilder<R> {
    /// builder.authorize(|request: Arc<Request>| async move {
    ///     match request.command.as_deref() {
    ///         Some("shutdown") if request.user_id != "admin" => Err("only admin may shut this machine down"),
    ///         _ => Ok(()),
    ///     }
    /// })
    /// # }
    /// ```
    pub fn authorize<E, F, Fut>(mut self, decide: F) -> Self
    where
        E: fmt::Display,
        F: Fn(Arc<Request>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.hooks.authorize = Some(authorize_with(decide));
        self
    }

    /// Tells `observer` what becomes of each request: started, refused, ended. Never an argument or a result.
    ///
    /// It runs on a thread of its own, where it may block: the node never waits for it. 2,048 events may wait for it; of more it is told
    /// how many were dropped. When it panics, that is logged, and it hears the next event. [`Node::run`] returns when it has heard
    /// everything, or 5 s later. Given again, the last one observes.
    ///
    /// ```
    /// # use clawnode_runtime::{NodeBuilder, RequestEvent, Runtime};
    /// # fn example<R: Runtime>(builder: NodeBuilder<R>) -> NodeBuilder<R> {
    /// builder.observe(|event| match event {
    ///     RequestEvent::Ended { request, outcome, duration, .. } => {
    ///         println!("{:?} of {}: {outcome:?} after {duration:?}", request.command, request.user_id);
    ///     }
    ///     RequestEvent::Missed(count) => println!("{count} events are missing here"),
    ///     _ => {}
    /// })
    /// # }
    /// ```
    pub fn observe(mut self, observer: impl FnMut(RequestEvent) + Send + 'static) -> Self {
        self.hooks.observe = Some(Box::new(observer));
        self
    }

    /// The node, which does nothing until it is run.
    ///
    /// # Errors
    ///
    /// The first mistake in the description.
    pub fn build(mut self) -> Result<Node<R>, BuildError> {
        self.check();
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let loopback = self.is_loopback();
        let host = &self.url.host;
        let unusable = |error: UnusableTls| BuildError::Tls(error.to_string());
        let tls = match (self.url.tls, self.fingerprint, self.tls_ca) {
            (true, None, ca) => Some(Tls::new(host, ca.as_deref()).map_err(unusable)?),
            (true, Some(pin), None) => Some(Tls::pinned(host, pin).map_err(unusable)?),
            (true, Some(_), Some(_)) => return Err(BuildError::FingerprintAndAuthorities),
            (false, None, None) => None,
            (false, Some(_), _) => return Err(BuildError::FingerprintWithoutTls),
            (false, None, Some(_)) => return Err(BuildError::AuthoritiesWithoutTls),
        };
        if let Some((name, _)) = self.headers.first().filter(|_| !self.url.tls) {
            return Err(BuildError::HeaderWithoutTls(name.clone()));
        }
        // A proxy is on the way, too.
        let proxied = self.url.tls || self.proxy.as_ref().is_none_or(Proxy::is_private);
        let may_speak_openclaw = self.url.may_speak_openclaw(self.any_name) && proxied;
        let pinned = self.fingerprint.is_some();
        let trusted = loopback || (self.url.tls && pinned);
        let openclaw = self.openclaw.as_ref().map(|openclaw| {
            let mut config = openclaw.config.clone();
            config.trusted_endpoint = trusted;
            config
        });
        let random = || format!("node-{}", random_uuid(self.runtime.seed()));
        self.identity.node_id = self.node_id.unwrap_or_else(random);
        let mut node_id: Arc<str> = self.identity.node_id.as_str().into();
        let dialect = match openclaw {
            Some(_) if !may_speak_openclaw && !self.either => {
                return Err(BuildError::PublicWithoutTls);
            }
            Some(openclaw) if self.either && may_speak_openclaw => {
                let mut either = either::Config::new(self.identity, openclaw);
                either.remembered = self.remembered;
                Dialect::from(either)
            }
            Some(openclaw) if !self.either => {
                let device = openclaw.device.as_ref();
                node_id = device.map_or("operator", |device| device.id()).into();
                Dialect::from(openclaw)
            }
            Some(_) => {
                info!(
                    gateway = self.url.shown(),
                    "without TLS this node speaks nodetool only here: {}",
                    BuildError::PublicWithoutTls
                );
                Dialect::from(self.identity)
            }
            None => Dialect::from(self.identity),
        };
        let mut config = Config::new(self.url.endpoint.clone(), dialect);
        config.commands = self.served.commands.keys().cloned().collect();
        config.workflows = self.served.workflows.is_some();
        config.timing = self.timing;
        config.limits = self.limits;
        let mut node =
            Node::new(self.runtime, self.url, tls, node_id, config, self.credentials, self.served);
        node.headers = self.headers;
        node.recording = self.recording;
        node.hooks = self.hooks;
        node.gateway.proxy = self.proxy;
        node.openclaw = self.openclaw;
        Ok(node)
    }

    fn with_credentials(mut self, credentials: Credentials) -> Self {
        if !self.credentials.is_none() {
            self.note(BuildError::TwoCredentials);
        }
        self.credentials = credentials;
        self
    }

    fn serve(mut self, name: String, handler: Handler<Box<RawValue>>) -> Self {
        if name.is_empty() {
            self.note(BuildError::EmptyCommand);
        }
        match self.served.commands.entry(name) {
            Entry::Vacant(vacant) => {
                vacant.insert(handler);
            }
            Entry::Occupied(occupied) => {
                let name = occupied.key().clone();
                self.note(BuildError::DuplicateCommand(name));
            }
        }
        self
    }

    fn check(&mut self) {
        if self.node_id.as_ref().is_some_and(String::is_empty) {
            self.note(BuildError::EmptyNodeId);
        }
        let metadata = self.identity.metadata.iter();
        let bytes = metadata.map(|(key, value)| key.len() + value.get().len()).sum();
        if bytes > MOST_METADATA_BYTES {
            self.note(BuildError::TooMuchMetadata(bytes));
        }
        for (period, what) in [
            (self.timing.heartbeat_interval, "heartbeat interval"),
            (self.timing.connect, "time to connect"),
            (self.timing.open, "time to open"),
            (self.timing.register, "time to register"),
            (self.timing.max_reconnect_delay, "longest reconnect delay"),
        ] {
            if period.is_zero() {
                self.note(BuildError::ZeroDuration(what));
            }
        }
        let sent = ClientRequest::new("gateway", "/");
        for (name, value) in std::mem::take(&mut self.headers) {
            if !sent.clone().is_ok_and(|request| request.header(&name, value.expose()).is_ok()) {
                self.note(BuildError::InvalidHeader(name.clone()));
            }
            self.headers.push((name, value));
        }
    }

    fn note(&mut self, mistake: BuildError) {
        self.mistake.get_or_insert(mistake);
    }
}

impl<R: Runtime> fmt::Debug for NodeBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("url", &self.url)
            .field("node_id", &self.node_id)
            .field("commands", &self.served.commands.keys())
            .finish_non_exhaustive()
    }
}

/// A version 4 UUID (RFC 9562 section 5.4).
pub(crate) fn random_uuid(seed: [u8; 32]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&seed[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |range: std::ops::Range<usize>| -> String {
        bytes[range].iter().map(|byte| format!("{byte:02x}")).collect()
    };
    format!("{}-{}-{}-{}-{}", hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16))
}

/// Bytes of a registration's metadata. It is sent with each connection; a gateway reads at least a MiB.
const MOST_METADATA_BYTES: usize = 256 << 10;

/// Bytes of the largest message that an operator reads: four times what a node may answer.
const MOST_OPERATOR_BYTES: usize = 100 << 20;

#[cfg(test)]
mod tests {
    #[test]
    fn uuids_are_version_4() {
        assert_eq!(super::random_uuid([0xff; 32]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(super::random_uuid([0; 32]), "00000000-0000-4000-8000-000000000000");
    }
}
