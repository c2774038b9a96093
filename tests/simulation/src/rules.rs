//! What must hold in every world, and how a breach is told.

use std::fmt;
use std::time::Duration;

/// A promise that a world checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// One request has one terminal answer: its content never changes, and it is not sent twice on one connection unless asked
    /// for twice there.
    OneAnswer,
    /// An answer or update belongs to a request that was made.
    KnownRequest,
    /// A request is acknowledged before its updates and its answer.
    AcknowledgedFirst,
    /// Updates come in order, and none after the answer.
    UpdatesInOrder,
    /// What a node takes as arrived has arrived, where the dialect has such proof.
    SettledMeansArrived,
    /// Where the dialect has it so, nothing more is heard of what the gateway has cancelled.
    SilentOnceCancelled,
    /// Where the dialect has it so, the end of a connection ends all its work, and no answer comes on another.
    EndsWithItsConnection,
    /// No handler runs twice for one request, none before its admission, and never more at once than allowed.
    OneRun,
    /// Heartbeats, where the dialect has them, come one interval apart, and do come.
    OneHeartbeat,
    /// Delays before reconnects double from the first to the longest, begin anew after a good connection, and obey the gateway.
    Backoff,
    /// Queues, tables and buffers stay within their limits.
    WithinLimits,
    /// A deadline that was served goes or moves, and lies ahead.
    DeadlineMoves,
    /// A node that is doing anything has a deadline, and not a remote one.
    DeadlineSet,
    /// A node stops only when asked, or when the gateway turns it away before it ever was ready.
    StopsOnlyWhenAsked,
    /// A node and a peer accept every input that follows their contract.
    AcceptsInput,
    /// No secret shows in any event, error or debug text.
    SecretsHidden,
    /// Nothing spins: a bounded number of steps in each virtual second.
    NoSpinning,
    /// Once faults are over, every node becomes ready in time.
    BecomesReady,
    /// Once faults are over, every request is answered, and no node owes anything.
    EverythingAnswered,
    /// A node that is asked to stop does so in time.
    StopsInTime,
    /// Nothing panics.
    NoPanic,
}

/// A rule that was broken, where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The seed of the world. It replays the run to the byte.
    pub seed: u64,
    /// The virtual time.
    pub at: Duration,
    /// The node concerned.
    pub node: Option<usize>,
    /// The rule.
    pub rule: Rule,
    /// What happened, for people.
    pub explanation: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} at {:.6} s", self.seed, self.at.as_secs_f64())?;
        if let Some(node) = self.node {
            write!(f, ", node-{node}")?;
        }
        write!(f, ": {:?}: {}", self.rule, self.explanation)
    }
}

impl std::error::Error for Violation {}
