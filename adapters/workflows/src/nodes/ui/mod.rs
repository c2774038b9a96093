//! `nodetool.workflows.base_node`: what a workflow shows to people.

pub(super) mod comment;
pub(super) mod group;
pub(super) mod preview;
