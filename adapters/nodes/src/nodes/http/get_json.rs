use clawnode_workflows::{NodeContext, NodeType, Outputs, TypeDescriptor};
use serde::Deserialize;
use serde_json::Value;

use super::{Request, Web, headers, url};

#[derive(Deserialize)]
struct GetJson {
    url: String,
    headers: Value,
}

pub(super) fn node(web: &Web) -> NodeType {
    let web = web.clone();
    NodeType::new(
        "lib.http.GetJSON",
        "HTTP GET JSON",
        "Asks a server with GET and gives the JSON and the status of its answer, whatever the status.",
    )
    .property(url())
    .property(headers())
    .output("output", TypeDescriptor::any())
    .output("status", TypeDescriptor::int())
    .process(move |p: GetJson, _: NodeContext| {
        let web = web.clone();
        async move {
            let request = Request::get(p.url).headers(&p.headers)?.accept_json();
            let answer = web.ask(request).await?;
            Ok(Outputs::new().with("output", answer.json()?).with("status", answer.status()))
        }
    })
}
