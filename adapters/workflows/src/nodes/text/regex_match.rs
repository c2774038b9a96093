use crate::nodes::{prelude::*, text::pattern};

#[derive(Deserialize)]
struct RegexMatch {
    text: String,
    pattern: String,
    group: i64,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.RegexMatch",
        "Find Regex Matches",
        "Finds all matches of a regular expression, and gives each of them, or one group of \
         each, as a list. A group that took no part in its match is an empty text.",
    )
    .property(Property::str("text", "").describe("The text that is searched."))
    .property(Property::str("pattern", "").describe("The regular expression."))
    .property(
        Property::int("group", 0).describe("Which group of a match is given; 0 is all of it."),
    )
    .output("output", TypeDescriptor::list(TypeDescriptor::str()))
    .process(|p: RegexMatch, context: NodeContext| async move {
        let regex = pattern::compile(&p.pattern, &p.text)?;
        let groups = regex.captures_len();
        let group = usize::try_from(p.group).ok().filter(|group| *group < groups);
        let group = group.ok_or_else(|| {
            let most = groups - 1;
            format!("group is {}, but the pattern has {most}; use 0 to {most}", p.group)
        })?;
        let mut matches: Vec<Value> = Vec::new();
        let mut turns = pattern::Turns::default();
        for found in regex.captures_iter(&p.text) {
            turns.searched(&p.text, &found, &context).await;
            matches.push(found.get(group).map_or("", |group| group.as_str()).into());
            bounds::check_list(matches.len())?;
        }
        Ok(matches)
    })
}
