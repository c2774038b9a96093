use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::output::harmless;

/// Something was done but did not succeed, such as a workflow.
pub(crate) const FAILED: u8 = 1;
/// The command line, a file or an environment variable is not as it should be. What clap uses as well.
pub(crate) const USAGE: u8 = 2;
/// The gateway will not have this node, and trying again does not change that.
pub(crate) const REFUSED: u8 = 3;
/// The gateway cannot be reached, or has nobody to do the work.
pub(crate) const UNAVAILABLE: u8 = 4;
/// Interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why the program ends with an exit code other than 0.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// What happened, and what to do about it.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// The same, and one thing more to do about it.
    pub(crate) fn with_advice(mut self, advice: &str) -> Self {
        self.message.push('\n');
        self.message.push_str(advice);
        self
    }

    /// Says what happened, on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            // With stderr gone there is nobody to tell.
            let _ = writeln!(io::stderr(), "clawnode: {}", harmless(&self.message));
        }
        ExitCode::from(self.code)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(FAILED, chain(&error))
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some errors print their cause themselves.
        if !text.ends_with(&next) {
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}
