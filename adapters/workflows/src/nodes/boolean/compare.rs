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
            let order = python::order_numbers(&p.a, &p.b);
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
