//! `nodetool.control`: branches, streams and loops.

mod pairing;

pub(super) mod chunk;
pub(super) mod collect;
pub(super) mod collection;
pub(super) mod count;
pub(super) mod cross;
pub(super) mod distinct;
pub(super) mod drop;
pub(super) mod for_each;
pub(super) mod r#if;
pub(super) mod last;
pub(super) mod r#loop;
pub(super) mod reroute;
pub(super) mod switch;
pub(super) mod take;
pub(super) mod try_catch;
pub(super) mod zip;
