/// Masks or unmasks `bytes` in place (RFC 6455 section 5.3); `offset` is where they stand in the payload.
pub(super) fn apply(bytes: &mut [u8], mut mask: [u8; 4], offset: usize) {
    mask.rotate_left(offset % 4);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    // Eight bytes at a time is as fast as the machine copies, and needs no unsafe code.
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let chunk: &mut [u8; 8] = chunk.try_into().expect("chunks_exact_mut(8) gives chunks of 8");
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::apply;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    #[test]
    fn the_example_of_the_standard() {
        let mut bytes = *b"Hello";
        apply(&mut bytes, MASK, 0);
        assert_eq!(bytes, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn pieces_of_all_lengths_equal_the_whole() {
        let plain: Vec<u8> = (0..40).collect();
        let mut whole = plain.clone();
        for (index, byte) in whole.iter_mut().enumerate() {
            *byte ^= MASK[index % 4];
        }
        for first in 0..=plain.len() {
            for second in first..=plain.len() {
                let mut pieces = plain.clone();
                apply(&mut pieces[..first], MASK, 0);
                apply(&mut pieces[first..second], MASK, first);
                apply(&mut pieces[second..], MASK, second);
                assert_eq!(pieces, whole, "cut at {first} and {second}");
            }
        }
    }
}
