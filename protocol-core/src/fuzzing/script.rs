use arbitrary::{Arbitrary, Unstructured};

/// Reads the bytes of a fuzz input from the front; past the end there are zeros.
pub(super) trait Script<'a> {
    fn number(&mut self) -> u8;

    /// As many bytes as a length of one byte says, or as many as there are.
    fn blob(&mut self) -> &'a [u8];

    /// The same as text, up to the first byte that is not UTF-8.
    fn text(&mut self) -> &'a str {
        let bytes = self.blob();
        std::str::from_utf8(bytes).unwrap_or_else(|error| {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        })
    }

    /// Typed steps until the input ends, but not without bound: a long script finds little that a short one does not.
    fn steps<T: Arbitrary<'a>>(&mut self, most: usize) -> Vec<T>;
}

impl<'a> Script<'a> for Unstructured<'a> {
    fn number(&mut self) -> u8 {
        self.arbitrary().unwrap_or_default()
    }

    fn blob(&mut self) -> &'a [u8] {
        let length = usize::from(self.number());
        self.bytes(length.min(self.len())).unwrap_or_default()
    }

    fn steps<T: Arbitrary<'a>>(&mut self, most: usize) -> Vec<T> {
        std::iter::from_fn(|| (!self.is_empty()).then(|| self.arbitrary().ok())?)
            .take(most)
            .collect()
    }
}
