use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use thiserror::Error;

use super::publications::Publication;
use crate::call::{Call, CallError, CallId};
use crate::dialect::openclaw;
use crate::secret::{Credentials, Secret};
use crate::websocket::{Closed, Refusal};
use crate::work::{Answer, Outcome, Update, Work, WorkId};

/// Everything that can happen to a node. One entry takes them all: [`Node::handle`](super::Node::handle).
#[derive(Debug)]
pub enum Input<'a> {
    /// The application wants the node to connect. Once, first.
    Start,
    /// The credentials that [`Action::Authenticate`] asked for.
    Credentials(Credentials),
    /// There are no credentials to be had now; the text says why, for people, without showing them. The attempt has failed.
    CredentialsFailed(&'a str),
    /// The signature that [`Action::Sign`] asked for.
    Signature(&'a str),
    /// There is no signature to be had now; the text says why, for people. The attempt has failed.
    SigningFailed(&'a str),
    /// The token of [`Action::KeepDeviceToken`] is kept.
    DeviceTokenKept,
    /// It could not be kept; the text says why, for people. The node goes on, shows the token for as long as it lives, and asks
    /// again at the next connection.
    DeviceTokenNotKept(&'a str),
    /// The byte stream that [`Action::Connect`] asked for is there (TLS included).
    Connected,
    /// It could not be had; the text says why, for people.
    ConnectFailed(&'a str),
    /// It could not be had, since a proxy on the way refused to open a [`Tunnel`](crate::proxy::Tunnel). What is no use to try
    /// again is the same as with a gateway's own refusal, 407 among it.
    ProxyRefused {
        /// The HTTP status of its answer.
        status: u16,
        /// What it said, for people, cut to 1 KiB.
        why: &'a str,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// Bytes from the gateway.
    Received(&'a [u8]),
    /// The gateway will send no more bytes.
    ReceivedEof,
    /// The byte stream broke, as opposed to its orderly end, [`ReceivedEof`](Self::ReceivedEof); the text says how, for people.
    Disconnected(&'a str),
    /// The socket took this many bytes of [`Node::transmit`](super::Node::transmit).
    Sent(usize),
    /// Time has passed. Any time is right; at [`Node::deadline`](super::Node::deadline) at the latest.
    Timeout,
    /// The admission of [`Action::Admit`] is kept: the work may be acknowledged and begin.
    Admitted(WorkId),
    /// It could not be kept, so the request is answered as failed with this reason.
    NotAdmitted(WorkId, &'a str),
    /// News of running work.
    Progress(WorkId, Update),
    /// Running work has ended.
    Answer(WorkId, Outcome),
    /// The answer of [`Action::Record`] is kept: it may be sent.
    Recorded(WorkId),
    /// End one piece of work, which has no answer yet: it is answered as failed.
    Cancel(WorkId, &'a str),
    /// Send a message of the application's own: a JSON object whose `type` the dialect does not use, of at most
    /// [`Limits::result_bytes`](super::Limits::result_bytes).
    Custom(&'a str),
    /// Ask the gateway something. [`Action::Reply`] follows, once.
    Call(Call<'a>),
    /// Make something known.
    Publish(Publication),
    /// Stop the node: take no new work, give running work this long, then close with 1001 and flush.
    /// Given again, it may shorten the time.
    Stop(Duration),
}

/// What the driver or the application must do. Taken by [`Node::poll_action`](super::Node::poll_action).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Action {
    /// Fetch the credentials for the next attempt and answer with [`Input::Credentials`] or [`Input::CredentialsFailed`]. Asked anew at each attempt, so that tokens can change.
    Authenticate,
    /// Sign this text with the device's Ed25519 key and answer with [`Input::Signature`], in base64url without padding
    /// ([`openclaw::Identity::sign`] does it), or [`Input::SigningFailed`]. It holds a credential, so it is a secret itself.
    Sign(Secret),
    /// Keep this token, durably, to be shown as [`Credentials::device_token`] at the next attempt, and answer with
    /// [`Input::DeviceTokenKept`] or [`Input::DeviceTokenNotKept`]. A bootstrap token is used up now.
    KeepDeviceToken(openclaw::DeviceToken),
    /// Forget the token kept for this gateway: it is not good any more.
    ForgetDeviceToken,
    /// Open a byte stream to the gateway and answer with [`Input::Connected`], [`Input::ConnectFailed`] or
    /// [`Input::ProxyRefused`].
    Connect,
    /// Drop the byte stream, or the attempt to open one, at once. Nothing is left to write, and no input about it is due any more:
    /// one that comes late is a harmless [`Misuse::WrongState`]. It follows every end of a connection, so the caller never needs
    /// to drop a stream unasked.
    Disconnect,
    /// Keep this work (durably, if the application has a journal; a new node cannot be given one back yet) and answer with [`Input::Admitted`] or [`Input::NotAdmitted`].
    Admit(Arc<Work>),
    /// Run this work; later answer with [`Input::Answer`].
    Start(Arc<Work>),
    /// Stop running this work. Its answer, should it still come, is ignored.
    Cancel(WorkId),
    /// Keep this answer (durably, if the application has a journal) and say [`Input::Recorded`].
    Record(Arc<Answer>),
    /// The reply to a [`Call`].
    Reply {
        /// Which.
        id: CallId,
        /// The result, JSON, or why there is none.
        result: Result<Box<RawValue>, CallError>,
    },
    /// The gateway has the answer to this work: a journal need keep it no longer.
    Settled(WorkId),
    /// Something an application may like to know.
    Notify(Event),
    /// The node has stopped for good. The last action.
    Stopped(StopReason),
}

/// News about the connection, for logs, user interfaces and applications.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The WebSocket is open.
    Connected,
    /// The node is registered and takes work. In the nodetool dialect, which confirms no registration, that is when it is written.
    Ready,
    /// The connection is gone or never came; the next attempt follows after `retry_in`. `None`: no further attempt.
    ///
    /// One end is no news: the first close with code 1000 and no reason before an openclaw gateway has let the node in, which is
    /// how a busy gateway gives up a handshake (openclaw page 9). The node tries again as after any other.
    Lost {
        /// Why.
        reason: LostReason,
        /// When the node tries again.
        retry_in: Option<Duration>,
    },
    /// Connected and registered, but nobody has approved yet of what the node may do, or of all of it. Known only to a node that
    /// publishes something, and only in the openclaw dialect.
    WaitingForApproval,
    /// What the node may do is approved: it gets work from now on.
    Approved,
    /// The gateway says that it is going to close the connection.
    GoingAway {
        /// Why, for people.
        reason: String,
        /// When it expects to be back.
        back_in: Option<Duration>,
    },
    /// The device token could not be kept. The node goes on and shows it for as long as it lives; another node will have to show
    /// another credential.
    DeviceTokenLost(String),
    /// The gateway reports an error. It is never answered.
    GatewayError {
        /// The gateway's text, cut to 64 KiB.
        error: String,
        /// The gateway's details, JSON; left out when larger than 64 KiB.
        details: Option<String>,
    },
    /// A message of a type the dialect does not know, as it came: one JSON object.
    Custom {
        /// Its `type`; empty if it has none that is a string.
        kind: String,
        /// The whole message.
        text: String,
    },
    /// The gateway sent something that is not a valid message. It has been told, unless it sends too many.
    Faulty {
        /// What is wrong with it.
        problem: String,
    },
    /// Updates were dropped because the connection is slower than the work.
    UpdatesDropped {
        /// The work concerned.
        work: WorkId,
        /// How many, in all, for this work.
        dropped: u64,
    },
}

/// Why a connection ended or was not made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LostReason {
    /// No credential.
    #[error("cannot connect without a credential: {0}")]
    NoCredential(String),
    /// No byte stream.
    #[error("could not connect: {0}")]
    ConnectFailed(String),
    /// No byte stream: a proxy on the way refused.
    #[error("the proxy refused the connection: {status} {why}")]
    ProxyRefused {
        /// The HTTP status of its answer.
        status: u16,
        /// What it said.
        why: String,
    },
    /// The gateway answered the HTTP upgrade with something else than 101.
    #[error("the gateway refused the connection: {0}")]
    Refused(Refusal),
    /// The gateway let the connection be made, but not the node in.
    #[error("{0}")]
    Denied(Box<openclaw::Refusal>),
    /// The node begins anew, in another version of the protocol.
    #[error("the gateway speaks another version of the protocol")]
    ProtocolChanged,
    /// The WebSocket ended.
    #[error("{0}")]
    Closed(Closed),
    /// The byte stream broke.
    #[error("the connection broke: {0}")]
    Disconnected(String),
    /// A deadline passed.
    #[error("{0}")]
    TimedOut(Deadline),
    /// The credential cannot be sent as it is.
    #[error("the token cannot be sent: {0}")]
    UnusableCredential(String),
}

/// What a node waits for; the reason of a [`Node::deadline`](super::Node::deadline).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
#[non_exhaustive]
pub enum Deadline {
    /// The byte stream must be there.
    #[error("no connection in time")]
    Connect,
    /// The HTTP upgrade must be answered.
    #[error("the gateway did not answer the WebSocket handshake in time")]
    Open,
    /// The node must be registered.
    #[error("registration took too long")]
    Register,
    /// The next heartbeat is due.
    #[error("the gateway is silent")]
    Heartbeat,
    /// It is time to ask whether answers arrived.
    #[error("no confirmation")]
    Confirm,
    /// What was published too early is to be said again.
    #[error("waiting to publish")]
    Publish,
    /// A call must have its reply, or a request its answer.
    #[error("no answer in time")]
    Answer,
    /// The closing handshake must be done.
    #[error("the gateway did not close in time")]
    Close,
    /// The next attempt to connect is due.
    #[error("waiting to reconnect")]
    Reconnect,
    /// Running work must have ended, since the node is stopping.
    #[error("running work did not end in time")]
    Drain,
}

/// Why a node stopped for good.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StopReason {
    /// The application asked for it.
    #[error("stopped as asked")]
    Requested,
    /// The gateway's refusal will not change by trying again, and the node was never ready with this configuration.
    #[error("{0}")]
    Refused(Refusal),
    /// A proxy on the way refuses, which will not change by trying again, and the node was never ready with this configuration.
    #[error("the proxy refused the connection: {status} {why}")]
    ProxyRefused {
        /// The HTTP status of its answer.
        status: u16,
        /// What it said.
        why: String,
    },
    /// The gateway let the connection be made but not the node in, and that will not change by trying again; the node was never
    /// ready with this configuration.
    #[error("{0}")]
    Denied(Box<openclaw::Refusal>),
    /// The registration has more bytes than a gateway takes.
    #[error("{0}")]
    TooLargeToRegister(String),
    /// The other side does not speak WebSocket as it should, and the node was never ready with this configuration.
    #[error("this is no gateway: {0}")]
    NotAGateway(Closed),
    /// The credential cannot be sent as it is.
    #[error("the token cannot be sent: {0}")]
    UnusableCredential(String),
}

/// The caller did something the node cannot make sense of. The node is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The input does not fit the state, such as bytes received while there is no connection.
    #[error("this input does not fit the state of the node")]
    WrongState,
    /// More bytes reported as sent than were lent.
    #[error("more bytes were reported as sent than transmit() had lent")]
    SentTooMuch,
    /// This node never issued that work id, or the work has not got that far.
    #[error("no such work awaits this input")]
    UnknownWork,
    /// A custom message must be a JSON object with a `type` of its own.
    #[error(
        "a custom message must be a JSON object with a string `type` that the dialect does not use"
    )]
    NotACustomMessage,
    /// The dialect has no calls and no publications.
    #[error("this dialect has no calls and no publications")]
    NoCalls,
    /// A call under this id still waits for its reply.
    #[error("a call with this id still waits for its reply; choose another id")]
    RepeatedCall,
    /// A custom message or a call must not be larger than [`Limits::result_bytes`](super::Limits::result_bytes). Trying again would
    /// not help.
    #[error("the message is larger than this node sends")]
    TooLarge,
    /// The message cannot be sent now: the node is not ready, or too much waits for the socket. Try again later.
    #[error("the message cannot be sent now; try again when the node is ready")]
    NotSendable,
}
