use clawnode_workflows::{NodeContext, NodeType, TypeDescriptor};
use serde::Deserialize;

use super::{Request, Web, url};

#[derive(Deserialize)]
struct JsonGetRequest {
    url: String,
}

pub(super) fn node(web: &Web) -> NodeType {
    let web = web.clone();
    NodeType::new(
        "lib.http.JSONGetRequest",
        "JSON GET Request",
        "Asks a server with GET and gives the JSON of its answer.\nAn answer that says there is an error fails the node.",
    )
    .property(url())
    .output("output", TypeDescriptor::any())
    .process(move |p: JsonGetRequest, _: NodeContext| {
        let web = web.clone();
        async move { web.ask(Request::get(p.url).accept_json()).await?.success()?.json() }
    })
}
