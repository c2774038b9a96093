use std::collections::HashSet;

use crate::{
    limits::MAX_DISTINCT_BYTES,
    node::NodeError,
    nodes::{equality::identity, prelude::*},
};

#[derive(Deserialize)]
struct Distinct {
    key: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Distinct",
        "Distinct",
        "Passes on each item of a stream that is not the same as an earlier one, or whose key is \
         not. Items without the key count as having null there.",
    )
    .property(Property::any("input_item").describe("The stream of items."))
    .property(Property::str("key", "").describe(
        "The part of the item that counts, as item.id, item.tags[0] or just id; empty for all \
             of it.",
    ))
    .output("output", TypeDescriptor::any())
    .stream(&["input_item"], |p: Distinct, mut inputs: Inputs, context: NodeContext| async move {
        let path = Path::parse(&p.key)?;
        let mut seen = HashSet::new();
        let mut bytes = 0;
        while let Some(item) = inputs.next("input_item").await? {
            let key = identity(path.of(&item));
            let size = key.len() + ENTRY_BYTES;
            if !seen.insert(key) {
                continue;
            }
            bytes += size;
            if bytes > MAX_DISTINCT_BYTES {
                return Err(format!(
                    "the different items seen take more than {MAX_DISTINCT_BYTES} bytes to \
                     remember; set key to a small part of them that tells them apart"
                )
                .into());
            }
            context.emit("output", item).await;
        }
        Ok(())
    })
    .forwards()
}

/// Where in an item its key is.
struct Path(Vec<Step>);

enum Step {
    Name(String),
    Place(usize),
}

impl Path {
    fn parse(text: &str) -> Result<Self, NodeError> {
        let wrong = || {
            NodeError::from(format!(
                "key {text:?} is not a path into the item; write it as item.id, item.tags[0] or id"
            ))
        };
        let mut steps = Vec::new();
        let mut rest = text.trim();
        let mut is_first = true;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) = inner.split_once(']').ok_or_else(wrong)?;
                let quoted = |quote| step.strip_prefix(quote)?.strip_suffix(quote);
                steps.push(match quoted('"').or_else(|| quoted('\'')) {
                    Some(name) => Step::Name(name.to_owned()),
                    None => Step::Place(step.trim().parse().map_err(|_| wrong())?),
                });
                rest = after;
            } else {
                let dotted = rest.strip_prefix('.');
                if dotted.is_some() == is_first {
                    return Err(wrong());
                }
                let start = dotted.unwrap_or(rest);
                let end = start.find(['.', '[']).unwrap_or(start.len());
                let (name, after) = start.split_at(end);
                let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-');
                if name.is_empty() || !name.chars().all(fits) {
                    return Err(wrong());
                }
                if !(is_first && name == "item") {
                    steps.push(Step::Name(name.to_owned()));
                }
                rest = after;
            }
            is_first = false;
        }
        Ok(Self(steps))
    }

    fn of<'a>(&self, item: &'a Value) -> &'a Value {
        self.0.iter().fold(item, |value, step| match step {
            Step::Name(name) => &value[name.as_str()],
            Step::Place(place) => &value[*place],
        })
    }
}

/// What an entry takes in the table besides its text, roughly.
const ENTRY_BYTES: usize = 48;
