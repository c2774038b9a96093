use std::cmp::Ordering;

use serde_json::Number;

use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Compare {
    a: Number,
    b: Number,
    comparison: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    let number = || TypeDescriptor::union(vec![TypeDescriptor::int(), TypeDescriptor::float()]);
    NodeType::new("nodetool.boolean.Compare", "Compare", "Compares two numbers.")
        .property(Property::new("a", number(), 0).describe("The left number."))
        .property(Property::new("b", number(), 0).describe("The right number."))
        .property(
            Property::one_of("comparison", &["==", "!=", ">", "<", ">=", "<="])
                .describe("How they are compared."),
        )
        .output("output", TypeDescriptor::bool())
        .compute(|p: Compare| {
            let order = compare(&p.a, &p.b);
            Ok(match p.comparison.as_str() {
                "!=" => order.is_ne(),
                ">" => order.is_gt(),
                "<" => order.is_lt(),
                ">=" => order.is_ge(),
                "<=" => order.is_le(),
                _ => order.is_eq(),
            })
        })
}

/// Exact for whole numbers; JSON has no NaN, so there always is an order.
fn compare(a: &Number, b: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_i128(), b.as_i128()) {
        return a.cmp(&b);
    }
    let (a, b) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}
