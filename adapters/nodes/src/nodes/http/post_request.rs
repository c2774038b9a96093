use clawnode_workflows::{NodeContext, NodeType, Property, TypeDescriptor};
use serde::Deserialize;

use super::{Request, Web, url};

#[derive(Deserialize)]
struct PostRequest {
    url: String,
    data: String,
}

pub(super) fn node(web: &Web) -> NodeType {
    let web = web.clone();
    NodeType::new(
        "lib.http.PostRequest",
        "POST Request",
        "Sends a text to a server with POST and gives the text of its answer.\nAn answer that says there is an error fails the node.",
    )
    .property(url())
    .property(Property::str("data", "").describe("The body of the request."))
    .output("output", TypeDescriptor::str())
    .process(move |p: PostRequest, _: NodeContext| {
        let web = web.clone();
        async move { Ok(web.ask(Request::post(p.url, p.data.into_bytes())).await?.success()?.text()) }
    })
}
