use clawnode_workflows::{NodeContext, NodeType, Outputs, TypeDescriptor};
use serde::Deserialize;
use serde_json::Value;

use super::{Request, Web, headers, url};

#[derive(Deserialize)]
struct GetText {
    url: String,
    headers: Value,
}

pub(super) fn node(web: &Web) -> NodeType {
    let web = web.clone();
    NodeType::new(
        "lib.http.GetText",
        "HTTP GET Text",
        "Asks a server with GET and gives the text and the status of its answer, whatever the status.",
    )
    .property(url())
    .property(headers())
    .output("output", TypeDescriptor::str())
    .output("status", TypeDescriptor::int())
    .process(move |p: GetText, _: NodeContext| {
        let web = web.clone();
        async move {
            let answer = web.ask(Request::get(p.url).headers(&p.headers)?).await?;
            Ok(Outputs::new().with("output", answer.text()).with("status", answer.status()))
        }
    })
}
