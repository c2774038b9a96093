//! Numbers and bytes as a recording holds them: little, and the same everywhere.

use std::time::Duration;

/// What is read cannot have been written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It ends too early.
    Short,
    /// It has a value that nothing stands for.
    Value,
}

/// A number in groups of seven bits, the low ones first.
#[inline]
pub(crate) fn put_number(out: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub(crate) fn put_size(out: &mut Vec<u8>, size: usize) {
    put_number(out, size as u64);
}

/// A difference: small ones of either sign take one byte.
pub(crate) fn put_difference(out: &mut Vec<u8>, difference: i128) {
    if let Ok(difference) = i64::try_from(difference) {
        return put_number(out, zigzag(difference));
    }
    let mut rest = ((difference << 1) ^ (difference >> 127)) as u128;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn zigzag(difference: i64) -> u64 {
    ((difference << 1) ^ (difference >> 63)) as u64
}

pub(crate) fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    put_number(out, duration.as_secs());
    put_number(out, duration.subsec_nanos().into());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_size(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A place in a recording.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed::Short)?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or(Malformed::Short)?;
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        u64::try_from(self.wide(64)?).map_err(|_| Malformed::Value)
    }

    pub(crate) fn size(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.number()?).map_err(|_| Malformed::Value)
    }

    pub(crate) fn difference(&mut self) -> Result<i128, Malformed> {
        let coded = self.wide(128)?;
        Ok((coded >> 1) as i128 ^ -((coded & 1) as i128))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed::Short)
    }

    pub(crate) fn digest(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn duration(&mut self) -> Result<Duration, Malformed> {
        let (secs, nanos) = (self.number()?, self.number()?);
        match u32::try_from(nanos) {
            Ok(nanos) if nanos < 1_000_000_000 => Ok(Duration::new(secs, nanos)),
            _ => Err(Malformed::Value),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.size()?;
        self.take(count)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::Value)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::Value),
        }
    }

    fn wide(&mut self, bits: u32) -> Result<u128, Malformed> {
        let mut number = 0;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte()?;
            let group = u128::from(byte & 0x7f);
            if (group << shift) >> shift != group {
                return Err(Malformed::Value);
            }
            number |= group << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed::Value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number: u64, difference: i128, small: i64, secs: u64, nanos in 0..1_000_000_000_u32) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_difference(&mut out, difference);
            put_difference(&mut out, small.into());
            put_duration(&mut out, Duration::new(secs, nanos));
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(cursor.number(), Ok(number));
            prop_assert_eq!(cursor.difference(), Ok(difference));
            prop_assert_eq!(cursor.difference(), Ok(small.into()));
            prop_assert_eq!(cursor.duration(), Ok(Duration::new(secs, nanos)));
            prop_assert!(cursor.is_at_end());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut cursor = Cursor::new(&bytes);
            while cursor.difference().is_ok() {}
            while cursor.number().is_ok() {}
            let _ = (cursor.text(), cursor.duration(), cursor.flag(), cursor.digest());
        }
    }

    #[test]
    fn small_numbers_are_small_and_too_large_ones_are_refused() {
        let mut out = Vec::new();
        put_difference(&mut out, -1);
        put_number(&mut out, 127);
        assert_eq!(out, [1, 127]);
        assert_eq!(Cursor::new(&[0xff; 9]).number(), Err(Malformed::Short));
        assert_eq!(Cursor::new(&[0xff; 10]).number(), Err(Malformed::Value));
        assert_eq!(Cursor::new(&[0xff; 30]).difference(), Err(Malformed::Value));
    }
}
