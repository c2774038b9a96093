//! Reading what a gateway says without insisting on anything.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What is missing, null or of another type is as good as none. Used with `#[serde(default)]`.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// A list without those of its elements that cannot be read.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    lenient(deserializer).map(readable)
}

/// The same of something that must be a list.
pub(super) fn required_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Vec::deserialize(deserializer).map(readable)
}

fn readable<T: DeserializeOwned>(elements: Vec<Value>) -> Vec<T> {
    elements.into_iter().filter_map(|element| serde_json::from_value(element).ok()).collect()
}
