//! A picture of a recording: one HTML file that needs nothing else.

use std::fmt::Write as _;

use super::story::Line;

/// A sequence diagram: gateway, node and application as lanes, with filters.
pub(super) fn page(title: &str, lines: &[Line]) -> String {
    let mut data = String::from("[");
    for line in lines {
        let (at, kind) = (line.at.as_secs_f64(), line.kind.name());
        let (from, to) = (line.from as u8, line.to as u8);
        let (short, long) = (script(&line.short), script(line.long.as_deref().unwrap_or_default()));
        let _ = writeln!(data, "[{at:.6},\"{kind}\",{from},{to},{short},{long}],");
    }
    data.push(']');
    let escaped = title.replace('&', "&amp;").replace('<', "&lt;");
    PAGE.replace("%TITLE%", &escaped).replace("%DATA%", &data)
}

/// Text as a literal of a script within HTML.
fn script(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028")
}

const PAGE: &str = include_str!("page.html");
