//! What the commands show: results on stdout, everything else on stderr.

use std::io::{self, Write as _};

use clawnode_gateway::Status;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{FAILED, Failure};

/// The result goes to stdout even when the run failed: it holds what there is.
pub(crate) fn finish(
    status: Status,
    result: Option<Box<RawValue>>,
    error: Option<String>,
) -> Result<(), Failure> {
    if let Some(result) = result {
        let value: Value = serde_json::from_str(result.get())?;
        match writeln!(io::stdout(), "{value:#}") {
            // Whoever reads the result has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            done => done?,
        }
    }
    match status {
        Status::Completed => Ok(()),
        _ => Err(Failure::new(
            FAILED,
            error.unwrap_or_else(|| "the request failed without a reason".to_owned()),
        )),
    }
}

/// One line for people.
pub(crate) fn note(line: &str) {
    // With stderr gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
}

/// One line about an update; `None` for what only programs care about.
pub(crate) fn describe(update_type: &str, data: &Value) -> Option<String> {
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let line = match update_type {
        "job_update" => format!("job {}", text("status")),
        "node_update" => match text("error") {
            "" => format!("{} {}", named(data), text("status")),
            error => format!("{} {}: {error}", named(data), text("status")),
        },
        "node_progress" => format!("{} {}/{}", text("node_id"), data["progress"], data["total"]),
        "output_update" => {
            format!("output {} = {}", text("output_name"), shortened(&data["value"]))
        }
        "preview_update" => format!("preview {} = {}", text("node_id"), shortened(&data["value"])),
        "log_update" | "notification" | "chunk" => text("content").to_owned(),
        _ => return None,
    };
    Some(line)
}

fn named(data: &Value) -> String {
    let name = data["node_name"].as_str().or(data["node_id"].as_str()).unwrap_or_default();
    match data["node_type"].as_str() {
        Some(node_type) if !name.is_empty() => format!("{name} ({node_type})"),
        Some(node_type) => node_type.to_owned(),
        None => name.to_owned(),
    }
}

fn shortened(value: &Value) -> String {
    const MOST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
