//! Regular expressions within limits. They run in linear time for one match, which rules out
//! what Python and JavaScript offer beyond that: looking around and referring back.

use regex::{Captures, Regex, RegexBuilder};

use crate::{
    bounds::BoundedText,
    engine::NodeContext,
    limits::{MAX_REGEX_PROGRAM, MAX_REGEX_TEXT},
    node::NodeError,
};

/// Compiles `pattern` to search `text` with it.
pub(super) fn compile(pattern: &str, text: &str) -> Result<Regex, NodeError> {
    if text.len() > MAX_REGEX_TEXT {
        return Err(format!(
            "text has {} bytes; a pattern searches at most {MAX_REGEX_TEXT}, so split it before",
            text.len()
        )
        .into());
    }
    let regex = RegexBuilder::new(pattern).size_limit(MAX_REGEX_PROGRAM).build();
    regex.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("pattern takes more than {MAX_REGEX_PROGRAM} bytes; use smaller repetitions")
                .into()
        }
        error => format!("pattern: {error}").into(),
    })
}

/// Gives turns away while a text is searched for match after match. Each search may look at all
/// of the rest of the text, whatever it finds.
#[derive(Default)]
pub(super) struct Turns {
    bytes: usize,
}

impl Turns {
    /// To be called for each match of `text`.
    pub(super) async fn searched(
        &mut self,
        text: &str,
        found: &Captures<'_>,
        context: &NodeContext,
    ) {
        self.bytes += text.len() - found.get_match().start();
        if self.bytes > BYTES_PER_TURN {
            self.bytes = 0;
            context.pause().await;
        }
    }
}

/// What a match is replaced by: Python's `\1`, `\g<name>`, `\n` and JavaScript's `$1`, `$&`,
/// `$<name>`, `$$`. A `$` before anything that is no group stands for itself.
pub(super) struct Replacement {
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Reads `template`, whose groups must be among those of `regex`.
    pub(super) fn parse(template: &str, regex: &Regex) -> Result<Self, NodeError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['\\', '$']) {
            text.push_str(&rest[..at]);
            let (mark, after) = rest[at..].split_at(1);
            let found = if mark == "\\" { escape(after, regex)? } else { dollar(after, regex) };
            let length = match found {
                Some((Part::Text(literal), length)) => {
                    text.push_str(&literal);
                    length
                }
                Some((group, length)) => {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(group);
                    length
                }
                None => {
                    text.push_str(mark);
                    0
                }
            };
            rest = &after[length..];
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        Ok(Self { parts })
    }

    /// Adds what replaces `found`.
    pub(super) fn expand(
        &self,
        found: &Captures<'_>,
        out: &mut BoundedText,
    ) -> Result<(), NodeError> {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => out.push(text),
            Part::Group(group) => out.push(found.get(*group).map_or("", |group| group.as_str())),
        })
    }
}

/// What follows a backslash, and how many bytes of it belong to that; nothing for a backslash
/// that stands for itself.
fn escape(after: &str, regex: &Regex) -> Result<Option<(Part, usize)>, NodeError> {
    let literal = |text: &str| Ok(Some((Part::Text(text.to_owned()), 1)));
    match after.chars().next() {
        Some('\\') => return literal("\\"),
        Some('n') => return literal("\n"),
        Some('r') => return literal("\r"),
        Some('t') => return literal("\t"),
        _ => {}
    }
    let named = after.strip_prefix("g<").and_then(|name| name.split_once('>'));
    let (name, length) = match named {
        Some((name, _)) => (name, name.len() + 3),
        None => (digits(after), digits(after).len()),
    };
    if length == 0 {
        return Ok(None);
    }
    match group(name, regex) {
        Some(group) => Ok(Some((Part::Group(group), length))),
        None => Err(format!(
            "replacement uses group {name:?}, which the pattern does not have; it has {}",
            regex.captures_len() - 1
        )
        .into()),
    }
}

fn dollar(after: &str, regex: &Regex) -> Option<(Part, usize)> {
    if after.starts_with('$') {
        return Some((Part::Text("$".to_owned()), 1));
    }
    if after.starts_with('&') {
        return Some((Part::Group(0), 1));
    }
    if let Some((name, _)) = after.strip_prefix('<').and_then(|name| name.split_once('>')) {
        return Some((Part::Group(group(name, regex)?), name.len() + 2));
    }
    let digits = digits(after);
    let group = group(digits, regex).filter(|group| *group > 0)?;
    Some((Part::Group(group), digits.len()))
}

/// A group by its number or name.
fn group(name: &str, regex: &Regex) -> Option<usize> {
    match name.parse::<usize>() {
        Ok(number) => (number < regex.captures_len()).then_some(number),
        Err(_) => regex.capture_names().position(|known| known == Some(name)),
    }
}

/// The digits at the start, two at most.
fn digits(text: &str) -> &str {
    let count = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    &text[..count]
}

/// Bytes that a node may search before others have their turn. One poll of a run has some hundreds
/// of turns.
const BYTES_PER_TURN: usize = 64 * 1024;
