use clawnode_protocol::dialect::nodetool;
use clawnode_tokio::{Node, NodeBuilder, StopReason};

use crate::client::read_token;
use crate::error::{Failure, REFUSED, chain};
use crate::options::{self, Token};
use crate::{signals, workflows};

/// Is a node until a signal, or until the gateway will not have it.
pub(crate) async fn connect(options: Box<options::Connect>) -> Result<(), Failure> {
    let commands = workflows::commands(options.workflows.as_deref())?;
    let mut builder = Node::builder(&options.url)
        .map_err(|error| Failure::usage(format!("--url: {}", chain(&error))))?
        .user_id(&options.user_id)
        .token_in(match options.token_in {
            options::TokenIn::Header => nodetool::TokenIn::Header,
            options::TokenIn::Query => nodetool::TokenIn::Query,
            options::TokenIn::Both => nodetool::TokenIn::Both,
        })
        .heartbeat_interval(options.heartbeat_interval)
        .reconnect_delay(options.reconnect_delay)
        .max_reconnect_delay(options.max_reconnect_delay);
    builder = with_token(builder, &options.token)?;
    for user in &options.allow_user {
        builder = builder.allow_user(user);
    }
    if let Some(id) = &options.node_id {
        builder = builder.node_id(id);
    }
    if let Some(file) = &options.tls_ca {
        builder = builder.tls_ca(file);
    }
    if !matches!(options.token_in, options::TokenIn::Header) {
        tracing::warn!(
            "the token goes into the URL, which proxies and servers tend to log; prefer --token-in header"
        );
    }
    if let Some(path) = &options.record {
        builder =
            builder.record(crate::record::create(path)?, u64::from(options.record_limit) << 20);
        tracing::info!(file = %path.display(), "recording; it will hold what the gateway and the work say");
    }
    let node = workflows::serve(builder, &commands)
        .build()
        .map_err(|error| Failure::usage(chain(&error)))?;
    let handle = node.handle();
    tracing::info!(node_id = handle.node_id(), url = options.url.split('?').next(), "this node");
    let signal = signals::first()?;
    let grace = options.stop_grace;
    tokio::spawn(async move {
        signal.await;
        tracing::info!(grace = grace.as_secs_f64(), "stopping; once more to stop at once");
        handle.stop(grace);
    });
    match node.run().await {
        StopReason::Requested => Ok(()),
        reason @ StopReason::UnusableCredential(_) => Err(Failure::usage(cure(&reason))),
        reason => Err(Failure::new(REFUSED, cure(&reason))),
    }
}

fn with_token(builder: NodeBuilder, token: &Token) -> Result<NodeBuilder, Failure> {
    Ok(match (&token.auth_token_file, read_token(token)?) {
        // Read once here for an early error, and from then on at each attempt.
        (Some(file), _) => builder.token_file(file),
        (None, Some(token)) => builder.token(token.expose()),
        (None, None) => builder,
    })
}

/// What happened, and what to do about it.
fn cure(reason: &StopReason) -> String {
    let advice = match reason {
        StopReason::Refused(refusal) => match refusal.status() {
            401 => {
                "give the gateway's token with --auth-token-file or --auth-token; a gateway that reads it from the URL wants --token-in query"
            }
            403 => "the gateway knows who this is and says no; ask its operator",
            404 => "there is no gateway at this path; check the path in --url",
            _ => "check --url: what answers there is no gateway, or not one for this node",
        },
        StopReason::NotAGateway(_) => {
            "check --url: what answers there does not speak WebSocket as it should"
        }
        StopReason::UnusableCredential(_) => {
            "a token in a header may have visible ASCII characters only; check the token, or give it with --token-in query"
        }
        _ => "see the log",
    };
    match reason {
        StopReason::UnusableCredential(_) => format!("{reason}\n{advice}"),
        _ => format!("the gateway refuses this node: {reason}\n{advice}"),
    }
}
