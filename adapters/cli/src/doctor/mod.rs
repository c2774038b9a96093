//! `clawnode doctor`: why a node does not get work from its gateway, one check at a time.

mod admission;
mod certificate;
mod identity;
mod network;
mod report;

use clawnode_protocol::dialect;
use clawnode_protocol::dialect::openclaw::JoinLink;

use self::admission::Patient;
use self::report::Report;
use crate::connect::{Gateway, fingerprint};
use crate::device::DataDir;
use crate::environment::Environment;
use crate::error::Failure;
use crate::options::{self, OPENCLAW_URL, Protocol};
use crate::pairing::{self, Pairing};
use crate::probe::Target;

/// Checks everything between this machine and work from the gateway, and says what it finds.
pub(crate) async fn run(options: options::Doctor) -> Result<(), Failure> {
    let node = &options.node;
    let environment = Environment::read()?;
    let data = DataDir::open(node.data_dir.as_deref())?;
    let pinned = fingerprint(node.tls_fingerprint.as_deref())?;
    let mut report = Report::new(options.json);
    let link = options.pair.as_deref().and_then(JoinLink::parse);
    let pairing = match &options.pair {
        // Looking at it would use it up.
        Some(_) if link.is_some() => None,
        Some(text) => match pairing::read_code(text) {
            Ok((pairing, expired)) => Some((pairing, expired.is_some())),
            Err(failure) => {
                report.failed(
                    "setup code",
                    failure.message(),
                    "copy it again, or make another on the gateway: clawnode openclaw setup-code",
                );
                if options.url.is_none() {
                    return report.finish();
                }
                None
            }
        },
        None => None,
    };
    let served_by = link.as_ref().map(JoinLink::gateway_url);
    let gateway = match (options.url.as_ref().or(served_by.as_ref()), &pairing) {
        (url, Some((pairing, _))) => {
            // The code's own token is never shown.
            let unused = Pairing { bootstrap_token: None, ..pairing.clone() };
            Gateway::choose(node, url.map(String::as_str), Some(unused), &environment).await?
        }
        (Some(url), None) => {
            Gateway { url: url.clone(), fingerprint: pinned, bootstrap_token: None }
        }
        (None, None) => {
            Gateway { url: usual_gateway(&data)?, fingerprint: pinned, bootstrap_token: None }
        }
    };
    let ca = node.tls_ca.as_deref();
    let target =
        Target::new(&gateway.url, gateway.fingerprint, ca, node.proxy.as_deref(), &environment)?;
    report.about(target.url.shown());
    if let Some((pairing, expired)) = &pairing {
        identity::setup_code(&mut report, pairing, *expired);
    }

    if link.is_some() {
        report.skipped(
            "setup code",
            "a join link gives its code away once, so it was not fetched; `clawnode connect --pair` does that",
        );
    }
    let code = pairing.is_some() || link.is_some();
    let wanted = match code {
        true if node.protocol == Protocol::Auto => Protocol::Openclaw,
        _ => node.protocol,
    };
    let reached = network::check(&mut report, &target, wanted).await;
    let spoken = match (&reached, wanted) {
        (Some(reached), _) => reached.dialect,
        (None, Protocol::Nodetool) => dialect::Name::Nodetool,
        (None, Protocol::Openclaw) => dialect::Name::Openclaw,
        (None, Protocol::Auto) => {
            data.remembered_dialect(&gateway.url).unwrap_or(dialect::Name::Openclaw)
        }
    };
    let owner = identity::identity(&mut report, &data, spoken);
    let credentials =
        identity::credentials(&mut report, node, &environment, &data, &gateway.url, spoken, code);
    let patient =
        Patient { options: node, gateway: &gateway, environment: &environment, data: &data };
    match (reached, credentials) {
        (None, _) => report.skipped("connect", "no gateway was reached"),
        (Some(_), None) => report.skipped("connect", "the credentials cannot be used"),
        (Some(reached), Some(shown)) if spoken == dialect::Name::Nodetool => {
            admission::nodetool(&mut report, &target, reached.address, &shown, &patient).await;
        }
        (Some(_), Some(shown)) => {
            admission::openclaw(&mut report, owner, &shown, &patient).await;
        }
    }
    report.finish()
}

/// The gateway that this machine's data folder knows, or the place of an OpenClaw gateway on this machine.
fn usual_gateway(data: &DataDir) -> Result<String, Failure> {
    let mut known = data.gateways();
    match known.len() {
        0 => Ok(OPENCLAW_URL.to_owned()),
        1 => Ok(known.remove(0).0),
        _ => {
            let urls: Vec<String> = known.into_iter().map(|(url, _)| url).collect();
            Err(Failure::usage(format!(
                "this machine knows several gateways; choose one with --url: {}",
                urls.join(", ")
            )))
        }
    }
}
