use crate::nodes::{json::parser, prelude::*};

pub(in crate::nodes) fn node() -> NodeType {
    let kind = TypeDescriptor::list(TypeDescriptor::any());
    parser("lib.json.ParseList", "Parse List", "Reads a list from a JSON text.", kind)
}
