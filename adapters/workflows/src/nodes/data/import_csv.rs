use csv::{ReaderBuilder, StringRecord};

use super::dataframe::{Dataframe, kind};
use crate::{
    limits::{MAX_CSV_BYTES, MAX_TABLE_CELLS},
    node::NodeError,
    nodes::prelude::*,
};

#[derive(Deserialize)]
struct ImportCsv {
    csv_data: String,
}

/// A column is of numbers, or of true and false, only if all its cells are; so a text is never
/// read as something else because of its neighbours, and a number with leading zeros stays a text.
pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.data.ImportCSV",
        "Import CSV",
        "Reads a dataframe from CSV text, whose first line names the columns. Fields are separated \
         by commas or, if the first line has none, by tabs, semicolons or bars. Empty cells are \
         null.",
    )
    .property(Property::str("csv_data", "").describe("The text."))
    .output("output", kind())
    .compute(|p: ImportCsv| read(&p.csv_data))
}

fn read(text: &str) -> Result<Dataframe, NodeError> {
    if text.len() > MAX_CSV_BYTES {
        let size = text.len();
        return Err(format!("the CSV text has {size} bytes; the most is {MAX_CSV_BYTES}").into());
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A quoted field without its end would swallow the end of the text: this mark shows it.
    let marked = format!("{text}\n{MARK}\n");
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(text))
        .has_headers(false)
        .flexible(true)
        .from_reader(marked.as_bytes());
    let mut records = Vec::new();
    let mut cells = 0;
    for record in reader.records() {
        let record = record.map_err(|error| format!("the CSV text cannot be read: {error}"))?;
        cells += record.len();
        if cells > MAX_TABLE_CELLS + 1 {
            return Err(format!("the CSV text has more than {MAX_TABLE_CELLS} cells").into());
        }
        records.push(record);
    }
    let last = records.pop();
    if let Some(last) = last.filter(|last| last.len() != 1 || &last[0] != MARK) {
        return Err(format!(
            "a quoted field in the CSV record of line {} has no end; double a quote inside of a \
             quoted field",
            line(&last)
        )
        .into());
    }
    let mut records = records.into_iter();
    let Some(header) = records.next() else { return Ok(Dataframe::default()) };
    let names: Vec<String> = header.iter().enumerate().map(name).collect();
    let mut rows = Vec::new();
    for record in records {
        if record.len() != names.len() {
            return Err(format!(
                "line {} of the CSV text has {} fields, but the first line names {} columns; quote \
                 fields that contain the separator",
                line(&record),
                record.len(),
                names.len()
            )
            .into());
        }
        rows.push(record);
    }
    let kinds: Vec<Cells> = (0..names.len()).map(|column| Cells::of(&rows, column)).collect();
    let row = |record: StringRecord| {
        record.iter().zip(&kinds).map(|(cell, kind)| kind.value(cell)).collect()
    };
    Dataframe::inferred(names, rows.into_iter().map(row).collect())
}

fn delimiter(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.is_empty()).unwrap_or_default();
    let has = |delimiter: &&u8| header.as_bytes().contains(delimiter);
    b",\t;|".iter().find(has).copied().unwrap_or(b',')
}

/// A column without a name, as the index that pandas writes, is called after its place.
fn name((place, name): (usize, &str)) -> String {
    match name.trim() {
        "" => format!("Unnamed: {place}"),
        name => name.to_owned(),
    }
}

fn line(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

/// What all the cells of a column are.
#[derive(Clone, Copy)]
enum Cells {
    Int,
    Float,
    Bool,
    Text,
}

impl Cells {
    fn of(rows: &[StringRecord], column: usize) -> Self {
        let cells = rows.iter().map(|row| &row[column]).filter(|cell| !cell.is_empty());
        [Self::Int, Self::Float, Self::Bool]
            .into_iter()
            .find(|kind| cells.clone().all(|cell| kind.parse(cell).is_some()))
            .unwrap_or(Self::Text)
    }

    fn value(self, cell: &str) -> Value {
        if cell.is_empty() { Value::Null } else { self.parse(cell).unwrap_or_default() }
    }

    fn parse(self, cell: &str) -> Option<Value> {
        let trimmed = cell.trim();
        match self {
            Self::Text => Some(Value::from(cell)),
            Self::Bool if trimmed.eq_ignore_ascii_case("true") => Some(Value::from(true)),
            Self::Bool if trimmed.eq_ignore_ascii_case("false") => Some(Value::from(false)),
            Self::Bool => None,
            Self::Int | Self::Float if !looks_like_number(trimmed) => None,
            Self::Int => trimmed.parse::<i64>().ok().map(Value::from),
            // A whole number too large to be exact stays a text.
            Self::Float if trimmed.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
                trimmed.parse::<i64>().ok().map(|number| Value::from(number as f64))
            }
            Self::Float => {
                trimmed.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
            }
        }
    }
}

/// Digits, a point, an exponent; no leading zeros, which a number would lose.
fn looks_like_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let fits = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    let leading_zero = matches!(digits, [b'0', b'0'..=b'9', ..]);
    digits.first().is_some_and(u8::is_ascii_digit) && digits.iter().all(fits) && !leading_zero
}

const MARK: &str = "\u{1}end of the text\u{1}";
