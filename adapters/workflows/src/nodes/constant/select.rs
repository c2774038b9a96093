use crate::nodes::{constant::constant, prelude::*, select};

pub(in crate::nodes) fn node() -> NodeType {
    select::with_options(constant("Select", "choice among texts", select::value()))
}
