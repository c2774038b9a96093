//! `nodetool.text`: making and changing text.

pub(super) mod collect;
pub(super) mod concat;
pub(super) mod contains;
pub(super) mod extract_json;
pub(super) mod format_text;
pub(super) mod join;
mod json_path;
pub(super) mod length;
mod pattern;
pub(super) mod prompt;
pub(super) mod regex_match;
pub(super) mod regex_replace;
pub(super) mod replace;
pub(super) mod slice;
pub(super) mod split;
mod template;
pub(super) mod template_text;
pub(super) mod to_lowercase;
pub(super) mod to_string;
pub(super) mod to_uppercase;
pub(super) mod trim_whitespace;

use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Change {
    text: String,
}

/// A type that changes its property `text`.
fn change(name: &str, title: &str, description: &str, change: fn(&str) -> String) -> NodeType {
    NodeType::new(&format!("nodetool.text.{name}"), title, description)
        .property(Property::str("text", "").describe("The text that is changed."))
        .output("output", TypeDescriptor::str())
        .compute(move |p: Change| Ok(change(&p.text)))
}
