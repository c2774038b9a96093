/// The start of a text, for people.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The end of a text, for people.
#[cfg(feature = "commands")]
pub(crate) fn cut_start(text: &str, most: usize) -> String {
    match text.char_indices().rev().nth(most) {
        Some((before, letter)) => format!("...{}", &text[before + letter.len_utf8()..]),
        None => text.to_owned(),
    }
}

/// The last place at or before `at` that is between two letters.
#[cfg(any(feature = "code", feature = "models"))]
pub(crate) fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}
