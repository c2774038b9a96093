use jiff::Zoned;

use crate::nodes::{date::moment, prelude::*};

#[derive(Deserialize)]
struct Format {
    date: Value,
    pattern: String,
}

pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "lib.datetime.Format",
        "Format Date",
        "Writes a date as text by a pattern of YYYY, YY, MM, M, DD, D, HH, H, mm, m, ss, s, SSS \
         and Z; what stands in [brackets] is kept.",
    )
    .property(moment::property("date").describe("The date."))
    .property(Property::str("pattern", "YYYY-MM-DD HH:mm:ss").describe("How the date is written."))
    .output("formatted", TypeDescriptor::str())
    .output("iso", TypeDescriptor::str())
    .output("epoch_ms", TypeDescriptor::int())
    .compute(|p: Format| {
        let moment = moment::read(&p.date, "date")?;
        let formatted = formatted(&moment, &p.pattern)?;
        Ok(moment::with_text(Outputs::new().with("formatted", formatted), &moment))
    })
}

fn formatted(moment: &Zoned, pattern: &str) -> Result<String, NodeError> {
    let mut out = BoundedText::default();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if let Some(kept) = rest.strip_prefix('[') {
            let (kept, after) = kept.split_once(']').unwrap_or((kept, ""));
            out.push(kept)?;
            rest = after;
        } else if let Some((token, code)) = TOKENS.iter().find(|(token, _)| rest.starts_with(token))
        {
            out.push(&moment.strftime(code).to_string())?;
            rest = &rest[token.len()..];
        } else {
            let length = first.len_utf8();
            out.push(&rest[..length])?;
            rest = &rest[length..];
        }
    }
    Ok(out.into_string())
}

/// The parts of a pattern and their `strftime` codes; those that begin another come after it.
const TOKENS: &[(&str, &str)] = &[
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("M", "%-m"),
    ("DD", "%d"),
    ("D", "%-d"),
    ("HH", "%H"),
    ("H", "%-H"),
    ("mm", "%M"),
    ("m", "%-M"),
    ("ss", "%S"),
    ("SSS", "%3f"),
    ("s", "%-S"),
    ("Z", "%:z"),
];
