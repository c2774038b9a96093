use std::ops::Range;

/// How much memory an empty buffer keeps for the next message; what one big message needed beyond goes back.
pub(super) const RETAINED: usize = 64 * 1024;

/// Bytes that wait to be taken from the front while others arrive at the back, without a copy for each step.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// The bytes that wait.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The same, to be changed in place.
    pub(super) fn waiting_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// Takes the first `count` bytes. They stay where they are, at the returned place, until the buffer grows.
    pub(super) fn take(&mut self, count: usize) -> Range<usize> {
        debug_assert!(count <= self.waiting().len());
        let range = self.start..self.start + count;
        self.start = range.end;
        range
    }

    /// Bytes that were taken since the buffer last grew.
    pub(super) fn taken(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// The buffer to append to. This ends the life of what was taken.
    pub(super) fn grow(&mut self) -> &mut Vec<u8> {
        self.tidy();
        &mut self.bytes
    }

    /// Appends `bytes`. Where no more than `most` bytes are to be expected, memory is asked for with that in mind.
    pub(super) fn append(&mut self, bytes: &[u8], most: usize) {
        append(self.grow(), bytes, most);
    }

    /// Gives back the room of what was taken, and with it the memory that a big message needed.
    pub(super) fn tidy(&mut self) {
        // Moving what waits only when it is not more than what was taken keeps the cost per byte constant.
        if self.start >= self.waiting().len() {
            self.bytes.drain(..self.start);
            self.start = 0;
            shrink(&mut self.bytes);
        }
    }

    /// Forgets everything and gives the memory back.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }

    #[cfg(any(test, feature = "__fuzzing"))]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Appends `bytes`, and asks for as much memory again where that is needed, but not for more than `most` as long as that is enough.
pub(super) fn append(to: &mut Vec<u8>, bytes: &[u8], most: usize) {
    let needed = to.len() + bytes.len();
    if needed > to.capacity() {
        let doubled = to.capacity().saturating_mul(2);
        let room = if needed > most { doubled } else { doubled.min(most) };
        to.reserve_exact(room.max(needed) - to.len());
    }
    to.extend_from_slice(bytes);
}

/// Gives memory back that the present content does not explain.
pub(super) fn shrink(bytes: &mut Vec<u8>) {
    if bytes.capacity() > RETAINED && bytes.len() <= RETAINED / 2 {
        bytes.shrink_to(RETAINED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_never_empty_stays_small() {
        let mut buffer = Buffer::default();
        let mut next_in = 0_u8;
        let mut next_out = 0_u8;
        for _ in 0..10_000 {
            for _ in 0..10 {
                buffer.grow().push(next_in);
                next_in = next_in.wrapping_add(1);
            }
            while buffer.waiting().len() > 3 {
                let place = buffer.take(1);
                assert_eq!(buffer.taken(place), [next_out]);
                next_out = next_out.wrapping_add(1);
            }
        }
        assert!(buffer.capacity() <= 64, "{}", buffer.capacity());
    }
}
