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
        p.values.sort_by(|a, b| {
            let order = python::order(a, b, &mut unordered);
            if descending { order.reverse() } else { order }
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
