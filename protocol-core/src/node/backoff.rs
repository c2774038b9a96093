use std::time::Duration;

use super::Timing;
use crate::random::Random;
use crate::state::{Cursor, Malformed, Saver, State};

/// Delays between attempts: doubling from the first to the longest, each drawn from its upper half so that nodes that lost
/// the same gateway do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest: longest.max(first), failures: 0 }
    }

    /// That of usual failures, and that of missing approvals.
    pub(super) fn of(timing: &Timing) -> [Self; 2] {
        [
            Self::new(timing.reconnect_delay, timing.max_reconnect_delay),
            Self::new(timing.approval_delay, timing.max_approval_delay),
        ]
    }

    pub(super) fn save(&self, to: &mut Saver<'_>) {
        let Self { first: _, longest: _, failures } = self;
        failures.save(to);
    }

    /// The same delays after as many failures as were saved.
    pub(super) fn loaded(self, from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Self { failures: State::load(from)?, ..self })
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(super) fn next(&mut self, random: &mut Random) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        jittered(self.first.saturating_mul(factor).min(self.longest), random)
    }

    /// Without jitter downwards: whoever asked for patience gets it. The longest delay is the longest all the same.
    pub(super) fn next_unhurried(&mut self, random: &mut Random) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let delay = self.first.saturating_mul(factor).min(self.longest);
        delay.saturating_add(jittered(delay / 8, random)).min(self.longest)
    }

    /// The delay that somebody asked for, and up to an eighth more.
    pub(super) fn about(&self, asked: Duration, random: &mut Random) -> Duration {
        asked.saturating_add(jittered(asked / 8, random))
    }

    /// The delay for what will hardly heal by itself.
    pub(super) fn longest(&mut self, random: &mut Random) -> Duration {
        self.failures = self.failures.saturating_add(1);
        jittered(self.longest, random)
    }
}

/// Equal jitter: between half of `delay` and all of it.
fn jittered(delay: Duration, random: &mut Random) -> Duration {
    let half = delay / 2;
    let spread = u64::try_from((delay - half).as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(random.up_to(spread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_within_the_jitter_and_starts_over_after_a_reset() {
        let mut random = Random::from_seed([3; 32]);
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
        for _ in 0..2 {
            for full in [5, 10, 20, 40, 60, 60, 60] {
                let full = Duration::from_secs(full);
                let delay = backoff.next(&mut random);
                assert!(full / 2 <= delay && delay <= full, "{delay:?} for {full:?}");
            }
            backoff.reset();
        }
    }

    #[test]
    fn unhurried_delays_are_never_shorter_than_asked_and_end_at_the_longest() {
        let mut random = Random::from_seed([3; 32]);
        let mut backoff = Backoff::new(Duration::from_secs(7), Duration::from_secs(30));
        for (least, most) in [(7, 8), (14, 16), (28, 30), (30, 30), (30, 30)] {
            let delay = backoff.next_unhurried(&mut random);
            let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
            assert!(least <= delay && delay <= most, "{delay:?}");
        }
    }

    #[test]
    fn any_number_of_failures_and_any_configuration_is_safe() {
        let mut random = Random::from_seed([3; 32]);
        let mut backoff = Backoff::new(Duration::MAX, Duration::ZERO);
        let mut zero = Backoff::new(Duration::ZERO, Duration::ZERO);
        for _ in 0..100 {
            backoff.next(&mut random);
            assert_eq!(zero.next(&mut random), Duration::ZERO);
        }
    }
}
