use clawnode_workflows::{NodeContext, NodeType, TypeDescriptor};
use serde::Deserialize;

use super::{Request, Web, url};

#[derive(Deserialize)]
struct GetRequest {
    url: String,
}

pub(super) fn node(web: &Web) -> NodeType {
    let web = web.clone();
    NodeType::new(
        "lib.http.GetRequest",
        "GET Request",
        "Asks a server with GET and gives the text of its answer.\nAn answer that says there is an error fails the node.",
    )
    .property(url())
    .output("output", TypeDescriptor::str())
    .process(move |p: GetRequest, _: NodeContext| {
        let web = web.clone();
        async move { Ok(web.ask(Request::get(p.url)).await?.success()?.text()) }
    })
}
