use crate::nodes::prelude::*;

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.workflows.base_node.Group",
        "Group",
        "A frame around other nodes; never runs.",
    )
    .property(Property::str("headline", "").describe("The title of the frame."))
    .role(Role::Ignored)
}
