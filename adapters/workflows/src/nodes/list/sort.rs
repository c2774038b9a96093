use std::cmp::Ordering;

use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Sort {
    values: Vec<Value>,
    order: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.list.Sort",
        "Sort",
        "Sorts a list of numbers, of texts or of lists; equal elements keep their order.",
    )
    .property(Property::list("values").describe("The list that is sorted."))
    .property(
        Property::one_of("order", &["ascending", "descending"])
            .describe("Whether the smallest or the largest comes first."),
    )
    .output("output", TypeDescriptor::list(TypeDescriptor::any()))
    .compute(|mut p: Sort| {
        let mut unordered = None;
        let descending = p.order == "descending";
        p.values.sort_by(|a, b| match python::order(a, b) {
            Some(order) if descending => order.reverse(),
            Some(order) => order,
            None => {
                unordered.get_or_insert((python::type_name(a), python::type_name(b)));
                Ordering::Equal
            }
        });
        match unordered {
            Some((a, b)) => Err(format!(
                "cannot tell which of a {a} and a {b} comes first; sort numbers or texts only"
            )
            .into()),
            None => Ok(p.values),
        }
    })
}
