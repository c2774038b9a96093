use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Output {
    name: String,
    value: Value,
}

/// Reports every value that arrives. When none did, it reports its own value at the end. That
/// end never comes when something before it failed, so a failure does not look like a null.
pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new("nodetool.output.Output", "Output", "A result of the workflow.")
        .alias("nodetool.workflows.base_node.Output")
        .property(Property::str("name", "").describe("The name of the result."))
        .property(Property::any("value").describe("The value of the result."))
        .property(Property::str("description", "").describe("What the result means."))
        .output("output", TypeDescriptor::any())
        .stream(&["value"], |p: Output, mut inputs: Inputs, context: NodeContext| async move {
            let mut arrived = false;
            while let Some(value) = inputs.next("value").await? {
                arrived = true;
                context.output(&p.name, Arc::clone(&value)).await?;
                context.emit("output", value).await;
            }
            if !arrived {
                let own = Arc::new(p.value);
                context.output(&p.name, Arc::clone(&own)).await?;
                context.emit("output", own).await;
            }
            Ok(())
        })
        .forwards()
        .role(Role::Output)
}
