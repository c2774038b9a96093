use crate::{
    limits::MAX_COLLECTED,
    nodes::{list::numbers, prelude::*},
};

#[derive(Deserialize)]
struct ListRange {
    start: i64,
    stop: i64,
    step: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.list.ListRange",
        "List Range",
        "Gives a list of whole numbers from `start` up or down to, but not including, `stop`.",
    )
    .property(Property::int("start", 0).describe("The first number."))
    .property(Property::int("stop", 0).describe("Where the list ends, without this number."))
    .property(Property::int("step", 1).describe("How far from one number to the next."))
    .output("output", TypeDescriptor::list(TypeDescriptor::int()))
    .compute(|p: ListRange| numbers(p.start, p.stop, p.step, MAX_COLLECTED))
}
