use crate::nodes::{prelude::*, text::pattern};

#[derive(Deserialize)]
struct RegexReplace {
    text: String,
    pattern: String,
    replacement: String,
    count: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.RegexReplace",
        "Replace with Regex",
        "Replaces the matches of a regular expression.",
    )
    .property(Property::str("text", "").describe("The text that is changed."))
    .property(Property::str("pattern", "").describe("The regular expression."))
    .property(
        Property::str("replacement", "")
            .describe("What a match is replaced by; \\1, $1 or \\g<name> stand for a group of it."),
    )
    .property(Property::int("count", 0).describe("How many matches are replaced; 0 replaces all."))
    .output("output", TypeDescriptor::str())
    .process(|p: RegexReplace, context: NodeContext| async move {
        let regex = pattern::compile(&p.pattern, &p.text)?;
        let replacement = pattern::Replacement::parse(&p.replacement, &regex)?;
        let most = usize::try_from(p.count).ok().filter(|count| *count > 0).unwrap_or(usize::MAX);
        let mut changed = BoundedText::default();
        let mut done = 0;
        let mut turns = pattern::Turns::default();
        for found in regex.captures_iter(&p.text).take(most) {
            turns.searched(&p.text, &found, &context).await;
            let place = found.get_match();
            changed.push(&p.text[done..place.start()])?;
            replacement.expand(&found, &mut changed)?;
            done = place.end();
        }
        changed.push(&p.text[done..])?;
        Ok(changed.into_string())
    })
}
