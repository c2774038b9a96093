use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct GetElement {
    values: Vec<Value>,
    index: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("nodetool.list.GetElement", "Get Element", "Gives one element of a list.")
        .property(Property::list("values").describe("The list."))
        .property(
            Property::int("index", 0)
                .describe("The place of the element; the first is 0, the last is -1."),
        )
        .output("output", TypeDescriptor::any())
        .compute(|mut p: GetElement| {
            let length = p.values.len();
            let back = usize::try_from(p.index.unsigned_abs()).unwrap_or(usize::MAX);
            let place = if p.index < 0 { length.checked_sub(back) } else { Some(back) };
            match place.filter(|place| *place < length) {
                Some(place) => Ok(p.values.swap_remove(place)),
                None if length == 0 => {
                    Err(format!("index is {}, but the list is empty", p.index).into())
                }
                None => Err(format!(
                    "index is {}, but the list has {length} elements; use -{length} to {}",
                    p.index,
                    length - 1
                )
                .into()),
            }
        })
}
