use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a request is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// On its way to the node.
    Sent,
    /// The node has taken it.
    Accepted,
    /// The node has sent news of it.
    Running,
    /// It was done.
    Completed,
    /// It was not done, or not wholly.
    Failed,
    /// The connection to its node ended before the answer. It may still run there: the answer comes when the node is
    /// back, and so does any other news, which ends this status.
    Lost,
}

impl Status {
    /// Whether this status is the last: there is an answer.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Lost => "lost",
        })
    }
}
