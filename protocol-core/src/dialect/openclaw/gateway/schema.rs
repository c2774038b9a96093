//! Closed objects: a gateway refuses what holds a property it does not know (openclaw page 2).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialect::json;
use crate::text::{MOST_REASON_BYTES, fitting};

/// One property that an object may hold.
#[derive(Debug)]
pub(super) struct Property {
    name: &'static str,
    required: bool,
    kind: Kind,
}

/// What a property must be.
#[derive(Debug)]
pub(super) enum Kind {
    Any,
    Boolean,
    /// Text of a length between these, in UTF-16 code units.
    Text {
        least: usize,
        most: usize,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number that is no less than this.
    Integer {
        least: i64,
    },
    /// A list of texts that are not empty.
    Texts,
    /// An object of booleans.
    Switches,
    Object(&'static [Property]),
}

impl Property {
    pub(super) const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, required: true, kind }
    }

    pub(super) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, required: false, kind }
    }
}

impl Kind {
    pub(super) const TEXT: Self = Self::Text { least: 1, most: usize::MAX };
    pub(super) const ANY_TEXT: Self = Self::Text { least: 0, most: usize::MAX };
}

/// An object that holds what its schema says, and nothing else.
#[derive(Debug)]
pub(super) struct Object<'a> {
    schema: &'static [Property],
    /// In the order of the schema.
    found: Vec<Option<&'a RawValue>>,
}

impl<'a> Object<'a> {
    /// Reads `json`. What is wrong with it is said in the gateway's words, cut to size.
    pub(super) fn read(json: &'a str, schema: &'static [Property]) -> Result<Self, String> {
        Self::read_with(json, schema, |_| {})
    }

    /// The same, but `mend` may change what was found before it is checked.
    pub(super) fn read_with(
        json: &'a str,
        schema: &'static [Property],
        mend: impl FnOnce(&mut Self),
    ) -> Result<Self, String> {
        let (mut object, unexpected) = Self::take(json, schema).ok_or("at root: must be object")?;
        mend(&mut object);
        let mut problems = Vec::new();
        object.check("", unexpected, &mut problems);
        if problems.is_empty() {
            return Ok(object);
        }
        Err(fitting(&problems.join("; "), MOST_REASON_BYTES).to_owned())
    }

    /// One of its properties as it came.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.index(name).and_then(|index| self.found[index])
    }

    /// One of its properties that the schema calls a text.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).and_then(json::text)
    }

    /// One of its properties that the schema calls a whole number of 0 or more.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.raw(name).and_then(integer).and_then(|number| u64::try_from(number).ok())
    }

    /// One of its properties that the schema calls a list of texts.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let raw = self.raw(name);
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// One of its properties that the schema calls an object.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        let index = self.index(name)?;
        let Kind::Object(schema) = &self.schema[index].kind else { return None };
        self.found[index].and_then(|raw| Self::take(raw.get(), schema)).map(|(object, _)| object)
    }

    /// Takes a property away.
    pub(super) fn remove(&mut self, name: &str) -> Option<&'a RawValue> {
        self.index(name).and_then(|index| self.found[index].take())
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.schema.iter().position(|property| property.name == name)
    }

    /// The object, and the name of the first property that the schema does not know.
    fn take(json: &'a str, schema: &'static [Property]) -> Option<(Self, Option<String>)> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let taken = Reader(schema).deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(taken)
    }

    fn check(&self, path: &str, unexpected: Option<String>, problems: &mut Vec<String>) {
        let at = if path.is_empty() { String::new() } else { format!("at {path}: ") };
        for (property, found) in self.schema.iter().zip(&self.found) {
            if property.required && found.is_none() {
                problems.push(format!("{at}must have required property '{}'", property.name));
            }
        }
        if let Some(name) = unexpected {
            let at = if path.is_empty() { "at root: " } else { &at };
            problems.push(format!("{at}unexpected property '{name}'"));
        }
        for (property, found) in self.schema.iter().zip(&self.found) {
            let Some(raw) = found else { continue };
            let path = format!("{path}/{}", property.name);
            if let Kind::Object(schema) = &property.kind {
                match Self::take(raw.get(), schema) {
                    Some((object, unexpected)) => object.check(&path, unexpected, problems),
                    None => problems.push(format!("at {path}: must be object")),
                }
            } else if let Some(problem) = property.kind.problem(raw) {
                problems.push(format!("at {path}: {problem}"));
            }
        }
    }
}

impl Kind {
    fn problem(&self, raw: &RawValue) -> Option<String> {
        match self {
            Self::Any | Self::Object(_) => None,
            Self::Boolean => {
                (!matches!(raw.get(), "true" | "false")).then(|| "must be boolean".to_owned())
            }
            Self::Text { least, most } => {
                let Some(text) = json::text(raw) else { return Some("must be string".to_owned()) };
                let units = utf16_len(&text);
                if units < *least {
                    Some(format!("must not have fewer than {least} characters"))
                } else if units > *most {
                    Some(format!("must not have more than {most} characters"))
                } else {
                    None
                }
            }
            Self::Word(words) => {
                let known = json::text(raw).is_some_and(|text| words.contains(&&*text));
                (!known).then(|| match words {
                    [_] => "must be equal to constant".to_owned(),
                    _ => "must be equal to one of the allowed values".to_owned(),
                })
            }
            Self::Integer { least } => match integer(raw) {
                None => Some("must be integer".to_owned()),
                Some(number) if number < *least => Some(format!("must be >= {least}")),
                Some(_) => None,
            },
            Self::Texts => {
                let texts = serde_json::from_str::<Vec<Cow<'_, str>>>(raw.get()).ok();
                let good = texts.is_some_and(|texts| texts.iter().all(|text| !text.is_empty()));
                (!good).then(|| "must be array of strings that are not empty".to_owned())
            }
            Self::Switches => {
                let switches = serde_json::from_str::<BTreeMap<String, bool>>(raw.get());
                switches.is_err().then(|| "must be object of booleans".to_owned())
            }
        }
    }
}

/// Length in UTF-16 code units, the gateway's measure.
fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// A number without a fraction, however it is written.
fn integer(raw: &RawValue) -> Option<i64> {
    let text = raw.get();
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        // 2^53: beyond it a JSON number is no exact one.
        let exact = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
        exact.then_some(number as i64)
    })
}

/// Reads what the schema knows, and passes over the rest: what is kept does not grow with the object.
struct Reader(&'static [Property]);

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = (Object<'de>, Option<String>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = (Object<'de>, Option<String>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self(schema) = self;
        let mut object = Object { schema, found: vec![None; schema.len()] };
        let mut unexpected = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match object.index(&name) {
                Some(index) => object.found[index] = Some(map.next_value::<&'de RawValue>()?),
                None => {
                    unexpected.get_or_insert_with(|| fitting(&name, MOST_NAME_SHOWN).to_owned());
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((object, unexpected))
    }
}

/// Bytes of an unknown property's name that are told.
const MOST_NAME_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: &[Property] = &[Property::required("id", Kind::Word(&["a", "b"]))];
    const SCHEMA: &[Property] = &[
        Property::required("type", Kind::Word(&["req"])),
        Property::required("text", Kind::Text { least: 1, most: 2 }),
        Property::optional("number", Kind::Integer { least: 0 }),
        Property::optional("flag", Kind::Boolean),
        Property::optional("list", Kind::Texts),
        Property::optional("switches", Kind::Switches),
        Property::optional("inner", Kind::Object(INNER)),
        Property::optional("any", Kind::Any),
    ];

    fn problem(json: &str) -> String {
        Object::read(json, SCHEMA).expect_err("something is wrong with it")
    }

    #[test]
    fn what_fits_is_read() {
        let json = r#"{"type":"req","text":"\u00e9x","number":3.0,"flag":true,"list":["a"],"switches":{"x":false},
            "inner":{"id":"b"},"any":[null]}"#;
        let object = Object::read(json, SCHEMA).unwrap();
        assert_eq!(object.text("text").as_deref(), Some("éx"));
        assert_eq!(object.number("number"), Some(3));
        assert_eq!(object.texts("list"), ["a"]);
        assert_eq!(object.object("inner").unwrap().text("id").as_deref(), Some("b"));
        assert_eq!(object.raw("any").unwrap().get(), "[null]");
    }

    #[test]
    fn what_does_not_fit_is_named_in_the_gateways_words() {
        for (json, expected) in [
            ("[]", "at root: must be object"),
            ("{}", "must have required property 'type'; must have required property 'text'"),
            (
                r#"{"type":"event","event":"x","text":"x"}"#,
                "at root: unexpected property 'event'; at /type: must be equal to constant",
            ),
            (r#"{"type":"req","text":""}"#, "at /text: must not have fewer than 1 characters"),
            (r#"{"type":"req","text":"xyz"}"#, "at /text: must not have more than 2 characters"),
            (
                r#"{"type":"req","text":"x\ud83d\ude00"}"#,
                "at /text: must not have more than 2 characters",
            ),
            (r#"{"type":"req","text":"\ud800"}"#, "at /text: must be string"),
            (r#"{"type":"req","text":null}"#, "at /text: must be string"),
            (r#"{"type":"req","text":"x","number":-1}"#, "at /number: must be >= 0"),
            (r#"{"type":"req","text":"x","number":1.5}"#, "at /number: must be integer"),
            (r#"{"type":"req","text":"x","number":1e99}"#, "at /number: must be integer"),
            (r#"{"type":"req","text":"x","flag":0}"#, "at /flag: must be boolean"),
            (
                r#"{"type":"req","text":"x","list":[""]}"#,
                "at /list: must be array of strings that are not empty",
            ),
            (
                r#"{"type":"req","text":"x","switches":{"x":1}}"#,
                "at /switches: must be object of booleans",
            ),
            (r#"{"type":"req","text":"x","inner":7}"#, "at /inner: must be object"),
            (
                r#"{"type":"req","text":"x","inner":{"foo":1}}"#,
                "at /inner: must have required property 'id'; at /inner: unexpected property 'foo'",
            ),
            (
                r#"{"type":"req","text":"x","inner":{"id":"c"}}"#,
                "at /inner/id: must be equal to one of the allowed values",
            ),
        ] {
            assert_eq!(problem(json), expected, "{json}");
        }
    }

    #[test]
    fn a_name_of_64_bytes_is_told_and_a_longer_one_is_cut() {
        for (length, told) in [(64, 64), (65, 64)] {
            let name = "x".repeat(length);
            let problem = problem(&format!(r#"{{"type":"req","text":"x","{name}":1}}"#));
            assert_eq!(problem, format!("at root: unexpected property '{}'", "x".repeat(told)));
        }
    }
}
