//! `nodetool.control`: branches and streams.

pub(super) mod chunk;
pub(super) mod collect;
pub(super) mod collection;
pub(super) mod for_each;
pub(super) mod r#if;
pub(super) mod reroute;
