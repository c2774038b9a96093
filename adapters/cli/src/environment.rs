//! What OpenClaw's own programs read from the environment, and so does this one (openclaw page 5.2).

use std::env;
use std::time::Duration;

use clawnode_tokio::{NodeBuilder, Secret};

use crate::error::Failure;

/// What the environment says about connections to OpenClaw gateways.
#[derive(Default)]
pub(crate) struct Environment {
    pub(crate) token: Option<Secret>,
    pub(crate) password: Option<Secret>,
    pub(crate) allow_insecure_private_ws: bool,
    handshake_timeout: Option<Duration>,
    access: Option<AccessToken>,
}

/// A service token of Cloudflare Access.
struct AccessToken {
    client_id: Secret,
    client_secret: Secret,
}

impl Environment {
    pub(crate) fn read() -> Result<Self, Failure> {
        Self::of(|name| env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let given = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
        let secret = |name: &str| given(name).map(|text| Secret::new(text.trim()));
        let handshake_timeout = given(HANDSHAKE_TIMEOUT).map(|text| match text.trim().parse() {
            Ok(ms @ 1..) => Ok(Duration::from_millis(ms)),
            _ => Err(Failure::usage(format!(
                "{HANDSHAKE_TIMEOUT} must be a number of milliseconds, such as 15000"
            ))),
        });
        let access = match (secret(ACCESS_ID), secret(ACCESS_SECRET)) {
            (Some(client_id), Some(client_secret)) => {
                Some(AccessToken { client_id, client_secret })
            }
            (None, None) => None,
            _ => {
                return Err(Failure::usage(format!(
                    "{ACCESS_ID} and {ACCESS_SECRET} belong together; set both, or neither"
                )));
            }
        };
        Ok(Self {
            token: secret(TOKEN),
            password: secret(PASSWORD),
            allow_insecure_private_ws: given(ALLOW_INSECURE).is_some_and(|text| text.trim() == "1"),
            handshake_timeout: handshake_timeout.transpose()?,
            access,
        })
    }

    pub(crate) fn has_access_token(&self) -> bool {
        self.access.is_some()
    }

    /// Headers of the upgrade request, for TLS only.
    pub(crate) fn headers(&self, tls: bool) -> Vec<(&'static str, Secret)> {
        let Some(AccessToken { client_id, client_secret }) = self.access.as_ref().filter(|_| tls)
        else {
            return Vec::new();
        };
        vec![
            ("CF-Access-Client-Id", client_id.clone()),
            ("CF-Access-Client-Secret", client_secret.clone()),
        ]
    }

    /// All that is not a credential of the gateway's own.
    pub(crate) fn apply(&self, mut builder: NodeBuilder) -> NodeBuilder {
        for (name, value) in self.headers(builder.is_tls()) {
            builder = builder.header(name, value.expose());
        }
        if self.allow_insecure_private_ws {
            builder = builder.allow_insecure_private_ws();
        }
        match self.handshake_timeout {
            Some(timeout) => builder.handshake_timeout(timeout),
            None => builder,
        }
    }
}

pub(crate) const TOKEN: &str = "OPENCLAW_GATEWAY_TOKEN";
pub(crate) const PASSWORD: &str = "OPENCLAW_GATEWAY_PASSWORD";
pub(crate) const ACCESS_ID: &str = "CF_ACCESS_CLIENT_ID";
const ACCESS_SECRET: &str = "CF_ACCESS_CLIENT_SECRET";
const ALLOW_INSECURE: &str = "OPENCLAW_ALLOW_INSECURE_PRIVATE_WS";
const HANDSHAKE_TIMEOUT: &str = "OPENCLAW_HANDSHAKE_TIMEOUT_MS";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[(&str, &str)]) -> Result<Environment, String> {
        let find = |name: &str| {
            let found = given.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        Environment::of(find).map_err(|failure| failure.message().to_owned())
    }

    #[test]
    fn a_service_token_has_two_halves_and_goes_over_tls_only() {
        let both = of(&[(ACCESS_ID, "me"), (ACCESS_SECRET, " s3cret ")]).unwrap();
        let headers = both.headers(true);
        assert_eq!(headers[0], ("CF-Access-Client-Id", Secret::new("me")));
        assert_eq!(headers[1], ("CF-Access-Client-Secret", Secret::new("s3cret")));
        assert!(both.headers(false).is_empty());
        let problem = of(&[(ACCESS_SECRET, "s3cret")]).err().unwrap();
        assert!(problem.contains(ACCESS_ID) && !problem.contains("s3cret"), "{problem}");
    }

    #[test]
    fn nonsense_is_named_and_emptiness_is_nothing() {
        assert_eq!(
            of(&[(HANDSHAKE_TIMEOUT, "20000")]).unwrap().handshake_timeout,
            Some(Duration::from_secs(20))
        );
        for wrong in ["0", "-1", "soon", "1.5"] {
            assert!(of(&[(HANDSHAKE_TIMEOUT, wrong)]).err().unwrap().contains(HANDSHAKE_TIMEOUT));
        }
        let empty = of(&[(TOKEN, " "), (HANDSHAKE_TIMEOUT, ""), (ALLOW_INSECURE, "0")]).unwrap();
        assert!(empty.token.is_none() && !empty.allow_insecure_private_ws);
        assert!(of(&[(ALLOW_INSECURE, "1")]).unwrap().allow_insecure_private_ws);
    }
}
