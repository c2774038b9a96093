//! `nodetool.boolean`: comparing and deciding.

pub(super) mod compare;
pub(super) mod conditional_switch;
pub(super) mod logical_operator;
pub(super) mod not;
