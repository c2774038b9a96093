use std::io::{self, Write as _};

use clawnode_gateway::client::Client;
use clawnode_gateway::{Config, Gateway};
use clawnode_protocol::Secret;

use crate::error::{FAILED, Failure, USAGE};
use crate::options;
use crate::run::unavailable;
use crate::signals;

/// Serves until a signal.
pub(crate) async fn serve(options: options::Gateway) -> Result<(), Failure> {
    let mut config = Config::new(options.listen);
    config.auth_token = read_token(&options.token)?;
    config.timing.liveness = options.liveness;
    let signal = signals::first()?;
    let gateway = Gateway::bind(config).await.map_err(|error| {
        let code = if error.kind() == io::ErrorKind::InvalidInput { USAGE } else { FAILED };
        Failure::new(code, format!("cannot listen on {}: {error}", options.listen))
    })?;
    let address = gateway.local_addr();
    tracing::info!(%address, "nodes connect to ws://{address}, the HTTP API is at http://{address}/api");
    Ok(gateway.run(signal).await?)
}

/// Prints the nodes of a gateway, one a line.
pub(crate) async fn list_nodes(options: options::Client) -> Result<(), Failure> {
    let client = client(&options.gateway, &options.token)?;
    let nodes = client.nodes().await.map_err(unavailable)?;
    let mut out = io::stdout().lock();
    for node in nodes {
        let heartbeat = node.last_heartbeat_at.as_deref().unwrap_or("none yet");
        writeln!(
            out,
            "{}\t{}\t{} in flight\tlast heartbeat {heartbeat}\t{}",
            node.node_id,
            node.status,
            node.in_flight,
            node.commands.join(" "),
        )?;
    }
    Ok(())
}

/// A client of the gateway at `url`.
pub(crate) fn client(url: &str, token: &options::Token) -> Result<Client, Failure> {
    Client::new(url, read_token(token)?)
        .map_err(|error| Failure::usage(format!("--gateway: {error}")))
}

/// The token as it is now.
pub(crate) fn read_token(token: &options::Token) -> Result<Option<Secret>, Failure> {
    let text = match (&token.auth_token, &token.auth_token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("cannot read the token from {}: {error}", path.display()))
        })?,
        (None, None) => return Ok(None),
    };
    match text.trim() {
        "" => Err(Failure::usage("the token is empty: give one, or leave the option out")),
        token => Ok(Some(Secret::new(token))),
    }
}
