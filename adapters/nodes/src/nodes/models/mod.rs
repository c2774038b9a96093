//! `nodetool.agents.*` and `nodetool.generators.*`

mod agent;
mod list_generator;
mod summarizer;

use std::sync::Arc;

use async_lock::Semaphore;
use clawnode_workflows::{NodeContext, NodeError, NodeType, Property, Severity, TypeDescriptor};
use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::models::{Answer, End, Models, Piece};

/// The node types of the group.
pub(crate) fn all(access: &Access, turns: &Arc<Semaphore>) -> Vec<NodeType> {
    let models = Models::new(access, turns);
    vec![agent::node(&models), list_generator::node(&models), summarizer::node(&models)]
}

fn model() -> Property {
    let none = json!({"type": "language_model", "provider": "empty", "id": "", "name": ""});
    Property::new("model", TypeDescriptor::new("language_model"), none)
        .describe("The model to ask, by its id.")
}

fn message(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

/// Passes an answer on as it comes, and gives its text.
async fn pass_on(mut answer: Answer, context: &NodeContext) -> Result<String, NodeError> {
    let mut text = String::new();
    while let Some(piece) = answer.next().await {
        let (content, thinking) = match &piece {
            Piece::Text(content) => (content, false),
            Piece::Thinking(content) => (content, true),
        };
        let chunk = chunk(content, thinking, false);
        context.report("chunk", chunk.clone()).await;
        context.emit(if thinking { "thinking" } else { "chunk" }, Value::Object(chunk)).await;
        if let Piece::Text(content) = piece {
            text += &content;
        }
    }
    finish(answer, context).await?;
    context.report("chunk", chunk("", false, true)).await;
    Ok(text)
}

/// Fails if the answer did, and says so if it is not all.
async fn finish(answer: Answer, context: &NodeContext) -> Result<(), NodeError> {
    if answer.end().await? == End::Cut {
        let cut = "the model stopped at max_tokens, so its answer is not all";
        context.log(Severity::Warning, cut).await;
    }
    Ok(())
}

/// A chunk of protocol page 1.6.
fn chunk(content: &str, thinking: bool, done: bool) -> Map<String, Value> {
    let chunk = json!({
        "type": "chunk",
        "content_type": "text",
        "content": content,
        "content_metadata": {},
        "done": done,
        "thinking": thinking,
    });
    match chunk {
        Value::Object(chunk) => chunk,
        _ => Map::new(),
    }
}
