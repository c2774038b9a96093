//! Lists, one page at a time.

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;

use crate::error::StoreError;
use crate::limits::MOST_PAGE_ROWS;

/// Which rows of a list are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Only rows with this text in their name, description or tags, whatever the case; the limit counts these.
    pub text: Option<String>,
    /// Rows at most, 1 to [`MOST_PAGE_ROWS`]; 100 by default.
    pub limit: u32,
    /// Where to go on: [`Page::next`] of the page before. `None` and the empty text are the beginning.
    pub start: Option<String>,
}

impl Default for Query {
    fn default() -> Self {
        Self { text: None, limit: 100, start: None }
    }
}

/// One page of a list, the newest rows first.
///
/// A row that exists from the first page to the last is on exactly one of them, whatever is added, changed or removed
/// meanwhile: rows keep the place that they got when they were made. A row that is added meanwhile is on none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page starts, to be passed on as it is; `None` after the last.
    pub next: Option<String>,
}

/// Which list a cursor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum List {
    Workflows = b'w',
    Jobs = b'j',
    Assets = b'a',
    Collections = b'c',
    Models = b'm',
}

/// The part of a list that a query means: rows before `before`, and one more than fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    list: List,
    limit: usize,
    pub(crate) before: i64,
}

impl Window {
    pub(crate) fn of(list: List, limit: u32, start: Option<&str>) -> Result<Self, StoreError> {
        if !(1..=MOST_PAGE_ROWS).contains(&limit) {
            return Err(StoreError::Limit(limit));
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let before = match start {
            None | Some("") => i64::MAX,
            Some(text) => {
                position(list, text).ok_or_else(|| StoreError::Cursor(text.to_owned()))?
            }
        };
        Ok(Self { list, limit, before })
    }

    pub(crate) fn limit(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }

    /// One row more than fit, which tells whether there is a next page.
    pub(crate) fn wanted(&self) -> i64 {
        self.limit().saturating_add(1)
    }

    /// The page of the rows found, each with its place.
    pub(crate) fn page<T>(&self, mut found: Vec<(i64, T)>) -> Page<T> {
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let last = found.last().map(|(place, _)| *place).filter(|_| more);
        let next = last.map(|place| cursor(self.list, place));
        Page { rows: found.into_iter().map(|(_, row)| row).collect(), next }
    }
}

fn cursor(list: List, place: i64) -> String {
    let mut bytes = vec![list as u8];
    bytes.extend(place.to_be_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

fn position(list: List, text: &str) -> Option<i64> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (&first, place) = bytes.split_first()?;
    let place = i64::from_be_bytes(place.try_into().ok()?);
    (first == list as u8 && place > 0).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let text = cursor(List::Jobs, 42);
        assert_eq!(Window::of(List::Jobs, 1, Some(&text)).unwrap().before, 42);
        for wrong in [cursor(List::Workflows, 42), cursor(List::Jobs, -1), "7".into(), "é".into()]
        {
            let refused = Window::of(List::Jobs, 1, Some(&wrong));
            assert!(matches!(refused, Err(StoreError::Cursor(text)) if text == wrong));
        }
        assert_eq!(Window::of(List::Jobs, 1, Some("")).unwrap().before, i64::MAX);
    }

    #[test]
    fn a_page_has_at_least_one_row_and_at_most_the_bound() {
        assert!(Window::of(List::Jobs, MOST_PAGE_ROWS, None).is_ok());
        for wrong in [0, MOST_PAGE_ROWS + 1] {
            let refused = Window::of(List::Jobs, wrong, None);
            assert!(matches!(refused, Err(StoreError::Limit(limit)) if limit == wrong));
        }
    }
}
