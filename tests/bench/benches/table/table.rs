//! The table.

use std::io::{self, Write};
use std::time::Duration;

/// Rows under headings, printed at the end.
#[derive(Default)]
pub(crate) struct Table {
    lines: Vec<[String; 3]>,
}

impl Table {
    pub(crate) fn heading(&mut self, text: &str) {
        self.lines.push([String::new(), String::new(), String::new()]);
        self.lines.push([text.to_owned(), String::new(), String::new()]);
    }

    pub(crate) fn row(&mut self, what: &str, value: &str, note: &str) {
        self.lines.push([format!("  {what}"), value.to_owned(), note.to_owned()]);
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        let width = |column: usize, lines: &[[String; 3]]| {
            let rows = lines.iter().filter(|line| !line[1].is_empty());
            rows.map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let (first, second) = (width(0, &self.lines), width(1, &self.lines));
        let mut out = io::stdout().lock();
        for [what, value, note] in &self.lines {
            writeln!(out, "{}", format!("{what:first$}  {value:>second$}  {note}").trim_end())?;
        }
        Ok(())
    }
}

/// A duration with three digits.
pub(crate) fn time(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    let (value, unit) = match nanos {
        ..1e3 => (nanos, "ns"),
        1e3..1e6 => (nanos / 1e3, "µs"),
        _ => (nanos / 1e6, "ms"),
    };
    let digits = match value {
        ..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}
