//! The suite plays nodes; each check opens connections of its own, under node ids of its own.

mod asking;
mod opening;
mod talking;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::Secret;
use clawnode_protocol::websocket::ClientRequest;
use serde_json::{Value, json};
use url::Url;

use crate::check::{Check, Ended, Entry, checks, failed};
use crate::report::Report;
use crate::runner::{self, Selection};
use crate::settings::GatewayUnderTest;
use crate::talk::{fresh_id, now};
use crate::wire::{self, Link, Refused};

/// The checks of a gateway, in the order of a report.
pub fn gateway_checks() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().map(|entry| &entry.check)
}

/// The URL is none to which the suite can connect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a ws:// URL; the suite speaks plain TCP, so put wss:// behind a proxy that ends TLS"
)]
pub struct InvalidUrl(pub String);

/// Checks a gateway. Runs on tokio, with time and IO enabled.
///
/// # Errors
///
/// [`InvalidUrl`] when the URL is no `ws://` URL.
pub async fn check_gateway(
    gateway: GatewayUnderTest,
    selection: &Selection,
) -> Result<Report, InvalidUrl> {
    let place = Place::new(&gateway.url).ok_or_else(|| InvalidUrl(gateway.url.clone()))?;
    let (pace, gateway, place) = (gateway.pace, Arc::new(gateway), Arc::new(place));
    let set = || async {
        Ok(Stage {
            gateway: Arc::clone(&gateway),
            place: Arc::clone(&place),
            node_id: fresh_id("node"),
            instance_id: fresh_id("instance"),
        })
    };
    Ok(runner::run("gateway", CHECKS, selection, pace, set).await)
}

#[rustfmt::skip]
static CHECKS: &[Entry<Stage>] = checks![Stage;
    talking::registers, "gateway.registration", Required, "a node can connect and register", "protocol; RFC 6455 section 4.2.2",
        "A gateway answers a valid upgrade request with 101 and takes the registration.",
        "an open connection without an error, on which a ping is answered";
    opening::wrong_token, "gateway.wrong-token", Required, "a wrong token is refused", "RFC 9110 section 15.5; practice",
        "Who shows a wrong token or none is refused before a WebSocket is opened, with a status that says it is final.",
        "HTTP status 401 or 403, both for a wrong token and without one";
    opening::token_in_query, "gateway.token-in-query", Recommended, "the token may come in the query", "protocol",
        "Nodes of some makers send the token as `?token=`, percent-encoded, and have no other way.",
        "an open connection";
    opening::bad_request, "gateway.bad-upgrade", Required, "an upgrade request that is wrong is refused", "RFC 6455 section 4.2.2",
        "A request without a key, or of another version of WebSocket, is refused.",
        "HTTP status 400 or 426 for each";
    talking::heartbeats, "gateway.heartbeats", Required, "heartbeats are taken", "protocol",
        "Nodes send heartbeats; no answer is due.",
        "an open connection without an error, after 3 heartbeats";
    talking::timestamps, "gateway.timestamp-forms", Required, "all forms of timestamps are read", "protocol",
        "Nodes send ISO times with or without a zone, with or without a fraction.",
        "an open connection without an error, after a heartbeat with each of them";
    talking::extra_fields, "gateway.extra-fields", Required, "unknown fields are ignored", "protocol",
        "Fields that a gateway does not know are for newer gateways.",
        "an open connection without an error, after a registration and a heartbeat with additional fields";
    talking::unknown_type, "gateway.unknown-type", Required, "an unknown type is survived or answered", "protocol",
        "Types that a gateway does not know are for newer gateways.",
        "an open connection, or a message of type error";
    talking::malformed, "gateway.malformed-message", Required, "faulty messages are survived or answered", "practice",
        "One faulty message must not cost a node its connection, and with it the answers of other requests, without a word.",
        "an open connection, or a message of type error, after text that is not JSON, JSON that is no object, and fields of wrong types";
    talking::unasked_answer, "gateway.unasked-answer", Required, "an answer to an unknown request is survived", "practice",
        "A node may deliver what another process of the gateway asked for.",
        "an open connection";
    talking::several_nodes, "gateway.several-nodes", Required, "several nodes are connected at once", "protocol",
        "Nodes with different ids do not disturb each other.",
        "two open connections";
    talking::same_id, "gateway.same-node-id", Recommended, "two connections with one node id are told apart", "practice",
        "A node that comes back before its old connection is known to be dead must not be two nodes.",
        "exactly one of the two connections goes on: the newer, or the older if the newer is refused";
    talking::several_registrations, "gateway.register-again", Required, "a second registration is survived or refused with a reason", "practice",
        "A node may register again on its connection when what it serves has changed.",
        "an open connection, a message of type error, or a close frame";
    websocket::ping, "gateway.ping", Required, "a ping is answered with its payload", "RFC 6455 section 5.5.3",
        "A pong carries the payload of its ping.",
        "a pong for payloads of 0, 4 and 125 bytes";
    websocket::fragmented, "gateway.fragmented", Required, "a message in fragments is one message", "RFC 6455 section 5.4",
        "A message may come in fragments, cut anywhere, with control frames between.",
        "a registration in three fragments with a pong between is taken";
    websocket::unmasked, "gateway.unmasked", Required, "a frame without a mask is refused", "RFC 6455 section 5.1",
        "A server closes a connection on which a frame comes that is not masked.",
        "the end of the connection, with code 1002 if with a close frame";
    websocket::reserved, "gateway.reserved-bits", Required, "reserved bits are refused", "RFC 6455 section 5.2",
        "A reserved bit without an extension fails the connection.",
        "the end of the connection, with code 1002 if with a close frame";
    websocket::utf8, "gateway.invalid-utf8", Required, "text that is not UTF-8 is refused", "RFC 6455 section 8.1",
        "An endpoint fails a connection on which text comes that is not UTF-8.",
        "the end of the connection, with code 1007 if with a close frame";
    websocket::oversize, "gateway.oversize", Required, "a frame that nobody can hold is refused", "RFC 6455 section 10.4",
        "An endpoint limits what it buffers on a peer's word.",
        "the end of the connection after a header that declares 1 TiB, with code 1009 if with a close frame";
    websocket::no_masks, "gateway.no-masks", Required, "the gateway's own frames are valid and not masked", "RFC 6455 section 5.1",
        "A server masks no frame.",
        "no frame that breaks a rule";
    websocket::close, "gateway.close-handshake", Required, "a close frame is answered, then TCP ends", "RFC 6455 sections 5.5.1 and 7.1.1",
        "A close frame is answered with one, and the server is the first to end the TCP connection.",
        "a close frame with code 1001, then the end of the stream";
    asking::request, "gateway.request", Required, "a request has its fields", "protocol",
        "A request says under which id it is to be answered, and what is to be done.",
        "command_request (request_id, command, args an object) or workflow_request (request_id, params an object, and one of workflow_id and graph)";
    asking::answer, "gateway.answer", Required, "an ack, an update and an answer are taken", "protocol",
        "A gateway takes what its node says about a request, and whoever submitted it learns the result.",
        "an open connection without an error; over HTTP, the result";
    asking::failure, "gateway.failure", Required, "a failed answer is known as failed", "protocol",
        "What did not succeed is not reported as completed.",
        "over HTTP, status `failed` with the node's error";
    asking::acknowledges, "gateway.acknowledges", Recommended, "an answer is acknowledged", "practice",
        "A node keeps an answer until it knows that it arrived: by an ack, or a pong.",
        "an ack with the request's id after the answer";
    asking::repeated_answer, "gateway.repeated-answer", Required, "an answer that comes twice is survived", "practice",
        "A node that cannot know whether its answer arrived sends it again.",
        "an open connection without an error; over HTTP, the first result";
    asking::repeats_unaccepted, "gateway.repeats-unaccepted", Recommended, "a request that nobody took is sent again", "practice",
        "A connection that ends right after a request may have lost it.",
        "the same request_id after the node's next registration";
    asking::late_answer, "gateway.late-answer", Required, "an answer after a reconnect is taken", "practice",
        "A node finishes its work while the connection is down, and delivers on the next.",
        "over HTTP, the result; else an open connection without an error";
];

/// Nodes to be, of one check.
pub(crate) struct Stage {
    gateway: Arc<GatewayUnderTest>,
    place: Arc<Place>,
    node_id: String,
    instance_id: String,
}

/// Where a gateway is, in the words of an upgrade request.
struct Place {
    address: String,
    authority: String,
    path: String,
    query: Option<String>,
}

impl Place {
    fn new(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| url.scheme() == "ws")?;
        let host = url.host_str()?;
        let port = url.port_or_known_default()?;
        Some(Self {
            address: format!("{host}:{port}"),
            authority: url.port().map_or(host.to_owned(), |port| format!("{host}:{port}")),
            path: url.path().to_owned(),
            query: url.query().map(str::to_owned),
        })
    }

    fn target(&self, more: Option<String>) -> String {
        let query: Vec<_> = self.query.clone().into_iter().chain(more).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{}", self.path, query.join("&"))
    }
}

impl Stage {
    fn patience(&self) -> Duration {
        self.gateway.pace.patience
    }

    fn look(&self) -> Duration {
        self.gateway.pace.settle
    }

    fn token(&self) -> Option<&str> {
        self.gateway.token.as_ref().map(Secret::expose)
    }

    /// Opens a connection with this token in the header, and this in the query.
    async fn connect(&self, token: Option<&str>, query: Option<String>) -> Result<Link, Refused> {
        let invalid = |problem: String| Refused::Otherwise(problem);
        let target = self.place.target(query);
        let mut request = ClientRequest::new(&self.place.authority, &target)
            .map_err(|problem| invalid(problem.to_string()))?;
        if let Some(token) = token {
            request = request
                .header("Authorization", &format!("Bearer {token}"))
                .map_err(|problem| invalid(problem.to_string()))?;
        }
        wire::connect(&self.place.address, &request, self.patience()).await
    }

    /// An open connection with the right token.
    async fn open(&self) -> Result<Link, Ended> {
        match self.connect(self.token(), None).await {
            Ok(link) => Ok(link),
            Err(refused) => failed(refused.to_string()),
        }
    }

    fn registration(&self) -> Value {
        json!({
            "type": "node_registration", "timestamp": now(), "node_id": self.node_id,
            "capabilities": {"workflow_execution": true, "commands": ["conformance_echo"]},
            "metadata": {"user_id": "1", "instance_id": self.instance_id},
        })
    }

    fn heartbeat(&self) -> Value {
        json!({
            "type": "heartbeat", "timestamp": now(), "node_id": self.node_id, "status": "active",
        })
    }

    /// A connection on which the node of this check is registered.
    async fn registered(&self) -> Result<Link, Ended> {
        let mut link = self.open().await?;
        link.say(&self.registration()).await;
        self.lives(&mut link).await?;
        Ok(link)
    }

    /// Fails unless the connection is open and no error came.
    async fn lives(&self, link: &mut Link) -> Result<(), Ended> {
        match self.told(link).await? {
            None => Ok(()),
            Some(error) => failed(error),
        }
    }

    /// What error came up to the pong that shows the connection to be open.
    async fn told(&self, link: &mut Link) -> Result<Option<String>, Ended> {
        // The pong of a gateway may overtake an error that it writes elsewhere.
        let mut error = None;
        let mut look = crate::talk::Exchange::default();
        link.frame(true, wire::frame::PING, b"alive?").await;
        loop {
            match link.hear(self.patience()).await {
                Some(wire::Heard::Pong(payload)) if payload == b"alive?" => break,
                Some(wire::Heard::Text(text)) => look.messages.extend(serde_json::from_str(&text)),
                Some(wire::Heard::Closed(end)) => return failed(end.to_string()),
                Some(_) => {}
                None => return failed(format!("no pong within {:?}", self.patience())),
            }
        }
        while let Some(message) = link.message(self.look()).await? {
            look.messages.push(message);
        }
        for message in look.messages {
            if message["type"] == "error" {
                error = Some(message.to_string());
            }
        }
        Ok(error)
    }
}
