//! `--pair`: from what people are given to a gateway and a token.

use std::io::Read;
use std::time::{Duration, SystemTime};

use clawnode_protocol::Timestamp;
use clawnode_protocol::dialect::openclaw::{Candidate, JoinLink, MOST_SETUP_CODE_BYTES, SetupCode};
use clawnode_tokio::Secret;
use clawnode_tokio::openclaw::Fingerprint;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

use crate::error::{Failure, chain};

/// What a setup code says.
pub(crate) struct Pairing {
    pub(crate) bootstrap_token: Secret,
    candidates: Vec<Candidate>,
}

/// Reads a setup code, or fetches the one that a join link leads to.
pub(crate) async fn read(text: &str) -> Result<Pairing, Failure> {
    let invalid =
        |error: &dyn std::error::Error| Failure::usage(format!("--pair: {}", chain(error)));
    let code = match JoinLink::parse(text) {
        Some(link) => {
            let json = spawn_blocking(move || fetch(&link)).await??;
            SetupCode::from_json(&json, now()).map_err(|error| invalid(&error))?
        }
        None if text.contains("://")
            && !text.trim().to_ascii_lowercase().starts_with("oc-pair:") =>
        {
            return Err(Failure::usage(
                "--pair: this is neither a setup code (oc-pair://...) nor a join link (https://.../j/...)",
            ));
        }
        None => SetupCode::parse(text, now()).map_err(|error| invalid(&error))?,
    };
    Ok(Pairing { bootstrap_token: code.bootstrap_token, candidates: code.candidates })
}

impl Pairing {
    /// The first place that answers, or the first of all if none does.
    pub(crate) async fn reachable(&self) -> (String, Option<Fingerprint>) {
        let mut chosen = None;
        for candidate in &self.candidates {
            if self.candidates.len() == 1 || answers(&candidate.url).await {
                chosen = Some(candidate);
                break;
            }
            tracing::info!(url = candidate.url, "the gateway does not answer here");
        }
        let candidate = chosen.or(self.candidates.first());
        candidate.map_or_else(Default::default, |one| (one.url.clone(), one.fingerprint))
    }
}

async fn answers(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let usual = if scheme == "wss" { ":443" } else { ":80" };
    let address = format!("{authority}{}", if has_port { "" } else { usual });
    let connecting = TcpStream::connect(address);
    matches!(tokio::time::timeout(PATIENCE, connecting).await, Ok(Ok(_)))
}

/// Redirects are not followed: the code is for whoever holds this very link.
fn fetch(link: &JoinLink) -> Result<Vec<u8>, Failure> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
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

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// How long one of several places has to answer.
const PATIENCE: Duration = Duration::from_secs(5);
