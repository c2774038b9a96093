//! Lists for people: columns under their titles.

use std::io::{self, Write};

use crate::operator::text;

/// Rows of as many cells as there are titles. The last column is as wide as it likes.
pub(crate) struct Table<const N: usize> {
    titles: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(titles: [&'static str; N]) -> Self {
        Self { titles, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(text));
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let titles = self.titles.map(str::to_owned);
        let lines = || std::iter::once(&titles).chain(&self.rows);
        let width = |column: usize| lines().map(|row| row[column].chars().count()).max();
        let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
        for row in lines() {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// One thing for people: names and values, without those that have none.
pub(crate) fn fields(out: &mut dyn Write, fields: &[(&str, Option<&str>)]) -> io::Result<()> {
    let given = fields.iter().filter_map(|&(name, value)| Some((name, value?)));
    let given: Vec<_> = given.filter(|(_, value)| !value.is_empty()).collect();
    let width = given.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    given.iter().try_for_each(|(name, value)| writeln!(out, "{name:width$}  {}", text(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_obey_nobody() {
        let mut table = Table::new(["ID", "NAME"]);
        table.row(["1", "caf\u{e9}"]);
        table.row(["n\u{fc}mmer", "\u{1b}[2J"]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let expected = "ID      NAME\n1       caf\u{e9}\nn\u{fc}mmer  ?[2J\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        let mut out = Vec::new();
        fields(&mut out, &[("id", Some("1")), ("error", None), ("tags", Some(""))]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "id  1\n");
    }
}
