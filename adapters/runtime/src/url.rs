use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clawnode_protocol::node::Endpoint;
use clawnode_protocol::websocket::{ClientRequest, InvalidRequest};
use thiserror::Error;

/// Where a gateway is, taken from its URL: `ws://` (port 80 unless given) or `wss://` (TLS, port 443), host, and optionally a path
/// and query. `Debug` does not show the query, which may hold a token.
#[derive(Debug, Clone)]
pub struct GatewayUrl {
    pub(crate) tls: bool,
    /// A name or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) endpoint: Endpoint,
}

/// The URL of the gateway cannot be used. The message never repeats the URL, whose query may hold a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// Not `ws` or `wss`.
    #[error("the gateway's URL must begin with ws:// or wss://")]
    Scheme,
    /// It names a user or password.
    #[error(
        "the gateway's URL must not contain a user name or password; give the credential as a token"
    )]
    UserInfo,
    /// It has a `#fragment`, which is never sent.
    #[error(
        "the gateway's URL must not contain a `#`; write it as %23 if it belongs to the path or query"
    )]
    Fragment,
    /// No host, or one with characters that hosts do not have.
    #[error(
        "the gateway's URL needs a host: a name (international ones in their xn-- form) or an IP address"
    )]
    Host,
    /// Not a port.
    #[error("the port in the gateway's URL must be a number from 1 to 65535")]
    Port,
    /// A path or query with characters that must be percent-encoded.
    #[error(
        "the path or query of the gateway's URL has characters that must be percent-encoded, such as spaces"
    )]
    Target,
}

impl GatewayUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`], which says what is wrong.
    pub fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidUrl::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(InvalidUrl::Scheme),
        };
        if rest.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(InvalidUrl::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let usual = if tls { 443 } else { 80 };
        let port = port.unwrap_or(usual);
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let authority = if port == usual { shown } else { format!("{shown}:{port}") };
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        match ClientRequest::new(&authority, &target) {
            Ok(_) => Ok(Self { tls, host, port, endpoint: Endpoint::new(authority, target) }),
            Err(InvalidRequest::Authority) => Err(InvalidUrl::Host),
            Err(_) => Err(InvalidUrl::Target),
        }
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// A name in lower case, or an IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own unless the URL names one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same in the words of an HTTP upgrade request.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether the gateway is on this machine for certain, so that nobody can listen in between.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Whether an openclaw gateway may be spoken to here (openclaw page 1.2): with TLS anywhere; without it on this machine, at
    /// private, link-local, unique-local and carrier-grade-NAT addresses, and at names that end in `.local` or `.ts.net`. With
    /// `any_name` also at every other name, but never at a public address.
    pub fn may_speak_openclaw(&self, any_name: bool) -> bool {
        self.tls || is_private(&self.host) || (any_name && address_of(&self.host).is_none())
    }

    /// Host and port, as a proxy is told.
    pub(crate) fn host_and_port(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// What it is called in logs: no query, which may hold a token.
    pub fn shown(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        let path = self.endpoint.target.split('?').next().unwrap_or_default();
        format!("{scheme}://{}{path}", self.endpoint.authority)
    }
}

/// The host, if it is an address in any spelling that resolvers take for one.
fn address_of(host: &str) -> Option<IpAddr> {
    let host = host.trim_end_matches('.');
    let address = host.parse().ok().or_else(|| legacy_v4(host).map(IpAddr::V4));
    address.map(|address: IpAddr| address.to_canonical())
}

/// `127.1`, `0x7f.1` and `2130706433` are addresses to `inet_aton`, and so to resolvers, though not to [`IpAddr`].
fn legacy_v4(host: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| match (part.strip_prefix("0x"), part.strip_prefix('0')) {
        (Some(""), _) => Some(0),
        (Some(hex), _) => u32::from_str_radix(hex, 16).ok(),
        (None, Some(octal)) if !octal.is_empty() => u32::from_str_radix(octal, 8).ok(),
        _ => part.parse().ok(),
    };
    let parts: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, bytes) = parts.split_last().filter(|(_, bytes)| bytes.len() < 4)?;
    let room = 8 * (4 - bytes.len());
    if bytes.iter().any(|byte| *byte > 255) || u64::from(*last) >= 1 << room {
        return None;
    }
    let start = bytes.iter().enumerate().map(|(index, byte)| byte << (24 - 8 * index)).sum::<u32>();
    Some(Ipv4Addr::from(start | last))
}

fn is_loopback(host: &str) -> bool {
    match address_of(host) {
        Some(address) => address.is_loopback(),
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Whether this host is this machine, or in a network that strangers have no part in, by all that its name or address says: private,
/// link-local, unique-local and carrier-grade-NAT addresses, and names that end in `.local` or `.ts.net`.
pub(crate) fn is_private(host: &str) -> bool {
    match address_of(host) {
        Some(IpAddr::V4(v4)) => {
            // Carrier-grade NAT, which overlay networks use (RFC 6598).
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        Some(IpAddr::V6(v6)) => {
            v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
        None => is_loopback(host) || [".local", ".ts.net"].iter().any(|end| host.ends_with(end)),
    }
}

/// The host, in lower case and without brackets, and the port if there is one.
pub(crate) fn split_port(authority: &str) -> Result<(String, Option<u16>), InvalidUrl> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(InvalidUrl::Host)?;
        address.parse::<Ipv6Addr>().map_err(|_| InvalidUrl::Host)?;
        (address, port)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !host.bytes().all(in_host) {
            return Err(InvalidUrl::Host);
        }
        (host, port)
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return Err(InvalidUrl::Host),
        Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port != 0).ok_or(InvalidUrl::Port)?)
        }
        Some(_) => return Err(InvalidUrl::Port),
    };
    Ok((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (bool, String, u16, String, String) {
        let url = GatewayUrl::parse(url).unwrap();
        (url.tls, url.host, url.port, url.endpoint.authority, url.endpoint.target)
    }

    fn expect(url: &str, tls: bool, host: &str, port: u16, authority: &str, target: &str) {
        assert_eq!(parts(url), (tls, host.into(), port, authority.into(), target.into()), "{url}");
    }

    #[test]
    fn takes_urls_apart() {
        expect("ws://127.0.0.1:8080", false, "127.0.0.1", 8080, "127.0.0.1:8080", "/");
        expect(
            "WSS://Gate.Example/node?x=1",
            true,
            "gate.example",
            443,
            "gate.example",
            "/node?x=1",
        );
        expect(
            "ws://gate.example?tenant=7",
            false,
            "gate.example",
            80,
            "gate.example",
            "/?tenant=7",
        );
        expect("wss://gate.example:443/", true, "gate.example", 443, "gate.example", "/");
        expect("ws://[::1]:9/a", false, "::1", 9, "[::1]:9", "/a");
        expect("ws://gate.example:/", false, "gate.example", 80, "gate.example", "/");
        expect("ws://h/a@b", false, "h", 80, "h", "/a@b");
    }

    #[test]
    fn says_what_is_wrong() {
        for (url, problem) in [
            ("http://h", InvalidUrl::Scheme),
            ("gate.example:80", InvalidUrl::Scheme),
            ("", InvalidUrl::Scheme),
            ("ws://", InvalidUrl::Host),
            ("ws:///path", InvalidUrl::Host),
            ("ws://ho st", InvalidUrl::Host),
            ("ws://schlüssel.example", InvalidUrl::Host),
            ("ws://[::1", InvalidUrl::Host),
            ("ws://[gate]", InvalidUrl::Host),
            ("ws://[::1]x", InvalidUrl::Host),
            ("ws://u:p@h/", InvalidUrl::UserInfo),
            ("ws://h/#x", InvalidUrl::Fragment),
            ("ws://h:0", InvalidUrl::Port),
            ("ws://h:65536", InvalidUrl::Port),
            ("ws://h:+80", InvalidUrl::Port),
            ("ws://h:80 ", InvalidUrl::Port),
            ("ws://h/a b", InvalidUrl::Target),
            ("ws://h/a\r\nb", InvalidUrl::Target),
        ] {
            assert_eq!(GatewayUrl::parse(url).unwrap_err(), problem, "{url}");
        }
    }

    #[test]
    fn without_tls_an_openclaw_gateway_is_on_this_machine_or_in_a_private_network() {
        let may = |host: &str, any_name| {
            GatewayUrl::parse(&format!("ws://{host}")).unwrap().may_speak_openclaw(any_name)
        };
        let private = [
            "localhost",
            "127.0.0.1",
            "[::1]",
            "127.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "[fe80::1]",
            "[fd00::1]",
            "[fc00::1]",
            "[::ffff:10.0.0.1]",
            "printer.local",
            "gate.tail1234.ts.net",
        ];
        for host in private {
            assert!(may(host, false) && may(host, true), "{host}");
        }
        for host in ["gate.example", "gate", "notlocal", "local", "ts.net", "gate.ts.net.example"] {
            assert!(!may(host, false) && may(host, true), "{host}");
        }
        let public = [
            "8.8.8.8",
            "172.32.0.1",
            "172.15.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "0.0.0.0",
            "134744072",
            "0x8.8.8.8",
            "010.8.8.8",
            "8.8.8.8.",
            "[2001:db8::1]",
            "[::ffff:8.8.8.8]",
            "[fec0::1]",
            "[::]",
        ];
        for host in public {
            assert!(!may(host, false) && !may(host, true), "{host}");
            let tls = GatewayUrl::parse(&format!("wss://{host}")).unwrap();
            assert!(tls.may_speak_openclaw(false), "{host}");
        }
    }

    #[test]
    fn knows_loopback_and_hides_the_query() {
        let local =
            ["127.0.0.1", "127.9.9.9", "localhost", "a.localhost", "[::1]", "[::ffff:127.0.0.1]"];
        for host in local {
            assert!(GatewayUrl::parse(&format!("ws://{host}")).unwrap().is_loopback(), "{host}");
        }
        for host in ["10.0.0.1", "gate.example", "notlocalhost", "0.0.0.0"] {
            assert!(!GatewayUrl::parse(&format!("ws://{host}")).unwrap().is_loopback(), "{host}");
        }
        let url = GatewayUrl::parse("ws://h/p?token=s3cret").unwrap();
        assert_eq!(url.shown(), "ws://h/p");
        assert!(!format!("{url:?}").contains("s3cret"));
    }
}
