//! What a node asks of a gateway.

use std::time::Duration;

use serde_json::value::RawValue;
use thiserror::Error;

use crate::state::{Cursor, Malformed, Saver, State};
use crate::trace::TraceParent;

/// A question to the gateway: a method and its parameters. Given as [`Input::Call`](crate::node::Input::Call), answered by
/// [`Action::Reply`](crate::node::Action::Reply). Only a dialect with calls has them: openclaw does, nodetool does not.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The caller's name for it, unlike that of every call not yet replied to.
    pub id: CallId,
    /// The method, such as `skills.bins`.
    pub method: &'a str,
    /// Its parameters: JSON, for most methods an object.
    pub params: &'a RawValue,
    /// How long to wait for the reply.
    pub timeout: Duration,
    /// Which trace it belongs to, if any.
    pub traceparent: Option<TraceParent>,
}

/// The caller's name for a [`Call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

impl State for CallId {
    fn save(&self, to: &mut Saver<'_>) {
        self.0.save(to);
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        u64::load(from).map(Self)
    }
}

/// Why a call has no result.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The gateway said no.
    #[error("{code}: {message}")]
    Refused {
        /// Its word for programs, such as `INVALID_REQUEST`.
        code: String,
        /// Its sentence for people.
        message: String,
        /// What else it said, JSON.
        details: Option<Box<RawValue>>,
        /// Whether it says that another try may do.
        retryable: bool,
        /// When it may be worth another try.
        retry_after: Option<Duration>,
    },
    /// The call would not fit into a message that the gateway takes.
    #[error("{0}")]
    TooLarge(String),
    /// No reply came in time. The gateway may have done it all the same.
    #[error("no reply in time")]
    TimedOut,
    /// The connection ended before the reply came. The gateway may have done it all the same.
    #[error("the connection ended before the reply")]
    Disconnected,
}
