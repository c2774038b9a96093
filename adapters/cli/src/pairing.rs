//! `--pair`: from what people are given to a gateway and a token.

use std::io::Read;
use std::time::Duration;

use clawnode_protocol::Timestamp;
use clawnode_protocol::dialect::openclaw::{
    Candidate, InvalidSetupCode, JoinLink, MOST_SETUP_CODE_BYTES, SetupCode,
};
use clawnode_tokio::openclaw::{DeviceTokens, Fingerprint};
use clawnode_tokio::{GatewayUrl, Proxy, Secret};
use tokio::task::spawn_blocking;

use crate::connect;
use crate::device::DataDir;
use crate::environment::Environment;
use crate::error::Failure;
use crate::options;
use crate::probe::Target;

/// What a setup code says.
#[derive(Clone)]
pub(crate) struct Pairing {
    /// `None` if the code has expired, and a token that the gateway gave earlier stands in for it.
    pub(crate) bootstrap_token: Option<Secret>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// Reads a setup code, or fetches the one that a join link leads to. One that is over is still good for a device that was paired
/// with it.
pub(crate) async fn read(
    text: &str,
    proxy: Option<&str>,
    data: &DataDir,
) -> Result<Pairing, Failure> {
    let paired = |one: &Candidate| matches!(data.tokens(&one.url, "node").load(), Ok(Some(_)));
    let (pairing, over) = match JoinLink::parse(text) {
        Some(link) => {
            let served_by = Candidate::new(link.gateway_url());
            let gateway = GatewayUrl::parse(&link.gateway_url())
                .map_err(|error| Failure::usage(format!("--pair: {error}")))?;
            let proxy = connect::proxy(proxy, &gateway)?;
            match spawn_blocking(move || fetch(&link, proxy.as_ref())).await? {
                Ok(json) => read_with(|now| SetupCode::from_json(&json, now))?,
                Err(failure) if paired(&served_by) => (Pairing::over(served_by), Some(failure)),
                Err(failure) => return Err(failure),
            }
        }
        None => read_code(text)?,
    };
    let Some(over) = over else { return Ok(pairing) };
    if !pairing.candidates.iter().any(paired) {
        return Err(over);
    }
    tracing::info!(
        why = over.message(),
        "the setup code is over, but this device is paired already"
    );
    Ok(Pairing { bootstrap_token: None, ..pairing })
}

/// Reads a setup code, however old it is; and the failure that it is too old.
pub(crate) fn read_code(text: &str) -> Result<(Pairing, Option<Failure>), Failure> {
    if text.contains("://") && !text.trim().to_ascii_lowercase().starts_with("oc-pair:") {
        return Err(Failure::usage(
            "--pair: this is neither a setup code (oc-pair://...) nor a join link (https://.../j/...)",
        ));
    }
    read_with(|now| SetupCode::parse(text, now))
}

fn read_with(
    read: impl Fn(Timestamp) -> Result<SetupCode, InvalidSetupCode>,
) -> Result<(Pairing, Option<Failure>), Failure> {
    let (code, expired) = match read(clawnode_tokio::wall_clock()) {
        Err(expired @ InvalidSetupCode::Expired) => {
            (read(Timestamp::from_micros(i64::MIN)), Some(invalid(&expired)))
        }
        read => (read, None),
    };
    let code = code.map_err(|error| invalid(&error))?;
    let pairing = Pairing {
        bootstrap_token: Some(code.bootstrap_token),
        candidates: code.candidates,
        expires_at: code.expires_at,
    };
    Ok((pairing, expired))
}

fn invalid(error: &InvalidSetupCode) -> Failure {
    Failure::usage(format!("--pair: {error}"))
}

impl Pairing {
    /// Of a code that is over, what is known of it.
    fn over(served_by: Candidate) -> Self {
        Self { bootstrap_token: None, candidates: vec![served_by], expires_at: None }
    }

    /// The code's place of this URL, or just the URL if the code does not know it.
    pub(crate) fn candidate(&self, url: &str) -> Candidate {
        let same =
            |known: &&Candidate| known.url.trim_end_matches('/') == url.trim_end_matches('/');
        let known = self.candidates.iter().find(same);
        known.cloned().unwrap_or_else(|| Candidate::new(url))
    }

    /// The first place where a gateway speaks, or the first of all if none does. What went wrong before anything was asked of a
    /// gateway is a reason to go on to the next place; what goes wrong later is not, as the code may be used up then (openclaw
    /// page 5.5).
    pub(crate) async fn reachable(
        &self,
        options: &options::Node,
        pinned: Option<Fingerprint>,
        environment: &Environment,
    ) -> Result<Candidate, Failure> {
        let Some((first, more)) = self.candidates.split_first() else {
            return Err(invalid(&InvalidSetupCode::Content));
        };
        if more.is_empty() {
            return Ok(first.clone());
        }
        for candidate in &self.candidates {
            let fingerprint = pinned.or(candidate.fingerprint);
            let ca = options.tls_ca.as_deref();
            let proxy = options.proxy.as_deref();
            let target = Target::new(&candidate.url, fingerprint, ca, proxy, environment)?;
            match tokio::time::timeout(PATIENCE, target.challenge()).await {
                Ok(Ok(())) => return Ok(candidate.clone()),
                Ok(Err(why)) => tracing::info!(url = candidate.url, why, "no gateway here"),
                Err(_) => tracing::info!(url = candidate.url, "no gateway here in time"),
            }
        }
        tracing::warn!(
            url = first.url,
            "no gateway at any of the setup code's places; waiting for the first"
        );
        Ok(first.clone())
    }
}

/// Redirects are not followed: the code is for whoever holds this very link.
fn fetch(link: &JoinLink, proxy: Option<&Proxy>) -> Result<Vec<u8>, Failure> {
    let proxy = proxy.map(|proxy| {
        let builder = ureq::Proxy::builder(ureq::ProxyProtocol::Http);
        let mut builder = builder.host(proxy.host()).port(proxy.port());
        if let Some((user, password)) =
            proxy.login().and_then(|login| login.expose().split_once(':'))
        {
            builder = builder.username(user).password(password);
        }
        builder.build()
    });
    let proxy = proxy.transpose().map_err(|_| Failure::usage("the proxy cannot be used"))?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .proxy(proxy)
        .timeout_global(Some(Duration::from_secs(15)))
        .max_redirects(0)
        .http_status_as_error(false)
        .build()
        .into();
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(crate::error::UNAVAILABLE, format!("the join link cannot be fetched: {error}"))
    };
    let response = agent.get(link.url()).call().map_err(|error| failed(&error))?;
    match response.status().as_u16() {
        200 => {}
        404 => {
            return Err(Failure::new(
                crate::error::REFUSED,
                "the gateway does not know this join link, or it is used up; make another on the gateway",
            ));
        }
        status => return Err(failed(&format!("HTTP status {status}"))),
    }
    let mut json = Vec::new();
    let most = MOST_SETUP_CODE_BYTES as u64 + 1;
    let mut body = response.into_body().into_reader().take(most);
    body.read_to_end(&mut json).map_err(|error| failed(&error))?;
    Ok(json)
}

/// How long one of several places has to answer.
const PATIENCE: Duration = Duration::from_secs(5);
