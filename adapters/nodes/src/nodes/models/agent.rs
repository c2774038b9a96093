use clawnode_workflows::{NodeContext, NodeError, NodeType, Property, TypeDescriptor};
use serde::Deserialize;
use serde_json::{Map, Value, json};

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
    #[serde(flatten)]
    variables: Map<String, Value>,
}

pub(super) fn node(models: &Models) -> NodeType {
    let models = models.clone();
    NodeType::new(
        "nodetool.agents.Agent",
        "Agent",
        "Asks a model, and gives its answer piece by piece and as a whole.\nThe inputs added to the node take the places of {{name}} and \
         {name} in system and prompt. It uses no tools, sends no images or sounds, and keeps no conversation; a node that wants one of \
         them fails and says so.",
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
    .dynamic()
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
    let (system, prompt) = (fill(&p.system, &p.variables)?, fill(&p.prompt, &p.variables)?);
    let mut messages = Vec::new();
    if !system.trim().is_empty() {
        messages.push(message("system", &system));
    }
    for said in &p.history {
        let (Some(role), content) = (said["role"].as_str(), &said["content"]) else {
            return Err("history is no list of objects with role and content".into());
        };
        messages.push(json!({"role": role, "content": content}));
    }
    if !prompt.is_empty() {
        messages.push(message("user", &prompt));
    } else if p.history.is_empty() {
        return Err("the prompt is empty".into());
    }
    Ok(Question { model: p.model, messages, max_tokens: Some(p.max_tokens) })
}

/// Puts variables in the places that are named after them, and leaves all other braces as they are. What a variable holds is not
/// looked at again.
fn fill(template: &str, variables: &Map<String, Value>) -> Result<String, NodeError> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        filled += &rest[..open];
        rest = &rest[open..];
        let (start, end) = if rest.starts_with("{{") { ("{{", "}}") } else { ("{", "}") };
        let inner = rest[start.len()..].split_once(end).map(|(inner, _)| inner);
        let (name, filter) = match inner.and_then(|inner| inner.split_once('|')) {
            Some((name, filter)) => (Some(name), Some(filter)),
            None => (inner, None),
        };
        match (name.and_then(|name| variables.get(name.trim())), inner) {
            (Some(_), Some(inner)) if filter.is_some() => {
                return Err(format!("{start}{inner}{end}: filters are not supported here; use a FormatText node before this one").into());
            }
            (Some(value), Some(inner)) => {
                filled += &value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                rest = &rest[start.len() + inner.len() + end.len()..];
            }
            _ => {
                filled += start;
                rest = &rest[start.len()..];
            }
        }
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_take_their_places_and_other_braces_stay() {
        let variables = json!({"a": "x {b}", "b": 1, "größe": ["l"]});
        let Value::Object(variables) = variables else { panic!("it is an object") };
        for (template, expected) in [
            ("{{a}} {{ b }} {b}", "x {b} 1 1"),
            ("{größe}{{größe}}", "[\"l\"][\"l\"]"),
            ("{{missing}} {missing} {\"json\": {b}}", "{{missing}} {missing} {\"json\": 1}"),
            ("{{{b}}} { {{ {", "{{1}} { {{ {"),
            ("", ""),
        ] {
            assert_eq!(fill(template, &variables).unwrap(), expected, "{template}");
        }
        assert!(
            fill("{{ a | upper }}", &variables).unwrap_err().to_string().contains("FormatText")
        );
        assert_eq!(fill("{{ c | upper }}", &variables).unwrap(), "{{ c | upper }}");
    }
}
