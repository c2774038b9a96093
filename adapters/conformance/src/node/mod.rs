//! The suite plays the gateway; each check starts the node anew.

mod connecting;
mod registering;
mod requests;
mod websocket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clawnode_protocol::Secret;
use clawnode_protocol::websocket::UpgradeRequest;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::check::{Check, Ended, Entry, checks, failed, skipped};
use crate::process::Process;
use crate::report::Report;
use crate::runner::{self, Selection};
use crate::settings::{Call, NodeUnderTest};
use crate::talk::{NO_SUCH_COMMAND, fresh_id, kind, now};
use crate::wire::{Link, read_upgrade};

/// The checks of a node, in the order of a report.
pub fn node_checks() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().map(|entry| &entry.check)
}

/// Checks a node. Runs on tokio, with time and IO enabled.
pub async fn check_node(node: NodeUnderTest, selection: &Selection) -> Report {
    let node = Arc::new(node);
    let pace = node.pace;
    runner::run("node", CHECKS, selection, pace, || Stage::set(Arc::clone(&node))).await
}

#[rustfmt::skip]
static CHECKS: &[Entry<Stage>] = checks![Stage;
    registering::registers, "node.registers", Required, "connects and registers", "protocol; RFC 6455 section 4.1",
        "A node opens a WebSocket and registers before it says anything else.",
        "a valid upgrade request, then node_registration as the first message";
    registering::fields, "node.registration-fields", Required, "the registration has its fields", "protocol",
        "A registration says who the node is and what it does, in the types that gateways read.",
        "node_id: a non-empty string; capabilities: {workflow_execution: boolean, commands: [string]}; metadata: an object";
    registering::token, "node.token", Required, "the token is shown as it is", "RFC 6750 section 2; RFC 3986 section 2.1",
        "The token goes in `Authorization: Bearer`, or percent-encoded in `?token=`.",
        "the token in one of the two places";
    registering::timestamps, "node.timestamps", Required, "timestamps are ISO 8601 and in UTC", "protocol",
        "Each message carries the time at which it was sent; without a zone it is UTC.",
        "a `timestamp` in each message, less than 5 minutes from the suite's clock";
    registering::zone, "node.timestamp-zone", Recommended, "timestamps say their zone", "practice",
        "A time without a zone is read as local time by many libraries.",
        "a `timestamp` that ends in Z or an offset";
    registering::heartbeat, "node.heartbeat", Required, "heartbeats come at their interval", "protocol",
        "A registered node sends a heartbeat each interval, so that the gateway knows it lives.",
        "3 heartbeats with node_id and status, and no more than the interval allows";
    requests::unknown_command, "node.unknown-command", Required, "an unknown command is answered as an error", "protocol",
        "Each request gets exactly one answer, whatever it asks.",
        "one command_response with status `error`, the request's id, result null and a text in error";
    requests::command, "node.command", Required, "a command is answered with its result", "protocol",
        "A command that succeeds is answered with an object.",
        "one command_response with status `success`, an object in result and error null";
    requests::ack_first, "node.ack-first", Required, "an ack comes before the answer", "protocol",
        "A request that is taken is acknowledged at once, once, and before its answer.",
        "one ack with the request's id, then the answer";
    requests::invalid_request, "node.invalid-request", Required, "an invalid request is answered by its id", "protocol; practice",
        "A request that cannot be read is told to its sender, with its id if it has one; else the sender waits for ever.",
        "a failed response, or an error whose details name the request_id, for each of: no command, args that are a string";
    requests::malformed, "node.malformed-json", Required, "text that is not JSON is answered, and survived", "practice",
        "A message that nobody can read is an error of its sender, who must hear of it; work of others goes on.",
        "a message of type error, and the same connection answers the next request";
    requests::not_an_object, "node.not-an-object", Required, "JSON that is no object is survived", "practice",
        "A faulty message must not end the connection or the node.",
        "the same connection answers the next request after [], \"text\", null, 7 and {}";
    requests::binary, "node.binary-message", Required, "a binary message is survived", "practice; RFC 6455 section 5.6",
        "Messages are text; a binary one may be read as JSON or be refused, but must not end the connection.",
        "the same connection answers the next request";
    requests::unknown_type, "node.unknown-type", Required, "an unknown type is survived", "protocol",
        "Types that a node does not know are for newer nodes.",
        "the same connection answers the next request";
    requests::extra_fields, "node.extra-fields", Required, "unknown fields are ignored", "protocol",
        "Fields that a node does not know are for newer nodes.",
        "a request with additional fields is answered like one without";
    requests::timestamp_forms, "node.timestamp-forms", Required, "all forms of timestamps are read", "protocol",
        "Gateways send ISO times with or without a zone, epoch numbers, or no timestamp.",
        "an answer to a request with each of them";
    requests::unicode, "node.unicode", Required, "text of all scripts comes back unharmed", "RFC 8259 section 8.1",
        "JSON is UTF-8, with or without escapes.",
        "the request_id in the answer, character for character";
    requests::repeated, "node.repeated-request", Required, "a request that comes twice runs once", "practice",
        "A gateway that does not know whether its request arrived sends it again under the same id.",
        "no second result that differs from the first";
    requests::big, "node.big-message", Required, "a message of 1.5 MiB is read", "practice",
        "Requests carry whole workflows, which are larger than the 1 MiB that libraries allow by default.",
        "an answer to a request of 1.5 MiB";
    requests::pipelined, "node.pipelined", Required, "200 requests at once get 200 answers", "protocol",
        "Requests do not wait for each other's answers, and each gets exactly one.",
        "exactly one answer to each";
    requests::workflow, "node.workflow", Required, "an inline workflow runs", "protocol",
        "A workflow_request with a graph is run, and its outputs come back.",
        "a workflow_response with status `completed` and the text that the graph puts out in its result";
    requests::workflow_failure, "node.workflow-failure", Required, "a workflow that cannot run is answered as failed", "protocol",
        "What did not succeed is not reported as completed.",
        "a workflow_response with status `failed` for: neither id nor graph, an unknown node type, a cycle";
    websocket::ping, "node.ping", Required, "a ping is answered with its payload", "RFC 6455 section 5.5.3",
        "A pong carries the payload of its ping.",
        "a pong for payloads of 0, 4 and 125 bytes";
    websocket::ping_while_busy, "node.ping-while-busy", Required, "pings are answered while work runs", "practice",
        "Gateways take a node that does not answer pings for dead.",
        "a pong before the slow command's answer";
    websocket::fragmented, "node.fragmented", Required, "a message in fragments is one message", "RFC 6455 section 5.4",
        "A message may come in fragments, cut anywhere, with control frames between.",
        "an answer to a request in three fragments, cut inside a character, with a pong nobody asked for between";
    websocket::masked, "node.masked", Required, "all frames are masked, each anew", "RFC 6455 sections 5.1 and 5.3",
        "A client masks every frame, with a mask that cannot be foretold.",
        "a mask on every frame, and no mask on three of them";
    websocket::frames, "node.frames", Required, "frames and text are valid", "RFC 6455 sections 5.2 and 8.1",
        "No reserved bits or opcodes, control frames of at most 125 bytes, text in UTF-8.",
        "no frame that breaks a rule";
    websocket::refuses_masked, "node.refuses-masked", Required, "a masked frame of the gateway is refused", "RFC 6455 section 5.1",
        "A client closes a connection on which a masked frame comes.",
        "the end of the connection, with code 1002 if with a close frame";
    websocket::refuses_utf8, "node.refuses-invalid-utf8", Required, "text that is not UTF-8 is refused", "RFC 6455 section 8.1",
        "An endpoint fails a connection on which text comes that is not UTF-8.",
        "the end of the connection, with code 1007 if with a close frame";
    websocket::close, "node.close-handshake", Required, "a close frame is answered, and the node comes back", "RFC 6455 section 5.5.1; practice",
        "A close frame is answered with one; a gateway that closes, even normally, will be back.",
        "a close frame with code 1000, then a new registration";
    connecting::reconnects, "node.reconnects", Required, "a cut connection is made anew", "practice",
        "Networks fail; the node comes back by itself and is the same node.",
        "a new registration with the same node_id, after each of two cuts";
    connecting::one_heartbeat, "node.one-heartbeat", Required, "reconnecting leaves one source of heartbeats", "practice",
        "What belongs to a connection ends with it.",
        "after 3 cuts no more heartbeats than the interval allows";
    connecting::backoff, "node.backoff", Required, "attempts to reconnect become rarer", "practice; RFC 6455 section 7.2.3",
        "A gateway that is down or overloaded must not be hammered by all its nodes.",
        "of five pauses one of the last two at least twice as long as one of the first two, or fewer than 6 attempts in all the time";
    connecting::unauthorized, "node.unauthorized", Required, "a refusal with 401 is not hammered against", "practice; RFC 9110 section 15.5.2",
        "A wrong token does not become right by trying again.",
        "at most 6 attempts in 3 s, or the end of the process";
    connecting::late_answer, "node.late-answer", Required, "an answer finished while disconnected is delivered", "practice",
        "Work goes on while the connection is down, and its answer is not lost.",
        "the answer, unasked, after the next registration";
    connecting::unconfirmed, "node.unconfirmed-answer", Recommended, "an answer that may be lost is sent again", "practice",
        "A connection that ends right after an answer may have lost it; only an ack or a pong proves otherwise.",
        "the answer once more, unasked, after the next registration";
    connecting::sigterm, "node.sigterm", Required, "SIGTERM ends the node with a close frame", "practice; RFC 6455 section 7.4.1",
        "A node that is stopped says goodbye, so that the gateway need not find out.",
        "a close frame with code 1000 or 1001, then the end of the process";
];

/// A node that was started, and the address at which it looks for its gateway.
pub(crate) struct Stage {
    node: Arc<NodeUnderTest>,
    listener: TcpListener,
    process: Process,
}

/// What a node under test does next.
enum Next {
    Connects(TcpStream),
    Ends(String),
    Nothing,
}

impl Stage {
    async fn set(node: Arc<NodeUnderTest>) -> Result<Self, Ended> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener =
            listener.map_err(|error| Ended::Failed(format!("cannot listen: {error}")))?;
        let address = listener.local_addr().map_err(|error| Ended::Failed(error.to_string()))?;
        let url = format!("ws://{address}/");
        let token = node.token.as_ref().map_or("", Secret::expose);
        let mut environment = vec![("CLAWNODE_URL", url.as_str())];
        if node.token.is_some() {
            environment.push(("CLAWNODE_AUTH_TOKEN", token));
        }
        let values = [("url", url.as_str()), ("token", token)];
        let process = Process::start(&node.command_line, &values, &environment);
        let process = process.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            Ended::Failed(format!("{error}{}", cause.unwrap_or_default()))
        })?;
        Ok(Self { node, listener, process })
    }

    fn patience(&self) -> Duration {
        self.node.pace.patience
    }

    fn look(&self) -> Duration {
        self.node.pace.settle
    }

    async fn next(&mut self, within: Duration) -> Next {
        let next = async {
            tokio::select! {
                biased;
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => Next::Connects(stream),
                    Err(error) => Next::Ends(format!("the suite cannot accept connections: {error}")),
                },
                end = self.process.ended() => Next::Ends(end),
            }
        };
        timeout(within, next).await.unwrap_or(Next::Nothing)
    }

    /// The node's next connection, not yet answered.
    async fn stream(&mut self) -> Result<TcpStream, Ended> {
        let patience = self.patience();
        match self.next(patience).await {
            Next::Connects(stream) => Ok(stream),
            Next::Ends(end) => failed(end),
            Next::Nothing => failed(format!("no connection within {patience:?}")),
        }
    }

    /// The node's next connection, open.
    async fn open(&mut self) -> Result<(Link, UpgradeRequest), Ended> {
        let stream = self.stream().await?;
        let asked = read_upgrade(stream, self.patience()).await.map_err(Ended::Failed)?;
        let request = asked.request.clone();
        Ok((asked.accept().await.map_err(Ended::Failed)?, request))
    }

    /// The node's next connection, registered.
    async fn registered(&mut self) -> Result<(Link, Value), Ended> {
        let (mut link, _) = self.open().await?;
        let patience = self.patience();
        match link.message(patience).await? {
            Some(message) if message["type"] == "node_registration" => Ok((link, message)),
            Some(other) => failed(format!("{} as the first message", kind(&other))),
            None => failed(format!("no registration within {patience:?}")),
        }
    }

    /// Whether the node still answers on this connection.
    async fn answers(&self, link: &mut Link, after: &str) -> Result<(), Ended> {
        match link.ask(&unknown_command(), self.patience()).await {
            Ok(_) => Ok(()),
            Err(Ended::Failed(came)) => failed(format!("after {after}: {came}")),
            Err(other) => Err(other),
        }
    }

    fn quick(&self) -> Result<&Call, Ended> {
        self.node
            .quick
            .as_ref()
            .map_or_else(|| skipped("needs a command of the node that succeeds (--command)"), Ok)
    }

    fn slow(&self) -> Result<&Call, Ended> {
        self.node.slow.as_ref().map_or_else(
            || skipped("needs a command of the node that takes a second or more (--slow-command)"),
            Ok,
        )
    }

    fn interval(&self) -> Result<Duration, Ended> {
        self.node.heartbeat_interval.map_or_else(
            || skipped("needs to know the node's interval (--heartbeat-interval); make it short"),
            Ok,
        )
    }
}

/// A request for a command.
fn request(call: &Call) -> Value {
    command_request(&fresh_id("command"), &call.name, &call.args)
}

fn unknown_command() -> Value {
    command_request(&fresh_id("unknown"), NO_SUCH_COMMAND, &json!({}))
}

fn command_request(id: &str, command: &str, args: &Value) -> Value {
    json!({
        "type": "command_request", "timestamp": now(),
        "request_id": id, "command": command, "args": args,
    })
}

/// The most heartbeats that one source can have sent since `since`: a late one is late on both sides of the wire.
fn most_heartbeats(since: Instant, interval: Duration) -> usize {
    (since.elapsed().as_secs_f64() / interval.as_secs_f64()) as usize + 1
}
