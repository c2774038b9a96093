//! `nodetool.text`: making and changing text.

pub(super) mod concat;
pub(super) mod format_text;
mod template;
