//! `nodetool.data`: tables.

pub(super) mod add_column;
pub(super) mod aggregate;
mod condition;
mod dataframe;
pub(super) mod drop_duplicates;
pub(super) mod filter;
pub(super) mod import_csv;
mod order;
pub(super) mod select_column;
pub(super) mod slice;
pub(super) mod sort_by_column;
