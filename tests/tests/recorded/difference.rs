//! The intended differences, each with its reason.

/// Where this node means to differ from the recorded one. Every other difference is a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// It offers no compression: a gateway never accepts it.
    NoCompression,
    /// It publishes host stats as JSON, not as JSON in a string: the protocol has both, and this needs no second parser.
    StatsAsJson,
    /// It publishes no runner inventory, skills or plugin tools: it has none.
    NothingElsePublished,
    /// It says host stats again as long as they are refused, as the recorded node does with its runner inventory, and it learns
    /// from that whether it is approved. What the gateway answered to the latter is told to the former.
    StatsSaidAgain,
    /// It sends no `exec.finished` and `exec.denied`: those belong to `system.run`, which it does not serve.
    NoExecEvents,
    /// It sends no heartbeats and no streams while a file is carried: it serves no such command.
    NoStreams,
    /// It sends every result as text. The recorded node sends those of MCP tools as they are; operators get both forms of both.
    ResultAsText,
    /// A result carries this node's id even if the request was for another one: a gateway refuses any other id.
    OwnNodeId,
    /// It says why it stops: with code 1001, not without a code.
    SaysThatItStops,
    /// It answers a close frame with its code, and without words of its own.
    ClosesWithTheSameCode,
    /// Its delays are drawn from their upper half, so that nodes that lost the same gateway do not come back together.
    Jitter,
    /// It comes back when the gateway said that it will be back, not after the usual delay.
    ComesBackWhenTold,
    /// It asks again now and then whether it was approved. The recorded node waits for somebody to start it again.
    AsksForApproval,
}
