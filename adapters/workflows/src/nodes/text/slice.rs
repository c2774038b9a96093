use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct Slice {
    text: String,
    start: i64,
    stop: i64,
    step: i64,
}

/// Editors store the default `stop` of 0, with which Python would take nothing. It means the
/// end here, as the examples of the original have it.
pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.text.Slice",
        "Slice Text",
        "Takes the characters from `start` up to but not including `stop`, every `step`th of \
         them, as `text[start:stop:step]` in Python. A step of -1 alone turns the text around.",
    )
    .property(Property::str("text", "").describe("The text of which a part is taken."))
    .property(
        Property::int("start", 0).describe("The first character; negative counts from the end."),
    )
    .property(
        Property::int("stop", 0)
            .describe("The character after the last; negative counts from the end, 0 is the end."),
    )
    .property(
        Property::int("step", 1).describe("How far from one to the next; negative goes back."),
    )
    .output("output", TypeDescriptor::str())
    .compute(|p: Slice| {
        if p.step == 0 {
            return Err("step is 0; use 1 for every character, or -1 to go backwards".into());
        }
        let to_the_end = p.stop == 0 && (p.step > 0 || p.start == 0);
        let start = (p.step > 0 || !to_the_end).then_some(p.start);
        let stop = (!to_the_end).then_some(p.stop);
        let characters: Vec<char> = p.text.chars().collect();
        let taken = python::slice(characters.len(), start, stop, p.step);
        Ok(taken.map(|at| characters[at]).collect::<String>())
    })
}
