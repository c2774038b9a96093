use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::check::{Check, Ended, Level, Outcome};

/// What came of a suite.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// `node` or `gateway`: what was checked.
    pub subject: &'static str,
    /// Whether all required checks that were tried have passed, and at least one has.
    pub passed: bool,
    /// Each check, in the order of the list.
    pub results: Vec<CheckResult>,
}

/// What came of one check.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CheckResult {
    /// The check.
    #[serde(flatten)]
    pub check: Check,
    /// How it ended.
    pub status: Status,
    /// What came; for a skipped check, why it was skipped.
    pub came: String,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// What came is what was expected.
    Passed,
    /// Something else came.
    Failed,
    /// Not tried.
    Skipped,
}

impl Report {
    pub(crate) fn new(subject: &'static str, results: Vec<CheckResult>) -> Self {
        let broken =
            |one: &CheckResult| one.status == Status::Failed && one.check.level == Level::Required;
        let passed =
            results.iter().any(|one| one.status == Status::Passed) && !results.iter().any(broken);
        Self { subject, passed, results }
    }

    /// How many checks ended so.
    pub fn count(&self, status: Status) -> usize {
        self.with(status).count()
    }

    /// The checks that ended so, in order.
    pub fn with(&self, status: Status) -> impl Iterator<Item = &CheckResult> {
        self.results.iter().filter(move |one| one.status == status)
    }
}

impl CheckResult {
    pub(crate) fn new(check: Check, outcome: Outcome, took: Duration) -> Self {
        let (status, came) = match outcome {
            Ok(came) => (Status::Passed, came),
            Err(Ended::Failed(came)) => (Status::Failed, came),
            Err(Ended::Skipped(reason)) => (Status::Skipped, reason),
        };
        Self { check, status, came: printable(&came), seconds: took.as_secs_f64() }
    }
}

/// A table: one line a check, and below each that failed what was expected, what came, and the rule.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.results.iter().map(|one| one.check.id.len()).max().unwrap_or(0);
        for one in &self.results {
            let Check { id, title, level, rule, source, expected } = one.check;
            let word = match (one.status, level) {
                (Status::Passed, _) => "pass",
                (Status::Failed, Level::Required) => "FAIL",
                (Status::Failed, Level::Recommended) => "warn",
                (Status::Skipped, _) => "skip",
            };
            writeln!(f, "{word}  {id:width$}  {title}")?;
            match one.status {
                Status::Passed => {}
                Status::Skipped => writeln!(f, "        skipped   {}", one.came)?,
                Status::Failed => {
                    writeln!(f, "        expected  {expected}")?;
                    writeln!(f, "        came      {}", one.came)?;
                    writeln!(f, "        rule      {rule} ({source})")?;
                }
            }
        }
        let warned = self.with(Status::Failed).filter(|one| one.check.level != Level::Required);
        let warned = warned.count();
        let (passed, failed, skipped) = (
            self.count(Status::Passed),
            self.count(Status::Failed) - warned,
            self.count(Status::Skipped),
        );
        write!(f, "{passed} passed, {failed} failed, {warned} warned, {skipped} skipped: ")?;
        let verdict = if self.passed { "conforms" } else { "does not conform" };
        write!(f, "the {} {verdict} as far as it was tried", self.subject)
    }
}

/// What other programs say may be long, and may hold what a terminal acts upon.
pub(crate) fn printable(text: &str) -> String {
    const MOST: usize = 300;
    let mut shown: String =
        text.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}
