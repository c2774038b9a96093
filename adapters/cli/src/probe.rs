//! The way to a gateway, one step at a time, for those who want to know how far it goes.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clawnode_protocol::Timestamp;
use clawnode_protocol::websocket::{
    ClientRequest, CloseCode, Connection, Event, InvalidRequest, Limits, Refusal,
};
use clawnode_tokio::openclaw::Fingerprint;
use clawnode_tokio::tls::{Inspection, Tls, UnusableTls};
use clawnode_tokio::{
    ByteStream, GatewayUrl, Proxy, Secret, TcpStream, Tokio, Unconnected, wall_clock,
};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connect;
use crate::environment::Environment;
use crate::error::Failure;

/// A gateway, and what is needed to get there.
pub(crate) struct Target {
    pub(crate) url: GatewayUrl,
    pub(crate) fingerprint: Option<Fingerprint>,
    tls_ca: Option<PathBuf>,
    headers: Vec<(&'static str, Secret)>,
    any_name: bool,
    /// On the way there.
    pub(crate) proxy: Option<Proxy>,
}

/// What became of the attempts to connect to each address.
pub(crate) struct Connected {
    /// The connection that was there first, to whom, and how long it took.
    pub(crate) first: Option<(TcpStream, SocketAddr, Duration)>,
    pub(crate) failures: Vec<(SocketAddr, io::Error)>,
}

/// The answer to an HTTP upgrade.
pub(crate) struct Answered {
    /// The server's clock, if it says, at the moment of the answer.
    pub(crate) date: Option<Timestamp>,
    pub(crate) verdict: Verdict,
}

pub(crate) enum Verdict {
    /// The WebSocket is open.
    Open(Box<Conversation>),
    /// HTTP, but no upgrade.
    Refused(Refusal),
    /// Something else; the text says what.
    NoHttp(String),
}

/// A gateway's challenge, the first thing that an openclaw gateway says.
pub(crate) struct Challenge {
    /// The gateway's clock, if it says, in milliseconds since 1970.
    pub(crate) at_ms: Option<i64>,
}

/// An open WebSocket on which nothing was said.
pub(crate) struct Conversation {
    stream: Box<dyn ByteStream>,
    websocket: Connection,
}

impl Target {
    pub(crate) fn new(
        url: &str,
        fingerprint: Option<Fingerprint>,
        tls_ca: Option<&Path>,
        proxy: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let url =
            GatewayUrl::parse(url).map_err(|error| Failure::usage(format!("--url: {error}")))?;
        let headers = environment.headers(url.is_tls());
        let any_name = environment.allow_insecure_private_ws;
        let proxy = connect::proxy(proxy, &url)?;
        let tls_ca = tls_ca.map(Path::to_owned);
        Ok(Self { url, fingerprint, tls_ca, headers, any_name, proxy })
    }

    /// Whether an openclaw gateway may be spoken to here.
    pub(crate) fn may_speak_openclaw(&self) -> bool {
        let strangers = self.proxy.as_ref().is_some_and(|proxy| !proxy.is_private());
        self.url.may_speak_openclaw(self.any_name) && (self.url.is_tls() || !strangers)
    }

    /// Whether the gateway is on this machine for certain.
    pub(crate) fn is_loopback(&self) -> bool {
        self.url.is_loopback() && self.proxy.is_none()
    }

    /// Goes all the way to the gateway's challenge, and says nothing there. An error says how far it went.
    pub(crate) async fn challenge(&self) -> Result<(), String> {
        if !self.may_speak_openclaw() {
            return Err("it is a public place without TLS".to_owned());
        }
        let stream = match &self.proxy {
            Some(proxy) => self.tunnel(proxy).await.map_err(|error| error.to_string())?,
            None => {
                let addresses = self.resolve().await.map_err(|error| error.to_string())?;
                let connected = self.connect(&addresses).await;
                let Some((stream, ..)) = connected.first else {
                    let why = connected.failures.first().map(|(_, error)| error.to_string());
                    return Err(why.unwrap_or_else(|| "the name has no address".to_owned()));
                };
                stream
            }
        };
        let stream: Box<dyn ByteStream> = match self.tls().map_err(|error| error.to_string())? {
            Some(tls) => Box::new(tls.connect(stream).await.map_err(|error| error.to_string())?),
            None => Box::new(stream),
        };
        let request = self.request().map_err(|error| error.to_string())?;
        match self.upgrade(stream, request).await.verdict {
            Verdict::Open(mut conversation) => {
                let challenge = conversation.challenge(CONNECT_PATIENCE).await;
                conversation.close().await;
                challenge.map(|_| ()).ok_or_else(|| "it sends no challenge".to_owned())
            }
            Verdict::Refused(refusal) => Err(format!("it answers HTTP {}", refusal.status())),
            Verdict::NoHttp(why) => Err(why),
        }
    }

    /// All addresses of the host, each once.
    pub(crate) async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((self.url.host(), self.url.port())).await?;
        let mut addresses = Vec::new();
        for address in found {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    /// Tries all addresses at once.
    pub(crate) async fn connect(&self, addresses: &[SocketAddr]) -> Connected {
        let mut attempts = JoinSet::new();
        for address in addresses.iter().copied() {
            attempts.spawn(async move {
                let started = tokio::time::Instant::now();
                let connecting = tokio::net::TcpStream::connect(address);
                let stream = match timeout(CONNECT_PATIENCE, connecting).await {
                    Ok(stream) => stream,
                    Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")),
                };
                (address, stream, started.elapsed())
            });
        }
        let mut connected = Connected { first: None, failures: Vec::new() };
        while let Some(ended) = attempts.join_next().await {
            match ended {
                Ok((address, Ok(stream), time)) => {
                    connected.first = Some((stream.into(), address, time));
                    break;
                }
                Ok((address, Err(error), _)) => connected.failures.push((address, error)),
                Err(_) => {}
            }
        }
        connected
    }

    /// A connection through the proxy.
    pub(crate) async fn tunnel(&self, proxy: &Proxy) -> Result<TcpStream, Unconnected> {
        match timeout(CONNECT_PATIENCE, proxy.connect(&Tokio, &self.url)).await {
            Ok(opened) => opened,
            Err(_) => {
                let late = "the proxy opened no tunnel in time";
                Err(Unconnected::Failed(io::Error::new(io::ErrorKind::TimedOut, late)))
            }
        }
    }

    /// How TLS is spoken here, if it is.
    pub(crate) fn tls(&self) -> Result<Option<Tls>, UnusableTls> {
        let host = self.url.host();
        match self.fingerprint {
            _ if !self.url.is_tls() => Ok(None),
            Some(fingerprint) => Tls::pinned(host, fingerprint).map(Some),
            None => Tls::new(host, self.tls_ca.as_deref()).map(Some),
        }
    }

    /// The TLS handshake.
    pub(crate) async fn inspect(tls: &Tls, stream: TcpStream) -> Inspection<TcpStream> {
        match timeout(CONNECT_PATIENCE, tls.inspect(stream)).await {
            Ok(inspection) => inspection,
            Err(_) => {
                let late = io::Error::new(io::ErrorKind::TimedOut, "no TLS answer in time");
                Inspection::failed(late)
            }
        }
    }

    /// A connection inside TLS or without, for another question: at this address, or through the proxy.
    pub(crate) async fn reconnect(
        &self,
        address: Option<SocketAddr>,
    ) -> io::Result<Box<dyn ByteStream>> {
        let stream = match (address, &self.proxy) {
            (_, Some(proxy)) => self.tunnel(proxy).await.map_err(io::Error::other)?,
            (Some(address), None) => tokio::net::TcpStream::connect(address).await?.into(),
            (None, None) => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        Ok(match self.tls().map_err(io::Error::other)? {
            Some(tls) => Box::new(tls.connect(stream).await?),
            None => Box::new(stream),
        })
    }

    /// The HTTP upgrade request, without a credential of the gateway's own.
    pub(crate) fn request(&self) -> Result<ClientRequest, InvalidRequest> {
        let endpoint = self.url.endpoint();
        self.with_headers(ClientRequest::new(&endpoint.authority, &endpoint.target)?)
    }

    /// The same request with what the environment wants to be in it.
    pub(crate) fn with_headers(
        &self,
        request: ClientRequest,
    ) -> Result<ClientRequest, InvalidRequest> {
        let mut headers = self.headers.iter();
        headers.try_fold(request, |request, (name, value)| request.header(name, value.expose()))
    }

    /// The HTTP upgrade.
    pub(crate) async fn upgrade(
        &self,
        stream: Box<dyn ByteStream>,
        request: ClientRequest,
    ) -> Answered {
        let mut seed = [0; 32];
        if let Err(error) = getrandom::fill(&mut seed) {
            return Answered { date: None, verdict: Verdict::NoHttp(error.to_string()) };
        }
        let websocket = Connection::client(&request, Limits::default(), seed);
        let mut conversation = Box::new(Conversation { stream, websocket });
        let mut head = Vec::new();
        let opened = timeout(OPEN_PATIENCE, conversation.open(&mut head)).await;
        let date = date_of(&head);
        let verdict = match opened {
            Ok(Ok(None)) => Verdict::Open(conversation),
            Ok(Ok(Some(refusal))) => Verdict::Refused(refusal),
            Ok(Err(why)) => Verdict::NoHttp(why),
            Err(_) => Verdict::NoHttp("no answer to the HTTP upgrade in time".to_owned()),
        };
        Answered { date, verdict }
    }
}

impl Conversation {
    /// Opens the WebSocket, unless it is refused. `head` gets the beginning of what is received.
    async fn open(&mut self, head: &mut Vec<u8>) -> Result<Option<Refusal>, String> {
        loop {
            self.flush().await.map_err(|error| error.to_string())?;
            let received = self.receive(Some(head)).await.map_err(|error| error.to_string())?;
            match self.websocket.poll() {
                Some(Event::Open) => return Ok(None),
                Some(Event::Refused(refusal)) => return Ok(Some(refusal)),
                Some(Event::Closed(closed)) => return Err(closed.to_string()),
                _ if received => {}
                _ => return Err("the connection was closed before an answer".to_owned()),
            }
        }
    }

    /// Waits for the gateway's challenge. Whatever else it says first, and silence, are none.
    pub(crate) async fn challenge(&mut self, patience: Duration) -> Option<Challenge> {
        let text = timeout(patience, self.first_message()).await.ok()??;
        let frame: Value = serde_json::from_str(&text).ok()?;
        (frame["type"] == "event" && frame["event"] == "connect.challenge")
            .then(|| Challenge { at_ms: frame["payload"]["ts"].as_i64() })
    }

    async fn first_message(&mut self) -> Option<String> {
        loop {
            match self.websocket.poll() {
                Some(Event::Text(text)) => return Some(text.to_owned()),
                Some(Event::Ping(_) | Event::Pong(_)) => {}
                Some(_) => return None,
                None => {
                    self.flush().await.ok()?;
                    if !self.receive(None).await.ok()? {
                        return None;
                    }
                }
            }
        }
    }

    /// Says goodbye, as far as the socket takes it now.
    pub(crate) async fn close(mut self: Box<Self>) {
        let _ = self.websocket.close(CloseCode::NORMAL, "");
        let _ = timeout(CLOSE_PATIENCE, async {
            self.flush().await?;
            while self.receive(None).await? {
                while self.websocket.poll().is_some() {}
            }
            poll_fn(|cx| self.stream.poll_close(cx)).await
        })
        .await;
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.websocket.transmit().is_empty() {
            let Self { stream, websocket } = self;
            let count = poll_fn(|cx| stream.poll_write(cx, websocket.transmit())).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            websocket.sent(count).map_err(io::Error::other)?;
        }
        poll_fn(|cx| self.stream.poll_flush(cx)).await
    }

    /// Reads on; false at the end of the stream.
    async fn receive(&mut self, head: Option<&mut Vec<u8>>) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let count = poll_fn(|cx| self.stream.poll_read(cx, &mut buffer)).await?;
        if count == 0 {
            self.websocket.receive_eof();
            return Ok(false);
        }
        if let Some(head) = head.filter(|head| head.len() < MOST_HEAD_BYTES) {
            head.extend_from_slice(&buffer[..count]);
        }
        self.websocket.receive(&buffer[..count]);
        Ok(true)
    }
}

/// The `Date` of an HTTP answer (RFC 9110 section 6.6.1).
fn date_of(head: &[u8]) -> Option<Timestamp> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(head).ok()?;
    let date = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("date"))?;
    let date = httpdate::parse_http_date(std::str::from_utf8(date.value).ok()?).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(i64::try_from(since.as_micros()).ok()?))
}

/// How far the local clock is ahead of another, in milliseconds.
pub(crate) fn ahead_of(other_ms: i64) -> i64 {
    (wall_clock().as_micros() / 1000).saturating_sub(other_ms)
}

/// How long a host has for a TCP connection, for TLS, and for a challenge: what a slow mobile network needs.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// As long as a node waits.
const OPEN_PATIENCE: Duration = Duration::from_secs(15);

const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// The head of an HTTP answer is not longer.
const MOST_HEAD_BYTES: usize = 16 << 10;
