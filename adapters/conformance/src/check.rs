use std::future::Future;
use std::pin::Pin;

use serde::Serialize;

/// One thing that an implementation must or should do, as data. The lists are [`node_checks`](crate::node_checks) and
/// [`gateway_checks`](crate::gateway_checks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// Its name, such as `node.ack-first`: stable from version to version, so scripts may rely on it.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// Whether failing it fails the suite.
    pub level: Level,
    /// The rule that is checked, a sentence.
    pub rule: &'static str,
    /// Where the rule comes from: a section of a standard, `protocol` for the gateway protocol's own messages, or `practice` for what
    /// no text demands and whose absence loses work or harms the other end.
    pub source: &'static str,
    /// What an implementation that is right does here.
    pub expected: &'static str,
}

/// How much a check weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Failing it fails the suite.
    Required,
    /// Failing it is reported and nothing more.
    Recommended,
}

/// Why a check ended without having passed.
#[derive(Debug)]
pub(crate) enum Ended {
    /// What came instead of what was expected.
    Failed(String),
    /// Why it was not tried.
    Skipped(String),
}

/// What came, when it is as expected.
pub(crate) type Outcome = Result<String, Ended>;

/// A check's future.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A check and how it is done on a stage of its own.
pub(crate) struct Entry<S: 'static> {
    pub(crate) check: Check,
    pub(crate) run: for<'a> fn(&'a mut S) -> Running<'a>,
}

/// Fails a check with what came.
pub(crate) fn failed<T>(came: impl Into<String>) -> Result<T, Ended> {
    Err(Ended::Failed(came.into()))
}

/// Leaves a check out, saying what would make it possible.
pub(crate) fn skipped<T>(reason: impl Into<String>) -> Result<T, Ended> {
    Err(Ended::Skipped(reason.into()))
}

/// A list of checks: `function "id" Level "title", "source": "rule" => "expected";`
macro_rules! checks {
    ($stage:ty; $($function:path, $id:literal, $level:ident, $title:literal, $source:literal, $rule:literal, $expected:literal;)*) => {
        &[$($crate::check::Entry::<$stage> {
            check: $crate::check::Check {
                id: $id,
                title: $title,
                level: $crate::check::Level::$level,
                rule: $rule,
                source: $source,
                expected: $expected,
            },
            run: |stage| Box::pin($function(stage)),
        }),*]
    };
}

pub(crate) use checks;
