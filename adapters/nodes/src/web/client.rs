use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_lock::Semaphore;
use clawnode_workflows::NodeError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{RequestBuilder, Response};
use rustls::ClientConfig;
use rustls_platform_verifier::Verifier;
use thiserror::Error;
use tokio::sync::OnceCell;
use url::{Host, Url};

use super::address::is_public;
#[cfg(feature = "http")]
use crate::access::Access;
use crate::access::AllowedHost;
use crate::limits::shown_bytes;
use crate::text::cut;

/// What a client may ask.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    hosts: Vec<AllowedHost>,
    private_addresses: bool,
    redirects: usize,
}

impl Allowed {
    /// What workflows may ask.
    #[cfg(feature = "http")]
    pub(crate) fn of(access: &Access) -> Self {
        Self {
            hosts: access.hosts().to_vec(),
            private_addresses: access.has_private_addresses(),
            redirects: access.bounds().redirects,
        }
    }

    /// Whatever URL it is given, wherever that is, and nothing that it points to.
    #[cfg(feature = "models")]
    pub(crate) fn trusted() -> Self {
        let any = "*".parse().expect("it is every host");
        Self { hosts: vec![any], private_addresses: true, redirects: 0 }
    }

    /// Refuses a URL whose host is not allowed, or is an address that is not.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme(url.scheme().to_owned()));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Refused::NoHost);
        };
        let name = match &host {
            Host::Domain(name) => (*name).to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        if !self.hosts.iter().any(|allowed| allowed.admits(&name, port)) {
            return Err(Refused::Host { host: host.to_string(), port });
        }
        match host {
            Host::Ipv4(address) => self.check_address(&name, address.into()),
            Host::Ipv6(address) => self.check_address(&name, address.into()),
            Host::Domain(_) => Ok(()),
        }
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        if self.private_addresses || is_public(address) {
            return Ok(());
        }
        Err(Refused::Address { host: host.to_owned(), address })
    }

    fn check_redirect(&self, from: Option<&Url>, to: &Url, before: usize) -> Result<(), Refused> {
        if before > self.redirects {
            return Err(Refused::Redirects(self.redirects));
        }
        if from.is_some_and(|from| from.scheme() == "https") && to.scheme() == "http" {
            return Err(Refused::Downgrade);
        }
        self.check(to).map_err(|refused| Refused::Redirected(Box::new(refused)))
    }
}

/// Why a URL is not asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("give a URL that begins with http:// or https://, not {0}:")]
    Scheme(String),
    #[error("the URL has no host")]
    NoHost,
    #[error("the host {host}:{port} is not allowed; allow it with --allow-host {host}:{port}")]
    Host { host: String, port: u16 },
    #[error(
        "the host {host} is at {address}, which is no public address; if that is wanted, allow it with --allow-private-addresses"
    )]
    Address { host: String, address: IpAddr },
    #[error("more than {0} redirects")]
    Redirects(usize),
    #[error("a redirect from https to http is not followed")]
    Downgrade,
    #[error("redirected elsewhere: {0}")]
    Redirected(Box<Self>),
}

/// An HTTP client, made when it is first used.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    allowed: Arc<Allowed>,
    timeouts: Timeouts,
    made: Arc<OnceCell<reqwest::Client>>,
    turns: Arc<Semaphore>,
}

#[derive(Clone, Copy, Debug)]
struct Timeouts {
    whole: Duration,
    silence: Duration,
}

impl Client {
    /// With the time that an exchange may take, and the silence within it. `turns` bounds the requests at once.
    pub(crate) fn new(
        allowed: Allowed,
        whole: Duration,
        silence: Duration,
        turns: &Arc<Semaphore>,
    ) -> Self {
        Self {
            allowed: Arc::new(allowed),
            timeouts: Timeouts { whole, silence },
            made: Arc::default(),
            turns: Arc::clone(turns),
        }
    }

    /// Makes a request, and lets `exchange` send it and read the answer. Runs inside tokio.
    pub(crate) async fn request<T, F>(
        &self,
        url: &str,
        exchange: impl FnOnce(reqwest::Client, Url) -> F,
    ) -> Result<T, NodeError>
    where
        F: Future<Output = Result<T, NodeError>>,
    {
        let url = Url::parse(url.trim())
            .map_err(|error| format!("{:?} is no URL: {error}", cut(url, 200)))?;
        self.allowed.check(&url).map_err(NodeError::new)?;
        let client = self.made.get_or_try_init(async || self.make()).await?.clone();
        let _turn = self.turns.acquire_arc().await;
        exchange(client, url).await
    }

    fn make(&self) -> Result<reqwest::Client, NodeError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new(Arc::clone(&provider)).map_err(|error| {
            format!("the certificate authorities of this system cannot be used: {error}")
        })?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(NodeError::new)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let allowed = Arc::clone(&self.allowed);
        let redirect = move |attempt: Attempt<'_>| {
            let before = attempt.previous();
            match allowed.check_redirect(before.last(), attempt.url(), before.len()) {
                Ok(()) => attempt.follow(),
                Err(refused) => attempt.error(refused),
            }
        };
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(Resolver(Arc::clone(&self.allowed))))
            // A proxy would resolve the names itself, past every check.
            .no_proxy()
            .referer(false)
            .redirect(Policy::custom(redirect))
            .connect_timeout(CONNECT_TIME.min(self.timeouts.whole))
            .read_timeout(self.timeouts.silence)
            .timeout(self.timeouts.whole)
            .user_agent(concat!("clawnode/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| NodeError::from(format!("no HTTP client: {}", chain(&error))))
    }
}

/// Resolves names, and gives only those addresses to connect to that are allowed: what was checked is what is connected to.
struct Resolver(Arc<Allowed>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str();
            let all: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let mut refused = None;
            let kept: Vec<SocketAddr> = all
                .into_iter()
                .filter(|at| match allowed.check_address(host, at.ip()) {
                    Ok(()) => true,
                    Err(why) => {
                        refused = Some(why);
                        false
                    }
                })
                .collect();
            match refused {
                Some(why) if kept.is_empty() => Err(why.into()),
                _ => Ok(Box::new(kept.into_iter()) as Addrs),
            }
        })
    }
}

/// Why there is no answer, for people: without the URL, which may hold a password.
pub(crate) struct Failed(reqwest::Error);

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }
}

impl Failed {
    /// With what was asked, and what a limit of time was.
    pub(crate) fn of(self, host: &str, whole: Duration) -> NodeError {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&self.0);
        while let Some(error) = cause {
            if let Some(refused) = error.downcast_ref::<Refused>() {
                return NodeError::new(refused);
            }
            cause = error.source();
        }
        if self.0.is_connect() && self.0.is_timeout() {
            return format!("{host} does not take the connection").into();
        }
        if self.0.is_timeout() {
            return format!("{host} did not answer in time; the most is {} s", whole.as_secs_f64())
                .into();
        }
        let what = if self.0.is_connect() { "cannot be reached" } else { "gave no whole answer" };
        format!("{host} {what}: {}", chain(&self.0)).into()
    }
}

/// Sends a request.
pub(crate) async fn send(request: RequestBuilder) -> Result<Response, Failed> {
    Ok(request.send().await?)
}

/// Reads a body, up to `most` bytes after decompression.
pub(crate) async fn read_body(
    mut response: Response,
    most: usize,
    failed: impl Fn(Failed) -> NodeError,
) -> Result<Vec<u8>, NodeError> {
    let too_large = || format!("the answer is larger than {}", shown_bytes(most));
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).unwrap_or(usize::MAX) > most {
        return Err(too_large().into());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(error.into()))? {
        if chunk.len() > most - body.len() {
            return Err(too_large().into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// How long a server may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

#[cfg(all(test, feature = "http", feature = "models"))]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn redirected(allowed: &Allowed, from: &str, to: &str) -> Result<(), String> {
        let checked = allowed.check_redirect(Some(&url(from)), &url(to), 1);
        checked.map_err(|refused| refused.to_string())
    }

    #[test]
    fn a_redirect_is_checked_like_a_url_and_never_leaves_tls() {
        let access = Access::default().allow_host("*".parse().unwrap());
        let allowed = Allowed::of(&access);
        for (from, to, said) in [
            ("http://a.test/", "https://b.test/", None),
            ("https://a.test/", "https://b.test/", None),
            ("http://a.test/", "http://b.test/", None),
            ("https://a.test/", "http://a.test/", Some("from https to http")),
            ("http://a.test/", "http://127.0.0.1/", Some("no public address")),
            ("http://a.test/", "http://[::ffff:169.254.169.254]/", Some("no public address")),
            ("http://a.test/", "ftp://a.test/", Some("http:// or https://")),
        ] {
            match (redirected(&allowed, from, to), said) {
                (Ok(()), None) => {}
                (Err(error), Some(said)) => assert!(error.contains(said), "{to}: {error}"),
                (result, _) => panic!("{from} {to}: {result:?}"),
            }
        }
        let only = Access::default().allow_host("a.test".parse().unwrap());
        let error =
            redirected(&Allowed::of(&only), "http://a.test/", "http://b.test/").unwrap_err();
        assert!(error.contains("--allow-host b.test"), "{error}");
        assert!(redirected(&Allowed::trusted(), "https://a.test/", "https://a.test/x").is_err());
    }

    #[test]
    fn of_a_name_only_the_allowed_addresses_are_connected_to() {
        let resolve = |access: &Access| {
            let resolver = Resolver(Arc::new(Allowed::of(access)));
            let name = "localhost".parse().unwrap();
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime
                .block_on(resolver.resolve(name))
                .map(Iterator::count)
                .map_err(|error| error.to_string())
        };
        let error = resolve(&Access::default()).unwrap_err();
        assert!(
            error.contains("the host localhost is at")
                && error.contains("--allow-private-addresses"),
            "{error}"
        );
        assert!(resolve(&Access::default().allow_private_addresses()).unwrap() > 0);
    }
}
