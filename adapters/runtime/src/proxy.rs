//! HTTP proxies: which one, if any, and the way through it.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::task::Poll;

use clawnode_protocol::Secret;
use clawnode_protocol::proxy::{Failure, Refusal, Tunnel};
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::connect::connect;
use crate::runtime::{ByteStream, Runtime};
use crate::url::{GatewayUrl, is_private, split_port};

/// An HTTP proxy that opens tunnels (RFC 9110 section 9.3.6). Nodes are told of one with
/// [`NodeBuilder::proxy`](crate::NodeBuilder::proxy); this is for whoever wants to look at a gateway behind one without being a node.
/// `Debug` shows no login.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// A name or an address without brackets.
    host: String,
    port: u16,
    /// `user:password`.
    login: Option<Secret>,
}

/// The URL of a proxy cannot be used. The message never repeats the URL, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// A proxy of another kind.
    #[error(
        "only HTTP proxies that are spoken to without TLS are known; the proxy's URL must begin with http://"
    )]
    Scheme,
    /// No host, or one with characters that hosts do not have.
    #[error("the proxy's URL needs a host: a name or an IP address")]
    Host,
    /// Not a port.
    #[error("the port in the proxy's URL must be a number from 1 to 65535")]
    Port,
    /// Something that is not text, after the percent signs are decoded, or a colon in the user's name.
    #[error("the user name or password in the proxy's URL is not text, or the name has a colon")]
    Login,
    /// Something follows host and port.
    #[error(
        "the proxy's URL has no path: it is http://, user and password if there are, host and port"
    )]
    Path,
}

/// There is no byte stream to the gateway.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unconnected {
    /// It could not be had, or broke.
    #[error("{0}")]
    Failed(io::Error),
    /// The proxy refused to open a tunnel.
    #[error("the proxy refused the connection: {0}")]
    Refused(Refusal),
}

impl From<io::Error> for Unconnected {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Proxy {
    /// The proxy of a URL, `http://user:password@host:port`; port 80 unless given, and `http://` may be left out. See
    /// [`NodeBuilder::proxy`](crate::NodeBuilder::proxy).
    ///
    /// # Errors
    ///
    /// [`InvalidProxy`], which says what is wrong.
    pub fn parse(url: &str) -> Result<Self, InvalidProxy> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(InvalidProxy::Scheme),
            None => url,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(parse_login(login)?), authority),
            None => (None, rest),
        };
        if authority.contains(['/', '?', '#']) {
            return Err(InvalidProxy::Path);
        }
        let (host, port) = split_port(authority).map_err(|invalid| match invalid {
            crate::url::InvalidUrl::Port => InvalidProxy::Port,
            _ => InvalidProxy::Host,
        })?;
        Ok(Self { host, port: port.unwrap_or(80), login })
    }

    /// The proxy that the process's environment names for a gateway, if it does. See
    /// [`NodeBuilder::proxy_from_environment`](crate::NodeBuilder::proxy_from_environment).
    ///
    /// # Errors
    ///
    /// [`InvalidProxy`], which says what is wrong with the proxy that is named.
    pub fn from_environment(gateway: &GatewayUrl) -> Result<Option<Self>, InvalidProxy> {
        Self::from_variables(gateway, |name| std::env::var(name).ok())
    }

    /// The proxy that the environment names for a gateway, as curl has it: `https_proxy` or `HTTPS_PROXY` for `wss://`,
    /// `http_proxy` for `ws://`, then `all_proxy` or `ALL_PROXY`, unless `no_proxy` or `NO_PROXY` excepts the host. In capitals
    /// `HTTP_PROXY` is ignored: in a CGI program it is what a client says of itself. Gateways on this machine need no proxy.
    fn from_variables(
        gateway: &GatewayUrl,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, InvalidProxy> {
        let names: &[&str] = match gateway.tls {
            true => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            false => &["http_proxy", "all_proxy", "ALL_PROXY"],
        };
        let first = |names: &[&str]| {
            names.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        };
        let excepted = first(&["no_proxy", "NO_PROXY"])
            .is_some_and(|list| is_excepted(&list, &gateway.host, gateway.port));
        match first(names) {
            Some(url) if !excepted && !gateway.is_loopback() => Self::parse(url.trim()).map(Some),
            _ => Ok(None),
        }
    }

    /// Its name in lower case, or its IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `user:password`, if it wants a login.
    pub fn login(&self) -> Option<&Secret> {
        self.login.as_ref()
    }

    /// Whether strangers have no part in the way to it.
    pub fn is_private(&self) -> bool {
        is_private(&self.host)
    }

    /// A byte stream to the gateway, through the proxy, without TLS so far.
    ///
    /// Cancel safe: dropping the future closes the stream.
    ///
    /// # Errors
    ///
    /// [`Unconnected`].
    pub async fn connect<R: Runtime>(
        &self,
        runtime: &R,
        gateway: &GatewayUrl,
    ) -> Result<R::Stream, Unconnected> {
        let through = |error: io::Error| {
            io::Error::new(error.kind(), format!("the proxy cannot be reached: {error}"))
        };
        let mut stream = connect(runtime, &self.host, self.port).await.map_err(through)?;
        let mut tunnel = Tunnel::new(&gateway.host_and_port(), self.login.as_ref())
            .map_err(|invalid| io::Error::new(io::ErrorKind::InvalidInput, invalid))?;
        let opened = poll_fn(|cx| {
            loop {
                match tunnel.end() {
                    None => {}
                    Some(Ok(())) => return Poll::Ready(Ok(())),
                    Some(Err(Failure::Refused(refusal))) => {
                        return Poll::Ready(Err(Unconnected::Refused(refusal.clone())));
                    }
                    Some(Err(failure)) => {
                        let failure = io::Error::new(io::ErrorKind::InvalidData, failure.clone());
                        return Poll::Ready(Err(Unconnected::Failed(failure)));
                    }
                }
                let mut progress = false;
                if !tunnel.transmit().is_empty() {
                    match stream.poll_write(cx, tunnel.transmit()) {
                        Poll::Ready(Ok(0)) => {
                            return Poll::Ready(Err(broke(io::ErrorKind::WriteZero.into())));
                        }
                        Poll::Ready(Ok(count)) => {
                            tunnel.sent(count).map_err(|error| broke(io::Error::other(error)))?;
                            progress = true;
                        }
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(broke(error))),
                        Poll::Pending => {}
                    }
                } else if let Poll::Ready(Err(error)) = stream.poll_flush(cx) {
                    return Poll::Ready(Err(broke(error)));
                }
                let mut buffer = [0; 1 << 10];
                match stream.poll_read(cx, &mut buffer) {
                    Poll::Ready(Ok(0)) => tunnel.receive_eof(),
                    Poll::Ready(Ok(count)) => tunnel.receive(&buffer[..count]),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(broke(error))),
                    Poll::Pending if progress => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        opened.await.map(|()| stream)
    }
}

fn broke(error: io::Error) -> Unconnected {
    let text = format!("the connection with the proxy broke: {error}");
    Unconnected::Failed(io::Error::new(error.kind(), text))
}

fn parse_login(login: &str) -> Result<Secret, InvalidProxy> {
    let decode = |part: &str| {
        let text = percent_decode_str(part).decode_utf8().map_err(|_| InvalidProxy::Login)?;
        match text.chars().any(char::is_control) {
            true => Err(InvalidProxy::Login),
            false => Ok(text.into_owned()),
        }
    };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (user, password) = (decode(user)?, decode(password)?);
    if user.contains(':') {
        return Err(InvalidProxy::Login);
    }
    Ok(Secret::new(format!("{user}:{password}")))
}

/// Whether a list of `NO_PROXY` has this host: `*`, a name with all names below it, an address, or a network such as `10.0.0.0/8`;
/// names and addresses may have a port.
fn is_excepted(list: &str, host: &str, port: u16) -> bool {
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    let host = host.trim_end_matches('.');
    list.split([',', ' ', '\t']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some(address) = address {
            if let Ok(network) = entry.parse::<IpNet>() {
                return network.contains(&address);
            }
            // An IPv6 address without brackets is no host and port.
            if let Ok(excepted) = entry.parse::<IpAddr>() {
                return excepted.to_canonical() == address;
            }
        }
        let entry = entry.trim_start_matches('.');
        let Ok((name, only)) = split_port(entry) else { return false };
        if only.is_some_and(|only| only != port) {
            return false;
        }
        if let Some(address) = address {
            return name.parse::<IpAddr>().is_ok_and(|name| name.to_canonical() == address);
        }
        let name = name.trim_end_matches('.');
        host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_proxies_are_taken_apart() {
        let parts = |url: &str| {
            let proxy = Proxy::parse(url).unwrap();
            let login = proxy.login.as_ref().map(|login| login.expose().to_owned());
            assert!(!format!("{proxy:?}").contains("s3c"), "{proxy:?}");
            (proxy.host, proxy.port, login)
        };
        assert_eq!(parts("http://proxy:3128"), ("proxy".into(), 3128, None));
        assert_eq!(parts("HTTP://[::1]:9/"), ("::1".into(), 9, None));
        assert_eq!(parts("10.0.0.1"), ("10.0.0.1".into(), 80, None));
        let login = |text: &str| Some(text.to_owned());
        assert_eq!(parts("http://ada:s3c%40ret@p"), ("p".into(), 80, login("ada:s3c@ret")));
        assert_eq!(parts("ada@p:1"), ("p".into(), 1, login("ada:")));
        for (url, problem) in [
            ("https://proxy", InvalidProxy::Scheme),
            ("socks5://proxy", InvalidProxy::Scheme),
            ("", InvalidProxy::Host),
            ("http://", InvalidProxy::Host),
            ("http://pro xy", InvalidProxy::Host),
            ("http://p:0", InvalidProxy::Port),
            ("http://p/x", InvalidProxy::Path),
            ("http://a%3Ab:s3c@p", InvalidProxy::Login),
            ("http://a:%ff@p", InvalidProxy::Login),
            ("http://a:%0d%0ax@p", InvalidProxy::Login),
        ] {
            let invalid = Proxy::parse(url).unwrap_err();
            assert_eq!(invalid, problem, "{url}");
            assert!(!invalid.to_string().contains("s3c"));
        }
    }

    fn chosen(gateway: &str, variables: &[(&str, &str)]) -> Option<String> {
        let gateway = GatewayUrl::parse(gateway).unwrap();
        let variable = |name: &str| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        };
        Proxy::from_variables(&gateway, variable).unwrap().map(|proxy| proxy.host)
    }

    #[test]
    fn the_environment_names_a_proxy_as_it_does_for_curl() {
        let all = [
            ("https_proxy", "http://one"),
            ("HTTPS_PROXY", "http://two"),
            ("http_proxy", "http://three"),
            ("HTTP_PROXY", "http://four"),
            ("all_proxy", "http://five"),
            ("ALL_PROXY", "http://six"),
        ];
        assert_eq!(chosen("wss://gate", &all).as_deref(), Some("one"));
        assert_eq!(chosen("wss://gate", &all[1..]).as_deref(), Some("two"));
        assert_eq!(chosen("wss://gate", &all[2..]).as_deref(), Some("five"));
        assert_eq!(chosen("ws://gate", &all).as_deref(), Some("three"));
        assert_eq!(chosen("ws://gate", &all[3..]).as_deref(), Some("five"));
        assert_eq!(chosen("ws://gate", &all[5..]).as_deref(), Some("six"));
        assert_eq!(chosen("ws://gate", &[("HTTP_PROXY", "http://four")]), None);
        assert_eq!(
            chosen("wss://gate", &[("https_proxy", " "), ("ALL_PROXY", "six")]).as_deref(),
            Some("six")
        );
        assert_eq!(chosen("wss://127.0.0.1", &all), None);
        assert_eq!(chosen("ws://localhost:1", &all), None);
        let except = |list| chosen("wss://gate", &[("https_proxy", "p"), ("NO_PROXY", list)]);
        assert_eq!(except("gate"), None);
        assert_eq!(except("other").as_deref(), Some("p"));
        let lower = [("https_proxy", "p"), ("no_proxy", "x"), ("NO_PROXY", "gate")];
        assert_eq!(chosen("wss://gate", &lower).as_deref(), Some("p"));
        let invalid = GatewayUrl::parse("wss://gate").unwrap();
        let invalid = Proxy::from_variables(&invalid, |_| Some("socks5://s".to_owned()));
        assert_eq!(invalid.unwrap_err(), InvalidProxy::Scheme);
    }

    #[test]
    fn exceptions_are_hosts_names_below_them_networks_or_all() {
        for (list, host, excepted) in [
            ("*", "gate.example", true),
            ("a, *", "10.0.0.1", true),
            ("example", "gate.example", true),
            (".example", "gate.example", true),
            ("Gate.Example.", "gate.example", true),
            ("ample", "gate.example", false),
            ("gate.example", "example", false),
            ("gate.example:443", "gate.example", true),
            ("gate.example:444", "gate.example", false),
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "gate.example", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1:443", "10.0.0.1", true),
            ("10.0.0.1:80", "10.0.0.1", false),
            ("0.0.1", "10.0.0.1", false),
            ("fe80::/10", "fe80::1", true),
            ("fe80::/10", "fd00::1", false),
            ("fd00::1", "fd00::1", true),
            ("[fd00::1]:443", "fd00::1", true),
            ("10.0.0.0/99, x y", "y", true),
            ("", "gate.example", false),
        ] {
            assert_eq!(is_excepted(list, host, 443), excepted, "{host} in {list:?}");
        }
    }
}
