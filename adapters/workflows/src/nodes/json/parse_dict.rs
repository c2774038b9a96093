use crate::nodes::{json::dict_parser, prelude::*};

pub(in crate::nodes) fn node() -> NodeType {
    dict_parser("lib.json.ParseDict", "Parse Dict", "Reads a dictionary from a JSON text.")
}
