use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use crate::state::{Cursor, Malformed, Saver, State};

/// The only source of randomness in this crate: masks, keys, jitter and ids come from one seed.
///
/// A cryptographic generator, because a peer must not be able to predict masks (RFC 6455 section 10.3).
pub(crate) struct Random(ChaCha12Rng);

impl Random {
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// A generator of its own for one part, so that how much one part draws does not change another.
    pub(crate) fn child(&mut self) -> Self {
        Self::from_seed(self.bytes())
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A number in `0..=max`.
    ///
    /// Its bias is at most `max / 2^64`, nothing for the delays it is used for.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * (u128::from(max) + 1);
        (wide >> 64) as u64
    }
}

impl State for Random {
    fn save(&self, to: &mut Saver<'_>) {
        to.out.extend_from_slice(&self.0.serialize_state());
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Self(ChaCha12Rng::deserialize_state(&from.array()?)))
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_children_are_independent() {
        let mut a = Random::from_seed([7; 32]);
        let mut b = Random::from_seed([7; 32]);
        assert_eq!(a.bytes::<16>(), b.bytes::<16>());
        let mut child_a = a.child();
        let mut child_b = b.child();
        a.bytes::<64>();
        assert_eq!(child_a.bytes::<16>(), child_b.bytes::<16>());
        assert_ne!(child_a.bytes::<16>(), a.bytes::<16>());
    }

    #[test]
    fn numbers_stay_within_their_bound() {
        let mut random = Random::from_seed([1; 32]);
        assert_eq!(random.up_to(0), 0);
        assert!((0..1000).all(|_| random.up_to(3) <= 3));
        assert!((0..1000).any(|_| random.up_to(u64::MAX) > u64::MAX / 2));
    }
}
