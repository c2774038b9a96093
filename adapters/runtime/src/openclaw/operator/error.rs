use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::read::lenient;
use crate::CallError;
use crate::handle::CallFailed;

/// An operator's call has no result.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The gateway said no, or the node did.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// The operator is not connected, or too many of its calls wait already. Try again later.
    #[error("the call cannot be made now; try again when the operator is connected")]
    NotConnected,
    /// The connection ended before the reply came. The gateway may have done it all the same.
    #[error("the connection ended before the reply")]
    Disconnected,
    /// No reply came in time. The gateway may have done it all the same.
    #[error("no reply in time")]
    TimedOut,
    /// The parameters cannot be sent: they cannot be written as JSON, or are too large. Trying again will not help.
    #[error("the parameters cannot be sent: {0}")]
    Unsendable(String),
    /// The result is not of the expected shape.
    #[error("the result is not as expected: {0}")]
    UnexpectedResult(String),
    /// The gateway speaks another protocol, which has no operators.
    #[error("this gateway's protocol has no operators")]
    NoOperators,
    /// The operator has stopped, or was dropped.
    #[error("the operator has stopped")]
    Stopped,
}

/// A gateway's no.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Refused {
    /// The gateway's word for programs, such as `INVALID_REQUEST`, or `UNAVAILABLE` for whatever a node says.
    pub code: String,
    /// The gateway's sentence for people.
    pub message: String,
    /// What the node said, if the node was asked and failed.
    pub node_error: Option<NodeError>,
    /// What else the gateway said, JSON.
    pub details: Option<Box<RawValue>>,
    /// Whether the gateway says that another try may do.
    pub retryable: bool,
    /// When it may be worth another try.
    pub retry_after: Option<Duration>,
}

/// What a node says when a command fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NodeError {
    /// The node's word for programs; empty if it has none.
    #[serde(deserialize_with = "lenient")]
    pub code: String,
    /// The node's sentence for people; empty if it has none.
    #[serde(deserialize_with = "lenient")]
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refused {}

impl From<CallFailed> for OperatorError {
    fn from(failed: CallFailed) -> Self {
        match failed {
            CallFailed::Gateway(error) => error.into(),
            CallFailed::Params(why) => Self::Unsendable(why),
            CallFailed::TooLarge => Self::Unsendable("they are larger than is sent".to_owned()),
            CallFailed::Result(why) => Self::UnexpectedResult(why),
            CallFailed::NoCalls => Self::NoOperators,
            CallFailed::NotReady => Self::NotConnected,
            CallFailed::Stopped => Self::Stopped,
        }
    }
}

impl From<CallError> for OperatorError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { code, message, details, retryable, retry_after } => {
                let node_error = details.as_deref().and_then(node_error);
                let refused =
                    Refused { code, message, node_error, details, retryable, retry_after };
                Self::Refused(Box::new(refused))
            }
            CallError::TooLarge(why) => Self::Unsendable(why),
            CallError::TimedOut => Self::TimedOut,
            // `Disconnected`, and whatever other way there may be for a reply not to come.
            _ => Self::Disconnected,
        }
    }
}

fn node_error(details: &RawValue) -> Option<NodeError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Details {
        node_error: Option<NodeError>,
    }
    serde_json::from_str::<Details>(details.get()).ok()?.node_error
}
