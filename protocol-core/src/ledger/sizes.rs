//! How much there is in the tables, and how large they get.

use std::sync::Arc;

use super::entry::Entry;
use crate::work::WorkId;

/// How much there is of what, kept beside the tables so that no bound costs a walk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Work that runs.
    pub running: usize,
    /// Admitted work that waits to run.
    pub waiting: usize,
    /// Requests whose answer the gateway does not have yet.
    pub owed: usize,
    /// Answered requests that are remembered.
    pub remembered: usize,
    /// Bytes of tasks that wait to run.
    pub waiting_bytes: usize,
    /// Bytes of answers kept.
    pub kept_bytes: usize,
    /// Bytes of updates that wait to be sent.
    pub update_bytes: usize,
    /// Updates dropped since the node began.
    pub updates_dropped: u64,
    /// Refusals that could not be told because too many waited already.
    pub refusals_dropped: u64,
}

/// Bytes that one entry takes in the tables at most, without what it points to except its id's shared counts.
pub(crate) const fn entry_size() -> usize {
    tree_item::<(WorkId, Entry)>() + tree_item::<(Arc<str>, WorkId)>() + 2 * size_of::<usize>()
}

/// Bytes an item of a `BTreeMap` takes at most: nodes have room for eleven items and are never less than five full; then the links.
const fn tree_item<T>() -> usize {
    size_of::<T>() * 11 / 5 + 24
}

/// How long a queue may get that names `live` things and some that are gone. Twice, so that a sweep costs next to nothing for each.
pub(crate) const fn swept_beyond(live: usize) -> usize {
    live.saturating_mul(2).saturating_add(16)
}
