use clawnode_workflows::{NodeContext, NodeError, NodeType, Property, TypeDescriptor};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{message, model, pass_on};
use crate::models::{Models, Question};

#[derive(Deserialize)]
struct Agent {
    model: Value,
    mode: String,
    system: String,
    prompt: String,
    tools: Vec<Value>,
    image: Vec<Value>,
    audio: Vec<Value>,
    history: Vec<Value>,
    thread_id: String,
    max_tokens: i64,
}

pub(super) fn node(models: &Models) -> NodeType {
    let models = models.clone();
    NodeType::new(
        "nodetool.agents.Agent",
        "Agent",
        "Asks a model, and gives its answer piece by piece and as a whole. It uses no tools, sends no images or sounds, and keeps no \
         conversation; a node that wants one of them fails and says so.",
    )
    .property(model())
    .property(
        Property::one_of("mode", &["loop", "plan", "multi-agent"])
            .describe("How it works; only loop is supported."),
    )
    .property(
        Property::str("system", "You are a friendly assistant").describe("What the model is."),
    )
    .property(Property::str("prompt", "").describe("What the model is asked."))
    .property(Property::list("tools").describe("Not supported: leave it empty."))
    .property(Property::list("image").describe("Not supported: leave it empty."))
    .property(Property::list("audio").describe("Not supported: leave it empty."))
    .property(
        Property::list("history")
            .describe("What was said before, oldest first: objects with role and content."),
    )
    .property(Property::str("thread_id", "").describe("Not supported: leave it empty."))
    .property(Property::int("max_tokens", 8192).describe("The most tokens of the answer."))
    .output("text", TypeDescriptor::str())
    .output("chunk", TypeDescriptor::new("chunk"))
    .output("thinking", TypeDescriptor::new("chunk"))
    .generate(move |p: Agent, context: NodeContext| {
        let models = models.clone();
        async move {
            let answer = models.ask(question(p)?)?;
            let text = pass_on(answer, &context).await?;
            context.emit("text", Value::from(text)).await;
            Ok(())
        }
    })
}

fn question(p: Agent) -> Result<Question, NodeError> {
    // Empty assets, as editors leave them, are none.
    let given = |assets: &[Value]| {
        assets.iter().any(|asset| {
            ["uri", "asset_id", "data"]
                .iter()
                .any(|key| !matches!(&asset[*key], Value::Null) && asset[*key] != "")
        })
    };
    for (wanted, what) in [
        (p.mode != "loop", "a mode other than loop"),
        (!p.tools.is_empty(), "tools"),
        (given(&p.image), "images"),
        (given(&p.audio), "sounds"),
        (!p.thread_id.is_empty(), "a thread_id"),
    ] {
        if wanted {
            return Err(format!("this node does not support {what}; leave it out").into());
        }
    }
    let mut messages = Vec::new();
    if !p.system.trim().is_empty() {
        messages.push(message("system", &p.system));
    }
    for said in &p.history {
        let (Some(role), content) = (said["role"].as_str(), &said["content"]) else {
            return Err("history is no list of objects with role and content".into());
        };
        messages.push(json!({"role": role, "content": content}));
    }
    if !p.prompt.is_empty() {
        messages.push(message("user", &p.prompt));
    } else if p.history.is_empty() {
        return Err("the prompt is empty".into());
    }
    Ok(Question { model: p.model, messages, max_tokens: Some(p.max_tokens) })
}
