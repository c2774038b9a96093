//! The way to the gateway: name, TCP, TLS, HTTP, and the gateway's first word.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clawnode_protocol::dialect;
use clawnode_protocol::websocket::Refusal;
use clawnode_tokio::tls::{TlsError, TlsFault};
use clawnode_tokio::{ByteStream, Proxy, TcpStream, Unconnected};

use super::certificate::Certificate;
use super::report::Report;
use crate::connect::{cure_of_proxy, cure_of_refusal};
use crate::options::Protocol;
use crate::probe::{Target, Verdict, ahead_of};

/// What was found at the end of the way.
pub(super) struct Reached {
    /// `None` if a proxy is on the way.
    pub(super) address: Option<SocketAddr>,
    pub(super) dialect: dialect::Name,
}

/// All checks of the way; `None` if it does not lead to a gateway.
pub(super) async fn check(
    report: &mut Report,
    target: &Target,
    wanted: Protocol,
) -> Option<Reached> {
    plain_text(report, target, wanted)?;
    let (stream, address) = match &target.proxy {
        Some(proxy) => (tunnel(report, target, proxy).await?, None),
        None => {
            let addresses = resolve(report, target).await?;
            let (stream, address) = tcp(report, target, &addresses).await?;
            (stream, Some(address))
        }
    };
    let stream = tls(report, target, stream).await?;
    let dialect = upgrade(report, target, stream, wanted).await?;
    Some(Reached { address, dialect })
}

/// Without TLS an openclaw gateway is spoken to in private only (openclaw page 1.2).
fn plain_text(report: &mut Report, target: &Target, wanted: Protocol) -> Option<()> {
    const CHECK: &str = "encryption";
    const CURE: &str = "use wss://, or a tunnel to this machine; a host name of a private network passes with OPENCLAW_ALLOW_INSECURE_PRIVATE_WS=1";
    if target.url.is_tls() {
        return Some(());
    }
    if target.fingerprint.is_some() {
        report.failed(
            CHECK,
            "a certificate is pinned, but ws:// has none to show",
            "use wss://, or leave the fingerprint out",
        );
        return None;
    }
    if target.is_loopback() {
        report.ok(CHECK, "none, and none is needed on this machine");
    } else if target.may_speak_openclaw() {
        report.ok(CHECK, "none, which this node allows in private networks");
    } else if wanted == Protocol::Openclaw {
        report.failed(
            CHECK,
            "an openclaw gateway at a public place is not spoken to without TLS",
            CURE,
        );
        return None;
    } else {
        report.warning(
            CHECK,
            "none, and the place is public: only nodetool is spoken here, and everyone on the way can read the token",
            CURE,
        );
    }
    Some(())
}

/// The proxy looks the gateway's name up, and connects to it.
async fn tunnel(report: &mut Report, target: &Target, proxy: &Proxy) -> Option<TcpStream> {
    const CHECK: &str = "proxy";
    let started = Instant::now();
    let (host, port) = (proxy.host(), proxy.port());
    match target.tunnel(proxy).await {
        Ok(stream) => {
            let ms = started.elapsed().as_secs_f64() * 1000.0;
            let detail = format!("{host}, port {port}, opened a tunnel in {ms:.1} ms");
            report.ok(CHECK, detail);
            Some(stream)
        }
        Err(Unconnected::Refused(refusal)) => {
            let detail = format!("{host}, port {port}, refused: {refusal}");
            report.failed(CHECK, detail, cure_of_proxy(refusal.status));
            None
        }
        Err(error) => {
            let cure = "check --proxy, HTTPS_PROXY and http_proxy; NO_PROXY excepts a gateway";
            report.failed(CHECK, format!("{host}, port {port}: {error}"), cure);
            None
        }
    }
}

async fn resolve(report: &mut Report, target: &Target) -> Option<Vec<SocketAddr>> {
    const CHECK: &str = "name resolution";
    let host = target.url.host();
    let cure = "check the name in --url, and this machine's DNS: getent hosts NAME";
    match target.resolve().await {
        Ok(addresses) if addresses.is_empty() => {
            report.failed(CHECK, format!("{host} has no address"), cure);
            None
        }
        Ok(addresses) => {
            let shown: Vec<String> =
                addresses.iter().map(|address| address.ip().to_string()).collect();
            report.ok(CHECK, format!("{host}: {}", shown.join(", ")));
            Some(addresses)
        }
        Err(error) => {
            report.failed(CHECK, format!("{host} cannot be resolved: {error}"), cure);
            None
        }
    }
}

async fn tcp(
    report: &mut Report,
    target: &Target,
    addresses: &[SocketAddr],
) -> Option<(TcpStream, SocketAddr)> {
    const CHECK: &str = "tcp";
    let connected = target.connect(addresses).await;
    let failures: Vec<String> =
        connected.failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    let failures = failures.join("; ");
    let Some((stream, address, time)) = connected.first else {
        let closed = connected
            .failures
            .iter()
            .any(|(_, error)| error.kind() == io::ErrorKind::ConnectionRefused);
        let cure = if closed {
            "nothing listens there: start the gateway, or check the port in --url (an OpenClaw gateway's is 18789; ws:// without a port means 80, wss:// 443)"
        } else {
            "check that the machine is up, and that no firewall is in between"
        };
        report.failed(CHECK, failures, cure);
        return None;
    };
    let also = if failures.is_empty() { failures } else { format!("; not at {failures}") };
    let ms = time.as_secs_f64() * 1000.0;
    report.ok(CHECK, format!("{address} in {ms:.1} ms{also}"));
    Some((stream, address))
}

async fn tls(
    report: &mut Report,
    target: &Target,
    stream: TcpStream,
) -> Option<Box<dyn ByteStream>> {
    const CHECK: &str = "tls";
    let tls = match target.tls() {
        Ok(Some(tls)) => tls,
        Ok(None) => return Some(Box::new(stream)),
        Err(unusable) => {
            report.failed(CHECK, unusable.to_string(), "check the file of --tls-ca");
            return None;
        }
    };
    let seen = Target::inspect(&tls, stream).await;
    let certificate = seen.certificates.first().and_then(|der| Certificate::read(der));
    let error = match seen.stream {
        Ok(stream) => {
            good_certificate(report, target, certificate);
            return Some(Box::new(stream));
        }
        Err(error) => error,
    };
    let fault = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<TlsError>())
        .map_or(TlsFault::NotTls, TlsError::fault);
    let (detail, cure) = match (fault, &certificate) {
        (TlsFault::WrongFingerprint, _) => (
            error.to_string(),
            "find out on the gateway's machine which certificate it really has; if it is the one presented, give that fingerprint with --tls-fingerprint, and otherwise somebody is in between".to_owned(),
        ),
        (TlsFault::UnknownAuthority, Some(shown)) => (
            format!("nobody whom this machine trusts vouches for the certificate {shown}"),
            format!("give the file of its authority with --tls-ca FILE, or, once you have compared it with the gateway's own, pin it: --tls-fingerprint sha256:{}", shown.fingerprint),
        ),
        (TlsFault::WrongName, Some(shown)) => (
            format!("the certificate is not for {}: it is {shown}", target.url.host()),
            format!("use a name of the certificate ({}) in --url, or, once you have compared it with the gateway's own, pin it: --tls-fingerprint sha256:{}", shown.names(), shown.fingerprint),
        ),
        (TlsFault::Expired, Some(shown)) => (
            format!("the certificate expired on {}; it is {shown}", shown.ends()),
            "renew it on the gateway; if it is new, check this machine's clock".to_owned(),
        ),
        (TlsFault::NotYetValid, Some(shown)) => (
            format!("the certificate is good from {} only; it is {shown}", shown.begins()),
            "check the clocks of both machines".to_owned(),
        ),
        (TlsFault::NotTls, _) => (
            error.to_string(),
            "what listens there does not speak TLS: use ws:// if it is on this machine or in a private network, or another port".to_owned(),
        ),
        _ => (error.to_string(), "look at the gateway's TLS settings, or at those of the proxy in front of it".to_owned()),
    };
    report.failed(CHECK, detail, cure);
    None
}

fn good_certificate(report: &mut Report, target: &Target, certificate: Option<Certificate>) {
    const CHECK: &str = "tls";
    let Some(shown) = certificate else {
        return report.ok(CHECK, "the certificate is the pinned one, though it cannot be read");
    };
    let (pinned, days) = (target.fingerprint.is_some(), shown.days_left());
    let by = if pinned { "the pinned certificate" } else { "a trusted certificate" };
    let detail = format!("{by} {shown}");
    match days {
        DAYS_TO_RENEW.. => report.ok(CHECK, detail),
        0.. => report.warning(CHECK, detail, "renew it on the gateway in time"),
        _ => report.warning(CHECK, detail, "the pin alone decides, but renew it on the gateway"),
    }
}

async fn upgrade(
    report: &mut Report,
    target: &Target,
    stream: Box<dyn ByteStream>,
    wanted: Protocol,
) -> Option<dialect::Name> {
    const CHECK: &str = "http upgrade";
    let request = match target.request() {
        Ok(request) => request,
        Err(error) => {
            report.failed(
                CHECK,
                error.to_string(),
                "check CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET",
            );
            return None;
        }
    };
    let answered = target.upgrade(stream, request).await;
    let date_ms = answered.date.map(|date| date.as_micros() / 1000);
    match answered.verdict {
        Verdict::Open(mut conversation) => {
            report.ok(CHECK, "101, a WebSocket");
            let challenge = conversation.challenge(CHALLENGE_PATIENCE).await;
            conversation.close().await;
            let spoken = match &challenge {
                Some(_) => dialect::Name::Openclaw,
                None => dialect::Name::Nodetool,
            };
            dialect(report, spoken, wanted)?;
            match challenge.and_then(|challenge| challenge.at_ms) {
                Some(at_ms) => clock(report, at_ms, 0),
                None => clock_by_date(report, date_ms),
            }
            Some(spoken)
        }
        // An openclaw gateway asks for nothing here, but a nodetool gateway does.
        Verdict::Refused(refusal) if asks_for_token(&refusal) => {
            report.ok(CHECK, format!("{}: it asks for a token first", refusal.status()));
            dialect(report, dialect::Name::Nodetool, wanted)?;
            clock_by_date(report, date_ms);
            Some(dialect::Name::Nodetool)
        }
        Verdict::Refused(refusal) => {
            let said = std::str::from_utf8(refusal.body()).ok();
            let attribution = said.is_some_and(|said| said.contains(PROXY_ATTRIBUTION));
            let more = if attribution { format!(", {PROXY_ATTRIBUTION}") } else { String::new() };
            let detail = format!("HTTP {}{more}, and no WebSocket", refusal.status());
            report.failed(CHECK, detail, cure_of_refusal(&refusal));
            clock_by_date(report, date_ms);
            None
        }
        Verdict::NoHttp(why) => {
            report.failed(
                CHECK,
                why,
                "what listens there is no gateway; check the port in --url, and whether it wants TLS (wss://)",
            );
            None
        }
    }
}

fn asks_for_token(refusal: &Refusal) -> bool {
    let proxy = String::from_utf8_lossy(refusal.body()).contains(PROXY_ATTRIBUTION);
    refusal.status() == 401 || (refusal.status() == 403 && !proxy)
}

fn dialect(report: &mut Report, spoken: dialect::Name, wanted: Protocol) -> Option<()> {
    const CHECK: &str = "dialect";
    let (name, why) = match spoken {
        dialect::Name::Openclaw => ("openclaw", "the gateway begins with a challenge"),
        _ => ("nodetool", "the gateway begins with no challenge within a second"),
    };
    let fits = match wanted {
        Protocol::Auto => true,
        Protocol::Openclaw => spoken == dialect::Name::Openclaw,
        Protocol::Nodetool => spoken == dialect::Name::Nodetool,
    };
    if fits {
        report.ok(CHECK, format!("{name}: {why}"));
        return Some(());
    }
    report.failed(
        CHECK,
        format!("{name}, which is not what --protocol says: {why}"),
        format!("use --protocol {name} or leave it out, or check --url"),
    );
    None
}

fn clock_by_date(report: &mut Report, date_ms: Option<i64>) {
    match date_ms {
        Some(date_ms) => clock(report, date_ms, 1000),
        None => report.skipped("clock", "the gateway does not say what time it is"),
    }
}

/// `coarse`: how much later than it says the other clock may be, in milliseconds.
fn clock(report: &mut Report, other_ms: i64, coarse: i64) {
    const CHECK: &str = "clock";
    let ahead = ahead_of(other_ms);
    let apart = if ahead > 0 { (ahead - coarse).max(0) } else { ahead.saturating_abs() };
    let seconds = apart as f64 / 1000.0;
    let which = if ahead > 0 { "ahead of" } else { "behind" };
    let detail = format!("this machine's is {seconds:.1} s {which} the gateway's");
    let cure = "set both clocks by the network: timedatectl set-ntp true";
    if apart > WINDOW_MS {
        let window = WINDOW_MS / 1000;
        report.failed(
            CHECK,
            format!("{detail}; signatures are good for {window} s, and certificates and setup codes depend on it"),
            cure,
        );
    } else if apart > WINDOW_MS / 4 {
        report.warning(CHECK, detail, cure);
    } else {
        report.ok(CHECK, detail);
    }
}

/// How long an openclaw gateway has for its first word.
const CHALLENGE_PATIENCE: Duration = Duration::from_secs(1);

/// How old a signature may be for an openclaw gateway (openclaw page 4.4).
const WINDOW_MS: i64 = 120_000;

/// Days before its end when a certificate should be renewed; those who renew by themselves do so earlier.
const DAYS_TO_RENEW: i64 = 14;

/// The gateway's word for a proxy that it does not trust (openclaw page 1).
const PROXY_ATTRIBUTION: &str = "proxy_attribution_required";
