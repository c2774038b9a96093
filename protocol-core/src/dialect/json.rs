//! JSON as it comes: borrowed, and typed only where its message needs it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Message;
use crate::time::Timestamp;

impl<'a> Message<'a> {
    /// JSON may come in a text or a binary message.
    pub(in crate::dialect) fn as_json(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        }
    }
}

/// One field as it came. Absent and null are the same: both mean the default (protocol page 1.1).
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(in crate::dialect) struct Field<'a>(#[serde(borrow)] Option<&'a RawValue>);

impl<'a> Field<'a> {
    pub(in crate::dialect) fn raw(self) -> Option<&'a RawValue> {
        self.0
    }

    pub(in crate::dialect) fn text(
        self,
        name: &'static str,
    ) -> Result<Option<Cow<'a, str>>, Invalid> {
        self.0.map(|raw| text(raw).ok_or(Invalid::new(name, "a string", raw))).transpose()
    }

    pub(in crate::dialect) fn required_text(
        self,
        name: &'static str,
    ) -> Result<Cow<'a, str>, Invalid> {
        self.text(name)?.ok_or(Invalid::missing(name))
    }

    /// The field as text, whatever it is.
    pub(in crate::dialect) fn describe(self) -> String {
        self.0.map_or_else(String::new, |raw| {
            text(raw).map_or_else(|| raw.get().to_owned(), Cow::into_owned)
        })
    }

    pub(in crate::dialect) fn object(
        self,
        name: &'static str,
    ) -> Result<Option<&'a RawValue>, Invalid> {
        match self.0 {
            Some(raw) if !raw.get().starts_with('{') => Err(Invalid::new(name, "an object", raw)),
            object => Ok(object),
        }
    }

    /// Missing is fine; present, it must be a time in one of the accepted forms.
    pub(in crate::dialect) fn check_timestamp(self) -> Result<(), Invalid> {
        let Some(raw) = self.0 else { return Ok(()) };
        let time = match text(raw) {
            Some(text) => Timestamp::parse(&text),
            None => raw.get().parse().ok().and_then(Timestamp::from_epoch),
        };
        time.map(|_| ()).ok_or(Invalid::new(
            "timestamp",
            "an ISO 8601 time or an epoch number",
            raw,
        ))
    }
}

/// A field that is missing or has another type than it should.
#[derive(Debug)]
pub(in crate::dialect) struct Invalid {
    field: &'static str,
    expected: &'static str,
    found: &'static str,
}

impl Invalid {
    pub(in crate::dialect) fn missing(field: &'static str) -> Self {
        Self { field, expected: "", found: "" }
    }

    pub(in crate::dialect) fn value(field: &'static str, expected: &'static str) -> Self {
        Self { field, expected, found: "another word" }
    }

    pub(in crate::dialect) fn large(field: &'static str, most: &'static str) -> Self {
        Self { field, expected: most, found: "more" }
    }

    pub(in crate::dialect) fn new(
        field: &'static str,
        expected: &'static str,
        raw: &RawValue,
    ) -> Self {
        let found = match raw.get().as_bytes().first() {
            Some(b'"') => "another string",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "a boolean",
            _ => "a number",
        };
        Self { field, expected, found }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, expected, found } = self;
        match *expected {
            "" => write!(f, "`{field}` is missing"),
            _ => write!(f, "`{field}` must be {expected}, not {found}"),
        }
    }
}

/// The string that `raw` is, if it is one.
pub(in crate::dialect) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// `{}`.
pub(in crate::dialect) fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("`{}` is JSON")
}

/// `null`.
pub(in crate::dialect) fn null() -> Box<RawValue> {
    RawValue::from_string("null".to_owned()).expect("`null` is JSON")
}
