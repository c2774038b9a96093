/// Checks text that arrives in pieces and fails at the first byte that cannot be part of UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8Check {
    /// The start of a character whose end has not arrived.
    partial: [u8; 4],
    length: usize,
}

/// The text is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidUtf8;

impl Utf8Check {
    /// Checks the next piece. A character may stay unfinished: whether the text ends well is for its end to tell.
    pub(super) fn feed(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.length > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            self.partial[self.length] = byte;
            self.length += 1;
            piece = rest;
            match std::str::from_utf8(&self.partial[..self.length]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                // No valid start of a character is longer than three bytes, so the fourth decides.
                Err(_) => {}
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
            Err(error) => {
                let unfinished = &piece[error.valid_up_to()..];
                self.partial[..unfinished.len()].copy_from_slice(unfinished);
                self.length = unfinished.len();
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether feeding byte by byte fails, and after how many bytes.
    fn fails_at(bytes: &[u8]) -> Option<usize> {
        let mut check = Utf8Check::default();
        bytes.iter().position(|byte| check.feed(&[*byte]).is_err())
    }

    #[test]
    fn text_cut_anywhere_passes() {
        let text = "aé€𝄞\u{10ffff}\u{0}z".as_bytes();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut check = Utf8Check::default();
                assert_eq!(check.feed(&text[..first]), Ok(()));
                assert_eq!(check.feed(&text[first..second]), Ok(()));
                assert_eq!(check.feed(&text[second..]), Ok(()));
            }
        }
    }

    #[test]
    fn the_first_impossible_byte_fails() {
        assert_eq!(fails_at(b"\xff"), Some(0));
        assert_eq!(fails_at(b"a\x80"), Some(1));
        assert_eq!(fails_at(b"\xc0"), Some(0), "overlong in two bytes");
        assert_eq!(fails_at(b"\xe0\x80"), Some(1), "overlong in three bytes");
        assert_eq!(fails_at(b"\xed\xa0"), Some(1), "half of a surrogate pair");
        assert_eq!(fails_at(b"\xf4\x90"), Some(1), "beyond the last code point");
        assert_eq!(fails_at(b"\xf0\x9d\x84x"), Some(3), "cut short by another character");
        assert_eq!(fails_at(b"\xf0\x9d\x84"), None, "not finished yet");
    }

    #[test]
    fn a_failure_does_not_depend_on_the_cut() {
        for bytes in [&b"ab\xed\xa0\x80"[..], b"\xf0\x9d\x84x", b"\xe2\x82\xff"] {
            for cut in 0..=bytes.len() {
                let mut check = Utf8Check::default();
                assert!(
                    check.feed(&bytes[..cut]).and_then(|()| check.feed(&bytes[cut..])).is_err()
                );
            }
        }
    }
}
