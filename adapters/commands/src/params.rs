//! What the arguments of all commands have in common: how they are read, bounded and described.

use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::error::CommandError;

/// The user id that stands for "whoever the node belongs to": what the protocol's arguments say
/// when they say nothing.
pub const DEFAULT_USER_ID: &str = "1";

/// Reads the arguments of a command.
///
/// # Errors
///
/// [`CommandError::Arguments`] naming the argument that is unknown, missing or of the wrong
/// type.
pub fn parse<P: DeserializeOwned>(args: Value) -> Result<P, CommandError> {
    let args = if args.is_null() { Value::Object(Map::new()) } else { args };
    if !args.is_object() {
        return Err(CommandError::Arguments("the arguments must be a JSON object".to_owned()));
    }
    serde_json::from_value(args).map_err(|error| {
        let text = error.to_string();
        let text = text.replace("unknown field", "unknown argument");
        CommandError::Arguments(text.replace("missing field", "missing argument"))
    })
}

/// Words to look for: a list of texts, or one text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a list of texts, or one text")]
pub enum Words {
    /// Several texts.
    Many(Vec<String>),
    /// One text.
    One(String),
}

impl Words {
    /// All of them, with a space between each two.
    pub fn joined(&self) -> String {
        match self {
            Self::Many(texts) => texts.join(" "),
            Self::One(text) => text.clone(),
        }
    }
}

/// As many rows as `limit` says, from 1 to `most`.
pub(crate) fn bounded(limit: u32, most: u32) -> Result<usize, CommandError> {
    if !(1..=most).contains(&limit) {
        let text = format!("argument `limit` must be from 1 to {most}, not {limit}");
        return Err(CommandError::Arguments(text));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Refuses an argument `user_id` that names somebody else than the request is made for.
pub(crate) fn check_user(user: &str, named: Option<&str>) -> Result<(), CommandError> {
    match named {
        Some(named) if named != user && named != DEFAULT_USER_ID => {
            Err(CommandError::OtherUser { named: named.to_owned(), user: user.to_owned() })
        }
        _ => Ok(()),
    }
}
