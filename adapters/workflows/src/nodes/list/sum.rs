use crate::nodes::{math, prelude::*};

#[derive(Deserialize)]
struct Sum {
    values: Vec<Value>,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("nodetool.list.Sum", "Sum", "Adds all numbers of a list.")
        .property(
            Property::new("values", TypeDescriptor::list(TypeDescriptor::float()), json!([]))
                .describe("The numbers; at least one."),
        )
        .output("output", math::number_type())
        .compute(|p: Sum| {
            if p.values.is_empty() {
                return Err("the list is empty; a sum needs at least one number".into());
            }
            let mut sum = 0.into();
            for (index, value) in p.values.iter().enumerate() {
                let number = python::number(value).ok_or_else(|| {
                    let kind = python::type_name(value);
                    format!("element {index} is a {kind}; a sum takes numbers only")
                })?;
                sum = math::add(&sum, &number)?;
            }
            Ok(Value::Number(sum))
        })
}
