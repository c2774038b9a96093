use clawnode_workflows::{NodeContext, NodeType, Property, TypeDescriptor};
use serde::Deserialize;
use serde_json::Value;

use super::{finish, message, model};
use crate::models::{Models, Piece, Question};
use crate::text::boundary;

#[derive(Deserialize)]
struct ListGenerator {
    model: Value,
    prompt: String,
    input_text: String,
    max_tokens: i64,
}

pub(super) fn node(models: &Models) -> NodeType {
    let models = models.clone();
    NodeType::new(
        "nodetool.generators.ListGenerator",
        "List Generator",
        "Asks a model for a list, and gives its items one by one as they come, each with its place, and the list at the end.",
    )
    .property(model())
    .property(Property::str("prompt", "").describe("What the list is to be of."))
    .property(Property::str("input_text", "").describe("A text that the prompt is about."))
    .property(Property::int("max_tokens", 4096).describe("The most tokens of the answer."))
    .output("item", TypeDescriptor::str())
    .output("index", TypeDescriptor::int())
    .output("output", TypeDescriptor::list(TypeDescriptor::str()))
    .generate(move |p: ListGenerator, context: NodeContext| {
        let models = models.clone();
        async move {
            if p.prompt.trim().is_empty() {
                return Err("the prompt is empty".into());
            }
            let asked = match p.input_text.trim() {
                "" => p.prompt,
                text => format!("{}\n\n{text}", p.prompt),
            };
            let messages = vec![message("system", SYSTEM_PROMPT), message("user", &asked)];
            let max_tokens = Some(p.max_tokens);
            let mut answer = models.ask(Question { model: p.model, messages, max_tokens })?;
            let (mut items, mut all) = (Items::default(), Vec::new());
            while let Some(piece) = answer.next().await {
                let Piece::Text(text) = piece else { continue };
                for item in items.push(&text) {
                    emit(&context, item, &mut all).await;
                }
            }
            finish(answer, &context).await?;
            for item in items.rest() {
                emit(&context, item, &mut all).await;
            }
            context.emit("output", Value::Array(all)).await;
            Ok(())
        }
    })
}

async fn emit(context: &NodeContext, item: String, all: &mut Vec<Value>) {
    context.emit("item", Value::from(item.as_str())).await;
    context.emit("index", Value::from(all.len())).await;
    all.push(item.into());
}

/// Finds the items in an answer that comes in pieces.
#[derive(Default)]
struct Items {
    /// What has not been looked at, from the end of the last item on.
    text: String,
    found: bool,
}

impl Items {
    fn push(&mut self, text: &str) -> Vec<String> {
        // The tags may be split anywhere; only the new part and what could begin a tag are looked at again.
        let mut from = self.text.len().saturating_sub(CLOSE.len());
        self.text += text;
        let mut items = Vec::new();
        loop {
            from = boundary(&self.text, from);
            let Some(close) = self.text[from..].find(CLOSE).map(|at| at + from) else {
                return items;
            };
            self.found = true;
            let before = &self.text[..close];
            let item = before.rfind(OPEN).map_or(before, |open| &before[open + OPEN.len()..]);
            let item = item.trim();
            if !item.is_empty() {
                items.push(item.to_owned());
            }
            self.text.drain(..close + CLOSE.len());
            from = 0;
        }
    }

    /// The items of a model that did not write the tags: its lines, without marks and numbers of lists.
    fn rest(self) -> Vec<String> {
        if self.found {
            let last = self.text.rsplit_once(OPEN).map(|(_, item)| item.trim().to_owned());
            return last.into_iter().filter(|item| !item.is_empty()).collect();
        }
        let lines = self.text.lines().map(|line| {
            let line = line.trim();
            let digits = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
            match digits.strip_prefix(['.', ')']) {
                Some(rest) if digits.len() < line.len() => rest.trim(),
                _ => line.strip_prefix(['-', '*', '•']).unwrap_or(line).trim(),
            }
        });
        lines.filter(|line| !line.is_empty() && *line != OPEN).map(str::to_owned).collect()
    }
}

const OPEN: &str = "<item>";
const CLOSE: &str = "</item>";

const SYSTEM_PROMPT: &str = "\
You write lists. Answer with the items of the list that the user asks for and nothing else, each between <item> and </item>, without \
numbers or marks. Write as many items as the user wants, and if the user does not say, as many as make sense.";

#[cfg(test)]
mod tests {
    use super::*;

    fn items(pieces: &[&str]) -> Vec<String> {
        let mut items = Items::default();
        let mut all: Vec<String> = pieces.iter().flat_map(|piece| items.push(piece)).collect();
        all.extend(items.rest());
        all
    }

    #[test]
    fn items_are_found_however_they_are_split() {
        let text =
            "Sure!\n<item>größe</item>\n<item> two\nlines </item><item></item><item>3</item>";
        for size in 1..text.len() {
            let letters: Vec<char> = text.chars().collect();
            let pieces: Vec<String> =
                letters.chunks(size).map(|piece| piece.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            assert_eq!(items(&pieces), ["größe", "two\nlines", "3"], "{size}");
        }
    }

    #[test]
    fn lines_are_items_without_tags() {
        assert_eq!(
            items(&["1. one\n2) two\n\n- three\n* four\n5 apples"]),
            ["one", "two", "three", "four", "5 apples"]
        );
        assert_eq!(items(&[""]), [""; 0]);
    }

    #[test]
    fn an_item_that_was_cut_is_given_too() {
        assert_eq!(items(&["<item>a</item><item>b"]), ["a", "b"]);
    }
}
