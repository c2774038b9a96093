use crate::nodes::{prelude::*, text::change};

pub(in crate::nodes) fn node() -> NodeType {
    change(
        "ToLowercase",
        "To Lowercase",
        "Turns all letters of a text into small letters.",
        str::to_lowercase,
    )
}
