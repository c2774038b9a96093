//! Keeps what a node builds within its limits.

use serde_json::Value;

use crate::{
    limits::{MAX_COLLECTED, MAX_DEPTH, MAX_TEXT, MAX_VALUE},
    node::NodeError,
};

/// A text that grows up to [`MAX_TEXT`].
#[derive(Default)]
pub(crate) struct BoundedText {
    text: String,
}

impl BoundedText {
    /// Adds `part`, unless the text would be too long.
    pub(crate) fn push(&mut self, part: &str) -> Result<(), NodeError> {
        check_text(self.text.len().saturating_add(part.len()))?;
        self.text.push_str(part);
        Ok(())
    }

    /// The text so far.
    pub(crate) fn into_string(self) -> String {
        self.text
    }
}

/// `parts` with `separator` between them.
pub(crate) fn joined<S: AsRef<str>>(
    parts: impl IntoIterator<Item = S>,
    separator: &str,
) -> Result<String, NodeError> {
    let mut text = BoundedText::default();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            text.push(separator)?;
        }
        text.push(part.as_ref())?;
    }
    Ok(text.into_string())
}

/// Refuses a text of more than [`MAX_TEXT`] bytes.
pub(crate) fn check_text(bytes: usize) -> Result<(), NodeError> {
    if bytes > MAX_TEXT {
        return Err(format!(
            "the text would have more than {MAX_TEXT} bytes; make it of fewer or shorter parts"
        )
        .into());
    }
    Ok(())
}

/// Refuses a list of more than [`MAX_COLLECTED`] elements.
pub(crate) fn check_list(elements: usize) -> Result<(), NodeError> {
    if elements > MAX_COLLECTED {
        return Err(format!(
            "the list would have more than {MAX_COLLECTED} elements; make it in smaller parts"
        )
        .into());
    }
    Ok(())
}

/// `value`, unless it is nested more than [`MAX_DEPTH`] levels deep or takes more than
/// [`MAX_VALUE`] bytes.
pub(crate) fn built(value: Value) -> Result<Value, NodeError> {
    let mut size = 0;
    let mut rest = vec![(&value, 1)];
    while let Some((value, level)) = rest.pop() {
        size += VALUE_BYTES;
        match value {
            Value::Array(_) | Value::Object(_) if level > MAX_DEPTH => {
                return Err(format!(
                    "the value would be nested more than {MAX_DEPTH} levels deep; build it flatter"
                )
                .into());
            }
            Value::Array(items) => rest.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(map) => {
                size += map.keys().map(String::len).sum::<usize>();
                rest.extend(map.values().map(|item| (item, level + 1)));
            }
            Value::String(text) => size += text.len(),
            _ => {}
        }
        if size > MAX_VALUE {
            return Err(format!(
                "the value would take more than {MAX_VALUE} bytes; work on its parts one after the \
                 other"
            )
            .into());
        }
    }
    Ok(value)
}

/// What one value takes beside its text.
const VALUE_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_grows_to_its_limit() {
        let mut text = BoundedText::default();
        text.push(&"x".repeat(MAX_TEXT - 1)).unwrap();
        text.push("x").unwrap();
        let error = text.push("x").unwrap_err().to_string();
        assert!(error.contains("more than 16777216 bytes"), "{error}");
        assert_eq!(text.into_string().len(), MAX_TEXT);
    }

    #[test]
    fn a_value_is_built_to_its_limit() {
        let room = MAX_VALUE - 2 * VALUE_BYTES;
        assert!(built(vec!["x".repeat(room)].into()).is_ok());
        let error = built(vec!["x".repeat(room + 1)].into()).unwrap_err().to_string();
        assert!(error.contains("more than 67108864 bytes"), "{error}");
    }

    #[test]
    fn a_list_has_a_number_of_elements() {
        assert!(check_list(MAX_COLLECTED).is_ok());
        let error = check_list(MAX_COLLECTED + 1).unwrap_err().to_string();
        assert!(error.contains("more than 1000000 elements"), "{error}");
    }
}
