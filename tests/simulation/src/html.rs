//! A picture of a run: one HTML file that needs nothing else.

use std::fmt::Write as _;

use clawnode_protocol::dialect::Name;

use crate::record::{Kind, Lane};
use crate::simulation::Report;

/// Draws a recorded run as a sequence diagram: a self-contained HTML page with a lane for the gateway and for each node, and a
/// time axis that can be filtered and zoomed.
pub fn sequence_diagram(report: &Report) -> String {
    let mut data = String::from("[");
    for record in &report.records {
        let (kind, sent, from) = match record.kind {
            Kind::Message { sent, from } => ("message", sent, from),
            Kind::Lost => ("lost", record.at, record.lane),
            Kind::Connection => ("connection", record.at, record.lane),
            Kind::Work => ("work", record.at, record.lane),
            Kind::Timer => ("timer", record.at, record.lane),
            Kind::Fault => ("fault", record.at, record.lane),
            Kind::Violation => ("violation", record.at, record.lane),
        };
        let text = serde_json::to_string(&record.text).expect("a string is JSON");
        // A script element would end at `</script`, and change its rules at `<!--`.
        let text = text.replace('<', "\\u003c");
        let (at, sent) = (record.at.as_secs_f64(), sent.as_secs_f64());
        writeln!(
            data,
            "[{at:.6},{},\"{kind}\",{sent:.6},{},{text}],",
            lane(record.lane),
            lane(from)
        )
        .expect("strings take text");
    }
    data.push(']');
    let dialect = match report.dialect {
        Name::Openclaw => " openclaw",
        _ => "",
    };
    let title = format!("{}{dialect} world, seed {}", report.mix, report.seed);
    PAGE.replace("%TITLE%", &title)
        .replace("%NODES%", &report.nodes.to_string())
        .replace("%DATA%", &data)
}

fn lane(lane: Lane) -> usize {
    match lane {
        Lane::Gateway => 0,
        Lane::Node(index) => index + 1,
    }
}

const PAGE: &str = include_str!("diagram.html");
