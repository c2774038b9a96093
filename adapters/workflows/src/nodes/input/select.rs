use crate::nodes::{input::input, prelude::*, select};

pub(in crate::nodes) fn node() -> NodeType {
    let value = select::value();
    select::with_options(input("SelectInput", "Select Input", "choice among texts", value))
}
