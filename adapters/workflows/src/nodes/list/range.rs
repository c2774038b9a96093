use crate::nodes::{list::numbers, prelude::*};

#[derive(Deserialize)]
struct Range {
    start: i64,
    stop: i64,
    count: i64,
    step: i64,
    max_output_length: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.list.Range",
        "Range",
        "Gives a list of whole numbers: from `start` to, but not including, `stop`, or, when \
         `stop` is negative, from 0 to `count` numbers.",
    )
    .property(Property::int("start", 0).describe("The first number."))
    .property(
        Property::int("stop", -1)
            .describe("Where the list ends, without this number; -1 uses count instead."),
    )
    .property(Property::int("count", 10).describe("How many numbers there are if stop is -1."))
    .property(Property::int("step", 1).describe("How far from one number to the next."))
    .property(
        Property::int("max_output_length", 10_000)
            .describe("The most numbers the list may have; more is an error."),
    )
    .output("output", TypeDescriptor::list(TypeDescriptor::int()))
    .compute(|p: Range| {
        let most = usize::try_from(p.max_output_length.max(1)).unwrap_or(usize::MAX);
        if p.stop < 0 {
            return numbers(0, p.count, 1, most);
        }
        numbers(p.start, p.stop, p.step, most)
    })
}
