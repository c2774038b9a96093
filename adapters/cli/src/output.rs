//! What the commands show: results on stdout, everything else on stderr.

use std::io::{self, StdoutLock, Write};

use clawnode_gateway::Status;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::{FAILED, Failure};

/// The result goes to stdout even when the run failed: it holds what there is, and why there is no more.
pub(crate) fn finish(
    status: Status,
    result: Option<Box<RawValue>>,
    error: Option<String>,
) -> Result<(), Failure> {
    let result = result.map(|result| serde_json::from_str(result.get())).transpose()?;
    if status == Status::Completed {
        return result.map_or(Ok(()), |result| print_result(&result));
    }
    let error = error.unwrap_or_else(|| "the request failed without a reason".to_owned());
    print_result(&with_error(result, &error))?;
    Err(Failure::new(FAILED, error))
}

/// A result with the reason of its failure. One that is no object stands below `result`.
fn with_error(result: Option<Value>, error: &str) -> Value {
    let mut failed = match result {
        Some(Value::Object(failed)) => failed,
        other => Map::from_iter([("result".to_owned(), other.unwrap_or_default())]),
    };
    failed.entry("status").or_insert_with(|| "failed".into());
    failed.entry("error").or_insert_with(|| error.into());
    Value::Object(failed)
}

fn print_result(result: &Value) -> Result<(), Failure> {
    print(|out| writeln!(out, "{result:#}"))
}

pub(crate) fn print_json<T: Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    print_result(&serde_json::to_value(value)?)
}

/// Writes to standard output, and stops without a word when its reader has seen enough.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    match write(&mut io::stdout().lock()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// Standard output for what goes on when its reader has seen enough: the rest goes nowhere, and the exit code says how it ended.
pub(crate) struct Stdout(Option<StdoutLock<'static>>);

pub(crate) fn stdout() -> Stdout {
    Stdout(Some(io::stdout().lock()))
}

impl Stdout {
    fn heard<T>(&mut self, done: io::Result<T>, unheard: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.0 = None;
                Ok(unheard)
            }
            done => done,
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(out) = &mut self.0 else { return Ok(bytes.len()) };
        let done = out.write(bytes);
        self.heard(done, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(out) = &mut self.0 else { return Ok(()) };
        let done = out.flush();
        self.heard(done, ())
    }
}

/// One line for people.
pub(crate) fn note(line: &str) {
    // With stderr gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", harmless(line));
}

/// Text of others, without what a terminal would obey but line breaks and tabs.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '?' } else { c })
        .collect()
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

/// The value as JSON, cut where it gets long.
pub(crate) fn shortened(value: &Value) -> String {
    const MOST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failure_is_told_with_what_there_is() {
        for (result, shown) in [
            (None, json!({"status": "failed", "result": null, "error": "why"})),
            (Some(json!(7)), json!({"status": "failed", "result": 7, "error": "why"})),
            (
                Some(json!({"status": "cancelled", "result": {"a": [1]}})),
                json!({"status": "cancelled", "result": {"a": [1]}, "error": "why"}),
            ),
            (
                Some(json!({"status": "failed", "error": "its own"})),
                json!({"status": "failed", "error": "its own"}),
            ),
        ] {
            assert_eq!(with_error(result, "why"), shown);
        }
    }
}
