//! Every limit of this crate, with its unit and its reason.

/// Rows that one list command returns at most, but for those of the protocol page that say less.
/// A page of so many rows still fits into one message.
pub const MAX_LIST_LIMIT: u32 = 10_000;

/// Rows that `list_models` returns at most (protocol page 1.2).
pub const MAX_MODELS_LIMIT: u32 = 200;

/// Background jobs that run at the same time; further ones are `scheduled` until one ends. Runs
/// mostly wait for something, so that more than processors are of use, but a node must keep time
/// for its gateway.
pub const MAX_BACKGROUND_JOBS: usize = 8;

/// Background jobs that wait to run. Each holds its graph in memory; one more is refused.
pub const MAX_WAITING_JOBS: usize = 1_000;
