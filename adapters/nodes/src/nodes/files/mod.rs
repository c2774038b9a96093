//! `lib.os.*` and `nodetool.workspace.*`

mod file_exists;
mod list_files;
mod read_text_file;
mod write_text_file;

use clawnode_workflows::{NodeError, NodeType, Property};
use encoding_rs::Encoding;

use crate::access::Access;

/// The node types of the group.
pub(crate) fn all(access: &Access) -> Vec<NodeType> {
    vec![
        file_exists::node(access),
        list_files::node(access),
        read_text_file::node(access),
        write_text_file::node(access),
    ]
}

fn path() -> Property {
    Property::str("path", "").describe("A file in an allowed folder.")
}

fn encoding() -> Property {
    Property::str("encoding", "utf-8").describe("How letters are bytes, such as utf-8 or latin-1.")
}

/// An encoding by the names that Python and the web have for it.
fn find_encoding(name: &str) -> Result<&'static Encoding, NodeError> {
    let label = name.trim().to_ascii_lowercase().replace('_', "-");
    let label = match label.as_str() {
        "" | "utf8" | "utf-8-sig" => "utf-8",
        "latin-1" => "latin1",
        other => other,
    };
    Encoding::for_label(label.as_bytes())
        .ok_or_else(|| format!("the encoding {name:?} is not known; try utf-8").into())
}
