//! What the doctor says: one line a check.

use std::io::{self, Write as _};

use serde::Serialize;
use serde_json::json;

use crate::error::{FAILED, Failure};

/// The checks so far.
pub(super) struct Report {
    gateway: String,
    json: bool,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    check: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self { gateway: String::new(), json, checks: Vec::new() }
    }

    /// Which gateway it is about.
    pub(super) fn about(&mut self, gateway: String) {
        if !self.json {
            print(&format!("gateway {}", printable(&gateway)));
        }
        self.gateway = gateway;
    }

    pub(super) fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Status::Ok, detail.into(), None);
    }

    /// Something that a node can live with, and what to do about it.
    pub(super) fn warning(
        &mut self,
        check: &'static str,
        detail: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.add(check, Status::Warning, detail.into(), Some(cure.into()));
    }

    /// What keeps a node from its work, and what to do about it.
    pub(super) fn failed(
        &mut self,
        check: &'static str,
        detail: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.add(check, Status::Failed, detail.into(), Some(cure.into()));
    }

    /// What could not be checked or need not be, and why.
    pub(super) fn skipped(&mut self, check: &'static str, why: impl Into<String>) {
        self.add(check, Status::Skipped, why.into(), None);
    }

    fn add(&mut self, check: &'static str, status: Status, detail: String, cure: Option<String>) {
        let check = Check {
            check,
            status,
            detail: printable(&detail),
            cure: cure.as_deref().map(printable),
        };
        if !self.json {
            let status = match check.status {
                Status::Ok => "ok",
                Status::Warning => "warning",
                Status::Failed => "failed",
                Status::Skipped => "skipped",
            };
            print(&format!("{status:7}  {:16}  {}", check.check, check.detail));
            if let Some(cure) = &check.cure {
                print(&format!("{:7}  {:16}  -> {cure}", "", ""));
            }
        }
        self.checks.push(check);
    }

    /// The JSON, if that is what is wanted, and the exit code.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let failed = self.checks.iter().any(|check| check.status == Status::Failed);
        if self.json {
            let Self { gateway, checks, .. } = &self;
            print(&format!("{:#}", json!({ "gateway": gateway, "ok": !failed, "checks": checks })));
        } else if !failed {
            let skipped = self.checks.iter().filter(|check| check.status == Status::Skipped);
            let skipped: Vec<&str> = skipped.map(|check| check.check).collect();
            if skipped.contains(&"connect") {
                let skipped = skipped.join(", ");
                print(&format!(
                    "nothing wrong was found, but not everything was looked at: {skipped}"
                ));
            }
        }
        if failed { Err(Failure::new(FAILED, "")) } else { Ok(()) }
    }
}

/// Text of others, without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn print(line: &str) {
    // With stdout gone there is nobody to tell, but the exit code still says something.
    let _ = writeln!(io::stdout(), "{line}");
}
