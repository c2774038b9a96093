//! The randomness of a world: all of it from one seed.

use std::time::Duration;

/// A small fast generator (xoshiro256**), for choices that nobody needs to be unable to predict.
#[derive(Debug, Clone)]
pub struct Random([u64; 4]);

impl Random {
    /// A generator from a number; the same number gives the same sequence on every machine.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self([(); 4].map(|()| split_mix(&mut state)))
    }

    /// A generator of its own for one part, so that how much one part draws does not change another.
    #[must_use]
    pub fn child(&mut self) -> Self {
        Self::new(self.bits())
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low);
        let wide = u128::from(self.bits()) * (u128::from(span) + 1);
        low + (wide >> 64) as u64
    }

    /// The same for sizes.
    pub fn size(&mut self, low: usize, high: usize) -> usize {
        self.between(low as u64, high as u64) as usize
    }

    /// A time from `low` to `high`.
    pub fn time(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.between(nanos(low), nanos(high)))
    }

    /// A time around `mean`, from nothing to twice as much.
    pub fn around(&mut self, mean: Duration) -> Duration {
        self.time(Duration::ZERO, mean.saturating_mul(2))
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.between(0, 999) < u64::from(per_mille)
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.size(0, choices.len() - 1)]
    }

    /// A seed for a state machine of the core.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for part in seed.chunks_exact_mut(8) {
            part.copy_from_slice(&self.bits().to_le_bytes());
        }
        seed
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_numbers_stay_within_bounds() {
        let mut a = Random::new(7);
        let mut b = Random::new(7);
        assert!((0..100).all(|_| a.bits() == b.bits()));
        assert_ne!(Random::new(8).bits(), Random::new(7).bits());
        assert!((0..1000).all(|_| (3..=5).contains(&a.between(3, 5))));
        assert_eq!(a.between(9, 9), 9);
        assert!(!a.chance(0) && a.chance(1000));
    }
}
