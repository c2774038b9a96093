use clawnode_workflows::{NodeContext, NodeType, Property, TypeDescriptor};
use serde::Deserialize;
use serde_json::Value;

use super::{message, model, pass_on};
use crate::models::{Models, Question};

#[derive(Deserialize)]
struct Summarizer {
    system_prompt: String,
    model: Value,
    text: String,
}

pub(super) fn node(models: &Models) -> NodeType {
    let models = models.clone();
    NodeType::new(
        "nodetool.agents.Summarizer",
        "Summarizer",
        "Asks a model for a summary of a text, and gives it piece by piece and as a whole.",
    )
    .property(Property::str("system_prompt", SYSTEM_PROMPT).describe("How to summarize."))
    .property(model())
    .property(Property::str("text", "").describe("The text to summarize."))
    .output("text", TypeDescriptor::str())
    .output("chunk", TypeDescriptor::new("chunk"))
    .output("thinking", TypeDescriptor::new("chunk"))
    .generate(move |p: Summarizer, context: NodeContext| {
        let models = models.clone();
        async move {
            if p.text.trim().is_empty() {
                return Err("there is no text to summarize".into());
            }
            let messages = vec![message("system", &p.system_prompt), message("user", &p.text)];
            let answer = models.ask(Question { model: p.model, messages, max_tokens: None })?;
            let text = pass_on(answer, &context).await?;
            context.emit("text", Value::from(text)).await;
            Ok(())
        }
    })
}

const SYSTEM_PROMPT: &str = "\
Summarize the text that the user gives you. Keep its most important facts, numbers and names, and its language. Add nothing that it \
does not say. Write Markdown, and nothing but the summary.";
