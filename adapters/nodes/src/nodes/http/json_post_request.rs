use clawnode_workflows::{NodeContext, NodeType, Property, TypeDescriptor};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Request, Web, url};

#[derive(Deserialize)]
struct JsonPostRequest {
    url: String,
    data: Value,
}

pub(super) fn node(web: &Web) -> NodeType {
    let web = web.clone();
    NodeType::new(
        "lib.http.JSONPostRequest",
        "JSON POST Request",
        "Sends JSON to a server with POST and gives the JSON of its answer.\nAn answer that says there is an error fails the node.",
    )
    .property(url())
    .property(
        Property::new("data", TypeDescriptor::dict(), Map::new())
            .describe("The body of the request."),
    )
    .output("output", TypeDescriptor::any())
    .process(move |p: JsonPostRequest, _: NodeContext| {
        let web = web.clone();
        let request = Request::post(p.url, p.data.to_string().into_bytes());
        async move { web.ask(request.accept_json().json_body()).await?.success()?.json() }
    })
}
