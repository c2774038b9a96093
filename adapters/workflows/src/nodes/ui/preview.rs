use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Preview {}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.workflows.base_node.Preview",
        "Preview",
        "Shows values while the workflow runs.",
    )
    .property(Property::any("value").describe("What is shown."))
    .property(Property::str("name", "").describe("A name for the preview."))
    .output("output", TypeDescriptor::any())
    .stream(&["value"], |_: Preview, mut inputs: Inputs, context: NodeContext| async move {
        while let Some(value) = inputs.next("value").await? {
            context.preview(value).await?;
        }
        Ok(())
    })
    .forwards()
    .role(Role::Preview)
}
