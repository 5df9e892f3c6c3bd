//! How long to wait before the next try.

use core::time::Duration;

/// The first pause at most, and the longest.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Pauses that double, each shortened by up to a half by the draw of a seed, so that many do not come back at once.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    state: u64,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { next: FIRST, state: seed }
    }

    /// What was tried went well.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = share(self.next / 2, draw(&mut self.state)) + self.next / 2;
        self.next = (self.next * 2).min(LONGEST);
        pause
    }
}

/// A draw between 0 and 2^32 - 1 (SplitMix64, the upper half).
pub(crate) fn draw(state: &mut u64) -> u32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 32) as u32
}

/// The share of a time that a draw stands for: from none to nearly all.
pub(crate) fn share(of: Duration, draw: u32) -> Duration {
    let nanos = of.as_nanos().saturating_mul(draw.into()) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ_by_seed() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..12).map(|_| backoff.pause()).collect::<Vec<_>>()
        };
        let some = pauses(1);
        for (pause, most) in some.iter().zip((0..).map(|turn| (FIRST * (1 << turn)).min(LONGEST))) {
            assert!(*pause >= most / 2 && *pause <= most, "{pause:?} of {most:?}");
        }
        assert_eq!(some, pauses(1));
        assert_ne!(some, pauses(2));
        let mut backoff = Backoff::new(1);
        backoff.pause();
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
