use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use clawnode_protocol::node::{Misuse, Phase, Tally};
use thiserror::Error;

use crate::events::{Events, Queue};
use crate::shared::Shared;

/// Speaks to a running [`Node`](crate::Node) from anywhere. Clones speak to the same one; dropping them changes
/// nothing.
#[derive(Clone)]
pub struct Handle {
    pub(crate) node_id: Arc<str>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) customs: Sender<Custom>,
}

/// Where a node is, and how much it has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Where it is in its life.
    pub phase: Phase,
    /// How much work there is, and what it occupies.
    pub tally: Tally,
}

/// A message on its way to the driver, and the way back.
pub(crate) struct Custom {
    pub(crate) text: String,
    pub(crate) sent: Sender<Result<(), Misuse>>,
}

/// A custom message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// It is not what the protocol allows.
    #[error(
        "a custom message must be a JSON object with a string `type` that the protocol does not use itself"
    )]
    Invalid,
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
        if self.status().phase == Phase::Idle {
            return Err(SendError::NotReady);
        }
        let (sent, answer) = async_channel::bounded(1);
        let custom = Custom { text: json.into(), sent };
        self.customs.send(custom).await.map_err(|_| SendError::Stopped)?;
        match answer.recv().await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Misuse::NotACustomMessage)) => Err(SendError::Invalid),
            Ok(Err(Misuse::TooLarge)) => Err(SendError::TooLarge),
            Ok(Err(_)) => Err(SendError::NotReady),
            Err(_) => Err(SendError::Stopped),
        }
    }

    /// Where the node is, and how much it has to do.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// What happens to the node from now on.
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
