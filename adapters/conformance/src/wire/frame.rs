//! Frames as they are on the wire (RFC 6455 section 5.2), right or wrong.

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame to send. What a right one would not have can be set.
#[derive(Debug, Clone)]
pub(crate) struct Frame<'a> {
    pub(crate) fin: bool,
    /// The reserved bits, as the low three of a number.
    pub(crate) reserved: u8,
    pub(crate) opcode: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: &'a [u8],
}

impl Frame<'_> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = header(
            self.fin,
            self.reserved << 4 | self.opcode,
            self.mask.is_some(),
            self.payload.len() as u64,
        );
        match self.mask {
            None => bytes.extend_from_slice(self.payload),
            Some(mask) => {
                bytes.extend_from_slice(&mask);
                bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
            }
        }
        bytes
    }
}

/// The first bytes of a frame that declares a payload of `length` bytes, up to the mask.
pub(crate) fn header(fin: bool, low: u8, masked: bool, length: u64) -> Vec<u8> {
    let mask_bit = u8::from(masked) << 7;
    let mut bytes = vec![u8::from(fin) << 7 | low];
    match length {
        0..=125 => bytes.push(mask_bit | length as u8),
        126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask_bit | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes
}

/// A frame that came, unmasked.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) fin: bool,
    pub(crate) reserved: u8,
    pub(crate) opcode: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

/// Takes one frame from the front of `buffer`, if all of it has come. The error is for a frame too long to wait for.
pub(crate) fn take(buffer: &mut Vec<u8>, longest: u64) -> Result<Option<Received>, String> {
    let Some(&[first, second]) = buffer.first_chunk() else { return Ok(None) };
    let (length, mut at) = match second & 0x7f {
        126 => match buffer.get(2..4) {
            Some(bytes) => (u64::from(u16::from_be_bytes([bytes[0], bytes[1]])), 4),
            None => return Ok(None),
        },
        127 => match buffer.get(2..10).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => (u64::from_be_bytes(bytes), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    if length > longest {
        return Err(format!("a frame that declares {length} bytes"));
    }
    let mut mask: Option<[u8; 4]> = None;
    if second & 0x80 != 0 {
        let Some(bytes) = buffer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()) else {
            return Ok(None);
        };
        mask = Some(bytes);
        at += 4;
    }
    let end = at + length as usize;
    if buffer.len() < end {
        return Ok(None);
    }
    let mut payload = buffer[at..end].to_vec();
    if let Some(mask) = mask {
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(a, b)| *a ^= b);
    }
    buffer.drain(..end);
    Ok(Some(Received {
        fin: first & 0x80 != 0,
        reserved: first >> 4 & 7,
        opcode: first & 0x0f,
        mask,
        payload,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_wire_in_any_pieces() {
        for length in [0, 5, 125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            let mask = Some([1, 2, 3, 4]);
            let sent = Frame { fin: true, reserved: 2, opcode: BINARY, mask, payload: &payload };
            let mut bytes = sent.encode();
            let last = bytes.pop().expect("a header at least");
            assert!(take(&mut bytes, u64::MAX).expect("not too long").is_none(), "{length}");
            bytes.push(last);
            let came = take(&mut bytes, u64::MAX).expect("not too long").expect("whole");
            assert_eq!((came.fin, came.reserved, came.opcode, came.mask), (true, 2, BINARY, mask));
            assert!(came.payload == payload && bytes.is_empty(), "{length}");
        }
    }

    #[test]
    fn a_length_is_judged_before_its_bytes_have_come() {
        let mut bytes = header(true, TEXT, false, 1 << 40);
        assert!(take(&mut bytes, 1 << 20).is_err());
    }
}
