//! How well a node type fits words (protocol page 1.2, "Node search score").

use clawnode_workflows::NodeMetadata;

/// What is looked for, which has at least one word: as it is split at capitals, and as it is not.
pub(crate) struct Query(Vec<Phrase>);

struct Phrase {
    words: Vec<String>,
    text: String,
}

impl Query {
    /// The words of a text; `None` if it has none.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut phrases = vec![normalized(text, Capitals::Split)];
        phrases.push(normalized(text, Capitals::Kept));
        phrases.dedup();
        let phrase = |text: String| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            (!words.is_empty()).then_some(Phrase { words, text })
        };
        phrases.into_iter().map(phrase).collect::<Option<_>>().map(Self)
    }

    /// How well a type fits; 0 if it does not.
    pub(crate) fn score(&self, metadata: &NodeMetadata) -> u32 {
        let title = Searched::new(&metadata.title);
        let node_type = Searched::new(&metadata.node_type);
        let description = Searched::new(&metadata.description);
        let scores = self.0.iter().map(|phrase| phrase.score(&title, &node_type, &description));
        scores.max().unwrap_or(0)
    }
}

impl Phrase {
    fn score(&self, title: &Searched, node_type: &Searched, description: &Searched) -> u32 {
        let mut score = 0;
        if title.contains(&self.text) || node_type.contains(&self.text) {
            score += 60 + 20 * count(&self.words);
        }
        let mut named = Vec::new();
        for word in &self.words {
            let in_title = title.contains(word);
            let in_type = node_type.contains(word);
            score += 10 * u32::from(in_title) + 6 * u32::from(in_type);
            score += u32::from(description.contains(word));
            if in_title || in_type {
                named.push(word);
            }
        }
        let (named, all) = (count(&named), count(&self.words));
        score
            + match () {
                () if named * 4 >= all * 3 => 25,
                () if named * 2 >= all => 10,
                () => 0,
            }
    }
}

/// A text to look in, in both forms: who looks for `javascript` finds `JavaScript`, and so does who looks for `script`.
struct Searched {
    split: String,
    kept: String,
}

impl Searched {
    fn new(text: &str) -> Self {
        Self { split: normalized(text, Capitals::Split), kept: normalized(text, Capitals::Kept) }
    }

    fn contains(&self, words: &str) -> bool {
        self.split.contains(words) || self.kept.contains(words)
    }
}

/// What becomes of a capitalised word in the middle of a longer one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Capitals {
    Split,
    Kept,
}

/// Lower case, with one space wherever there was a dot, an underscore, another sign or, if these are
/// split, the beginning of a capitalised word.
fn normalized(text: &str, capitals: Capitals) -> String {
    let mut words = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for c in text.chars() {
        let starts_word = capitals == Capitals::Split
            && c.is_uppercase()
            && (before.is_lowercase() || before.is_numeric());
        if (starts_word || !c.is_alphanumeric()) && !words.ends_with(' ') && !words.is_empty() {
            words.push(' ');
        }
        if c.is_alphanumeric() {
            words.extend(c.to_lowercase());
        }
        before = c;
    }
    words.truncate(words.trim_end().len());
    words
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX / 100)
}

#[cfg(test)]
mod tests {
    use clawnode_workflows::{NodeType, Property};

    use super::*;

    #[test]
    fn names_are_split_into_words() {
        for (text, words) in [
            ("nodetool.text.FormatText", "nodetool text format text"),
            ("input_list", "input list"),
            ("  Concat,  texts! ", "concat texts"),
            ("JSONPath2Text", "jsonpath2 text"),
            ("...", ""),
        ] {
            assert_eq!(normalized(text, Capitals::Split), words);
        }
        assert_eq!(
            normalized("nodetool.text.FormatText", Capitals::Kept),
            "nodetool text formattext"
        );
        assert!(Query::new(" ._ ").is_none());
    }

    #[test]
    fn case_does_not_matter_even_in_the_middle_of_a_word() {
        let node = NodeType::new("demo.Code", "Run JavaScript", "Runs JavaScript.");
        let lower = NodeType::new("demo.Code", "Run Javascript", "Runs Javascript.");
        let score = |text: &str, node: &NodeType| Query::new(text).unwrap().score(node.metadata());
        for text in ["javascript", "JavaScript", "Javascript", "JAVASCRIPT"] {
            // In a row in the title, in the title, in the description, all of it.
            assert!(score(text, &node) >= 80 + 10 + 1 + 25, "{text}");
            assert!(score(text, &lower) >= 80 + 10 + 1 + 25, "{text}");
        }
    }

    #[test]
    fn each_part_of_the_score_counts() {
        let node = NodeType::new("demo.text.FormatText", "Format Text", "Fills a template.")
            .property(Property::str("template", ""));
        let score = |text: &str| Query::new(text).unwrap().score(node.metadata());
        for (text, expected) in [
            // In a row in title and type: 60 + 20; in title and type: 10 + 6; all of it: 25.
            ("format", 80 + 16 + 25),
            ("FormatText", 100 + 2 * 16 + 25),
            // Not in a row, and one of them only in the type.
            ("format demo", 16 + 6 + 25),
            // Only in the description.
            ("template", 1),
            // One of two words.
            ("format sound", 16 + 10),
            // One of three.
            ("format sound file", 16),
            ("sound", 0),
        ] {
            assert_eq!(score(text), expected, "{text}");
        }
    }
}
