//! Measuring and cutting text.

/// Bytes of a reason that is kept until the other side can be told, whoever wrote it. Sentences for people are far shorter.
pub(crate) const MOST_REASON_BYTES: usize = 1024;

/// The longest start of `text` that fits in `max` bytes without cutting a character.
pub(crate) fn fitting(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Bytes of `text` as a JSON string, without its quotes.
pub(crate) fn json_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_long_as_it_is_written() {
        for code in (0..0x300).chain(0x2020..0x2030) {
            let text = char::from_u32(code).unwrap().to_string();
            let written = serde_json::to_string(&text).unwrap();
            assert_eq!(json_len(&text) + 2, written.len(), "{code:#x}");
        }
    }

    #[test]
    fn a_cut_never_parts_a_character() {
        assert_eq!(fitting("aé", 3), "aé");
        assert_eq!(fitting("aé", 2), "a");
        assert_eq!(fitting("aé", 0), "");
    }
}
