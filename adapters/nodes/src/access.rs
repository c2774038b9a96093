use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clawnode_protocol::Secret;
use thiserror::Error;

use crate::limits::Limits;

/// What the nodes of a library may reach. The default is nothing: no host, no folder, no model, no command.
///
/// Whoever can run a workflow can use everything that is allowed here, whatever the workflow. The error of a node that wants more
/// says what to allow, by the options of the `clawnode` program; each method names its own.
///
/// ```
/// use clawnode_nodes::Access;
///
/// let access = Access::default().allow_host("api.example.org".parse()?);
/// assert!(access.hosts()[0].admits("api.example.org", 443));
/// # Ok::<(), clawnode_nodes::InvalidHost>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Access {
    hosts: Vec<AllowedHost>,
    private_addresses: bool,
    folders: Vec<AllowedFolder>,
    database_writes: bool,
    commands: bool,
    models: Option<ModelService>,
    limits: Limits,
}

impl Access {
    /// The same, and HTTP nodes may also ask this host (`--allow-host`).
    #[must_use]
    pub fn allow_host(mut self, host: AllowedHost) -> Self {
        self.hosts.push(host);
        self
    }

    /// The same, and the allowed hosts may also be at private, loopback, link-local and other addresses that are not those of public
    /// servers (`--allow-private-addresses`). Without it a name that resolves to such an address is refused, so that no workflow can
    /// ask the services of this machine, of its network or of its cloud.
    #[must_use]
    pub fn allow_private_addresses(mut self) -> Self {
        self.private_addresses = true;
        self
    }

    /// The same, and nodes may read and write the files below this folder (`--allow-folder`). Paths that are not absolute are
    /// below the folder that was allowed first.
    ///
    /// # Errors
    ///
    /// When it is not a folder that can be read.
    pub fn allow_folder(mut self, folder: impl AsRef<Path>) -> Result<Self, UnusableFolder> {
        let given = folder.as_ref();
        let unusable = |reason: String| UnusableFolder { folder: given.to_owned(), reason };
        let real = given.canonicalize().map_err(|error| unusable(error.to_string()))?;
        if !real.is_dir() {
            return Err(unusable("it is not a folder".to_owned()));
        }
        let given = std::path::absolute(given).map_err(|error| unusable(error.to_string()))?;
        self.folders.push(AllowedFolder { given, real });
        Ok(self)
    }

    /// The same, and SQL may also change the databases in the allowed folders (`--allow-database-writes`).
    #[must_use]
    pub fn allow_database_writes(mut self) -> Self {
        self.database_writes = true;
        self
    }

    /// The same, and nodes may run commands of the system, with all the rights of this process (`--allow-commands`). No other
    /// permission bounds what a command does.
    #[must_use]
    pub fn allow_commands(mut self) -> Self {
        self.commands = true;
        self
    }

    /// The same, with models to ask (`--models-url`). The service may be at any address, for its URL comes from whoever runs the
    /// node and not from a workflow.
    #[must_use]
    pub fn models(mut self, service: ModelService) -> Self {
        self.models = Some(service);
        self
    }

    /// The same, with other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The hosts that are allowed.
    pub fn hosts(&self) -> &[AllowedHost] {
        &self.hosts
    }

    /// The models that may be asked, if there are any.
    pub fn model_service(&self) -> Option<&ModelService> {
        self.models.as_ref()
    }
}

#[allow(dead_code, reason = "each group of nodes asks for what it needs")]
impl Access {
    pub(crate) fn has_private_addresses(&self) -> bool {
        self.private_addresses
    }

    pub(crate) fn folders(&self) -> &[AllowedFolder] {
        &self.folders
    }

    pub(crate) fn has_database_writes(&self) -> bool {
        self.database_writes
    }

    pub(crate) fn has_commands(&self) -> bool {
        self.commands
    }

    pub(crate) fn bounds(&self) -> &Limits {
        &self.limits
    }
}

/// A folder that is allowed, as it was named and as it is.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "read by the groups of nodes that touch files")]
pub(crate) struct AllowedFolder {
    pub(crate) given: PathBuf,
    pub(crate) real: PathBuf,
}

/// A folder cannot be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the folder {} cannot be used: {reason}", folder.display())]
pub struct UnusableFolder {
    folder: PathBuf,
    reason: String,
}

/// A host that HTTP nodes may ask, with the port if only that one is meant.
///
/// Written as `example.org`, `example.org:8443`, `*.example.org` (all names below it, but not itself), `*` (every host), `192.0.2.1`
/// or `[2001:db8::1]:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    name: HostName,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostName {
    Any,
    Below(String),
    /// In lower case, an IPv6 address without brackets, no dot at the end.
    Exactly(String),
}

impl AllowedHost {
    /// Whether it is this host, a name or an address without brackets, at this port.
    pub fn admits(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let named = match &self.name {
            HostName::Any => true,
            HostName::Exactly(name) => *name == host,
            HostName::Below(parent) => {
                host.strip_suffix(parent.as_str()).is_some_and(|start| start.ends_with('.'))
            }
        };
        named && self.port.is_none_or(|only| only == port)
    }
}

impl FromStr for AllowedHost {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost { text: text.to_owned() };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or_else(invalid)?;
                let address: Ipv6Addr = address.parse().map_err(|_| invalid())?;
                (address.to_string(), port.strip_prefix(':').or((!port.is_empty()).then_some("")))
            }
            None => match (text.parse::<Ipv6Addr>(), text.rsplit_once(':')) {
                (Ok(address), _) => (address.to_string(), None),
                (Err(_), Some((host, port))) => (host.to_owned(), Some(port)),
                (Err(_), None) => (text.to_owned(), None),
            },
        };
        let port = port.map(|port| port.parse().map_err(|_| invalid())).transpose()?;
        if host == "*" {
            return Ok(Self { name: HostName::Any, port });
        }
        let host = host.strip_suffix('.').unwrap_or(&host).to_ascii_lowercase();
        let name = match host.strip_prefix("*.") {
            Some(parent) if is_name(parent) && parent.parse::<Ipv4Addr>().is_err() => {
                HostName::Below(parent.to_owned())
            }
            None if is_name(&host) || host.parse::<Ipv6Addr>().is_ok() => HostName::Exactly(host),
            _ => return Err(invalid()),
        };
        Ok(Self { name, port })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            HostName::Any => f.write_str("*")?,
            HostName::Below(parent) => write!(f, "*.{parent}")?,
            HostName::Exactly(name) if name.contains(':') => write!(f, "[{name}]")?,
            HostName::Exactly(name) => f.write_str(name)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// A DNS name in ASCII, or an IPv4 address.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.split('.').all(|label| !label.is_empty() && label.bytes().all(allowed))
}

/// The text names no host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is no host: give a name such as example.org, *.example.org or example.org:8443, an address, or * for every host; no \
     scheme and no path, and names with other letters in their ASCII form (xn--...)"
)]
pub struct InvalidHost {
    text: String,
}

/// Where models are: the base URL of an API like OpenAI's, with its key if it wants one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelService {
    /// The URL to which `/chat/completions` and `/models` are added, such as `http://127.0.0.1:11434/v1`.
    pub url: String,
    /// Sent as a bearer token; never shown.
    pub key: Option<Secret>,
    /// The model of nodes that name none.
    pub default_model: Option<String>,
}

impl ModelService {
    /// Models at a base URL, without a key.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), key: None, default_model: None }
    }

    /// The same, with a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Option<Secret>>) -> Self {
        self.key = key.into();
        self
    }

    /// The same, with a model for nodes that name none.
    #[must_use]
    pub fn default_model(mut self, id: impl Into<Option<String>>) -> Self {
        self.default_model = id.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_admits_itself_and_no_other() {
        for (allowed, host, port, admitted) in [
            ("example.org", "example.org", 443, true),
            ("Example.ORG.", "EXAMPLE.org.", 80, true),
            ("example.org", "www.example.org", 443, false),
            ("example.org", "notexample.org", 443, false),
            ("example.org", "example.org.evil.test", 443, false),
            ("example.org:8443", "example.org", 8443, true),
            ("example.org:8443", "example.org", 443, false),
            ("*.example.org", "a.b.example.org", 443, true),
            ("*.example.org", "example.org", 443, false),
            ("*.example.org", "evilexample.org", 443, false),
            ("*", "anything.test", 1, true),
            ("*:443", "anything.test", 80, false),
            ("127.0.0.1", "127.0.0.1", 80, true),
            ("::1", "::1", 80, true),
            ("[::1]:80", "::1", 80, true),
            ("[::1]:80", "::1", 81, false),
        ] {
            let parsed: AllowedHost = allowed.parse().unwrap();
            assert_eq!(parsed.admits(host, port), admitted, "{allowed} {host}:{port}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ".",
            "*..",
            "*.:80",
            "https://example.org",
            "example.org/path",
            "*example.org",
            "a.*.org",
            "*.",
            "a b",
            "[::1",
            "[::1]x",
            "a:99999",
            "a:",
            "*.10.0.0.1",
            "bücher.example",
        ] {
            assert!(text.parse::<AllowedHost>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_host_prints_as_it_is_written() {
        for text in ["example.org", "*.example.org:80", "*", "[::1]:80", "[2001:db8::1]"] {
            assert_eq!(text.parse::<AllowedHost>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let service = ModelService::new("http://x").key(Secret::new("s3cret"));
        let access = Access::default().models(service);
        assert!(!format!("{access:?}").contains("s3cret"));
    }

    #[test]
    fn a_folder_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for wrong in [&folder.path().join("missing"), &file] {
            let error = Access::default().allow_folder(wrong).unwrap_err().to_string();
            assert!(error.contains(&wrong.display().to_string()), "{error}");
        }
    }
}
