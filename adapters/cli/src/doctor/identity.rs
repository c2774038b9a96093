//! What this machine has to show: its identity, and its credentials.

use clawnode_protocol::Timestamp;
use clawnode_protocol::dialect;
use clawnode_tokio::openclaw::{DeviceTokens, Identity};
use clawnode_tokio::{Secret, wall_clock};

use super::report::Report;
use crate::client::read_token;
use crate::connect::password;
use crate::device::DataDir;
use crate::environment::{self, Environment};
use crate::options;
use crate::pairing::Pairing;

/// Who this machine is, as far as it can be used.
pub(super) struct Owner {
    pub(super) identity: Option<Identity>,
    /// The process that is connected as this device.
    pub(super) holder: Option<String>,
}

/// What there is to show the gateway.
pub(super) struct Shown {
    pub(super) token: Option<Secret>,
    pub(super) password: bool,
    pub(super) device_token: bool,
}

pub(super) fn identity(report: &mut Report, data: &DataDir, spoken: dialect::Name) -> Owner {
    const CHECK: &str = "identity";
    let nobody = Owner { identity: None, holder: None };
    if spoken == dialect::Name::Nodetool {
        report.skipped(CHECK, "a nodetool gateway knows no devices");
        return nobody;
    }
    let path = data.identity_path();
    let identity = match data.identity(false) {
        Ok(Some(identity)) => identity,
        Ok(None) => {
            report.warning(
                CHECK,
                format!("there is none in {} yet", path.display()),
                "`clawnode connect` makes one, and so does `clawnode identity new`; if there was one, check --data-dir",
            );
            return nobody;
        }
        Err(failure) => {
            report.failed(
                CHECK,
                failure.message(),
                "restore the file, or let its owner alone read it; then ask again",
            );
            return nobody;
        }
    };
    let device = format!("device {} in {}", identity.device_id(), path.display());
    let holder = match data.holder() {
        Ok(holder) => holder,
        Err(error) => {
            report.failed(
                CHECK,
                format!("{device}; whether a process is connected as it cannot be seen: {error}"),
                "let the owner of the folder own the files in it, too",
            );
            return nobody;
        }
    };
    match &holder {
        Some(holder) => {
            report.ok(CHECK, format!("{device}; {holder} is connected as it, or tries to be"))
        }
        None => report.ok(CHECK, device),
    }
    Owner { identity: Some(identity), holder }
}

/// `None` if a credential is configured that cannot be used.
pub(super) fn credentials(
    report: &mut Report,
    options: &options::Node,
    environment: &Environment,
    data: &DataDir,
    url: &str,
    spoken: dialect::Name,
    has_setup_code: bool,
) -> Option<Shown> {
    const CHECK: &str = "credentials";
    let openclaw = spoken == dialect::Name::Openclaw;
    let mut sources = Vec::new();
    let token = match read_token(&options.token) {
        Ok(Some(token)) => {
            sources.push(format!("a token {}", source_of_token(&options.token)));
            Some(token)
        }
        Ok(None) => {
            let token = environment.token.clone();
            sources.extend(token.iter().map(|_| format!("a token from {}", environment::TOKEN)));
            token
        }
        Err(failure) => {
            report.failed(
                CHECK,
                failure.message(),
                "correct the file or the option, or leave it out",
            );
            return None;
        }
    };
    let given = options.password.as_ref().filter(|password| !password.is_empty());
    let password = password(given, environment).is_some() && openclaw;
    if password {
        let from = if given.is_none() {
            environment::PASSWORD
        } else if std::env::var("CLAWNODE_PASSWORD").ok().as_ref() == given {
            "CLAWNODE_PASSWORD"
        } else {
            "--password"
        };
        sources.push(format!("a password from {from}"));
    }
    let kept = if openclaw { data.tokens(url, "node").load() } else { Ok(None) };
    let device_token = match kept {
        Ok(kept) => kept.is_some(),
        Err(why) => {
            report.warning(CHECK, why, "restore the file, or let its owner alone read it");
            false
        }
    };
    if device_token {
        sources.push("the token that the gateway gave this device".to_owned());
    }
    if environment.has_access_token() && url.starts_with("wss:") {
        sources.push(format!("a Cloudflare Access token from {}", environment::ACCESS_ID));
    }
    if has_setup_code {
        sources.push("a setup code, which is good once and not shown here".to_owned());
    }
    let shown = Shown { token, password, device_token };
    if sources.is_empty() && openclaw {
        report.failed(
            CHECK,
            "there is nothing to show the gateway",
            "pair with a setup code (--pair; on the gateway: clawnode openclaw setup-code), or give the gateway's token with --auth-token-file or OPENCLAW_GATEWAY_TOKEN",
        );
    } else if sources.is_empty() {
        report.ok(CHECK, "none are configured");
    } else {
        let first = if shown.token.is_some() && shown.device_token {
            "; the first goes before the last"
        } else {
            ""
        };
        report.ok(CHECK, format!("{}{first}", sources.join(", ")));
    }
    Some(shown)
}

fn source_of_token(token: &options::Token) -> String {
    match (&token.auth_token_file, &token.auth_token) {
        (Some(file), _) => format!("in {}", file.display()),
        (_, given) if std::env::var("CLAWNODE_AUTH_TOKEN").ok() == *given => {
            "from CLAWNODE_AUTH_TOKEN".to_owned()
        }
        _ => "from --auth-token".to_owned(),
    }
}

/// The setup code, which is looked at and not used.
pub(super) fn setup_code(report: &mut Report, pairing: &Pairing, expired: bool) {
    const CHECK: &str = "setup code";
    let places: Vec<&str> =
        pairing.candidates.iter().map(|candidate| candidate.url.as_str()).collect();
    let places = places.join(", ");
    let pins = pairing.candidates.iter().any(|candidate| candidate.fingerprint.is_some());
    let pins = if pins { ", with the fingerprint of a certificate" } else { "" };
    if expired {
        report.failed(
            CHECK,
            format!("for {places}{pins}; it has expired, as they do after ten minutes"),
            "make another on the gateway: clawnode openclaw setup-code",
        );
        return;
    }
    let left = match pairing.expires_at {
        Some(at) => format!("good for {} s more", seconds_until(at)),
        None => "it does not say how long it is good".to_owned(),
    };
    report.ok(CHECK, format!("for {places}{pins}; {left}; it was not used"));
}

fn seconds_until(at: Timestamp) -> i64 {
    (at.as_micros() - wall_clock().as_micros()) / 1_000_000
}
