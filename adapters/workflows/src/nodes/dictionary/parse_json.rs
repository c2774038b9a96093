use crate::nodes::{json, prelude::*};

pub(in crate::nodes) fn node() -> NodeType {
    json::dict_parser(
        "nodetool.dictionary.ParseJSON",
        "Parse JSON",
        "Reads a dictionary from a JSON text.",
    )
}
