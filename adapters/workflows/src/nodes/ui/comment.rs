use crate::nodes::prelude::*;

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.workflows.base_node.Comment",
        "Comment",
        "A remark for readers of the workflow; never runs.",
    )
    .property(Property::str("headline", "").describe("The title of the remark."))
    .property(Property::any("comment").describe("The remark."))
    .property(Property::str("comment_color", "#f0f0f0").describe("Its colour."))
    .role(Role::Ignored)
}
