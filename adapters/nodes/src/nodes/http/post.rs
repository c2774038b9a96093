use clawnode_workflows::{NodeContext, NodeType, Outputs, Property, TypeDescriptor};
use serde::Deserialize;
use serde_json::Value;

use super::{Request, Web, headers, url};

#[derive(Deserialize)]
struct Post {
    url: String,
    body: Value,
    headers: Value,
}

pub(super) fn node(web: &Web) -> NodeType {
    let web = web.clone();
    NodeType::new(
        "lib.http.Post",
        "HTTP POST",
        "Sends JSON to a server with POST and gives its answer, as JSON if it is that and else as text, and the status, whatever that \
         is.",
    )
    .property(url())
    .property(Property::any("body").describe("The body, sent as JSON; null sends none."))
    .property(headers())
    .output("output", TypeDescriptor::any())
    .output("status", TypeDescriptor::int())
    .process(move |p: Post, _: NodeContext| {
        let web = web.clone();
        async move {
            let body = match &p.body {
                Value::Null => Vec::new(),
                body => body.to_string().into_bytes(),
            };
            let request = Request::post(p.url, body).headers(&p.headers)?.json_body();
            let answer = web.ask(request).await?;
            let output = answer.json().unwrap_or_else(|_| answer.text().into());
            Ok(Outputs::new().with("output", output).with("status", answer.status()))
        }
    })
}
