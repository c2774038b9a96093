//! `clawnode identity`: who this machine is to OpenClaw gateways.

use std::io::Write as _;

use clawnode_tokio::openclaw::Identity;
use serde_json::json;

use crate::device::DataDir;
use crate::error::Failure;
use crate::options::{self, IdentityCommand};
use crate::output::stdout;

/// Shows the identity, makes one, or gives its public half away.
pub(crate) fn run(options: &options::Identity) -> Result<(), Failure> {
    let data = DataDir::open(options.data_dir.as_deref())?;
    let mut out = stdout();
    match &options.command {
        IdentityCommand::Show => {
            let identity = existing(&data)?;
            writeln!(out, "device id   {}", identity.device_id())?;
            writeln!(out, "public key  {}", identity.public_key())?;
            writeln!(out, "kept in     {}", data.identity_path().display())?;
            for (url, roles) in data.gateways() {
                let roles = if roles.is_empty() { "no token" } else { &roles.join(", ") };
                writeln!(out, "known to    {url} ({roles})")?;
            }
        }
        IdentityCommand::New { force } => {
            if !force && data.identity(false)?.is_some() {
                return Err(Failure::usage(format!(
                    "there is an identity in {} already; with --force a new one takes its place, and gateways will not know this device any more",
                    data.identity_path().display()
                )));
            }
            let identity = data.new_identity()?;
            writeln!(out, "device id   {}", identity.device_id())?;
            writeln!(out, "kept in     {}", data.identity_path().display())?;
        }
        IdentityCommand::Export => {
            let identity = existing(&data)?;
            let public =
                json!({ "deviceId": identity.device_id(), "publicKey": identity.public_key() });
            writeln!(out, "{public:#}")?;
        }
    }
    Ok(())
}

fn existing(data: &DataDir) -> Result<Identity, Failure> {
    data.identity(false)?.ok_or_else(|| {
        Failure::usage(format!(
            "there is no identity in {} yet; `clawnode identity new` makes one, and so does `clawnode connect`",
            data.path().display()
        ))
    })
}
