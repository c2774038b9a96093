use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::json::to_object;

/// Why a handler failed, as the gateway will read it, and the part of the result there is all the same.
///
/// Every error type turns into one, so handlers use `?` and return whatever error they like: its causes are appended,
/// each after a colon. For an error that has a partial result, or is only a sentence, make one by hand:
///
/// ```
/// use clawnode_runtime::Failed;
///
/// let failed = Failed::new("2 of 3 files were copied").with_partial(&serde_json::json!({ "copied": 2 }));
/// assert_eq!(failed.message(), "2 of 3 files were copied");
/// ```
pub struct Failed {
    code: Option<Cow<'static, str>>,
    message: String,
    partial: Option<Box<RawValue>>,
}

impl Failed {
    /// A failure that leaves no result.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into(), partial: None }
    }

    /// An error and its causes, for error types that do not implement [`Error`] themselves but refer to one.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors print their cause themselves.
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Self::new(message)
    }

    /// Adds the part of the result that exists: something that serialises to a JSON object. If it does not, the message
    /// says so and nothing is added.
    #[must_use]
    pub fn with_partial<T: Serialize + ?Sized>(mut self, partial: &T) -> Self {
        match to_object(partial) {
            Ok(object) => self.partial = Some(object),
            Err(error) => {
                self.message =
                    format!("{} (and its partial result is lost: {error})", self.message);
            }
        }
        self
    }

    /// Adds a word for programs, such as `INVALID_REQUEST`. Only the openclaw dialect sends it; without one it says
    /// `UNAVAILABLE`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// What the gateway reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The part of the result that exists, a JSON object.
    pub fn partial(&self) -> Option<&RawValue> {
        self.partial.as_deref()
    }

    pub(crate) fn into_failure(self) -> clawnode_protocol::Failure {
        let failure = clawnode_protocol::Failure::new(self.message);
        clawnode_protocol::Failure { code: self.code, partial: self.partial, ..failure }
    }
}

impl<E: Error + 'static> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::from_error(&error)
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partial = self.partial.as_ref().map(|partial| partial.get().len());
        f.debug_struct("Failed")
            .field("message", &self.message)
            .field("partial_bytes", &partial)
            .finish()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn joins_causes_and_repeats_nothing() {
        let inner = Link("c", None);
        let error = Link("a", Some(Box::new(Link("b", Some(Box::new(inner))))));
        assert_eq!(Failed::from(error).message(), "a: b: c");
        let error = Link("read x: not found", Some(Box::new(Link("not found", None))));
        assert_eq!(Failed::from(error).message(), "read x: not found");
    }

    #[test]
    fn keeps_objects_only() {
        let failed = Failed::new("half").with_partial(&[1, 2]);
        assert!(failed.partial().is_none());
        assert_eq!(
            failed.message(),
            "half (and its partial result is lost: it must be a JSON object, not an array)"
        );
    }
}
