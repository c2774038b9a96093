//! Every limit of this crate, with its unit and its reason.

/// Rows that one list command returns at most, but for those of the protocol page that say less.
/// A page of so many rows still fits into one message.
pub const MAX_LIST_LIMIT: u32 = 10_000;

/// Rows that `list_models` returns at most (protocol page 1.2).
pub const MAX_MODELS_LIMIT: u32 = 200;
