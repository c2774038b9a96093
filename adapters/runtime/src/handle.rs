use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use clawnode_protocol::node::{Misuse, Publication, Tally};
use clawnode_protocol::{CallError, TraceParent, dialect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::connection::Connection;
use crate::events::{Events, Queue};
use crate::json::to_object;
use crate::request::InFlight;
use crate::shared::Shared;

/// Speaks to a running [`Node`](crate::Node) from anywhere. Clones speak to the same one; dropping them changes
/// nothing.
#[derive(Clone)]
pub struct Handle {
    pub(crate) node_id: Arc<str>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) asks: Sender<Ask>,
    /// What its calls are part of.
    pub(crate) traceparent: Option<TraceParent>,
}

/// Where a node is, and how much it has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Where it is with its gateway.
    pub connection: Connection,
    /// How much work there is, and what it occupies.
    pub tally: Tally,
    /// What the gateway speaks, once that is known.
    pub dialect: Option<dialect::Name>,
}

/// What a handle asks of the driver, and the way back.
pub(crate) enum Ask {
    Custom {
        text: String,
        sent: Sender<Result<(), Misuse>>,
    },
    Call {
        method: String,
        params: Box<RawValue>,
        timeout: Duration,
        traceparent: Option<TraceParent>,
        reply: Sender<Replied>,
    },
    Publish(Publication),
}

pub(crate) type Replied = Result<Box<RawValue>, CallFailed>;

/// A call has no result.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum CallFailed {
    /// The gateway did not do it, or did not say so.
    #[error(transparent)]
    Gateway(CallError),
    /// The parameters cannot be written as JSON.
    #[error("the parameters of the call cannot be sent: {0}")]
    Params(String),
    /// The result is not of the expected shape.
    #[error("the result of the call is not as expected: {0}")]
    Result(String),
    /// The parameters are larger than [`Limits::result_bytes`](crate::Limits::result_bytes).
    #[error("the parameters of the call are larger than this node sends")]
    TooLarge,
    /// The gateway's protocol has no calls: only openclaw gateways take them.
    #[error("this gateway's protocol has no calls")]
    NoCalls,
    /// The node is not connected, or too many calls wait already.
    #[error("the call cannot be made now; try again when the node is ready")]
    NotReady,
    /// The node has stopped, or was dropped.
    #[error("the node has stopped")]
    Stopped,
}

/// A custom message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// It is not what the protocol allows.
    #[error(
        "a custom message must be a JSON object with a string `type` that the protocol does not use itself"
    )]
    Invalid,
    /// It cannot be written as a JSON object. Only from [`Handle::send_message`].
    #[error("the message cannot be sent: {0}")]
    Unserializable(String),
    /// It is larger than [`Limits::result_bytes`](clawnode_protocol::node::Limits::result_bytes), 24 MiB unless it was changed.
    #[error("the message is larger than this node sends")]
    TooLarge,
    /// The node is not connected, or too much waits for the gateway already.
    #[error("the message cannot be sent now; try again when the node is ready")]
    NotReady,
    /// The node has stopped, or was dropped.
    #[error("the node has stopped")]
    Stopped,
}

impl Handle {
    /// Tells the node to stop: it takes no new work, gives running work this long, then cancels it, answers it as
    /// failed, closes the connection and flushes. With no time at all it does so at once.
    /// [`Node::run`](crate::Node::run) resolves when that is done.
    ///
    /// Told again, it may shorten the time. Before the run, it makes the run end at once.
    pub fn stop(&self, grace: Duration) {
        self.shared.stop(grace);
    }

    /// Sends a message of the application's own: a JSON object with a `type` that the protocol does not use itself. It
    /// resolves when the message is queued for the socket, in order with everything else.
    ///
    /// Cancel safe in so far as the message is sent wholly or not at all; dropping the future may do either.
    ///
    /// # Errors
    ///
    /// [`SendError`], when it was not sent.
    pub async fn send_custom(&self, json: impl Into<String>) -> Result<(), SendError> {
        if self.connection() == Connection::Idle {
            return Err(SendError::NotReady);
        }
        let (sent, answer) = async_channel::bounded(1);
        let custom = Ask::Custom { text: json.into(), sent };
        self.asks.send(custom).await.map_err(|_| SendError::Stopped)?;
        match answer.recv().await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Misuse::NotACustomMessage)) => Err(SendError::Invalid),
            Ok(Err(Misuse::TooLarge)) => Err(SendError::TooLarge),
            Ok(Err(_)) => Err(SendError::NotReady),
            Err(_) => Err(SendError::Stopped),
        }
    }

    /// The same for a value that serialises to such an object. What comes back is read with [`Event::message`](crate::Event::message).
    /// For openclaw gateways, which take no messages but calls, there is [`call`](Self::call).
    ///
    /// ```
    /// # use clawnode_runtime::{Handle, SendError};
    /// #[derive(serde::Serialize)]
    /// #[serde(tag = "type", rename_all = "snake_case")]
    /// enum ToGateway {
    ///     Hello { from: String },
    /// }
    ///
    /// # async fn example(handle: Handle) -> Result<(), SendError> {
    /// handle.send_message(&ToGateway::Hello { from: "kitchen".into() }).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError`], when it was not sent.
    pub async fn send_message<T: Serialize + ?Sized>(&self, message: &T) -> Result<(), SendError> {
        // Written before the first await, so that the future holds nothing of the message's type.
        let json = to_object(message).map_err(|error| SendError::Unserializable(error.to_string()));
        self.send_custom(String::from(Box::<str>::from(json?))).await
    }

    /// Asks an openclaw gateway to do something, such as `skills.bins`, and waits for the result for 30 s at most. What a node may
    /// ask is little, what an operator may ask depends on its scopes.
    ///
    /// Cancel safe in so far as dropping the future forgets the reply; the gateway may do it all the same.
    ///
    /// # Errors
    ///
    /// [`CallFailed`]. After [`CallError::TimedOut`] and [`CallError::Disconnected`] the gateway may have done it.
    pub async fn call<P, T>(&self, method: &str, params: &P) -> Result<T, CallFailed>
    where
        P: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        self.call_within(method, params, CALL_TIMEOUT).await
    }

    /// The same with a time of one's own.
    ///
    /// # Errors
    ///
    /// As with [`call`](Self::call).
    pub async fn call_within<P, T>(
        &self,
        method: &str,
        params: &P,
        timeout: Duration,
    ) -> Result<T, CallFailed>
    where
        P: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        if self.connection() == Connection::Idle {
            return Err(CallFailed::NotReady);
        }
        let params = serde_json::value::to_raw_value(params)
            .map_err(|error| CallFailed::Params(error.to_string()))?;
        let (reply, replied) = async_channel::bounded(1);
        let (method, traceparent) = (method.to_owned(), self.traceparent);
        let ask = Ask::Call { method, params, timeout, traceparent, reply };
        self.asks.send(ask).await.map_err(|_| CallFailed::Stopped)?;
        let result = replied.recv().await.map_err(|_| CallFailed::Stopped)??;
        serde_json::from_str(result.get()).map_err(|error| CallFailed::Result(error.to_string()))
    }

    /// A handle of the same node whose calls are part of a trace: the gateway gets this `traceparent` with each (W3C Trace Context;
    /// `traceparent` of a request frame in the openclaw protocol). An [`Operator`](crate::openclaw::operator::Operator) made of it asks
    /// as part of the trace. Nothing else carries a trace context, see [`Context`](crate::Context).
    ///
    /// ```
    /// # use clawnode_runtime::{Handle, TraceParent};
    /// # async fn example(handle: Handle) -> Result<(), Box<dyn std::error::Error>> {
    /// // As the application's tracing tells it.
    /// let traceparent: TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
    /// let bins: serde_json::Value = handle.with_traceparent(traceparent).call("skills.bins", &serde_json::json!({})).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_traceparent(&self, traceparent: TraceParent) -> Self {
        Self { traceparent: Some(traceparent), ..self.clone() }
    }

    /// Makes something known to an openclaw gateway, now and on each connection, until newer news of the same kind takes its
    /// place. On gateways of other protocols nothing happens.
    ///
    /// # Errors
    ///
    /// [`SendError::Stopped`].
    pub async fn publish(&self, publication: Publication) -> Result<(), SendError> {
        self.asks.send(Ask::Publish(publication)).await.map_err(|_| SendError::Stopped)
    }

    /// Where the node is with its gateway. [`events`](Self::events) begins with the same and tells each change.
    ///
    /// ```
    /// # use clawnode_runtime::{Connection, Event, Handle};
    /// # async fn example(handle: Handle) {
    /// println!("at the moment {}", handle.connection());
    /// let mut events = handle.events();
    /// while let Some(event) = events.next().await {
    ///     match event {
    ///         Event::Connection(Connection::Lost { reason, next_attempt }) => {
    ///             println!("{reason}; again in {:?}", next_attempt.duration_since(std::time::Instant::now()));
    ///         }
    ///         Event::Connection(connection) => println!("{connection}"),
    ///         _ => {}
    ///     }
    /// }
    /// # }
    /// ```
    pub fn connection(&self) -> Connection {
        self.shared.connection()
    }

    /// Where the node is, and how much it has to do.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The requests that are not answered yet, oldest first: those that [`NodeBuilder::authorize`](crate::NodeBuilder::authorize)
    /// decides about, those that wait for a free place, and those whose handlers run. At most [`Limits::owed`](crate::Limits::owed).
    /// How many answers wait for the gateway to take them is in [`Status::tally`].
    pub fn in_flight(&self) -> Vec<InFlight> {
        self.shared.in_flight()
    }

    /// What happens to the node from now on, beginning with [`connection`](Self::connection) as it is.
    pub fn events(&self) -> Events {
        let queue = Arc::new(Queue::default());
        self.shared.listen(&queue);
        Events::new(queue)
    }

    /// The node's name.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("node_id", &self.node_id)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// As long as the reference client waits (openclaw page 10).
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
