//! `nodetool.output`: the results of a workflow.

#[allow(clippy::module_inception)] // Named after its node type, like every other file.
pub(super) mod output;
