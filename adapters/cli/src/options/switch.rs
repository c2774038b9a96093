//! Options that are on or off.

use std::ffi::OsStr;

use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::{Arg, Command, Error};

/// `true`, `yes`, `on`, `1` and their opposites, as the environment has them. An empty variable is one that is not set.
#[derive(Clone)]
pub(crate) struct Switch;

impl TypedValueParser for Switch {
    type Value = bool;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<bool, Error> {
        if value.is_empty() {
            return Ok(false);
        }
        BoolishValueParser::new().parse_ref(command, arg, value)
    }
}
