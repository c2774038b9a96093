use crate::nodes::{prelude::*, text::change};

pub(in crate::nodes) fn node() -> NodeType {
    change(
        "ToUppercase",
        "To Uppercase",
        "Turns all letters of a text into capital letters.",
        str::to_uppercase,
    )
}
