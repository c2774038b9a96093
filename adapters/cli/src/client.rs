//! The commands that ask a gateway, and what they share.

use std::io::Write as _;

use clawnode_gateway::client::{Client, ClientError};
use clawnode_protocol::Secret;

use crate::error::{FAILED, Failure, REFUSED, UNAVAILABLE, chain};
use crate::operator::text;
use crate::options;
use crate::output::{finish, stdout};

/// Prints the nodes of a gateway, one a line.
pub(crate) async fn list_nodes(gateway: &str, token: &options::Token) -> Result<(), Failure> {
    let client = client(gateway, token)?;
    let nodes = client.nodes().await.map_err(unavailable)?;
    let mut out = stdout();
    let width = nodes.iter().map(|node| node.node_id.chars().count()).max().unwrap_or(0).max(7);
    writeln!(
        out,
        "{:width$}  STATUS     IN FLIGHT  LAST HEARTBEAT               COMMANDS",
        "NODE ID"
    )?;
    for node in nodes {
        let (id, status) = (text(&node.node_id), text(&node.status));
        let heartbeat = text(node.last_heartbeat_at.as_deref().unwrap_or("none yet"));
        let commands = text(&node.commands.join(" "));
        writeln!(out, "{id:width$}  {status:9}  {:9}  {heartbeat:27}  {commands}", node.in_flight)?;
    }
    Ok(())
}

/// Prints the result of a request, waiting for it as long as asked.
pub(crate) async fn fetch(options: options::Fetch) -> Result<(), Failure> {
    let client = client(&options.client.gateway, &options.client.token)?;
    let wait = Some(options.wait).filter(|wait| !wait.is_zero());
    let request = client.result(&options.request_id, wait).await.map_err(unavailable)?;
    if !request.status.is_final() {
        return Err(Failure::new(
            FAILED,
            format!("no answer yet, the request is {}", request.status),
        ));
    }
    finish(request.status, request.result, request.error)
}

/// A client of the gateway at `url`.
pub(crate) fn client(url: &str, token: &options::Token) -> Result<Client, Failure> {
    Client::new(url, read_token(token)?)
        .map_err(|error| Failure::usage(format!("--gateway: {error}")))
}

/// The token as it is now.
pub(crate) fn read_token(token: &options::Token) -> Result<Option<Secret>, Failure> {
    let text = match (&token.auth_token_file, &token.auth_token) {
        (Some(path), _) => std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("cannot read the token from {}: {error}", path.display()))
        })?,
        (None, Some(token)) => token.clone(),
        (None, None) => return Ok(None),
    };
    match text.trim() {
        "" => Err(Failure::usage("the token is empty: give one, or leave the option out")),
        token => Ok(Some(Secret::new(token))),
    }
}

/// A failed call to the gateway: nothing the workflow did.
pub(crate) fn unavailable(error: ClientError) -> Failure {
    let code = match &error {
        ClientError::Refused { status: 401 | 403, .. } => REFUSED,
        ClientError::Refused { status: 400..=499, .. } => FAILED,
        _ => UNAVAILABLE,
    };
    let advice = match &error {
        ClientError::Refused { status: 401, .. } => {
            "\ngive the gateway's token with --auth-token-file or --auth-token"
        }
        _ => "",
    };
    Failure::new(code, format!("{}{advice}", chain(&error)))
}
